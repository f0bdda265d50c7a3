"""SQL over the dated facts that link fare accounts. Append-only; the newest of one account has its highest number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from access.rules.link import LinkFact
from access.store.arrays import uuids
from kernel.ids import FareAccountId

# Both ways and as far as it goes: two phones linked into one card know of each other only through it.
_NEAR = """
WITH RECURSIVE near (id) AS (
    SELECT unnest(CAST(:ids AS uuid[]))
    UNION
    SELECT v.id FROM near n CROSS JOIN LATERAL (
        SELECT l.into_account_id AS id FROM account_link l WHERE l.fare_account_id = n.id
        UNION ALL
        SELECT l.fare_account_id FROM account_link l WHERE l.into_account_id = n.id) v)
"""


class LinkRow(NamedTuple):
    """One fact as stored."""

    fare_account_id: UUID
    link_no: int
    link_id: UUID
    into_account_id: UUID
    effective_from: datetime
    reason: str
    actor: str
    recorded_at: datetime


_COLUMNS = ", ".join(LinkRow._fields)


def list_near(tx: Connection, accounts: Iterable[UUID]) -> tuple[LinkFact, ...]:
    """Return every fact that bears on these accounts, however many links away."""
    rows = tx.execute(
        text(
            f"{_NEAR} SELECT l.fare_account_id, l.link_no, l.into_account_id, l.effective_from"
            " FROM near n JOIN account_link l ON l.fare_account_id = n.id"
        ),
        {"ids": uuids(accounts)},
    )
    return tuple(LinkFact(FareAccountId(row[0]), row[1], FareAccountId(row[2]), row[3]) for row in rows)


def find_link(tx: Connection, account: UUID, link_id: UUID) -> LinkRow | None:
    """Return the fact of this id about this account, or None."""
    row = tx.execute(
        text(f"SELECT {_COLUMNS} FROM account_link WHERE fare_account_id = :account AND link_id = :link"),
        {"account": account, "link": link_id},
    ).one_or_none()
    return LinkRow(*row) if row else None


def list_links(tx: Connection, account: UUID) -> tuple[LinkRow, ...]:
    """Return the facts about one account in the order they were recorded."""
    rows = tx.execute(
        text(f"SELECT {_COLUMNS} FROM account_link WHERE fare_account_id = :account ORDER BY link_no"),
        {"account": account},
    )
    return tuple(LinkRow(*row) for row in rows)


def insert_link(tx: Connection, row: LinkRow) -> None:
    """Store one fact."""
    tx.execute(
        text(
            f"INSERT INTO account_link ({_COLUMNS})"
            f" VALUES ({', '.join(':' + name for name in LinkRow._fields)})"
        ),
        row._asdict(),
    )
