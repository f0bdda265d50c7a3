"""SQL of disputes and their steps, and of the entries that they are about. Takes `tx`, decides nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from ledger.rules.row import COLUMNS, Row


@dataclass(frozen=True, slots=True)
class DisputeRow:
    """A dispute as stored; `disputed_minor` is what was left of the charge when it was raised."""

    owner_id: UUID
    dispute_id: UUID
    entry_id: UUID
    cause: str
    disputed_minor: int
    currency: str
    reason: str
    state: str
    raised_by: str
    raised_at: datetime
    answer_by: datetime


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of a dispute; the refund where it gave one."""

    step_no: int
    event: str
    state: str
    actor: str
    at: datetime
    note: str
    refunded_minor: int | None
    entry_id: UUID | None


@dataclass(frozen=True, slots=True)
class RefundRow:
    """What one dispute gave back of the charge of a cause."""

    cause: str
    dispute_id: UUID
    refunded_minor: int
    currency: str


_DISPUTE = ", ".join(DisputeRow.__slots__)
_STEP = ", ".join(StepRow.__slots__)
_LINES = ", ".join(COLUMNS)


def insert(tx: Connection, row: DisputeRow) -> None:
    """Write a raised dispute."""
    names = DisputeRow.__slots__
    tx.execute(
        text(f"INSERT INTO ledger_dispute ({_DISPUTE}) VALUES ({', '.join(f':{n}' for n in names)})"),
        {name: getattr(row, name) for name in names},
    )


def find(tx: Connection, owner_id: UUID, dispute_id: UUID, *, lock: bool = False) -> DisputeRow | None:
    """Return a dispute, its row locked if asked, or None."""
    row = tx.execute(
        text(
            f"SELECT {_DISPUTE} FROM ledger_dispute WHERE owner_id = :owner AND dispute_id = :id"
            + (" FOR UPDATE" if lock else "")
        ),
        {"owner": owner_id, "id": dispute_id},
    ).one_or_none()
    return None if row is None else DisputeRow(*row)


def find_open(tx: Connection, owner_id: UUID, entry_id: UUID) -> DisputeRow | None:
    """Return the unanswered dispute of a charge, or None."""
    row = tx.execute(
        text(
            f"SELECT {_DISPUTE} FROM ledger_dispute WHERE owner_id = :owner AND entry_id = :entry"
            " AND state IN ('raised', 'in_review')"
        ),
        {"owner": owner_id, "entry": entry_id},
    ).one_or_none()
    return None if row is None else DisputeRow(*row)


def list_of(tx: Connection, owner_id: UUID, *, limit: int = 100) -> tuple[DisputeRow, ...]:
    """Return a rider's disputes, the newest first."""
    rows = tx.execute(
        text(
            f"SELECT {_DISPUTE} FROM ledger_dispute WHERE owner_id = :owner"
            " ORDER BY raised_at DESC, dispute_id LIMIT :limit"
        ),
        {"owner": owner_id, "limit": limit},
    )
    return tuple(DisputeRow(*row) for row in rows)


def list_open(tx: Connection, *, due_by: datetime | None, limit: int) -> tuple[DisputeRow, ...]:
    """Return unanswered disputes, those to be answered first in front; with `due_by`, only those due by then."""
    rows = tx.execute(
        text(
            f"SELECT {_DISPUTE} FROM ledger_dispute WHERE state IN ('raised', 'in_review')"
            " AND answer_by <= coalesce(CAST(:due AS timestamptz), 'infinity')"
            " ORDER BY answer_by, dispute_id LIMIT :limit"
        ),
        {"due": due_by, "limit": limit},
    )
    return tuple(DisputeRow(*row) for row in rows)


def insert_step(tx: Connection, owner_id: UUID, dispute_id: UUID, row: StepRow) -> None:
    """Write a step, and the state it led to."""
    names = StepRow.__slots__
    tx.execute(
        text(
            f"INSERT INTO ledger_dispute_step (owner_id, dispute_id, {_STEP})"
            f" VALUES (:owner, :dispute, {', '.join(f':{n}' for n in names)})"
        ),
        {name: getattr(row, name) for name in names} | {"owner": owner_id, "dispute": dispute_id},
    )
    tx.execute(
        text("UPDATE ledger_dispute SET state = :state WHERE owner_id = :owner AND dispute_id = :dispute"),
        {"state": row.state, "owner": owner_id, "dispute": dispute_id},
    )


def list_steps(tx: Connection, owner_id: UUID, dispute_id: UUID) -> tuple[StepRow, ...]:
    """Return a dispute's steps in order."""
    rows = tx.execute(
        text(
            f"SELECT {_STEP} FROM ledger_dispute_step"
            " WHERE owner_id = :owner AND dispute_id = :dispute ORDER BY step_no"
        ),
        {"owner": owner_id, "dispute": dispute_id},
    )
    return tuple(StepRow(*row) for row in rows)


def list_refunds(tx: Connection, causes: Collection[str]) -> tuple[RefundRow, ...]:
    """Return what disputes gave back for charges of these causes, whoever raised them, in the order of their answers."""
    rows = tx.execute(
        text(
            "SELECT d.cause, d.dispute_id, s.refunded_minor, d.currency FROM ledger_dispute d"
            " JOIN ledger_dispute_step s ON s.owner_id = d.owner_id AND s.dispute_id = d.dispute_id"
            " WHERE d.cause = ANY(CAST(:causes AS text[])) AND d.state = 'refunded'"
            " AND s.refunded_minor IS NOT NULL ORDER BY s.at, d.dispute_id"
        ),
        {"causes": list(causes)},
    )
    return tuple(RefundRow(*row) for row in rows)


def lines_of_cause(tx: Connection, owner_id: UUID, cause: str) -> tuple[Row, ...]:
    """Return an owner's lines of one cause, oldest first."""
    rows = tx.execute(
        text(
            f"SELECT {_LINES} FROM ledger_line WHERE owner_id = :owner AND cause = :cause"
            " ORDER BY posted_at, entry_id, line_no"
        ),
        {"owner": owner_id, "cause": cause},
    )
    return tuple(Row(*row) for row in rows)


def lines_that_correct(tx: Connection, owner_id: UUID, entries: Collection[UUID]) -> tuple[Row, ...]:
    """Return the lines of an owner's entries that correct any of these."""
    rows = tx.execute(
        text(
            f"SELECT {_LINES} FROM ledger_line WHERE owner_id = :owner"
            " AND corrects = ANY(CAST(:entries AS uuid[])) ORDER BY posted_at, entry_id, line_no"
        ),
        {"owner": owner_id, "entries": list(entries)},
    )
    return tuple(Row(*row) for row in rows)
