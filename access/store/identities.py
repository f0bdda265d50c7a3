"""SQL over whose account is whose: a citizen's keyed hash by account. A row goes when its person is erased."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text


def find_citizen(tx: Connection, account: UUID) -> bytes | None:
    """Return the citizen's hash that an account is identified by, or None."""
    found = tx.execute(
        text("SELECT citizen_hash FROM account_identity WHERE fare_account_id = :account"),
        {"account": account},
    ).scalar_one_or_none()
    return None if found is None else bytes(found)


def find_account(tx: Connection, citizen_hash: bytes) -> UUID | None:
    """Return the account that is identified by this hash, or None."""
    found: UUID | None = tx.execute(
        text("SELECT fare_account_id FROM account_identity WHERE citizen_hash = :hash"),
        {"hash": citizen_hash},
    ).scalar_one_or_none()
    return found


def insert(tx: Connection, account: UUID, citizen_hash: bytes, *, verifier: str, at: datetime) -> bool:
    """Identify an account; False, with nothing stored, when it or the citizen has a row already."""
    done = tx.execute(
        text(
            "INSERT INTO account_identity (fare_account_id, citizen_hash, verifier, verified_at)"
            " VALUES (:account, :hash, :verifier, :at) ON CONFLICT DO NOTHING"
        ),
        {"account": account, "hash": citizen_hash, "verifier": verifier, "at": at},
    )
    return done.rowcount == 1


def delete(tx: Connection, account: UUID) -> None:
    """Forget whose account this is."""
    tx.execute(text("DELETE FROM account_identity WHERE fare_account_id = :account"), {"account": account})
