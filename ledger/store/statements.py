"""The lines of one account in statement order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from ledger.rules.row import Row
from ledger.rules.statement import Place
from ledger.store.lines import SELECT_COLUMNS

_ERA: Final = datetime(2000, 1, 1, tzinfo=UTC)


def page_lines(
    tx: Connection,
    account_id: UUID,
    owner_id: UUID | None,
    *,
    first: date,
    last: date,
    after: Place | None,
    limit: int,
) -> list[Row]:
    """Return up to `limit` lines of an account after a place, by book day, posting time and key.

    `owner_id` when all lines of the account stand under one owner: the key finds them; otherwise the book
    days bound what is read.
    """
    where = [
        "(l.debit_id = :account_id OR l.credit_id = :account_id)",
        "l.book_day BETWEEN :first AND :last",
    ]
    values: dict[str, object] = {"account_id": account_id, "first": first, "last": last, "limit": limit}
    if owner_id is not None:
        where.append("l.owner_id = :owner_id")
        values["owner_id"] = owner_id
    if after is not None:
        where.append(
            "(l.book_day, l.posted_at, l.owner_id, l.entry_id, l.line_no) "
            "> (:after_day, :after_at, :after_owner, :after_entry, :after_line)"
        )
        values |= {
            "after_day": _ERA.date() + timedelta(days=after.book_day),
            "after_at": _ERA + timedelta(microseconds=after.posted_at),
            "after_owner": after.owner_id,
            "after_entry": after.entry_id,
            "after_line": after.line_no,
        }
    rows = tx.execute(
        text(
            f"SELECT {SELECT_COLUMNS} FROM ledger_line l WHERE {' AND '.join(where)} "
            "ORDER BY l.book_day, l.posted_at, l.owner_id, l.entry_id, l.line_no LIMIT :limit"
        ),
        values,
    )
    return [Row(*one) for one in rows]
