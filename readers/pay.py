"""May a stored-value card pay here, and how much? Pure: what the card says of itself, the bundle's fares, the reader's state.

The amount is what the tariff asks for one ride, or the rates for one stay, by itself; passes, caps and transfers are the
bill's, and what they give back is loaded onto the card later. Where a ride's end decides its fare, the dearest is taken
at its begin and the difference given back at its end. What is under way the card itself carries (`kernel.wire.trips`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from access.rules.actionlist import REASON, Action
from kernel.errors import DomainError
from kernel.wire.cardinfo import PRODUCT_PURSE, CardInfo
from kernel.wire.tap import Purpose, TapRecord
from kernel.wire.trips import WITHIN_SIZE, Trips, UnderWay, mark
from parking.rules import quote
from readers.decide import Reason, Refused
from readers.terms import PurseTerms, RideFares
from readers.validator import Situation

_LONGEST_RIDE: Final = timedelta(hours=6)
"""A ride of a route without a limit of its own is over then: an AUTO tap begins another one."""
_PARKING: Final = frozenset({Purpose.PARK_IN, Purpose.PARK_OUT})


@dataclass(frozen=True, slots=True)
class Pay:
    """The purse pays this many đồng, whatever is under way."""

    amount: int


@dataclass(frozen=True, slots=True)
class ByTrips:
    """What the purse pays depends on the ride or the stay that is under way: it has to be read from the card."""


@dataclass(frozen=True, slots=True)
class FromAccount:
    """Nothing is taken from a purse: an account-based card, or a tap that is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The purse pays, or is given back at most `returned`; then this is under way."""

    paid: int = 0
    returned: int = 0
    trips: Trips


def price(
    info: CardInfo, *, here: Situation, terms: PurseTerms, ailing: bool
) -> Pay | ByTrips | FromAccount | Refused:
    """Return what the card's purse has to pay for this tap, before anything is asked of the purse. Never raises.

    An ailing reader (DEGRADED: slow disk, no clock, old bundle) moves no money on a card.
    """
    if info.product != PRODUCT_PURSE or here.purpose is Purpose.INSPECT:
        return FromAccount()
    place = here.route_id, info.concession
    if here.purpose is Purpose.ALIGHT and (ailing or place not in terms.rides):
        # A tap-off takes nothing. What an ailing reader does not give back stays the account's, and can be loaded.
        return FromAccount()
    if ailing:
        return Refused(Reason.PURSE_UNSAFE)
    if here.purpose in _PARKING:
        return Refused(Reason.PURSE_UNPRICED) if terms.rates is None else ByTrips()
    if here.purpose is Purpose.BOARD and place in terms.flat:
        return Pay(terms.flat[place])
    if place in terms.flat or place in terms.rides:
        return ByTrips()
    return Refused(Reason.PURSE_UNPRICED)


def settle(
    info: CardInfo, trips: Trips, *, here: Situation, at: datetime, terms: PurseTerms
) -> Move | Refused:
    """Return what a tap moves of which the card's ride or stay decides (`ByTrips`). Never raises."""
    if here.purpose is Purpose.PARK_IN:
        return _enter(trips, here, at, terms)
    if here.purpose is Purpose.PARK_OUT:
        return _leave(trips, here, at, terms)
    fares = terms.rides.get((here.route_id, info.concession))
    within = _within(here, fares)
    # A flat ride ends where it began, on the same vehicle; another's tap begins one.
    own = (
        trips.ride is not None
        and trips.ride.within == within
        and (fares or trips.ride.at == mark(here.place))
    )
    if here.purpose is Purpose.ALIGHT or (
        here.purpose is Purpose.AUTO and own and not _is_late(trips, here, at, terms)
    ):
        late = _is_late(trips, here, at, terms)
        return _end(trips, here, fares if own and not late else None)
    return _begin(info, trips, here, at, terms, fares)


