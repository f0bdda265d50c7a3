"""Goodwill in bulk: proposed by one person, signed by another, posted once, taken back by reversal.

The callers lock the riders; each step commits with the money it moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Money, currency
from kernel.service_day import local_date
from ledger import reverse
from ledger.post import post
from ledger.purses import lock_purses
from ledger.rules import chart
from ledger.rules.book_day import ZONE
from ledger.rules.entry import Entry, Refused
from ledger.rules.goodwill import (
    SIGNED,
    GoodwillEvent,
    GoodwillLine,
    GoodwillState,
    check_lines,
    check_second_person,
    step,
)
from ledger.store import goodwill as store
from ledger.store.goodwill import BatchRow, BatchStep

KIND: Final = "goodwill"


class UnknownBatchError(DomainError):
    """No goodwill batch has this id."""

    detail = "There is no goodwill batch {batch_id}."


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch with its steps. `kept` are riders who had spent it when it was taken back; `again`: seen before."""

    row: BatchRow
    steps: tuple[BatchStep, ...]
    kept: tuple[FareAccountId, ...] = ()
    again: bool = False

    @property
    def total(self) -> Money:
        """Return what all lines come to."""
        return Money(self.row.total_minor, currency(self.row.currency))

    @property
    def state(self) -> GoodwillState:
        """Return where it stands."""
        return GoodwillState(self.row.state)


def batch_id_of(reason: str, sha256: bytes) -> UUID:
    """Return the id of a batch: the same file for the same reason is the same batch."""
    return uuid8("goodwill", reason, sha256)


def propose(
    tx: Connection, lines: Sequence[GoodwillLine], *, reason: str, sha256: bytes, by: str, now: datetime
) -> Batch:
    """Write a batch that waits for a second person; nothing is booked. GoodwillLinesError.

    The same file for the same reason answers the batch that stands.
    """
    total = check_lines(lines)
    batch_id = batch_id_of(reason, sha256)
    row = BatchRow(
        batch_id,
        reason,
        sha256,
        total.currency.code,
        len(lines),
        total.minor,
        GoodwillState.PROPOSED.value,
        by,
        now,
    )
    if store.insert(tx, row, lines):
        return Batch(row, ())
    return get_batch(tx, batch_id, again=True)


def riders_of(tx: Connection, batch_id: UUID) -> tuple[FareAccountId, ...]:
    """Return the riders of a batch, for the caller to lock; UnknownBatchError."""
    row = get_batch(tx, batch_id).row
    return tuple(line.account for line in store.list_lines(tx, batch_id, currency(row.currency)))


def decide(
    tx: Connection, batch_id: UUID, event: GoodwillEvent, *, by: str, now: datetime, note: str = ""
) -> Batch:
    """Take a batch one step on; the riders are locked by the caller.

    APPROVED posts every line (debts first, then the balance), UNDO_APPROVED reverses every line that is
    still there to take. The same step by the same person again answers the first time. UnknownBatchError,
    GoodwillStateError, GoodwillOnePersonError.
    """
    row = store.find(tx, batch_id, lock=True)
    if row is None:
        raise UnknownBatchError(batch_id=str(batch_id))
    steps = store.list_steps(tx, batch_id)
    if steps and (steps[-1].event, steps[-1].actor) == (event.value, by):
        return Batch(row, steps, again=True)
    state = step(GoodwillState(row.state), event, batch_id)
    if event in SIGNED:
        check_second_person(steps[-1].actor if steps else row.made_by, by)
    lines = store.list_lines(tx, batch_id, currency(row.currency))
    kept: tuple[FareAccountId, ...] = ()
    if event is GoodwillEvent.APPROVED:
        _post(tx, row, lines, now)
    elif event is GoodwillEvent.UNDO_APPROVED:
        kept = _undo(tx, row, lines, now)
        note = f"{note} {len(lines) - len(kept)} of {len(lines)} taken back".strip()
    made = BatchStep(len(steps) + 1, event.value, state.value, by, now, note)
    store.insert_step(tx, batch_id, made)
    found = get_batch(tx, batch_id)
    return Batch(found.row, found.steps, kept)


def get_batch(tx: Connection, batch_id: UUID, *, again: bool = False) -> Batch:
    """Return a batch; UnknownBatchError."""
    row = store.find(tx, batch_id)
    if row is None:
        raise UnknownBatchError(batch_id=str(batch_id))
    return Batch(row, store.list_steps(tx, batch_id), again=again)


def list_batches(tx: Connection, *, limit: int = 100) -> tuple[BatchRow, ...]:
    """Return the newest batches first."""
    return store.list_batches(tx, limit=limit)


def _entry_id(batch_id: UUID, account: FareAccountId) -> EntryId:
    return EntryId(uuid8(KIND, batch_id, account))


def _post(tx: Connection, row: BatchRow, lines: Sequence[GoodwillLine], now: datetime) -> None:
    unit = currency(row.currency)
    spender = chart.goodwill(unit)
    purses = lock_purses(tx, [(line.account, unit) for line in lines], (spender,), now)
    entries = [
        Entry(
            entry_id=_entry_id(row.batch_id, line.account),
            kind=KIND,
            lines=purses[line.account, unit].refund(line.amount, spender.account_id),
            owner_id=line.account,
            service_day=local_date(now, ZONE),
            effective_at=now,
            cause=f"goodwill:{row.batch_id}",
            narrative="goodwill",
        )
        for line in lines
    ]
    refused = [outcome for outcome in post(tx, entries, now) if isinstance(outcome, Refused)]
    assert not refused, f"a gift was refused: {refused[0]}"


def _undo(
    tx: Connection, row: BatchRow, lines: Sequence[GoodwillLine], now: datetime
) -> tuple[FareAccountId, ...]:
    kept = []
    for line in lines:
        entry_id = _entry_id(row.batch_id, line.account)
        cause = f"goodwill-undo:{row.batch_id}"
        outcome = reverse.reverse(tx, line.account, entry_id, now, cause=cause, narrative="goodwill.undone")
        if isinstance(outcome, Refused):  # spent: below the floor nothing is taken
            kept.append(line.account)
    return tuple(kept)
