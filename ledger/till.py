"""Tills of conductors, kiosks and stations: float, cash top-ups, remittance, count, and a close that two people sign.

What should lie in a till is its account's balance. A closed shift leaves it empty: what was counted goes to the cash
office, what lacks is the agent's to make good, what is too much waits in suspense. Every event has an id that the
caller minted, and is one transaction: killed between any two, a shift goes on from what is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Currency, Money
from kernel.service_day import local_date
from ledger import cash_office as office
from ledger.post import post
from ledger.purses import lock_purses
from ledger.reverse import find_entry
from ledger.rules import chart
from ledger.rules.book_day import ZONE
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.errors import IdReusedError
from ledger.rules.till import (
    NoOpenShiftError,
    ShiftId,
    Till,
    TillDiffersError,
    TillEvent,
    TillFact,
    TillRefusedError,
    TillShift,
    TillShiftOpenError,
    TillShiftState,
    UnknownTillError,
    check_close,
    check_room,
    check_there,
    fold_shift,
    step,
)
from ledger.rules.topup import check_amount, split_credit
from ledger.store import tills as store
from ledger.store.lines import share_days

SURPLUS: Final = "till_surplus"
LockRider = Callable[[Connection, FareAccountId], object]


@dataclass(frozen=True, slots=True)
class ToppedUp:
    """What a cash top-up did; `again` when this id did it before, and `owed` what the rider still owes."""

    amount: Money
    owed: Money
    again: bool


def add_till(tx: Connection, till: Till, *, actor: str, now: datetime) -> None:
    """Add a till; the same again changes nothing. TillDiffersError."""
    store.lock(tx, till.name)
    known = store.find_till(tx, till.name)
    if known is None:
        if store.find_owner(tx, till.name) is not None:
            raise TillDiffersError(till=till.name, field="owner")
        store.insert_till(tx, till, actor, now)
        return
    for field in ("kind", "most"):
        if getattr(known, field) != getattr(till, field):
            raise TillDiffersError(till=till.name, field=field)


def open_shift(
    tx: Connection, shift_id: UUID, *, till: str, agent: str, float_: Money, actor: str, now: datetime
) -> TillShift:
    """Open a shift with its float out of the cash office; the same id again, the shift as it stands.

    UnknownTillError, IdReusedError, TillShiftOpenError, TillFullError, TillShortError.
    """
    store.lock(tx, till)
    known = store.find_shift(tx, shift_id)
    if known is not None:
        for field, value in (("till", till), ("agent", agent), ("float_", float_)):
            if getattr(known, field) != value:
                raise IdReusedError(id=str(shift_id), field=field.rstrip("_"))
        return _standing(tx, known)
    place = _till(tx, till)
    last = store.find_last_shift(tx, till)
    if last is not None and _standing(tx, last).state is not TillShiftState.CLOSED:
        raise TillShiftOpenError(till=till, agent=last.agent)
    nothing = Money.zero(float_.currency)
    shift = TillShift(
        shift_id=ShiftId(shift_id),
        till=till,
        agent=agent,
        float_=float_,
        opened_by=actor,
        opened_at=now,
        topped_up=nothing,
        remitted=nothing,
    )
    store.insert_shift(tx, shift)
    if float_:
        check_room(place, read_cash(tx, till, float_.currency, now), float_)
        store.lock(tx, store.POOL)
        check_there(float_, office.read_office(tx, float_.currency, now))
        move = (chart.till(till, float_.currency), chart.cash_office(float_.currency), float_)
        office.book(tx, shift_id, "till.float", (move,), till, now)
    return shift


def top_up(
    tx: Connection,
    topup_id: UUID,
    *,
    till: str,
    rider: FareAccountId,
    amount: Money,
    actor: str,
    now: datetime,
    lock_rider: LockRider = lambda _tx, _rider: None,
) -> ToppedUp:
    """Load a card for cash, what is owed first; the same id again changes nothing.

    UnknownTillError, NoOpenShiftError, IdReusedError, TopupAmountError, TillFullError, TillShiftStateError;
    TillRefusedError when the rider's account takes no postings. The till is locked before the rider.
    """
    check_amount(amount)
    place, shift = _locked(tx, till)
    unit = amount.currency
    cash = chart.till(till, unit)
    again = _known(tx, shift, topup_id, TillEvent.TOPPED_UP, amount)
    if not again:
        step(shift, TillEvent.TOPPED_UP)
        check_room(place, read_cash(tx, till, unit, now), amount)
    share_days(tx, {local_date(now, ZONE)})
    lock_rider(tx, rider)
    purse = lock_purses(tx, ((rider, unit),), (cash,), now)[rider, unit]
    entry_id = EntryId(uuid8("till", topup_id))
    if again:
        if not find_entry(tx, rider, entry_id):
            raise IdReusedError(id=str(topup_id), field="card")
        return ToppedUp(amount, purse.debt, again=True)
    cleared, loaded = split_credit(amount, purse.debt)
    entry = Entry(
        entry_id=entry_id,
        kind="topup.cash",
        lines=tuple(
            Line(cash.account_id, account, part)
            for account, part in ((purse.receivable, cleared), (purse.stored_value, loaded))
            if part
        ),
        owner_id=rider,
        service_day=local_date(now, ZONE),
        effective_at=now,
        cause=f"till:{till}",
        narrative="topup.cash",
        metadata={"shift": str(shift.shift_id)},
    )
    if isinstance(outcome := post(tx, (entry,), now)[0], Refused):
        raise TillRefusedError(reason=outcome.reason.value)
    _note(tx, shift, topup_id, TillEvent.TOPPED_UP, amount, actor, now)
    return ToppedUp(amount, purse.debt - cleared, again=False)


def remit(
    tx: Connection, event_id: UUID, *, till: str, amount: Money, actor: str, now: datetime
) -> TillShift:
    """Hand cash in to the office during a shift; return the shift. The same id again changes nothing.

    UnknownTillError, NoOpenShiftError, IdReusedError, TillShortError, TillShiftStateError.
    """
    _, shift = _locked(tx, till)
    if _known(tx, shift, event_id, TillEvent.REMITTED, amount):
        return shift
    step(shift, TillEvent.REMITTED)
    unit = amount.currency
    check_there(amount, read_cash(tx, till, unit, now))
    office.book(
        tx, event_id, "till.remitted", ((chart.cash_office(unit), chart.till(till, unit), amount),), till, now
    )
    _note(tx, shift, event_id, TillEvent.REMITTED, amount, actor, now)
    return get_shift(tx, till)


def count(
    tx: Connection, event_id: UUID, *, till: str, amount: Money, actor: str, now: datetime
) -> TillShift:
    """Count what lies in the till; no cash is taken after that until the shift is closed. Counting again is allowed.

    UnknownTillError, NoOpenShiftError, IdReusedError.
    """
    _, shift = _locked(tx, till)
    if _known(tx, shift, event_id, TillEvent.COUNTED, amount):
        return shift
    step(shift, TillEvent.COUNTED)
    expected = read_cash(tx, till, amount.currency, now)
    _note(tx, shift, event_id, TillEvent.COUNTED, amount, actor, now, expected)
    return get_shift(tx, till)


def close(tx: Connection, event_id: UUID, *, till: str, actor: str, now: datetime) -> TillShift:
    """Close a counted shift by another person: the cash goes to the office, what lacks to the agent's account.

    UnknownTillError, NoOpenShiftError, TillShiftStateError, CountedBySameError, TillMovedError.
    """
    _, shift = _locked(tx, till)
    if _known(tx, shift, event_id, TillEvent.CLOSED, None):
        return shift
    unit = shift.float_.currency
    check_close(shift, read_cash(tx, till, unit, now), actor)
    assert shift.counted is not None and shift.short is not None, "counted, says the table"  # noqa: PT018
    cash = chart.till(till, unit)
    moves = [(chart.cash_office(unit), cash, shift.counted)]
    if shift.short.minor > 0:
        moves.append((chart.agent_shortage(shift.agent, unit), cash, shift.short))
    elif shift.short:
        moves.append((cash, chart.suspense(SURPLUS, unit), -shift.short))
    office.book(tx, event_id, "till.closed", tuple(move for move in moves if move[2]), till, now)
    _note(tx, shift, event_id, TillEvent.CLOSED, shift.counted, actor, now)
    return get_shift(tx, till)


def read_cash(tx: Connection, till: str, unit: Currency, now: datetime) -> Money:
    """Return what should lie in a till."""
    return office.read(tx, chart.till(till, unit), now)


def get_shift(tx: Connection, till: str) -> TillShift:
    """Return a till's newest shift; UnknownTillError, NoOpenShiftError."""
    _till(tx, till)
    last = store.find_last_shift(tx, till)
    if last is None:
        raise NoOpenShiftError(till=till)
    return _standing(tx, last)


