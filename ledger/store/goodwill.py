"""SQL of goodwill batches, their lines and steps. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId
from kernel.money import Currency, Money
from ledger.rules.goodwill import GoodwillLine


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch as stored."""

    batch_id: UUID
    reason: str
    sha256: bytes
    currency: str
    line_count: int
    total_minor: int
    state: str
    made_by: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class BatchStep:
    """One step of a batch."""

    step_no: int
    event: str
    state: str
    actor: str
    at: datetime
    note: str


_BATCH = ", ".join(BatchRow.__slots__)
_STEP = ", ".join(BatchStep.__slots__)


def insert(tx: Connection, row: BatchRow, lines: Sequence[GoodwillLine]) -> bool:
    """Write a batch with its lines; False, and nothing written, where its id stands already."""
    names = BatchRow.__slots__
    done = tx.execute(
        text(
            f"INSERT INTO ledger_goodwill ({_BATCH}) VALUES ({', '.join(f':{n}' for n in names)})"
            " ON CONFLICT ON CONSTRAINT ledger_goodwill_pk DO NOTHING"
        ),
        {name: getattr(row, name) for name in names},
    )
    if done.rowcount != 1:
        return False
    tx.execute(
        text(
            "INSERT INTO ledger_goodwill_line (owner_id, batch_id, line_no, minor)"
            " SELECT owner, :batch, line, minor FROM unnest(CAST(:owners AS uuid[]), CAST(:lines AS integer[]),"
            " CAST(:minors AS bigint[])) AS l (owner, line, minor)"
        ),
        {
            "batch": row.batch_id,
            "owners": [line.account for line in lines],
            "lines": [line.line_no for line in lines],
            "minors": [line.amount.minor for line in lines],
        },
    )
    return True


def find(tx: Connection, batch_id: UUID, *, lock: bool = False) -> BatchRow | None:
    """Return a batch, its row locked if asked, or None."""
    row = tx.execute(
        text(f"SELECT {_BATCH} FROM ledger_goodwill WHERE batch_id = :id" + (" FOR UPDATE" if lock else "")),
        {"id": batch_id},
    ).one_or_none()
    return None if row is None else _batch(row)


def list_batches(tx: Connection, *, limit: int) -> tuple[BatchRow, ...]:
    """Return the newest batches first."""
    rows = tx.execute(
        text(f"SELECT {_BATCH} FROM ledger_goodwill ORDER BY made_at DESC, batch_id LIMIT :limit"),
        {"limit": limit},
    )
    return tuple(map(_batch, rows))


def list_lines(tx: Connection, batch_id: UUID, unit: Currency) -> tuple[GoodwillLine, ...]:
    """Return a batch's lines in the order of its file."""
    rows = tx.execute(
        text(
            "SELECT owner_id, minor, line_no FROM ledger_goodwill_line WHERE batch_id = :id ORDER BY line_no"
        ),
        {"id": batch_id},
    )
    return tuple(GoodwillLine(FareAccountId(row[0]), Money(row[1], unit), row[2]) for row in rows)


def insert_step(tx: Connection, batch_id: UUID, row: BatchStep) -> None:
    """Write a step, and the state it led to."""
    names = BatchStep.__slots__
    tx.execute(
        text(
            f"INSERT INTO ledger_goodwill_step (batch_id, {_STEP})"
            f" VALUES (:batch, {', '.join(f':{n}' for n in names)})"
        ),
        {name: getattr(row, name) for name in names} | {"batch": batch_id},
    )
    tx.execute(
        text("UPDATE ledger_goodwill SET state = :state WHERE batch_id = :batch"),
        {"state": row.state, "batch": batch_id},
    )


def list_steps(tx: Connection, batch_id: UUID) -> tuple[BatchStep, ...]:
    """Return a batch's steps in order."""
    rows = tx.execute(
        text(f"SELECT {_STEP} FROM ledger_goodwill_step WHERE batch_id = :id ORDER BY step_no"),
        {"id": batch_id},
    )
    return tuple(BatchStep(*row) for row in rows)


def _batch(row: Sequence[object]) -> BatchRow:
    values = list(row)
    values[2] = bytes(values[2])  # type: ignore[call-overload]
    return BatchRow(*values)  # type: ignore[arg-type]
