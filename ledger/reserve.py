"""Holds: set money aside, then post it (fully or partly), void it, or let time free it.

Held money counts against the floor until the hold ends. A hold past its time is expired whether or not a job
has said so: every judgement here frees due holds first. One lock order: book day, balances by id, hold.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.money import Money
from kernel.service_day import local_date
from ledger import post as poster
from ledger.rules import book_day
from ledger.rules.entry import Duplicate, Outcome, Posted, Refused
from ledger.rules.errors import (
    BadEntryError,
    HoldAmountError,
    HoldEndedError,
    IdReusedError,
    UnknownHoldError,
)
from ledger.rules.hold import (
    TRANSITIONS,
    AlreadyHeld,
    Held,
    Hold,
    HoldEvent,
    HoldState,
    StoredHold,
    hold_entry,
)
from ledger.rules.judge import judge
from ledger.store import accounts as account_store
from ledger.store import holds as store
from ledger.store import lines as line_store

_BODY: Final = (
    "kind",
    "debit",
    "credit",
    "amount",
    "expires_at",
    "service_day",
    "cause",
    "narrative",
    "metadata",
)


def hold(tx: Connection, wanted: Hold, now: datetime) -> Held | AlreadyHeld | Refused:
    """Place a hold.

    `Held`; `AlreadyHeld` for the same id and body (whatever became of it since); `Refused` when an account
    is frozen or the floor would be passed. IdReusedError names the field of another body; BadEntryError for
    a hold that would end before it begins; the account errors of `post`.
    """
    line_store.share_days(tx, ())
    locked = account_store.lock_balances(tx, (wanted.debit, wanted.credit))
    store.expire_of(tx, [(b.owner_id, b.account_id) for b in locked], now)
    earlier = store.find(tx, wanted.owner_id, wanted.hold_id)
    if earlier is not None:
        return _again(wanted, earlier)
    if wanted.expires_at <= now:
        raise BadEntryError(field="expires_at", value=wanted.expires_at.isoformat(), why="it has passed")
    facts = account_store.list_facts(tx, (wanted.debit, wanted.credit))
    entry = hold_entry(wanted, wanted.amount, now)
    (outcome,) = judge([entry], [local_date(now, book_day.ZONE)], now, booked={}, accounts=facts)
    if isinstance(outcome, Refused):
        return outcome
    if not store.insert(tx, wanted, now):
        # Without a guarded account nothing was locked: somebody placed the same hold in between.
        earlier = store.find(tx, wanted.owner_id, wanted.hold_id)
        assert earlier is not None
        return _again(wanted, earlier)
    store.add_pending(tx, wanted, wanted.amount.minor)
    return Held(wanted.hold_id, now)


def _again(wanted: Hold, earlier: StoredHold) -> AlreadyHeld:
    for name in _BODY:
        if getattr(wanted, name) != getattr(earlier.hold, name):
            raise IdReusedError(id=str(wanted.hold_id), field=name)
    return AlreadyHeld(wanted.hold_id, earlier.placed_at)


def find_hold(tx: Connection, owner_id: UUID, hold_id: UUID, now: datetime) -> StoredHold | None:
    """Return a hold, or None. One past its time reads EXPIRED even when no job has ended it."""
    found = store.find(tx, owner_id, hold_id)
    if found is not None and found.state is HoldState.OPEN and found.hold.expires_at <= now:
        return StoredHold(found.hold, HoldState.EXPIRED, found.placed_at, found.hold.expires_at, None, None)
    return found


def post(
    tx: Connection, owner_id: UUID, hold_id: UUID, now: datetime, *, amount: Money | None = None
) -> Outcome:
    """Post a hold, all of it or `amount`; the rest is freed.

    `Posted`; `Duplicate` when it was posted before with the same amount; `Refused` when an account is
    frozen, and the hold stays. HoldEndedError when it was voided, has expired, or was posted with another
    amount; HoldAmountError outside 1 to what is held; UnknownHoldError.
    """
    line_store.share_days(tx, (local_date(now, book_day.ZONE),))
    found = _locked(tx, owner_id, hold_id, now)
    asked = found.hold.amount if amount is None else amount
    if not 0 < asked.minor <= found.hold.amount.minor or asked.currency != found.hold.amount.currency:
        raise HoldAmountError(hold_id=str(hold_id), held=str(found.hold.amount), asked=str(asked))
    if found.state is HoldState.POSTED and found.posted == asked:
        assert found.ended_at is not None
        assert found.entry_id is not None
        (again,) = poster.post(tx, [hold_entry(found.hold, asked, found.ended_at)], now)
        assert isinstance(again, Duplicate), "a posted hold has its entry"
        return again
    state = _next(found, HoldEvent.POSTED)
    entry = hold_entry(found.hold, asked, now)
    with tx.begin_nested() as step:
        store.add_pending(tx, found.hold, -found.hold.amount.minor)
        (outcome,) = poster.post(tx, [entry], now)
        if isinstance(outcome, Posted):
            store.end(tx, found.hold, state, now, posted=asked, entry_id=entry.entry_id)
        else:
            step.rollback()
    return outcome


def void(tx: Connection, owner_id: UUID, hold_id: UUID, now: datetime) -> StoredHold:
    """End a hold and free what it held; voiding it again answers the same.

    HoldEndedError when it was posted or has expired; UnknownHoldError.
    """
    found = _locked(tx, owner_id, hold_id, now)
    if found.state is HoldState.VOIDED:
        return found
    state = _next(found, HoldEvent.VOIDED)
    store.add_pending(tx, found.hold, -found.hold.amount.minor)
    store.end(tx, found.hold, state, now)
    ended = store.find(tx, owner_id, hold_id)
    assert ended is not None
    return ended


def expire_due(tx: Connection, now: datetime, *, limit: int = 1_000) -> int:
    """End up to `limit` holds whose time has passed, oldest first; return how many this call ended."""
    due = store.list_due(tx, now, limit)
    locked = account_store.lock_balances(tx, {account for hold_ in due for account in hold_[2:]})
    ended = store.expire_of(tx, [(b.owner_id, b.account_id) for b in locked], now)
    return ended + store.expire_unguarded(tx, [hold_[:2] for hold_ in due], now)


def _locked(tx: Connection, owner_id: UUID, hold_id: UUID, now: datetime) -> StoredHold:
    seen = store.find(tx, owner_id, hold_id)
    if seen is None:
        raise UnknownHoldError(hold_id=str(hold_id), owner_id=str(owner_id))
    account_store.lock_balances(tx, (seen.hold.debit, seen.hold.credit))
    found = store.find(tx, owner_id, hold_id, lock=True)
    assert found is not None, "holds are never deleted"
    if found.state is HoldState.OPEN and found.hold.expires_at <= now:
        raise HoldEndedError(hold_id=str(hold_id), state=HoldState.EXPIRED.value, step="posted or voided")
    return found


def _next(found: StoredHold, event: HoldEvent) -> HoldState:
    state = TRANSITIONS[found.state].get(event)
    if state is None:
        raise HoldEndedError(hold_id=str(found.hold.hold_id), state=found.state.value, step=event.value)
    return state