def list_standing(tx: Connection, now: datetime) -> tuple[tuple[Till, Money, TillShift | None], ...]:
    """Return every till by name, what should lie in it, and its newest shift."""
    rows = []
    for place in store.list_tills(tx):
        last = store.find_last_shift(tx, place.name)
        shift = None if last is None else _standing(tx, last)
        rows.append((place, read_cash(tx, place.name, place.most.currency, now), shift))
    return tuple(rows)


def _till(tx: Connection, name: str) -> Till:
    found = store.find_till(tx, name)
    if found is None:
        raise UnknownTillError(till=name)
    return found


def _locked(tx: Connection, name: str) -> tuple[Till, TillShift]:
    store.lock(tx, name)
    return _till(tx, name), get_shift(tx, name)


def _standing(tx: Connection, opened: TillShift) -> TillShift:
    return fold_shift(opened, store.list_facts(tx, opened))


def _known(tx: Connection, shift: TillShift, event_id: UUID, event: TillEvent, amount: Money | None) -> bool:
    """Return whether this event happened before, at this till; IdReusedError when the id was another's."""
    row = store.find_fact(tx, event_id)
    if row is None:
        return False
    where = store.find_shift(tx, row.shift_id)
    if where is None or where.till != shift.till:
        raise IdReusedError(id=str(event_id), field="till")
    if row.event != event.value:
        raise IdReusedError(id=str(event_id), field="event")
    if amount is not None and row.amount != amount.minor:
        raise IdReusedError(id=str(event_id), field="amount")
    return True


def _note(
    tx: Connection,
    shift: TillShift,
    event_id: UUID,
    event: TillEvent,
    amount: Money,
    actor: str,
    now: datetime,
    expected: Money | None = None,
) -> None:
    fact = TillFact(event_id=event_id, event=event, amount=amount, actor=actor, at=now, expected=expected)
    store.insert_fact(tx, shift, fact)
