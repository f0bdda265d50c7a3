"""Corrections: an entry is never changed, it is reversed or adjusted by a linked one, once per cause."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import EntryId, LedgerAccountId, uuid8
from kernel.money import Money, currency
from ledger import post as poster
from ledger.rules.entry import Duplicate, Entry, Line, Outcome
from ledger.rules.errors import AlreadyReversedError, UnknownEntryError
from ledger.rules.row import Row
from ledger.store import lines as store

REVERSAL = "reversal"
ADJUSTMENT = "adjustment"


def find_entry(tx: Connection, owner_id: UUID, entry_id: UUID) -> tuple[Row, ...]:
    """Return the stored lines of an entry in order; empty when there is none."""
    return tuple(store.find_anywhere(tx, owner_id, entry_id))


def get_entry(tx: Connection, owner_id: UUID, entry_id: UUID) -> tuple[Row, ...]:
    """Return the stored lines of an entry; UnknownEntryError when there is none."""
    rows = find_entry(tx, owner_id, entry_id)
    if not rows:
        raise UnknownEntryError(entry_id=str(entry_id), owner_id=str(owner_id))
    return rows


def reversal_id(owner_id: UUID, entry_id: UUID) -> EntryId:
    """Return the id of the entry that takes another back: derived, so that there is at most one."""
    return EntryId(uuid8(REVERSAL, owner_id, entry_id))


def reverse(
    tx: Connection, owner_id: UUID, entry_id: UUID, now: datetime, *, cause: str = "", narrative: str = ""
) -> Outcome:
    """Book an entry's lines with the accounts swapped, linked to it, on the open book day.

    It is about the same service day and takes effect when the original did. `Duplicate` when this reversal
    was made before; `Refused` as in `post` (what a rider got and spent cannot be taken back below the
    floor). AlreadyReversedError when it was reversed for another cause; UnknownEntryError.
    """
    rows = get_entry(tx, owner_id, entry_id)
    made = reversal_id(owner_id, entry_id)
    if earlier := find_entry(tx, owner_id, made):
        if (earlier[0].cause, earlier[0].narrative) != (cause, narrative):
            raise AlreadyReversedError(entry_id=str(entry_id), reversal_id=str(made))
        return Duplicate(made, earlier[0].book_day, earlier[0].posted_at)
    lines = tuple(
        Line(
            LedgerAccountId(row.credit_id),
            LedgerAccountId(row.debit_id),
            Money(row.amount, currency(row.currency)),
        )
        for row in rows
    )
    return _correct(tx, rows[0], made, REVERSAL, lines, now, cause=cause, narrative=narrative)


def adjust(
    tx: Connection,
    owner_id: UUID,
    entry_id: UUID,
    lines: Sequence[Line],
    now: datetime,
    *,
    cause: str,
    narrative: str = "",
) -> Outcome:
    """Book further lines that correct an entry, linked to it, at most once per cause.

    Answers and refuses as `post` does: another adjustment for the same cause is IdReusedError.
    """
    rows = get_entry(tx, owner_id, entry_id)
    made = EntryId(uuid8(ADJUSTMENT, owner_id, entry_id, cause))
    return _correct(tx, rows[0], made, ADJUSTMENT, tuple(lines), now, cause=cause, narrative=narrative)


def _correct(
    tx: Connection,
    original: Row,
    made: EntryId,
    kind: str,
    lines: tuple[Line, ...],
    now: datetime,
    *,
    cause: str,
    narrative: str,
) -> Outcome:
    entry = Entry(
        made,
        kind,
        lines,
        original.owner_id,
        original.service_day,
        original.effective_at,
        cause,
        narrative,
        EntryId(original.entry_id),
    )
    return poster.post(tx, [entry], now)[0]
