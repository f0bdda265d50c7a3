"""Why a tap was charged as it was: from stored evidence and the booked revision, in numbers and in words.

Built on demand. What is booked stays what is booked: an explanation that no longer agrees with it says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection

from access.rules.tap import Tap
from access.taps import Found, get_tap, list_taps
from fare.bill import Books, fare_tap, is_fare_tap
from fare.held import money_of, read_dated
from fare.rules.bill import ENGINE_VERSION, Closed, Component, Ride
from fare.rules.carried import Carried
from fare.rules.change import Change, Revised, changes
from fare.rules.explain import TapExplanation, explain
from fare.rules.explain_text import status_text
from fare.rules.tariff import TariffBook
from fare.store import bills, revisions
from fare.store.revisions import ChargeLine, StoredRevision
from kernel.ids import FareAccountId
from kernel.service_day import day_window, service_day
from kernel.wire.tap import Phase

_DAY = timedelta(days=1)


class Status(StrEnum):
    """Where a tap stands; the words are in explain_text."""

    PRICED = "priced"
    UNPRICED = "unpriced"  # the tariff knows no fare for it
    WAITING = "waiting"  # not billed yet
    EXCEPTION = "exception"  # waits for a person; `reason` says why
    NOTHING = "nothing"  # evidence that no fare is charged for: refused, or torn and not proven
    NO_FARE = "no-fare"  # no ride: a car-park gate or an inspection


@dataclass(frozen=True, slots=True)
class TapStory:
    """One tap and what became of it.

    `explanation` recomputes to `charged_minor` by `fare.rules.recompute.check`; None where none can be built, and
    then `booked` still says what was. `agrees` is False when the evidence now prices it otherwise than it is booked.
    """

    tap: Tap
    fare_account_id: FareAccountId
    status: Status
    reason: str
    service_day: date | None
    currency: str
    tariff_version: str
    engine_version: str
    revision: int
    ride: Ride | None
    booked: tuple[ChargeLine, ...]
    charged_minor: int
    explanation: TapExplanation | None
    agrees: bool
    changes: tuple[Change, ...]
    vi: tuple[str, ...]
    en: tuple[str, ...]


def explain_tap(tx: Connection, tap_id: UUID, *, books: Books) -> TapStory:
    """Return why this tap was charged as it was, by the newest revision of its day; UnknownTapError.

    A tap-off answers with the ride it ended. Taps that are in no bill say why.
    """
    found = get_tap(tx, tap_id)
    tap = found.tap
    if not _may_be_billed(found):
        return _unbilled(found)
    current = books.current()
    first = service_day(tap.tapped_at, current.day_starts, current.zone)
    stored = revisions.list_revisions(tx, tap.fare_account_id, (first, first + _DAY))
    place = _place(stored, tap_id)
    if place is None:
        return _unbilled(found)
    day, newest, ride = place
    own = tuple(one for one in stored if one.header.service_day == day)
    header = newest.header
    lines = revisions.list_charge_lines(tx, tap.fare_account_id, day)
    key = ride.tap_id if ride else tap_id
    mine = tuple(line for line in lines if line.tap_id == key)
    booked = _sums(mine)
    charged = sum(line.minor for line in booked if line.component == Component.CHARGED.value)
    book = books.version(header.tariff_version)
    explanation = _explain(tx, tap.fare_account_id, newest, book, key)
    agrees = explanation is not None and _amounts(explanation) == {
        (line.component, line.operator_id, line.funder): line.minor for line in booked if line.minor
    }
    if not agrees and header.engine_version != ENGINE_VERSION:
        explanation = None  # an earlier engine's reasons are not this one's
    told = changes(
        [_revised(one) for one in own],
        [(line.revision, line.minor) for line in mine if line.component == Component.CHARGED.value],
    )
    status = Status.PRICED if ride else Status.UNPRICED
    words = (explanation.vi, explanation.en) if explanation else status_text("engine-retired", "")
    return TapStory(
        tap=tap,
        fare_account_id=tap.fare_account_id,
        status=status,
        reason="" if ride else next(one["reason"] for one in _unpriced(newest) if one["tap_id"] == str(key)),
        service_day=day,
        currency=book.currency.code,
        tariff_version=header.tariff_version,
        engine_version=header.engine_version,
        revision=header.revision,
        ride=ride,
        booked=booked,
        charged_minor=charged,
        explanation=explanation,
        agrees=agrees,
        changes=told,
        vi=words[0],
        en=words[1],
    )


def _may_be_billed(found: Found) -> bool:
    return not found.stopped and is_fare_tap(found.tap)


def _unbilled(found: Found) -> TapStory:
    tap, reason = found.tap, found.stopped
    if reason:
        status = Status.EXCEPTION
    elif not is_fare_tap(tap) or tap.phase is Phase.TORN:
        # A torn tap that its card proved is in no bill where another record tells the same transaction.
        turned = tap.phase in {Phase.REFUSED, Phase.TORN}
        status = Status.NOTHING if turned else Status.NO_FARE
        reason = "refused" if tap.phase is Phase.REFUSED else "torn" if turned else tap.purpose.name.lower()
    else:
        status = Status.WAITING
    vi, en = status_text(status.value, reason)
    return TapStory(
        tap, tap.fare_account_id, status, reason, None, "", "", "", 0, None, (), 0, None, True, (), vi, en
    )


def _place(stored: Sequence[StoredRevision], tap_id: UUID) -> tuple[date, StoredRevision, Ride | None] | None:
    """Return the day, newest revision and ride that hold a tap; a ride still open only where no other does."""
    newest = {one.header.service_day: one for one in stored}
    found: tuple[date, StoredRevision, Ride | None] | None = None
    for day, one in sorted(newest.items()):
        for body in bills.parsed_list(one.header.rides):
            if str(tap_id) in {body["tap_id"], body["tap_off_id"]}:
                ride = Ride.from_json(body)
                if found is None or ride.closed is not Closed.OPEN:
                    found = day, one, ride
        if found is None and any(each["tap_id"] == str(tap_id) for each in _unpriced(one)):
            found = day, one, None
    return found


def _unpriced(one: StoredRevision) -> list[dict[str, str]]:
    return bills.parsed_list(one.header.unpriced)


def _explain(
    tx: Connection, account: FareAccountId, newest: StoredRevision, book: TariffBook, key: UUID
) -> TapExplanation | None:
    header = newest.header
    taps = tuple(fare_tap(tap) for tap in _taps_of(tx, account, header.service_day, book))
    # A ride was left open only where the world was known up to then; a closed one reads the same either way.
    as_of = newest.billed_at if header.has_open_ride else None
    day = read_dated(tx, [account], book, first_day=header.service_day, purses=money_of(book)).facts(
        account, header.service_day, taps, as_of
    )
    told = explain(day, book, Carried.from_json(bills.parsed(header.carried_in)))
    return next((one for one in told.taps if one.tap_id == str(key)), None)


def _taps_of(tx: Connection, account: FareAccountId, day: date, book: TariffBook) -> tuple[Tap, ...]:
    window = day_window(day, book.day_starts, book.zone)
    listed = list_taps(tx, [account], since=window.start, until=window.end)
    return tuple(tap for tap in listed if is_fare_tap(tap))


def _sums(lines: Iterable[ChargeLine]) -> tuple[ChargeLine, ...]:
    """Return what stands of a tap's lines over all revisions, the newest rule of each."""
    sums: dict[tuple[str, str, str], ChargeLine] = {}
    for line in lines:
        key = line.component, line.operator_id, line.funder
        sums[key] = line.plus(sums[key].minor if key in sums else 0)
    return tuple(sums.values())


def _amounts(explanation: TapExplanation) -> dict[tuple[str, str, str], int]:
    found: dict[tuple[str, str, str], int] = {}
    for share in explanation.shares:
        key = str(share["component"]), str(share["operator"]), str(share["funder"])
        found[key] = found.get(key, 0) + int(str(share["minor"]))
    return {key: minor for key, minor in found.items() if minor}


def _revised(one: StoredRevision) -> Revised:
    header = one.header
    return Revised(
        revision=header.revision,
        billed_at=one.billed_at,
        tariff_version=header.tariff_version,
        engine_version=header.engine_version,
        carried_in=header.carried_in,
        has_open_ride=header.has_open_ride,
        taps=frozenset(
            UUID(named)
            for ride in bills.parsed_list(header.rides)
            for named in (ride["tap_id"], ride["tap_off_id"])
            if named
        )
        | {UUID(each["tap_id"]) for each in _unpriced(one)},
    )
