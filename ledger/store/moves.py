"""SQL over what moved from rider to rider, beside the entries: one row a move, never changed."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text


class MoveRow(NamedTuple):
    """One move: from its owner to another rider."""

    owner_id: UUID
    move_id: UUID
    into_id: UUID
    kind: str
    month: date
    amount_minor: int
    currency: str
    moved_at: datetime


def insert(tx: Connection, row: MoveRow) -> None:
    """Store one move."""
    tx.execute(
        text(
            f"INSERT INTO ledger_move ({', '.join(MoveRow._fields)})"
            f" VALUES ({', '.join(':' + name for name in MoveRow._fields)})"
        ),
        row._asdict(),
    )


def sum_between(tx: Connection, owner_id: UUID, into_id: UUID, *, kind: str, currency: str) -> int:
    """Return what one rider moved to another, in minor units."""
    return int(
        tx.execute(
            text(
                "SELECT coalesce(sum(amount_minor), 0) FROM ledger_move"
                " WHERE owner_id = :owner AND into_id = :into AND kind = :kind AND currency = :currency"
            ),
            {"owner": owner_id, "into": into_id, "kind": kind, "currency": currency},
        ).scalar_one()
    )


def sum_of_month(
    tx: Connection, *, kind: str, month: date, currency: str, owner_id: UUID | None, into_id: UUID | None
) -> dict[UUID, int]:
    """Return a month's moves of one giver or to one receiver, by receiver, in minor units."""
    rows = tx.execute(
        text(
            "SELECT into_id, sum(amount_minor) FROM ledger_move WHERE kind = :kind AND month = :month"
            " AND currency = :currency"
            + (" AND owner_id = :owner" if owner_id else "")
            + (" AND into_id = :into" if into_id else "")
            + " GROUP BY into_id"
        ),
        {"kind": kind, "month": month, "currency": currency, "owner": owner_id, "into": into_id},
    )
    return {row[0]: int(row[1]) for row in rows}
