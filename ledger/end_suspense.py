"""End rows of the suspense queue: one person proposes, another approves, and only then is anything booked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from kernel.errors import DomainError
from kernel.ids import EntryId, FareAccountId, LedgerAccountId, uuid8
from kernel.money import Money, currency
from kernel.service_day import local_date
from ledger.accounts import open_accounts
from ledger.post import post
from ledger.purses import lock_purses
from ledger.rules import chart
from ledger.rules.book_day import ZONE
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.reconcile import SamePersonError
from ledger.rules.topup import split_credit
from ledger.store import suspense_ends as store
from ledger.store.lines import share_days

_KIND = "suspense.ended"
LockRider = Callable[[Connection, FareAccountId], object]


class UnknownSuspenseError(DomainError):
    """No open row of the suspense queue has this id."""

    detail = "There is no open row {suspense_id} in the suspense queue."


class SuspenseNotProposedError(DomainError):
    """Nobody has proposed how to end this row."""

    detail = "Nobody has proposed how to end row {suspense_id}."


class SuspenseEndError(DomainError):
    """The row cannot end in this way."""

    detail = "Row {suspense_id} cannot end as {resolution}: {reason}."


class SuspenseEnd(Enum):
    """How a row ends."""

    CREDITED = "credited"
    """To a rider: what is owed first, the rest to the stored value."""
    SENT_BACK = "sent_back"
    """To whoever paid: it becomes payable."""
    DISMISSED = "dismissed"
    """The books hold nothing for it, and there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What approving did; `owed` is what the rider still owes after a credit."""

    resolution: SuspenseEnd
    amount: Money | None
    fare_account_id: FareAccountId | None = None
    owed: Money | None = None


def assign(tx: Connection, suspense_id: UUID, owner: str) -> None:
    """Give an open row an owner; UnknownSuspenseError."""
    _get(tx, suspense_id)
    store.assign(tx, suspense_id, owner)


def propose(
    tx: Connection,
    suspense_id: UUID,
    resolution: SuspenseEnd,
    *,
    fare_account_id: FareAccountId | None,
    note: str,
    actor: str,
    now: datetime,
) -> None:
    """Propose how a row shall end; books nothing. A later proposal replaces an earlier one.

    UnknownSuspenseError; SuspenseEndError: a credit names its rider and nothing else does, only what the books
    hold is credited or sent back, only what they do not hold is dismissed.
    """
    row = _get(tx, suspense_id)
    reason = ""
    if (resolution is SuspenseEnd.CREDITED) != (fare_account_id is not None):
        reason = "a credit names its rider, nothing else does"
    elif row.booked == (resolution is SuspenseEnd.DISMISSED):
        reason = "the books hold it" if row.booked else "the books hold nothing for it"
    if reason:
        raise SuspenseEndError(suspense_id=str(suspense_id), resolution=resolution.value, reason=reason)
    store.insert_proposal(tx, suspense_id, resolution.value, fare_account_id, note, actor, now)


def approve(tx: Connection, suspense_id: UUID, *, actor: str, now: datetime, lock_rider: LockRider) -> Ended:
    """End a row as another person proposed, and book it. `lock_rider` locks the fare account.

    UnknownSuspenseError (also when it ended before), SuspenseNotProposedError, SamePersonError; SuspenseEndError
    when the rider's account takes no postings.
    """
    row = _get(tx, suspense_id)
    if row.resolution is None:
        raise SuspenseNotProposedError(suspense_id=str(suspense_id))
    if row.proposer == actor:
        raise SamePersonError(actor=actor)
    resolution = SuspenseEnd(row.resolution)
    amount = Money(row.amount, currency(row.currency)) if row.amount is not None else None
    ended = Ended(resolution, amount)
    if resolution is not SuspenseEnd.DISMISSED:
        assert amount is not None, "the books hold an amount"
        ended = _book(tx, row, resolution, amount, now, lock_rider)
    store.insert_end(tx, suspense_id, resolution.value, actor, now)
    return ended


def _book(
    tx: Connection,
    row: Row[Any],
    resolution: SuspenseEnd,
    amount: Money,
    now: datetime,
    lock_rider: LockRider,
) -> Ended:
    unit = amount.currency
    held = chart.suspense(row.reason, unit)
    today = local_date(now, ZONE)
    entry_id = EntryId(uuid8(_KIND, row.suspense_id))
    share_days(tx, {today})
    rider, owed = None, None
    if resolution is SuspenseEnd.CREDITED:
        rider = FareAccountId(row.fare_account_id)
        lock_rider(tx, rider)
        purse = lock_purses(tx, ((rider, unit),), (held,), now)[rider, unit]
        cleared, loaded = split_credit(amount, purse.debt)
        owed = purse.debt - cleared
        parts: tuple[tuple[LedgerAccountId, Money], ...] = (
            (purse.receivable, cleared),
            (purse.stored_value, loaded),
        )
    else:
        payable = chart.refund_payable(unit)
        open_accounts(tx, (held, payable), now)
        parts = ((payable.account_id, amount),)
    entry = Entry(
        entry_id=entry_id,
        kind=_KIND,
        lines=tuple(Line(held.account_id, account, part) for account, part in parts if part),
        owner_id=rider or held.owner_id,
        service_day=today,
        effective_at=now,
        cause=f"suspense:{row.suspense_id}",
        narrative=f"suspense.{resolution.value}",
    )
    if isinstance(post(tx, (entry,), now)[0], Refused):
        raise SuspenseEndError(
            suspense_id=str(row.suspense_id),
            resolution=resolution.value,
            reason="the rider's account takes no postings",
        )
    return Ended(resolution, amount, rider, owed)


def _get(tx: Connection, suspense_id: UUID) -> Row[Any]:
    row = store.lock_open(tx, suspense_id)
    if row is None:
        raise UnknownSuspenseError(suspense_id=str(suspense_id))
    return row
