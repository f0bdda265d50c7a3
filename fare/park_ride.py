"""Park and ride, the fares' side's doors: read that somebody parked, tell that rides exist (DESIGN §8.16, decision 0040)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from fare.rules.bill import Bill, Closed, Ride
from fare.rules.difference import TRIPS
from fare.rules.tariff import TariffBook
from fare.store import bills
from kernel.ground import Ground, GroundKind
from kernel.ids import CardId, FareAccountId, TapId
from kernel.service_day import day_window, service_day
from ledger import benefits
from ledger.benefits import Due

_DAY: Final = timedelta(days=1)
_NO_RIDES: Final = bills.canonical([])
_PARKED: Final = (GroundKind.STAY, GroundKind.RIGHT)

Parked = Mapping[FareAccountId, tuple[Ground, ...]]


def list_parked(
    tx: Connection, accounts: Sequence[FareAccountId], *, first_day: date, book: TariffBook
) -> Parked:
    """Return stays and rights of these accounts that may matter from a service day on; nobody parked: absent."""
    # A place's own day may begin earlier than the tariff's: its rides are wanted from then on.
    since = day_window(first_day - _DAY, book.day_starts, book.zone).start
    return benefits.list_grounds(tx, accounts, _PARKED, since=since)


def tell_rides(
    tx: Connection,
    priced: Iterable[tuple[Bill, Mapping[TapId, CardId]]],
    parked: Parked,
    *,
    book: TariffBook,
    now: datetime,
) -> None:
    """Say which rides the new bills hold, of accounts that park about that day; nobody asks for the others'."""
    grounds: list[Ground] = []
    refs: set[tuple[FareAccountId, TapId]] = set()
    days = [
        (bill, cards)
        for bill, cards in priced
        if any(_is_near(each, bill.service_day, book) for each in parked.get(bill.fare_account_id, ()))
    ]
    if not days:
        return
    accounts = sorted({bill.fare_account_id for bill, _ in days})
    first = min(bill.service_day for bill, _ in days)
    known = benefits.list_grounds(
        tx, accounts, (GroundKind.RIDE,), since=day_window(first, book.day_starts, book.zone).start
    )
    for bill, cards in days:
        window = day_window(bill.service_day, book.day_starts, book.zone)
        told = known.get(bill.fare_account_id, ())
        refs |= {(each.fare_account_id, TapId(each.ref)) for each in told if window.contains(each.since)}
        routes = book.on(bill.service_day).routes
        for ride in bill.rides:
            if is_journey(ride) and window.contains(ride.started_at):
                route = routes.get(ride.route_id)
                networks = route.networks if route else frozenset[str]()
                grounds.append(_ground(bill.fare_account_id, ride, networks, cards.get(ride.tap_id)))
    benefits.tell(tx, GroundKind.RIDE, refs, grounds, now=now)


def is_journey(ride: Ride) -> bool:
    """Return whether a ride went from one place to another, or may yet; torn, repeated and turned-back taps did not."""
    if ride.closed is Closed.OPEN:
        return True
    turned_back = ride.tap_off_id is not None and ride.from_stop_id == ride.to_stop_id
    return ride.closed in TRIPS and not turned_back


def list_days(
    tx: Connection, dues: Iterable[Due], *, book: TariffBook
) -> frozenset[tuple[FareAccountId, date]]:
    """Return the account-days with rides that grounds over these times may change."""
    spans: dict[FareAccountId, list[tuple[date, date]]] = {}
    for due in dues:
        first = service_day(due.since, book.day_starts, book.zone)
        last = date.max if due.until is None else service_day(due.until, book.day_starts, book.zone)
        spans.setdefault(due.fare_account_id, []).append((first, last))
    if not spans:
        return frozenset()
    since = {account: min(first for first, _ in mine) for account, mine in spans.items()}
    return frozenset(
        (header.fare_account_id, header.service_day)
        for header in bills.list_headers_from(tx, since)
        if header.rides != _NO_RIDES
        and any(first <= header.service_day <= last for first, last in spans[header.fare_account_id])
    )


def _is_near(ground: Ground, day: date, book: TariffBook) -> bool:
    start = day_window(day - _DAY, book.day_starts, book.zone).start
    return ground.touches(start, day_window(day + _DAY, book.day_starts, book.zone).end)


def _ground(account: FareAccountId, ride: Ride, networks: frozenset[str], card: CardId | None) -> Ground:
    words = {f"network:{each}" for each in networks}
    words |= {f"operator:{ride.operator_id}", f"route:{ride.route_id}"}
    words |= {f"stop:{each}" for each in (ride.from_stop_id, ride.to_stop_id) if each}
    return Ground(
        fare_account_id=account,
        kind=GroundKind.RIDE,
        ref=ride.tap_id,
        medium=card,
        since=ride.started_at,
        until=None if ride.ended_at is None else max(ride.started_at, ride.ended_at),
        words=frozenset(words),
    )
