"""SQL over family wallets: who pays for whom, recorded in order. Append-only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from access.store.arrays import uuids


class WalletRow(NamedTuple):
    """One fact: from when it was recorded on this payer (None: nobody) pays for the member, up to a month's limit."""

    fare_account_id: UUID
    wallet_no: int
    wallet_id: UUID
    payer_account_id: UUID | None
    month_limit: int
    actor: str
    recorded_at: datetime


_WALLET = ", ".join(WalletRow._fields)
_NEWEST = (
    f"SELECT DISTINCT ON (fare_account_id) {_WALLET} FROM family_wallet"
    " WHERE fare_account_id = ANY(CAST(:members AS uuid[])) ORDER BY fare_account_id, wallet_no DESC"
)


def list_current(tx: Connection, members: Iterable[UUID]) -> tuple[WalletRow, ...]:
    """Return the newest fact about each of these members."""
    rows = tx.execute(text(_NEWEST), {"members": uuids(members)})
    return tuple(WalletRow(*row) for row in rows)


def list_members(tx: Connection, payer: UUID) -> tuple[WalletRow, ...]:
    """Return the newest fact about everybody for whom this account ever paid, where it still does."""
    rows = tx.execute(
        text(
            f"SELECT {_WALLET} FROM (SELECT DISTINCT ON (fare_account_id) * FROM family_wallet"
            " WHERE fare_account_id IN (SELECT fare_account_id FROM family_wallet WHERE payer_account_id = :payer)"
            " ORDER BY fare_account_id, wallet_no DESC) AS newest"
            " WHERE payer_account_id = :payer ORDER BY recorded_at, fare_account_id"
        ),
        {"payer": payer},
    )
    return tuple(WalletRow(*row) for row in rows)


def find_wallet(tx: Connection, member: UUID, wallet_id: UUID) -> WalletRow | None:
    """Return the fact of this id about this member, or None."""
    row = tx.execute(
        text(f"SELECT {_WALLET} FROM family_wallet WHERE fare_account_id = :member AND wallet_id = :id"),
        {"member": member, "id": wallet_id},
    ).one_or_none()
    return WalletRow(*row) if row else None


def insert_wallet(tx: Connection, row: WalletRow) -> None:
    """Store one fact."""
    names = ", ".join(":" + name for name in WalletRow._fields)
    tx.execute(text(f"INSERT INTO family_wallet ({_WALLET}) VALUES ({names})"), row._asdict())
