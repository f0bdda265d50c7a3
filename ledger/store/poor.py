"""SQL that pages through riders' balances below an amount."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text


def list_below(
    tx: Connection, *, kind: str, currency: str, below: int, after: UUID | None, limit: int
) -> list[UUID]:
    """Return owners of open guarded balances of a kind with less than so much available, in owner order."""
    rows = tx.execute(
        text(
            "SELECT owner_id FROM ledger_balance WHERE kind = :kind AND currency = :currency AND open"
            " AND posted - pending - floor < :below AND (CAST(:after AS uuid) IS NULL OR owner_id > :after)"
            " ORDER BY owner_id LIMIT :limit"
        ),
        {"kind": kind, "currency": currency, "below": below, "after": after, "limit": limit},
    )
    return list(rows.scalars())
