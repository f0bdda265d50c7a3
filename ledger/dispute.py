"""Disputes: a rider raises one about a charge, a person answers it by a date, a refund is a linked entry.

The ledger knows entries, not rides or stays: the callers say by which cause a charge is found, and lock the rider.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import FareAccountId
from kernel.money import Money
from ledger import reverse
from ledger.charges import Charge, find_charge, get_charge
from ledger.post import book_day
from ledger.purses import lock_purses
from ledger.rules import chart
from ledger.rules.dispute import (
    ANSWER_WITHIN,
    CAUSE,
    RAISE_WITHIN,
    DisputeAmountError,
    DisputeEvent,
    DisputeOnePersonError,
    DisputeState,
    DisputeTooLateError,
    step,
)
from ledger.rules.entry import Refused
from ledger.rules.errors import IdReusedError
from ledger.store import disputes as store
from ledger.store.disputes import DisputeRow, StepRow

NARRATIVE: Final = "dispute.refunded"


class UnknownDisputeError(DomainError):
    """The rider raised no dispute of this id."""

    detail = "There is no dispute {dispute_id}."


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute with its steps and the charge as it stands; `again` when it was asked for before."""

    row: DisputeRow
    steps: tuple[StepRow, ...]
    charge: Charge
    again: bool = False

    @property
    def state(self) -> DisputeState:
        """Return where it stands."""
        return DisputeState(self.row.state)

    def overdue(self, now: datetime) -> bool:
        """Return whether it should have been answered by now."""
        return self.state in {DisputeState.RAISED, DisputeState.IN_REVIEW} and now > self.row.answer_by


def raise_dispute(
    tx: Connection,
    account: FareAccountId,
    *,
    dispute_id: UUID,
    entry_id: UUID | None = None,
    cause: str = "",
    reason: str,
    by: str,
    now: datetime,
) -> Dispute:
    """Write a rider's dispute of a charge, found by its entry or by its cause; the rider is locked.

    One charge has at most one unanswered dispute: raising another answers that one. Raises NotAChargeError,
    DisputeTooLateError; IdReusedError for an id that is about another charge.
    """
    known = store.find(tx, account, dispute_id)
    if known is not None:
        named = find_charge(tx, account, entry_id=entry_id, cause=cause)
        if named is None or named.entry_id != known.entry_id:
            raise IdReusedError(id=str(dispute_id), field="charge")
        return _dispute(tx, known, again=True)
    charge = get_charge(tx, account, entry_id=entry_id, cause=cause)
    running = store.find_open(tx, account, charge.entry_id)
    if running is not None:
        return _dispute(tx, running, again=True)
    booked = charge.lines[-1].posted_at
    if now - booked > RAISE_WITHIN:
        raise DisputeTooLateError(booked=booked.date().isoformat(), days=RAISE_WITHIN.days)
    row = DisputeRow(
        account,
        dispute_id,
        charge.entry_id,
        charge.cause,
        charge.left.minor,
        charge.left.currency.code,
        reason,
        DisputeState.RAISED.value,
        by,
        now,
        now + ANSWER_WITHIN,
    )
    store.insert(tx, row)
    return Dispute(row, (), charge)


def take(tx: Connection, account: FareAccountId, dispute_id: UUID, *, by: str, now: datetime) -> Dispute:
    """Write that a person has begun to look; UnknownDisputeError, DisputeStateError."""
    return _step(tx, _lock(tx, account, dispute_id), DisputeEvent.TAKEN, by=by, note="", now=now)


def withdraw(tx: Connection, account: FareAccountId, dispute_id: UUID, *, by: str, now: datetime) -> Dispute:
    """Write that the rider takes the dispute back; UnknownDisputeError, DisputeStateError."""
    return _step(tx, _lock(tx, account, dispute_id), DisputeEvent.WITHDRAWN, by=by, note="", now=now)


