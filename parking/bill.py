"""Bill stays: re-price the touched ones from all their events and book only the differences (DESIGN §8.16).

Late, duplicated and shuffled events, exits before entries and gates that were offline end in the same bills,
because stays are folded from the set of their events each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access.exceptions import House, Raised, raise_many, resolve
from access.issue import lock_accounts
from access.rules.tap import Tap
from access.taps import list_taps
from kernel.errors import DomainError
from kernel.ids import FareAccountId, OperatorId
from kernel.money import Money, currency
from kernel.wire.tap import Phase, Purpose
from ledger.accounts import lock_balances, open_accounts
from ledger.post import book_day
from ledger.rules import chart
from parking.park_ride import tell_stays
from parking.places import HANOI, stay_day
from parking.post_bills import StayChange, post_changes
from parking.publish_rates import Rates
from parking.rights import list_held
from parking.rules.bill import StayBill, price_folded, stay_ref
from parking.rules.book import RateBook
from parking.rules.difference import affordable, differences, wanted
from parking.rules.quote import ENGINE_VERSION
from parking.rules.right import AssignedRight
from parking.rules.session import RUNNING, Case, EventKind, State
from parking.rules.stay import Stay, StayEvent, fold_stays
from parking.store import events as event_store
from parking.store import keys
from parking.store import stays as store
from parking.store.stays import StayRow

# What is touched may pair with an event this much older (gates whose clocks were wrong): read that far back.
LOOK_BACK: Final = timedelta(days=90)
_AHEAD: Final = timedelta(days=36_500)
_PURPOSES: Final = {Purpose.PARK_IN: EventKind.ENTERED, Purpose.PARK_OUT: EventKind.LEFT}


class SessionMergedError(DomainError):
    """Its events belong to another session, since an earlier one was learnt of."""

    detail = "Session {session_id} is part of another session: {joined}."


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledStays:
    """What one run came to: the stays' new revisions, the entries posted, and the accounts that owe more.

    `now` has each stay that was looked at as it stands by now, changed or not.
    """

    stays: tuple[StayRow, ...] = ()
    entries: int = 0
    owing: frozenset[FareAccountId] = frozenset()
    now: Mapping[UUID, tuple[StayRow, StayBill]] = field(default_factory=dict)


def is_gate_pass(tap: Tap) -> bool:
    """Return whether a tap proves a pass of a car park's gate; what was torn opened no barrier (§8.14)."""
    return (
        tap.purpose in _PURPOSES
        and tap.mac_valid
        and not tap.proven_torn
        and tap.phase in {Phase.DONE, Phase.RECOVERED}
    )


def bill_stays(
    tx: Connection,
    taps: Iterable[Tap],
    *,
    now: datetime,
    touched: Iterable[tuple[FareAccountId, datetime]] = (),
) -> BilledStays:
    """Bring the stays that these taps tell of up to their evidence, and book the differences of their bills.

    `touched` are further instants whose evidence changed (TakenIn.touched), of accounts that park or not. Locks
    the fare accounts in id order. Repeating a call changes nothing; what cannot be priced goes to the exception
    queue and stays counted; money never makes it refuse.
    """
    since: dict[FareAccountId, datetime] = {}
    instants = [(tap.fare_account_id, tap.tapped_at) for tap in taps if tap.purpose in _PURPOSES]
    others = tuple(touched)
    parked = keys.list_parked(tx, {account for account, _ in others}) if others else set()
    for account, at in (*instants, *(each for each in others if each[0] in parked)):
        since[account] = min(at, since.get(account, at))
    if not since:
        return BilledStays()
    for day in sorted({at.astimezone(HANOI).date() for at in since.values()}):
        book_day(tx, day, now)
    lock_accounts(tx, since)
    return bill_accounts(tx, since, now=now)


