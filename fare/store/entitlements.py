"""SQL over proven concessions: the fact that pricing reads, what stands behind it, and what ended it."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text


class EntitlementRow(NamedTuple):
    """One proven concession with its proof; `last_day` is where a later fact ended it."""

    entitlement_id: UUID
    concession: int
    valid_from: date
    valid_to: date | None
    verifier: str
    reference: str
    proof_hash: bytes
    recorded_at: datetime
    last_day: date | None


_LIST = (
    "SELECT e.entitlement_id, e.concession, e.valid_from, e.valid_to, e.verified_by, coalesce(p.reference, ''),"
    " coalesce(p.proof_hash, ''::bytea), e.recorded_at, (SELECT last_day FROM fare_entitlement_end x"
    "  WHERE x.fare_account_id = e.fare_account_id AND x.entitlement_id = e.entitlement_id"
    "  ORDER BY end_no DESC LIMIT 1)"
    " FROM fare_entitlement e LEFT JOIN fare_entitlement_proof p USING (fare_account_id, entitlement_id)"
    " WHERE e.fare_account_id = :account"
)


def list_all(tx: Connection, account: UUID) -> tuple[EntitlementRow, ...]:
    """Return all that was ever proven of an account, in order of validity."""
    rows = tx.execute(text(_LIST + " ORDER BY e.valid_from, e.entitlement_id"), {"account": account})
    return tuple(EntitlementRow(*row) for row in rows)


def find(tx: Connection, account: UUID, entitlement_id: UUID) -> EntitlementRow | None:
    """Return one, or None."""
    row = tx.execute(
        text(_LIST + " AND e.entitlement_id = :id"), {"account": account, "id": entitlement_id}
    ).one_or_none()
    return EntitlementRow(*row) if row else None


def insert(tx: Connection, account: UUID, row: EntitlementRow, *, actor: str) -> None:
    """Store a proven concession and what stands behind it."""
    values = {**row._asdict(), "account": account, "actor": actor}
    tx.execute(
        text(
            "INSERT INTO fare_entitlement (fare_account_id, entitlement_id, concession, valid_from, valid_to,"
            " verified_by, recorded_at) VALUES (:account, :entitlement_id, :concession, :valid_from, :valid_to,"
            " :verifier, :recorded_at)"
        ),
        values,
    )
    tx.execute(
        text(
            "INSERT INTO fare_entitlement_proof (fare_account_id, entitlement_id, kind, verifier, reference,"
            " proof_hash, actor, recorded_at) VALUES (:account, :entitlement_id, 'attestation', :verifier,"
            " :reference, :proof_hash, :actor, :recorded_at)"
        ),
        values,
    )


def insert_end(
    tx: Connection,
    account: UUID,
    entitlement_id: UUID,
    *,
    last_day: date,
    reason: str,
    actor: str,
    at: datetime,
) -> None:
    """Store that an entitlement's last day is this one; the newest such fact holds."""
    tx.execute(
        text(
            "INSERT INTO fare_entitlement_end (fare_account_id, entitlement_id, end_no, last_day, reason, actor,"
            " recorded_at) SELECT :account, :id, 1 + coalesce(max(end_no), 0), :last_day, :reason, :actor, :at"
            " FROM fare_entitlement_end WHERE fare_account_id = :account AND entitlement_id = :id"
        ),
        {
            "account": account,
            "id": entitlement_id,
            "last_day": last_day,
            "reason": reason,
            "actor": actor,
            "at": at,
        },
    )