def _begin(
    info: CardInfo,
    trips: Trips,
    here: Situation,
    at: datetime,
    terms: PurseTerms,
    fares: RideFares | None,
) -> Move | Refused:
    if fares is None:
        paid, held, start = terms.flat[here.route_id, info.concession], 0, mark(here.place)
    elif here.stop_id in fares.starts:
        paid, held, start = fares.most, fares.most, mark(here.stop_id)
    else:
        return Refused(Reason.PURSE_UNPRICED)
    ride = UnderWay(held, _whole(at), _within(here, fares), start)
    return Move(paid=paid, trips=replace(trips, ride=ride))


def _end(trips: Trips, here: Situation, fares: RideFares | None) -> Move:
    """Return the ride's end. What its fare does not need is given back; where that is unknown, nothing is."""
    ride, after = trips.ride, replace(trips, ride=None)
    fare = fares.fares.get((ride.at, here.stop_id)) if fares is not None and ride is not None else None
    return Move(
        returned=max(0, ride.held - fare) if ride is not None and fare is not None else 0, trips=after
    )


def _enter(trips: Trips, here: Situation, at: datetime, terms: PurseTerms) -> Move | Refused:
    if _fee(here, at, at, terms) is None:
        return Refused(Reason.PURSE_UNPRICED)
    stay = UnderWay(0, _whole(at), mark(here.vehicle_class, WITHIN_SIZE), mark(_site(here, terms)))
    return Move(trips=replace(trips, stay=stay))


def _leave(trips: Trips, here: Situation, at: datetime, terms: PurseTerms) -> Move | Refused:
    stay = trips.stay
    where = mark(here.vehicle_class, WITHIN_SIZE), mark(_site(here, terms))
    if stay is None or (stay.within, stay.at) != where or stay.since > at:
        return Refused(Reason.PURSE_NO_ENTRY)
    fee = _fee(here, stay.since, at, terms)
    return Refused(Reason.PURSE_UNPRICED) if fee is None else Move(paid=fee, trips=replace(trips, stay=None))


def _site(here: Situation, terms: PurseTerms) -> str:
    """Return the car park of a gate: every gate of it writes and reads the same mark."""
    site = terms.rates.place_of_gate(here.place) if terms.rates is not None else None
    return site.place_id if site is not None else here.place


def _fee(here: Situation, entered: datetime, left: datetime, terms: PurseTerms) -> int | None:
    """Return what a stay costs by itself, None where the rates do not say."""
    assert terms.rates is not None, "without rates a car park is unpriced"
    try:
        table = terms.rates.table_for(_site(here, terms), here.vehicle_class, entered)
        return quote.price(table, entered, left).minor
    except DomainError:
        return None


def _within(here: Situation, fares: RideFares | None) -> bytes:
    return mark(fares.within if fares is not None else here.route_id, WITHIN_SIZE)


def _is_late(trips: Trips, here: Situation, at: datetime, terms: PurseTerms) -> bool:
    assert trips.ride is not None or here.purpose is Purpose.ALIGHT, (
        "only a ride that is under way can be late"
    )
    limit = terms.limits.get(here.route_id, _LONGEST_RIDE)
    # The card keeps whole seconds: a ride is not late for what they cut off.
    return trips.ride is not None and not timedelta(0) <= _whole(at) - trips.ride.since <= limit


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def may_load(
    action: Action, *, device_id: UUID, began_at: datetime, prior_tmc: int, done_at: int | None
) -> bool:
    """Return whether this reader may carry a load out now: money goes onto a card once, whatever is killed or lost.

    One reader is named, no other does it. A load asked for before this journal began may stand in one that is lost.
    """
    return (
        action.detail["device"] == str(device_id)
        and datetime.fromisoformat(action.detail["asked_at"]) > began_at
        and may_begin(prior_tmc, done_at)
    )


def may_begin(prior_tmc: int, done_at: int | None) -> bool:
    """Return whether an action is still to be done here. `done_at` is the card's counter under which it was begun.

    A card whose counter has not come so far has not committed it.
    """
    return done_at is None or prior_tmc < done_at


def begun(records: Iterable[TapRecord]) -> dict[UUID, int]:
    """Return the actions that these records name, with the counter of the transaction that each was begun under."""
    found: dict[UUID, int] = {}
    for record in records:
        if record.reason.startswith(REASON):
            action = UUID(record.reason.removeprefix(REASON))
            found[action] = max(record.tmc, found.get(action, 0))
    return found
