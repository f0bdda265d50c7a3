"""Why a tap was charged as it was, as the API's description shows it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, get_args
from uuid import UUID

from pydantic import Field

from fare.explain import Status
from fare.rules.bill import Closed, Component
from fare.rules.change import WHY as CHANGED
from fare.rules.considered import WHY
from fare.rules.terms import Period
from service.api.bodies import Body, Instant
from service.api.explanation_steps import Sparse, StepOf, absent
from service.api.ledger_documents import MoneyBody

Part = Literal["face_value", "charged", "waived", "discounted", "pass_covered", "cap_covered"]
assert get_args(Part) == ("face_value", *(one.value for one in Component)), "what a fare is made of"
NotUsed = Literal[
    "not_exact", "lower_priority", "value_listed_elsewhere", "dearer", "other_place", "smaller", "not_valid_then",
    "not_reached", "not_earned", "used_up", "not_cheapest", "nothing_left",
]  # fmt: skip
assert get_args(NotUsed) == tuple(WHY), "each code has its words"
Reason = Literal["first", "tariff", "engine", "late_tap", "tap_gone", "day_before", "ride_ended", "facts"]
assert get_args(Reason) == tuple(CHANGED), "each code has its words"


class OwedPartBody(Body):
    """Which operator is owed a part, by whom and by which rule."""

    component: Component
    operator: str
    funder: str
    minor: int
    rule: str


class ConsideredBody(Sparse):
    """A rule that stood for the ride and was not used, and why not."""

    rule: str
    why: NotUsed
    vi: str
    en: str
    product: str = absent()
    minor: int = absent()
    percent: int = absent()


class CapUseBody(Body):
    """What counts towards a cap."""

    minor: int
    rides: int


class CapBody(Sparse):
    """A cap that the ride counts for; `left_unused` where that is cheaper over all rides."""

    cap_id: str
    period: Period
    limit_minor: int | None
    limit_rides: int | None
    before: CapUseBody
    after: CapUseBody
    left_unused: Literal[True] = absent()


class WindowUseBody(Body):
    """A running transfer window."""

    started_at: Instant
    used: int
    paid_minor: int


class WindowBody(Body):
    """A transfer window that the ride counts for."""

    window_id: str
    minutes: int
    before: WindowUseBody | None
    after: WindowUseBody | None


class TapExplanationBody(Body):
    """One tap's reasons: they recompute to its charge (`fare.rules.recompute`). A tap without a price has no parts."""

    tap_id: UUID
    closed: Closed | Literal["unpriced"]
    charged_minor: int
    parts: dict[Part, int]
    shares: list[OwedPartBody]
    steps: list[StepOf]
    considered: list[ConsideredBody]
    caps: list[CapBody]
    windows: list[WindowBody]
    vi: list[str]
    en: list[str]


class RideBody(Body):
    """The ride that a tap began or ended."""

    tap_on: UUID
    tap_off: UUID | None
    route: str
    from_stop: str
    to_stop: str
    started_at: Instant
    ended_at: Instant | None
    closed: Closed
    face_value: MoneyBody


class BookedBody(Body):
    """What is booked of a tap; no entry where no money moved."""

    component: Component
    operator: str
    funder: str
    rule: str
    minor: int
    entry_id: UUID | None


class RevisionBody(Body):
    """Why a day's bill was made anew, with which taps, and what that changed of this tap's charge."""

    revision: int
    billed_at: Instant
    tariff_version: str
    engine_version: str
    why: list[Reason]
    taps: list[UUID]
    charged_delta_minor: int
    vi: str
    en: str


class TapStoryBody(Body):
    """A tap and what became of it; without a bill there is no day, and tariff, engine and currency are empty.

    `agrees` is false when the evidence now prices it otherwise than it is booked.
    """

    tap_id: UUID
    tapped_at: Instant
    received_at: Instant
    operator: str
    route: str
    stop: str
    status: Status
    reason: str
    service_day: date | None
    tariff_version: str
    engine_version: str
    revision: int
    currency: Annotated[str, Field(pattern="^([A-Z]{3})?$")]
    charged_minor: int
    ride: RideBody | None
    booked: list[BookedBody]
    agrees: bool
    explanation: TapExplanationBody | None
    revisions: list[RevisionBody]
    vi: list[str]
    en: list[str]
