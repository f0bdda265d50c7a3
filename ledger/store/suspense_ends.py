"""How rows of the suspense queue end, in SQL: owners, proposals, ends."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text


def lock_open(tx: Connection, suspense_id: UUID) -> Row[Any] | None:
    """Return an open row with its payment's time and the newest proposal, locked; None when it is not open."""
    return tx.execute(
        text(
            "SELECT s.suspense_id, s.reason, s.amount, s.currency, s.booked, pay.paid_at, p.resolution, "
            "p.fare_account_id, p.actor AS proposer FROM ledger_suspense s "
            "LEFT JOIN ledger_payment pay ON pay.payment_id = s.payment_id "
            "LEFT JOIN LATERAL (SELECT resolution, fare_account_id, actor FROM ledger_suspense_proposal r "
            "WHERE r.suspense_id = s.suspense_id ORDER BY proposal_no DESC LIMIT 1) p ON true "
            "WHERE s.suspense_id = :suspense_id AND NOT EXISTS "
            "(SELECT FROM ledger_suspense_end e WHERE e.suspense_id = s.suspense_id) FOR UPDATE OF s"
        ),
        {"suspense_id": suspense_id},
    ).one_or_none()


def assign(tx: Connection, suspense_id: UUID, owner: str) -> None:
    """Give a row an owner."""
    tx.execute(
        text("UPDATE ledger_suspense SET assigned_to = :owner WHERE suspense_id = :suspense_id"),
        {"owner": owner, "suspense_id": suspense_id},
    )


def insert_proposal(
    tx: Connection,
    suspense_id: UUID,
    resolution: str,
    fare_account_id: UUID | None,
    note: str,
    actor: str,
    now: datetime,
) -> None:
    """Write down how somebody proposes to end a row."""
    tx.execute(
        text(
            "INSERT INTO ledger_suspense_proposal (suspense_id, proposal_no, resolution, fare_account_id, note, "
            "actor, proposed_at) SELECT :suspense_id, coalesce(max(proposal_no), 0) + 1, :resolution, "
            "CAST(:fare_account_id AS uuid), :note, :actor, :now FROM ledger_suspense_proposal "
            "WHERE suspense_id = :suspense_id"
        ),
        {
            "suspense_id": suspense_id,
            "resolution": resolution,
            "fare_account_id": fare_account_id,
            "note": note,
            "actor": actor,
            "now": now,
        },
    )


def insert_end(tx: Connection, suspense_id: UUID, resolution: str, actor: str, now: datetime) -> None:
    """Write down how a row ended."""
    tx.execute(
        text(
            "INSERT INTO ledger_suspense_end (suspense_id, resolution, actor, ended_at) "
            "VALUES (:suspense_id, :resolution, :actor, :now)"
        ),
        {"suspense_id": suspense_id, "resolution": resolution, "actor": actor, "now": now},
    )
