"""Everything of a span of book days, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from uuid import UUID

from sqlalchemy import Connection, text

from ledger.rules.row import Row
from ledger.store.lines import SELECT_COLUMNS


def entries(tx: Connection, first: date | None, last: date | None) -> Iterator[tuple[Row, ...]]:
    """Return entries (the lines of each) by book day, posting time and key; a server-side cursor."""
    rows = tx.execute(
        text(
            f"SELECT {SELECT_COLUMNS} FROM ledger_line l "
            "WHERE (CAST(:first AS date) IS NULL OR l.book_day >= :first) "
            "AND (CAST(:last AS date) IS NULL OR l.book_day <= :last) "
            "ORDER BY l.book_day, l.posted_at, l.owner_id, l.entry_id, l.line_no"
        ),
        {"first": first, "last": last},
        execution_options={"yield_per": 5_000},
    )
    lines = (Row(*one) for one in rows)
    for _, group in groupby(lines, key=lambda row: (row.book_day, row.owner_id, row.entry_id)):
        yield tuple(group)


def list_account_ids(tx: Connection, last: date | None) -> list[UUID]:
    """Return the accounts that any line up to a day names, in id order."""
    rows = tx.execute(
        text(
            "SELECT debit_id FROM ledger_line WHERE CAST(:last AS date) IS NULL OR book_day <= :last "
            "UNION SELECT credit_id FROM ledger_line WHERE CAST(:last AS date) IS NULL OR book_day <= :last "
            "ORDER BY 1"
        ),
        {"last": last},
    )
    return list(rows.scalars())


def sums_before(tx: Connection, first: date) -> dict[UUID, int]:
    """Return debits less credits of each account on all book days before one, where not zero."""
    rows = tx.execute(
        text(
            "SELECT account_id, sum(amount) AS net FROM ("
            "SELECT debit_id AS account_id, amount FROM ledger_line WHERE book_day < :first "
            "UNION ALL SELECT credit_id, -amount FROM ledger_line WHERE book_day < :first) m "
            "GROUP BY account_id HAVING sum(amount) <> 0 ORDER BY account_id"
        ),
        {"first": first},
    )
    return {found.account_id: int(found.net) for found in rows}


def first_day(tx: Connection) -> date | None:
    """Return the oldest book day that anything was booked on."""
    found: date | None = tx.execute(text("SELECT min(book_day) FROM ledger_line")).scalar()
    return found
