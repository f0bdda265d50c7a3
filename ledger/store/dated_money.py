"""SQL of the money that came to riders or left them for something else than rides."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text


def list_lines(tx: Connection, owners: Sequence[UUID], *, without: str, unit: str) -> Sequence[Any]:
    """Return (owner, debit, credit, amount, effective_at) of the owners' lines of every kind but one, in order of time."""
    rows = tx.execute(
        text(
            """
            SELECT owner_id, debit_id, credit_id, amount, effective_at FROM ledger_line
            WHERE owner_id = ANY(CAST(:owners AS uuid[])) AND kind <> :without AND currency = :unit
            ORDER BY owner_id, effective_at, entry_id, line_no
            """
        ),
        {"owners": list(owners), "without": without, "unit": unit},
    )
    return rows.all()


def list_owners(
    tx: Connection, *, since: datetime, until: datetime, from_book_day: date, without: str, unit: str
) -> tuple[UUID, ...]:
    """Return the owners with a line of another kind that is effective in [since, until)."""
    rows = tx.execute(
        text(
            """
            SELECT DISTINCT owner_id FROM ledger_line
            WHERE book_day >= :from_book_day AND effective_at >= :since AND effective_at < :until
              AND kind <> :without AND currency = :unit
            ORDER BY owner_id
            """
        ),
        {"since": since, "until": until, "from_book_day": from_book_day, "without": without, "unit": unit},
    )
    return tuple(row[0] for row in rows)
