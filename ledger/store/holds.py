"""Hold rows and what they take from guarded balances."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import EntryId, LedgerAccountId
from kernel.money import Money, currency
from ledger.rules.entry import canonical_metadata
from ledger.rules.hold import Hold, HoldState, StoredHold
from ledger.store.arrays import literal

_COLUMNS: Final = (
    "owner_id, hold_id, debit_id, credit_id, amount, currency, service_day, kind, cause, narrative, metadata, "
    "placed_at, expires_at, state, ended_at, posted_minor, entry_id"
)
# The account of a hold that a balance row stands for: what it would take from, on that account's normal side.
_TAKEN_FROM: Final = "b.account_id = CASE b.normal WHEN 1 THEN h.debit_id ELSE h.credit_id END"


def insert(tx: Connection, hold: Hold, now: datetime) -> bool:
    """Store an open hold; False when its id is taken."""
    found = tx.execute(
        text(
            "INSERT INTO ledger_hold (owner_id, hold_id, debit_id, credit_id, amount, currency, service_day, kind, "
            "cause, narrative, metadata, placed_at, expires_at, state) VALUES (:owner_id, :hold_id, :debit, :credit, "
            ":amount, :currency, :service_day, :kind, :cause, :narrative, :metadata, :now, :expires_at, 'open') "
            "ON CONFLICT (owner_id, hold_id) DO NOTHING"
        ),
        {
            "owner_id": hold.owner_id,
            "hold_id": hold.hold_id,
            "debit": hold.debit,
            "credit": hold.credit,
            "amount": hold.amount.minor,
            "currency": hold.amount.currency.code,
            "service_day": hold.service_day,
            "kind": hold.kind,
            "cause": hold.cause,
            "narrative": hold.narrative,
            "metadata": canonical_metadata(hold.metadata),
            "now": now,
            "expires_at": hold.expires_at,
        },
    )
    return found.rowcount == 1


def find(tx: Connection, owner_id: UUID, hold_id: UUID, *, lock: bool = False) -> StoredHold | None:
    """Return a hold as stored, locked when asked; None when there is none."""
    found = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM ledger_hold WHERE owner_id = :owner_id AND hold_id = :hold_id"
            + (" FOR UPDATE" if lock else "")
        ),
        {"owner_id": owner_id, "hold_id": hold_id},
    ).one_or_none()
    if found is None:
        return None
    unit = currency(found.currency)
    hold = Hold(
        found.hold_id,
        found.owner_id,
        LedgerAccountId(found.debit_id),
        LedgerAccountId(found.credit_id),
        Money(found.amount, unit),
        found.expires_at,
        found.kind,
        found.service_day,
        found.cause,
        found.narrative,
        json.loads(found.metadata or "{}"),
    )
    return StoredHold(
        hold,
        HoldState(found.state),
        found.placed_at,
        found.ended_at,
        None if found.posted_minor is None else Money(found.posted_minor, unit),
        None if found.entry_id is None else EntryId(found.entry_id),
    )


def end(
    tx: Connection,
    hold: Hold,
    state: HoldState,
    now: datetime,
    *,
    posted: Money | None = None,
    entry_id: EntryId | None = None,
) -> None:
    """Write a hold's end."""
    tx.execute(
        text(
            "UPDATE ledger_hold SET state = :state, ended_at = :now, posted_minor = :posted, entry_id = :entry_id "
            "WHERE owner_id = :owner_id AND hold_id = :hold_id"
        ),
        {
            "owner_id": hold.owner_id,
            "hold_id": hold.hold_id,
            "state": state.value,
            "now": now,
            "posted": None if posted is None else posted.minor,
            "entry_id": entry_id,
        },
    )


def add_pending(tx: Connection, hold: Hold, minor: int) -> None:
    """Add to (or, negative, take from) what is pending on the guarded accounts that the hold takes from."""
    tx.execute(
        text(
            "UPDATE ledger_balance b SET pending = b.pending + :minor "
            "WHERE b.owner_id = :owner_id AND (b.normal = 1 AND b.account_id = :debit "
            "OR b.normal = -1 AND b.account_id = :credit)"
        ),
        {"owner_id": hold.owner_id, "debit": hold.debit, "credit": hold.credit, "minor": minor},
    )


