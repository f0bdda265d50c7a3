"""SQL over the public keys of phones that show QR codes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text


def insert(
    tx: Connection,
    card_id: UUID,
    key_id: bytes,
    public_key: bytes,
    *,
    added_at: datetime,
    expires_at: datetime,
) -> None:
    """Store a phone's key; one that is there stays as it was first certified."""
    tx.execute(
        text(
            "INSERT INTO card_key (card_id, key_id, public_key, added_at, expires_at)"
            " VALUES (:card, :key, :public, :added, :expires) ON CONFLICT ON CONSTRAINT card_key_pk DO NOTHING"
        ),
        {"card": card_id, "key": key_id, "public": public_key, "added": added_at, "expires": expires_at},
    )
