"""SQL of riders' one-time codes, sign-ins, and who looked at their data. Takes `tx`, decides nothing."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId


@dataclass(frozen=True, slots=True)
class CodeRow:
    """A one-time code that is neither used nor past its time."""

    code_id: UUID
    code_hash: bytes
    tries: int


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One look at a rider's data."""

    at: datetime
    actor_kind: str
    actor_id: str
    what: str
    purpose: str


def insert_code(
    tx: Connection,
    account: FareAccountId,
    *,
    code_id: UUID,
    code_hash: bytes,
    by: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Write a code; it stands beside earlier ones until they are used or expire."""
    tx.execute(
        text(
            "INSERT INTO rider_code (fare_account_id, code_id, code_hash, made_by, made_at, expires_at)"
            " VALUES (:account, :id, :hash, :by, :now, :expires)"
        ),
        {
            "account": account,
            "id": code_id,
            "hash": code_hash,
            "by": by,
            "now": now,
            "expires": expires_at,
        },
    )


def lock_codes(tx: Connection, account: FareAccountId, now: datetime) -> tuple[CodeRow, ...]:
    """Return the account's live codes, their rows locked."""
    rows = tx.execute(
        text(
            "SELECT code_id, code_hash, tries FROM rider_code WHERE fare_account_id = :account"
            " AND used_at IS NULL AND expires_at > :now ORDER BY code_id FOR UPDATE"
        ),
        {"account": account, "now": now},
    )
    return tuple(CodeRow(row.code_id, bytes(row.code_hash), row.tries) for row in rows)


def use_code(tx: Connection, account: FareAccountId, code_id: UUID, now: datetime) -> None:
    """Write down that a code opened a sign-in."""
    tx.execute(
        text("UPDATE rider_code SET used_at = :now WHERE fare_account_id = :account AND code_id = :id"),
        {"account": account, "id": code_id, "now": now},
    )


def count_try(tx: Connection, account: FareAccountId, now: datetime) -> None:
    """Count a wrong guess against every live code of the account."""
    tx.execute(
        text(
            "UPDATE rider_code SET tries = tries + 1 WHERE fare_account_id = :account"
            " AND used_at IS NULL AND expires_at > :now"
        ),
        {"account": account, "now": now},
    )


def insert_sign_in(
    tx: Connection, account: FareAccountId, token_hash: bytes, *, now: datetime, expires_at: datetime
) -> None:
    """Write a sign-in."""
    tx.execute(
        text(
            "INSERT INTO rider_sign_in (token_hash, fare_account_id, made_at, expires_at)"
            " VALUES (:hash, :account, :now, :expires)"
        ),
        {"hash": token_hash, "account": account, "now": now, "expires": expires_at},
    )


def find_sign_in(tx: Connection, token_hash: bytes, now: datetime) -> FareAccountId | None:
    """Return the account of a live sign-in, or None."""
    found = tx.execute(
        text(
            "SELECT fare_account_id FROM rider_sign_in"
            " WHERE token_hash = :hash AND ended_at IS NULL AND expires_at > :now"
        ),
        {"hash": token_hash, "now": now},
    ).scalar_one_or_none()
    return None if found is None else FareAccountId(found)


def end_sign_ins(tx: Connection, account: FareAccountId, now: datetime) -> int:
    """End every live sign-in of an account; return how many."""
    return tx.execute(
        text(
            "UPDATE rider_sign_in SET ended_at = :now"
            " WHERE fare_account_id = :account AND ended_at IS NULL AND expires_at > :now"
        ),
        {"account": account, "now": now},
    ).rowcount


def insert_access(
    tx: Connection,
    account: FareAccountId,
    *,
    access_id: UUID,
    actor: tuple[str, str],
    what: str,
    purpose: str,
    request_id: str,
    now: datetime,
) -> None:
    """Write one look at a rider's data."""
    tx.execute(
        text(
            "INSERT INTO rider_data_access"
            " (fare_account_id, access_id, at, actor_kind, actor_id, what, purpose, request_id)"
            " VALUES (:account, :id, :now, :kind, :actor, :what, :purpose, :request)"
        ),
        {
            "account": account,
            "id": access_id,
            "now": now,
            "kind": actor[0],
            "actor": actor[1],
            "what": what,
            "purpose": purpose,
            "request": request_id,
        },
    )


def list_access(tx: Connection, account: FareAccountId, *, limit: int) -> tuple[AccessRow, ...]:
    """Return the newest looks first."""
    rows = tx.execute(
        text(
            "SELECT at, actor_kind, actor_id, what, purpose FROM rider_data_access"
            " WHERE fare_account_id = :account ORDER BY at DESC, access_id DESC LIMIT :limit"
        ),
        {"account": account, "limit": limit},
    )
    return tuple(AccessRow(*row) for row in rows)
