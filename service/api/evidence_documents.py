"""Evidence of service days, exceptions and announced reruns, as the API's description shows them."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from access.exceptions import House
from fare.rerun import State
from service.api.bodies import Body, Instant
from service.jobs.rerun import Outcome


class TallyBody(Body):
    """How many tap records there are, and what stands behind them; `committed` are the cards' own transactions."""

    records: int
    proven: int
    coded: int
    torn_proven: int
    torn_open: int
    refused: int
    in_exception: int
    committed: int


class OperatorTallyBody(TallyBody):
    """An operator's records of a service day."""

    operator_id: str


class DayTallyBody(Body):
    """A service day's records by operator, and in all."""

    service_day: date
    operators: list[OperatorTallyBody]
    total: TallyBody


class GapBody(Body):
    """Records of a journal that the device signed over and still holds: sequences `first` to `last`."""

    journal_id: UUID
    first: int
    last: int


class DeviceDayBody(Body):
    """A device's records of a service day; `nothing`, `in_exception` and `set_aside` are counts by reason.

    `complete`: nothing is unaccounted for, and nothing is known to be missing.
    """

    device_id: UUID
    name: str
    operator_id: str
    accepted: int
    priced: int
    nothing: dict[str, int]
    in_exception: dict[str, int]
    unaccounted: int
    set_aside: dict[str, int]
    gaps: list[GapBody]
    missing_taps: int
    complete: bool


class ConservationBody(Body):
    """What became of every record of a service day; the accounts are those whose bill is not the sum of its lines."""

    service_day: date
    conserved: bool
    accepted: int
    priced: int
    nothing: int
    in_exception: int
    unaccounted: int
    disagreeing_accounts: list[UUID]
    devices: list[DeviceDayBody]


class LateBody(Body):
    """A device's records of a service day that came late, and what they changed of riders' charges, in minor units."""

    device_id: UUID
    name: str
    service_day: date
    records: int
    waiting: int
    first_tapped_at: Instant
    last_received_at: Instant
    longest_s: int
    age_s: int
    raised_minor: int
    lowered_minor: int


class LateListBody(Body):
    """What came late, the oldest tap first."""

    late: list[LateBody]


class OpenExceptionBody(Body):
    """What cannot be priced or placed; `rerunnable`: running it again may cure it."""

    exception_id: UUID
    house: House
    reason: str
    ref: str
    fare_account_id: UUID | None
    service_day: date | None
    detail: dict[str, str]
    raised_at: Instant
    age_s: int
    assigned_to: str | None
    rerunnable: bool


class OpenCountBody(Body):
    """How many exceptions of a house and reason are open."""

    house: House
    reason: str
    open: int


class OpenExceptionsBody(Body):
    """Open exceptions, the oldest first, and how many there are in all."""

    exceptions: list[OpenExceptionBody]
    counts: list[OpenCountBody]


class ExceptionRerunBody(Body):
    """What running an exception again came to, and how many entries that posted."""

    exception_id: UUID
    reason: str
    outcome: Outcome
    entries: int


class ExceptionRerunsBody(Body):
    """What running several again came to."""

    reruns: list[ExceptionRerunBody]


class ExceptionResolvedBody(Body):
    """An exception that was closed, and what was decided."""

    exception_id: UUID
    resolution: str


class ExceptionAssignedBody(Body):
    """Who looks after an exception."""

    exception_id: UUID
    assigned_to: str


class RunEventBody(Body):
    """What was said of an announced run, by whom and when."""

    event: Literal[State.APPROVED, State.WITHDRAWN, State.FINISHED]
    by: str
    at: Instant


class RunBody(Body):
    """An announced run and how far it has come: accounts done and left, and what riders' charges changed by."""

    run_id: UUID
    state: State
    tariff_version: str
    engine_version: str
    first_day: date
    last_day: date
    reason: str
    announced_by: str
    announced_at: Instant
    not_before: Instant
    events: list[RunEventBody]
    done: int
    left: int
    revisions: int
    change_minor: int


class RunsBody(Body):
    """Every announced run, the newest first."""

    reruns: list[RunBody]
