"""Attendants' shifts: open with a float, drop, count, explain, and close with a second signature.

Closing books the shift's cash from the till to the operator: it keeps the cash and is owed as much less in bank money.
What the till lacks is between the operator and the attendant; it is shown, never booked away.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import EntryId, uuid8
from kernel.money import CurrencyMismatchError, Money
from ledger.accounts import open_accounts
from ledger.operator_tills import found_till
from ledger.post import book_day, post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.till import check_there
from parking.places import HANOI, place_in_force
from parking.rules.shift import (
    Shift,
    ShiftEvent,
    ShiftEventKind,
    ShiftState,
    check_close,
    fold_shift,
)
from parking.store import shifts as store

MOST_SHIFTS: Final = 500


class UnknownShiftError(DomainError):
    """No shift of this id."""

    detail = "There is no shift {shift_id}."


class TillBusyError(DomainError):
    """A shift of the till is not closed yet."""

    detail = "Till {till} has a shift that is not closed: {shift_id}."


class ShiftIdReusedError(DomainError):
    """The id of a shift or of an event of one was used for something else."""

    detail = "{id} was used before with another {field}."


def open_shift(
    tx: Connection,
    shift_id: UUID,
    *,
    place_id: str,
    till: str,
    attendant: str,
    float_: Money,
    actor: str,
    now: datetime,
) -> tuple[Shift, bool]:
    """Open a shift and return it, and whether it was open before. A till is its first shift's operator's.

    UnknownPlaceError, ShiftIdReusedError; TillTakenError for somebody else's till; TillBusyError: a till's last shift
    is closed first.
    """
    place = place_in_force(tx, place_id, now=now)
    store.lock_till(tx, till)
    known = store.find_shift(tx, shift_id)
    if known is not None:
        asked = {"place_id": place_id, "till": till, "attendant": attendant, "float_": float_}
        for field, value in asked.items():
            if getattr(known, field) != value:
                raise ShiftIdReusedError(id=str(shift_id), field=field.rstrip("_"))
        return find_shift(tx, shift_id, now=now), True
    found_till(tx, till, operator_id=place.operator_id, actor=actor, now=now)
    last = store.find_last_at_till(tx, till)
    if last is not None and find_shift(tx, last.shift_id, now=now).state is not ShiftState.CLOSED:
        raise TillBusyError(till=till, shift_id=str(last.shift_id))
    nothing = Money.zero(float_.currency)
    new = Shift(
        shift_id=shift_id,
        place_id=place_id,
        operator_id=place.operator_id,
        till=till,
        attendant=attendant,
        opened_at=now,
        opened_by=actor,
        float_=float_,
        taken=nothing,
        dropped=nothing,
    )
    store.insert_shift(tx, new)
    return new, False


def find_shift(tx: Connection, shift_id: UUID, *, now: datetime) -> Shift:
    """Return a shift as it stands; UnknownShiftError."""
    opened = store.find_shift(tx, shift_id)
    if opened is None:
        raise UnknownShiftError(shift_id=str(shift_id))
    return _standing(tx, opened, now)


def list_shifts(
    tx: Connection, place_id: str, *, since: datetime, until: datetime, now: datetime
) -> tuple[Shift, ...]:
    """Return the shifts of a place opened in `[since, until)`, newest first, at most MOST_SHIFTS."""
    found = store.list_shifts(tx, [place_id], since=since, until=until, limit=MOST_SHIFTS)
    return tuple(_standing(tx, each, now) for each in found)


def tell_shift(tx: Connection, shift_id: UUID, event: ShiftEvent, *, now: datetime) -> tuple[Shift, bool]:
    """Drop, count, explain or close; return the shift, and whether it was told so before.

    UnknownShiftError, ShiftIdReusedError, ShiftStateError, SameSignerError, VarianceUnexplainedError; TillShortError
    to drop more than the till should hold, CurrencyMismatchError for cash of another currency than the float's.
    """
    if event.kind is ShiftEventKind.CLOSED:
        book_day(tx, now.astimezone(HANOI).date(), now)
    opened = store.find_shift(tx, shift_id)
    if opened is None:
        raise UnknownShiftError(shift_id=str(shift_id))
    store.lock_till(tx, opened.till)
    events = store.list_events(tx, opened)
    known = next((each for each in events if each.event_id == event.event_id), None)
    if known is not None:
        for field in ("kind", "amount", "note", "actor"):
            if getattr(known, field) != getattr(event, field):
                raise ShiftIdReusedError(id=str(event.event_id), field=field)
        return _standing(tx, opened, now), True
    shift = _standing(tx, opened, now)
    fold_shift(shift, (event,))  # refuses what the table has no row for, before anything is written
    if event.amount is not None:
        _check_cash(shift, event.kind, event.amount)
    if event.kind is ShiftEventKind.CLOSED:
        check_close(shift, event.actor)
        _keep_cash(tx, shift, now)
    store.insert_event(tx, shift_id, len(events) + 1, event)
    return _standing(tx, opened, now), False


def _standing(tx: Connection, opened: Shift, now: datetime) -> Shift:
    shift = fold_shift(opened, store.list_events(tx, opened))
    # From count to count, so that what is paid between two shifts belongs to the later one.
    after = store.find_last_count(tx, shift.till, before=shift.opened_at)
    taken = store.sum_cash(tx, shift.till, after=after, until=shift.counted_at or now)
    return replace(shift, taken=Money(taken, shift.float_.currency))


def _check_cash(shift: Shift, kind: ShiftEventKind, amount: Money) -> None:
    if amount.currency != shift.float_.currency:
        raise CurrencyMismatchError(left=shift.float_.currency.code, right=amount.currency.code)
    if kind is ShiftEventKind.DROPPED:
        check_there(amount, shift.expected)


def _keep_cash(tx: Connection, shift: Shift, now: datetime) -> None:
    if not shift.taken:
        return
    unit = shift.taken.currency
    kept, till = chart.operator_cash(shift.operator_id, unit), chart.till(shift.till, unit)
    open_accounts(tx, (kept, till), now)
    back = shift.taken.minor < 0
    sides = (till.account_id, kept.account_id) if back else (kept.account_id, till.account_id)
    entry = Entry(
        entry_id=EntryId(uuid8("parking shift", shift.shift_id)),
        kind="parking.cash_kept",
        lines=(Line(*sides, -shift.taken if back else shift.taken),),
        owner_id=kept.owner_id,
        service_day=now.astimezone(HANOI).date(),
        effective_at=now,
        cause=f"shift:{shift.shift_id}",
        narrative="parking.cash_kept",
        metadata={"place": shift.place_id, "till": shift.till},
    )
    (outcome,) = post(tx, (entry,), now)
    assert not isinstance(outcome, Refused), f"tills and operators' cash have no floor: {outcome}"