def answer(
    tx: Connection,
    account: FareAccountId,
    dispute_id: UUID,
    *,
    refund: Money | None,
    note: str,
    by: str,
    now: datetime,
) -> Dispute:
    """Answer a dispute: with a refund, booked as an entry linked to the charge, or with none; the rider is locked.

    Answering again with the same amount answers the first time. UnknownDisputeError, DisputeStateError,
    DisputeAmountError, DisputeOnePersonError.
    """
    before = store.find(tx, account, dispute_id)
    if before is None:
        raise UnknownDisputeError(dispute_id=str(dispute_id))
    if before.raised_by == by:
        raise DisputeOnePersonError(person=by)
    event = DisputeEvent.REFUNDED if refund is not None else DisputeEvent.REFUSED
    steps = store.list_steps(tx, account, dispute_id)
    if steps and (steps[-1].event, steps[-1].refunded_minor, steps[-1].actor) == (
        event.value,
        refund.minor if refund else None,
        by,
    ):
        return _dispute(tx, before, again=True)
    entry_id = None
    if refund is not None:
        charge = _charge(tx, before)
        book_day(tx, charge.lines[0].service_day, now)
        step(DisputeState(before.state), event, dispute_id)
        if refund.currency != charge.left.currency or not 0 < refund.minor <= charge.left.minor:
            raise DisputeAmountError(most=charge.left.minor)
        spender = chart.goodwill(refund.currency)
        purse = lock_purses(tx, {(account, refund.currency)}, (spender,), now)[account, refund.currency]
        outcome = reverse.adjust(
            tx,
            account,
            before.entry_id,
            purse.refund(refund, spender.account_id),
            now,
            cause=f"{CAUSE}{dispute_id}",
            narrative=NARRATIVE,
        )
        assert not isinstance(outcome, Refused), "a refund only raises a balance or lowers a debt"
        entry_id = outcome.entry_id
    return _step(
        tx,
        _lock(tx, account, dispute_id),
        event,
        by=by,
        note=note,
        now=now,
        refunded=refund,
        entry_id=entry_id,
    )


def get_dispute(tx: Connection, account: FareAccountId, dispute_id: UUID) -> Dispute:
    """Return a dispute; UnknownDisputeError."""
    row = store.find(tx, account, dispute_id)
    if row is None:
        raise UnknownDisputeError(dispute_id=str(dispute_id))
    return _dispute(tx, row)


def list_disputes(tx: Connection, account: FareAccountId) -> tuple[DisputeRow, ...]:
    """Return a rider's disputes, the newest first."""
    return store.list_of(tx, account)


def list_open(
    tx: Connection, *, due_by: datetime | None = None, limit: int = 1_000
) -> tuple[DisputeRow, ...]:
    """Return unanswered disputes, the most urgent first; with `due_by`, only those due by then."""
    return store.list_open(tx, due_by=due_by, limit=limit)


def _lock(tx: Connection, account: FareAccountId, dispute_id: UUID) -> DisputeRow:
    row = store.find(tx, account, dispute_id, lock=True)
    if row is None:
        raise UnknownDisputeError(dispute_id=str(dispute_id))
    return row


def _step(
    tx: Connection,
    row: DisputeRow,
    event: DisputeEvent,
    *,
    by: str,
    note: str,
    now: datetime,
    refunded: Money | None = None,
    entry_id: UUID | None = None,
) -> Dispute:
    state = step(DisputeState(row.state), event, row.dispute_id)
    number = len(store.list_steps(tx, row.owner_id, row.dispute_id)) + 1
    minor = refunded.minor if refunded else None
    made = StepRow(number, event.value, state.value, by, now, note, minor, entry_id)
    store.insert_step(tx, row.owner_id, row.dispute_id, made)
    return get_dispute(tx, FareAccountId(row.owner_id), row.dispute_id)


def _dispute(tx: Connection, row: DisputeRow, *, again: bool = False) -> Dispute:
    return Dispute(row, store.list_steps(tx, row.owner_id, row.dispute_id), _charge(tx, row), again)


def _charge(tx: Connection, row: DisputeRow) -> Charge:
    found = find_charge(tx, FareAccountId(row.owner_id), entry_id=row.entry_id)
    assert found is not None, "entries are never deleted"
    return found