def bill_accounts(
    tx: Connection,
    since: Mapping[FareAccountId, datetime],
    *,
    now: datetime,
    guests: frozenset[FareAccountId] = frozenset(),
    rates: Rates | None = None,
) -> BilledStays:
    """Bill the stays of locked accounts that events from these instants on may have changed; as `bill_stays`."""
    rates = rates or Rates(tx)
    cut = _cut(tx, since)
    gathered = _gather(tx, cut, rates, guests)
    stored = {
        (row.fare_account_id, row.stay_id): row for row in store.list_stays(tx, keys.list_begun(tx, cut))
    }
    folded = [(account, stay) for account in sorted(gathered) for stay in fold_stays(gathered[account])]
    held = list_held(tx, folded, rates)
    bills = [(account, _bill(stay, rates, held.get(stay.stay_id, ()))) for account, stay in folded]
    booked = store.list_booked(tx, (store.key_of(row) for row in stored.values()))
    changes: list[StayChange] = []
    standing: dict[UUID, tuple[StayRow, StayBill]] = {}
    for account, bill in bills:
        old = stored.pop((account, bill.stay.stay_id), None)
        row = _row(account, bill, old, rates, guest=account in guests, now=now)
        found = differences(wanted(bill), booked.get(row.stay_id, {}))
        if row.guest and found:
            found = affordable(found, _paid_in(tx, row, now).minor)
        if found or old is None or _differs(row, old):
            changes.append(StayChange(row, found))
            old = row
        standing[row.stay_id] = old, bill
    for old in stored.values():
        # Its events belong to another stay now, since an earlier one was learnt of: nothing of it remains owed.
        row = _merged(old, now)
        found = differences({}, booked.get(old.stay_id, {}))
        if found or _differs(row, old):
            changes.append(StayChange(row, found))
    posted = post_changes(tx, changes, now=now)
    tell_stays(tx, (each.row for each in changes), {stay.stay_id: stay for _, stay in folded}, rates, now=now)
    _queue_cases(tx, changes, now)
    return BilledStays(
        stays=tuple(change.row for change in changes),
        entries=posted.entries,
        owing=posted.owing,
        now=standing,
    )


def _cut(tx: Connection, since: Mapping[FareAccountId, datetime]) -> dict[FareAccountId, datetime]:
    """Return, per account, an instant that no stay straddles, at or before all that may change."""
    cut = {account: at - LOOK_BACK for account, at in since.items()}
    reached = dict(since)
    while True:
        earlier = keys.earliest_first_at(tx, cut)
        cut = {account: min(reached[account], earlier.get(account, reached[account])) for account in since}
        if cut == reached:
            return cut
        reached = cut


def _gather(
    tx: Connection, cut: Mapping[FareAccountId, datetime], rates: Rates, guests: frozenset[FareAccountId]
) -> dict[FareAccountId, list[StayEvent]]:
    found: dict[FareAccountId, list[StayEvent]] = {}
    held = [account for account in cut if account not in guests]
    if held:
        earliest = min(cut[account] for account in held)
        for tap in list_taps(tx, held, since=earliest, until=earliest + _AHEAD):
            if is_gate_pass(tap) and tap.tapped_at >= cut[tap.fare_account_id]:
                found.setdefault(tap.fare_account_id, []).append(stay_event(tap, rates))
    for account, event in event_store.list_events(tx, cut):
        found.setdefault(account, []).append(event)
    return found


def stay_event(tap: Tap, rates: Rates) -> StayEvent:
    """Return a gate's tap as parking reads it: the card parks, at the place that the gate belongs to."""
    book = rates.at(tap.tapped_at)
    place = book.place_of_gate(tap.place) if book else None
    return StayEvent(
        event_id=tap.tap_id,
        kind=_PURPOSES[tap.purpose],
        subject=tap.card_id,
        at=tap.tapped_at,
        place_id=place.place_id if place else tap.place,
        gate_id=tap.place,
        vehicle_class=tap.vehicle_class,
        order=tap.order,
    )