def expire_of(tx: Connection, keys: Sequence[tuple[UUID, UUID]], now: datetime) -> int:
    """End the holds of these locked guarded accounts, (owner, account), whose time has passed; return how many."""
    if not keys:
        return 0
    # A hold takes from up to two guarded accounts; both stand under its owner. The hold row's lock decides
    # between those who end it at the same instant.
    found = tx.execute(
        text(
            """
            WITH due AS (
                SELECT h.owner_id, h.hold_id
                FROM unnest(CAST(:owners AS uuid[]), CAST(:accounts AS uuid[])) AS q (owner_id, account_id)
                JOIN ledger_balance b ON b.owner_id = q.owner_id AND b.account_id = q.account_id
                JOIN ledger_hold h ON h.owner_id = b.owner_id AND """
            + _TAKEN_FROM
            + """
                WHERE h.state = 'open' AND h.expires_at <= :now
            ), ended AS (
                UPDATE ledger_hold h SET state = 'expired', ended_at = :now FROM due
                WHERE h.owner_id = due.owner_id AND h.hold_id = due.hold_id AND h.state = 'open'
                RETURNING h.owner_id, h.debit_id, h.credit_id, h.amount
            ), freed AS (
                SELECT b.owner_id, b.account_id, sum(h.amount) AS amount FROM ended h
                JOIN ledger_balance b ON b.owner_id = h.owner_id AND """
            + _TAKEN_FROM
            + """
                GROUP BY b.owner_id, b.account_id
            ), released AS (
                UPDATE ledger_balance b SET pending = b.pending - f.amount FROM freed f
                WHERE b.owner_id = f.owner_id AND b.account_id = f.account_id
            )
            SELECT count(*) FROM ended
            """
        ),
        {"owners": literal(key[0] for key in keys), "accounts": literal(key[1] for key in keys), "now": now},
    )
    ended: int = found.scalar_one()
    return ended


def due_sums(tx: Connection, keys: Sequence[tuple[UUID, UUID]], now: datetime) -> dict[UUID, int]:
    """Return what holds past their time, not ended yet, still take from each guarded account."""
    if not keys:
        return {}
    rows = tx.execute(
        text(
            "SELECT b.account_id, sum(h.amount) AS amount "
            "FROM unnest(CAST(:owners AS uuid[]), CAST(:accounts AS uuid[])) AS q (owner_id, account_id) "
            "JOIN ledger_balance b ON b.owner_id = q.owner_id AND b.account_id = q.account_id "
            f"JOIN ledger_hold h ON h.owner_id = b.owner_id AND {_TAKEN_FROM} "
            "WHERE h.state = 'open' AND h.expires_at <= :now GROUP BY b.account_id"
        ),
        {"owners": literal(key[0] for key in keys), "accounts": literal(key[1] for key in keys), "now": now},
    )
    return {found.account_id: int(found.amount) for found in rows}


def list_due(tx: Connection, now: datetime, limit: int) -> list[tuple[UUID, UUID, UUID, UUID]]:
    """Return (owner, hold, debit, credit) of open holds past their time, oldest first."""
    rows = tx.execute(
        text(
            "SELECT owner_id, hold_id, debit_id, credit_id FROM ledger_hold "
            "WHERE state = 'open' AND expires_at <= :now ORDER BY expires_at LIMIT :limit"
        ),
        {"now": now, "limit": limit},
    )
    return [(found.owner_id, found.hold_id, found.debit_id, found.credit_id) for found in rows]


def expire_unguarded(tx: Connection, keys: Sequence[tuple[UUID, UUID]], now: datetime) -> int:
    """End holds, (owner, hold), that take from no guarded account; return how many."""
    if not keys:
        return 0
    found = tx.execute(
        text(
            "UPDATE ledger_hold h SET state = 'expired', ended_at = :now "
            "FROM unnest(CAST(:owners AS uuid[]), CAST(:holds AS uuid[])) AS q (owner_id, hold_id) "
            "WHERE h.owner_id = q.owner_id AND h.hold_id = q.hold_id AND h.state = 'open' "
            "AND h.expires_at <= :now AND NOT EXISTS "
            f"(SELECT FROM ledger_balance b WHERE b.owner_id = h.owner_id AND {_TAKEN_FROM})"
        ),
        {"owners": [key[0] for key in keys], "holds": [key[1] for key in keys], "now": now},
    )
    return found.rowcount
