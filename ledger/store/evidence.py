"""SQL of an operator's evidence: its accounts and the sealed lines that moved them. Takes `tx`, decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from ledger.rules.row import COLUMNS

_ROW: Final = ", ".join(f"l.{name}" for name in COLUMNS)


def list_accounts(
    tx: Connection, operator: str, currency: str, kinds: Sequence[str]
) -> tuple[tuple[UUID, str], ...]:
    """Return id and kind of an operator's accounts of these kinds."""
    rows = tx.execute(
        text(
            "SELECT account_id, kind FROM ledger_account WHERE owner_kind = 'operator' AND owner_name = :operator"
            " AND currency = :currency AND kind = ANY(:kinds) ORDER BY kind"
        ),
        {"operator": operator, "currency": currency, "kinds": list(kinds)},
    )
    return tuple((row[0], row[1]) for row in rows)


def stream_records(tx: Connection, book_day: date, accounts: Sequence[UUID]) -> Iterator[bytes]:
    """Yield what was hashed for each line of a day that moved one of these accounts, in the tree's order."""
    rows = tx.execute(
        text(
            f"SELECT record_send(ROW({_ROW})) FROM ledger_line l WHERE l.book_day = :day"
            " AND (l.debit_id = ANY(:accounts) OR l.credit_id = ANY(:accounts))"
            " ORDER BY l.owner_id, l.entry_id, l.line_no"
        ),
        {"day": book_day, "accounts": list(accounts)},
        execution_options={"yield_per": 5_000},
    )
    for row in rows:
        yield bytes(row[0])