def list_stay_events(tx: Connection, row: StayRow, rates: Rates) -> tuple[Stay, RateBook]:
    """Return a stored stay folded anew from its account's events, and the book that prices it.

    SessionMergedError where its events belong to another since an earlier one was learnt of.
    """
    guests = frozenset({row.fare_account_id}) if row.guest else frozenset[FareAccountId]()
    gathered = _gather(tx, _cut(tx, {row.fare_account_id: row.first_at}), rates, guests)
    stays = fold_stays(gathered.get(row.fare_account_id, ()))
    for stay in stays:
        if stay.stay_id == row.stay_id:
            return stay, rates.version(row.rates_version)
    joined = [stay.stay_id for stay in stays if any(each.at == row.first_at for each in stay.events)]
    raise SessionMergedError(
        session_id=str(row.stay_id), joined=str(joined[0]) if joined else "the card's own"
    )


def _bill(stay: Stay, rates: Rates, rights: Iterable[AssignedRight]) -> StayBill:
    book = rates.at(stay.events[0].at)
    if book is None:
        return StayBill(
            stay=stay, operator_id=OperatorId(""), rates_version="", cases=(*stay.cases, Case.NO_RATE)
        )
    return price_folded(stay, book, rights)


def _row(
    account: FareAccountId, bill: StayBill, old: StayRow | None, rates: Rates, *, guest: bool, now: datetime
) -> StayRow:
    stay, quote = bill.stay, bill.quote
    charged = bill.charged()
    return StayRow(
        fare_account_id=account,
        stay_day=old.stay_day if old else stay_day(stay, rates.at(stay.events[0].at)),
        stay_id=stay.stay_id,
        guest=guest,
        subject=stay.subject,
        place_id=stay.place_id,
        operator_id=bill.operator_id,
        vehicle_class=stay.vehicle_class,
        state=stay.state.value,
        cases=" ".join(case.value for case in bill.cases),
        first_at=min(each.at for each in stay.events),
        entered_at=stay.entered_at,
        left_at=stay.left_at,
        last_at=max(each.at for each in stay.events),
        running=stay.state in RUNNING,
        rates_version=bill.rates_version,
        engine_version=ENGINE_VERSION,
        table_id=quote.table.table_id if quote else "",
        revision=old.revision + 1 if old else 1,
        total_minor=quote.total.minor if quote else 0,
        charged_minor=charged.minor if charged is not None else 0,
        currency=quote.total.currency.code if quote else "VND",
        billed_at=now,
        held_until=stay.held_until,
        paid_until=stay.paid_until,
    )


def _paid_in(tx: Connection, row: StayRow, now: datetime) -> Money:
    """Return what a guest paid in and was not charged yet."""
    spec = chart.rider_stored_value(row.fare_account_id, currency(row.currency))
    open_accounts(tx, (spec,), now)
    return lock_balances(tx, (spec.account_id,), now)[spec.account_id].available


def _merged(old: StayRow, now: datetime) -> StayRow:
    return replace(
        old,
        state=State.VOIDED.value,
        cases=Case.MERGED.value,
        running=False,
        held_until=None,
        total_minor=0,
        charged_minor=0,
        revision=old.revision + 1,
        billed_at=now,
    )


def _differs(new: StayRow, old: StayRow) -> bool:
    return replace(new, revision=old.revision, billed_at=old.billed_at) != old


def _queue_cases(tx: Connection, changes: Iterable[StayChange], now: datetime) -> None:
    rows = [change.row for change in changes]
    settled = [stay_ref(row.stay_id) for row in rows if row.revision > 1]
    if settled:
        resolve(tx, House.PARKING, settled, resolution="billed again", actor="parking", now=now)
    raise_many(
        tx,
        [
            Raised(
                house=House.PARKING,
                reason=case,
                ref=stay_ref(row.stay_id),
                fare_account_id=None if row.guest else row.fare_account_id,
                service_day=row.stay_day,
                detail={"place": row.place_id, "operator": row.operator_id},
            )
            for row in rows
            for case in row.cases.split()
            if case != Case.MERGED.value
        ],
        now=now,
    )
