"""Closings: what each account that moved on a closed day stood at when it closed, as gross sums of all days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from ledger.store.balances import Sums

_BASE: Final = """
LEFT JOIN LATERAL (
    SELECT debits, credits FROM ledger_closing c
    WHERE c.owner_id = m.owner_id AND c.account_id = m.account_id AND c.book_day < :book_day
    ORDER BY c.book_day DESC LIMIT 1
) c ON true
"""
_INSERT: Final = """
INSERT INTO ledger_closing (owner_id, account_id, book_day, debits, credits)
SELECT m.owner_id, m.account_id, :book_day, sum(m.debits) + coalesce(max(c.debits), 0),
       sum(m.credits) + coalesce(max(c.credits), 0)
"""
# Guarded accounts have no roll-ups: their day is added up from its lines, once, when it closes. Into a table of its own,
# because the server adds up with all its processes only where it does not write rows that stay.
_GUARDED: Final = """
CREATE TEMPORARY TABLE closing_moved ON COMMIT DROP AS
SELECT l.owner_id, b.account_id, sum(CASE WHEN b.account_id = l.debit_id THEN l.amount ELSE 0 END) AS debits,
    sum(CASE WHEN b.account_id = l.credit_id THEN l.amount ELSE 0 END) AS credits
FROM ledger_line l JOIN ledger_balance b ON b.owner_id = l.owner_id AND b.account_id IN (l.debit_id, l.credit_id)
WHERE l.book_day = :book_day GROUP BY l.owner_id, b.account_id
"""


def insert(tx: Connection, book_day: date) -> None:
    """Write one cumulative row for each account that moved on a day that is being closed."""
    tx.execute(text("DROP TABLE IF EXISTS pg_temp.closing_moved"))
    # Taken for few, a day's movements would be sorted to be added up.
    tx.execute(text("SET LOCAL enable_sort = off"))
    tx.execute(text(_GUARDED), {"book_day": book_day})
    tx.execute(text("SET LOCAL enable_sort TO DEFAULT"))
    rolled_up = "FROM (SELECT * FROM ledger_rollup WHERE book_day = :book_day) m"
    for source in (rolled_up, "FROM pg_temp.closing_moved m"):
        tx.execute(
            text(f"{_INSERT} {source} {_BASE} GROUP BY m.owner_id, m.account_id"), {"book_day": book_day}
        )


def closed_on(tx: Connection, keys: Sequence[tuple[UUID, UUID]], book_day: date) -> dict[UUID, Sums]:
    """Return (debits, credits) of those accounts, (owner, account), that moved on a closed day, at its end."""
    rows = tx.execute(
        text(
            "SELECT c.account_id, c.debits, c.credits FROM ledger_closing c "
            "JOIN unnest(CAST(:owners AS uuid[]), CAST(:accounts AS uuid[])) AS q (owner_id, account_id) "
            "ON c.owner_id = q.owner_id AND c.account_id = q.account_id WHERE c.book_day = :book_day"
        ),
        {"owners": [key[0] for key in keys], "accounts": [key[1] for key in keys], "book_day": book_day},
    )
    return {found.account_id: (int(found.debits), int(found.credits)) for found in rows}


def guarded_sums(tx: Connection, keys: Sequence[tuple[UUID, UUID]], *, through: date) -> dict[UUID, Sums]:
    """Return (debits, credits) of guarded accounts, (owner, account), of all book days up to `through`.

    The last closing up to that day, and the lines of the days after it, found by their owner.
    """
    rows = tx.execute(
        text(
            """
            SELECT q.account_id, coalesce(c.debits, 0) + coalesce(l.debits, 0) AS debits,
                   coalesce(c.credits, 0) + coalesce(l.credits, 0) AS credits
            FROM unnest(CAST(:owners AS uuid[]), CAST(:accounts AS uuid[])) AS q (owner_id, account_id)
            LEFT JOIN LATERAL (
                SELECT book_day, debits, credits FROM ledger_closing c
                WHERE c.owner_id = q.owner_id AND c.account_id = q.account_id AND c.book_day <= :through
                ORDER BY book_day DESC LIMIT 1
            ) c ON true
            LEFT JOIN LATERAL (
                SELECT sum(amount) FILTER (WHERE l.debit_id = q.account_id) AS debits,
                       sum(amount) FILTER (WHERE l.credit_id = q.account_id) AS credits
                FROM ledger_line l
                WHERE l.owner_id = q.owner_id AND (l.debit_id = q.account_id OR l.credit_id = q.account_id)
                  AND l.book_day <= :through AND l.book_day > coalesce(c.book_day, '-infinity')
            ) l ON true
            """
        ),
        {"owners": [key[0] for key in keys], "accounts": [key[1] for key in keys], "through": through},
    )
    return {found.account_id: (int(found.debits), int(found.credits)) for found in rows}
