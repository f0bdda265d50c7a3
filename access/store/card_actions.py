"""SQL over actions for cards: wanted once, ended once; and the published versions of the list. Append-only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

# Serialises publications only; 'LTAC' as a number, unique among the program's advisory locks.
_PUBLISH_LOCK = 0x4C544143


class ActionRow(NamedTuple):
    """One action as stored; `outcome` is None while it waits."""

    card_id: UUID
    action_id: UUID
    serial: int
    action: str
    detail: Mapping[str, str]
    until_at: datetime
    cause: str
    actor: str
    at: datetime
    outcome: str | None = None


_STORED = ActionRow._fields[:-1]
_SELECT = (
    f"SELECT {', '.join('a.' + name for name in _STORED)}, e.outcome"
    " FROM card_action a LEFT JOIN card_action_end e USING (card_id, action_id)"
)


def insert(tx: Connection, row: ActionRow) -> None:
    """Store one wanted action."""
    values = ", ".join("CAST(:detail AS jsonb)" if name == "detail" else ":" + name for name in _STORED)
    tx.execute(
        text(f"INSERT INTO card_action ({', '.join(_STORED)}) VALUES ({values})"),
        {**row._asdict(), "detail": json.dumps(dict(row.detail), sort_keys=True)},
    )


def find(tx: Connection, card_id: UUID, action_id: UUID) -> ActionRow | None:
    """Return one action, or None."""
    row = tx.execute(
        text(_SELECT + " WHERE a.card_id = :card AND a.action_id = :id"), {"card": card_id, "id": action_id}
    ).one_or_none()
    return ActionRow(*row) if row else None


def list_of_card(tx: Connection, card_id: UUID) -> tuple[ActionRow, ...]:
    """Return all that was ever wanted of a card, oldest first."""
    rows = tx.execute(
        text(_SELECT + " WHERE a.card_id = :card ORDER BY a.at, a.action_id"), {"card": card_id}
    )
    return tuple(ActionRow(*row) for row in rows)


def list_waiting(tx: Connection, at: datetime, limit: int) -> tuple[ActionRow, ...]:
    """Return what waits to be done at an instant, by serial and id."""
    rows = tx.execute(
        text(
            _SELECT
            + " WHERE e.action_id IS NULL AND a.until_at > :at ORDER BY a.serial, a.action_id LIMIT :limit"
        ),
        {"at": at, "limit": limit},
    )
    return tuple(ActionRow(*row) for row in rows)


def insert_end(
    tx: Connection, card_id: UUID, action_id: UUID, *, outcome: str, by: str, at: datetime
) -> bool:
    """End an action; False when it has ended before."""
    done = tx.execute(
        text(
            "INSERT INTO card_action_end (card_id, action_id, outcome, ended_by, at)"
            " VALUES (:card, :id, :outcome, :by, :at) ON CONFLICT ON CONSTRAINT card_action_end_pk DO NOTHING"
        ),
        {"card": card_id, "id": action_id, "outcome": outcome, "by": by, "at": at},
    )
    return done.rowcount == 1


def lock_publication(tx: Connection) -> None:
    """Let one publication at a time run, until the transaction ends."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PUBLISH_LOCK})


def newest(tx: Connection) -> tuple[int, bytes] | None:
    """Return the newest published version and its bytes, or None before the first."""
    row = tx.execute(
        text("SELECT version, content FROM action_list_version ORDER BY version DESC LIMIT 1")
    ).one_or_none()
    return (row.version, bytes(row.content)) if row else None


def insert_version(tx: Connection, version: int, content: bytes, *, at: datetime) -> None:
    """Store a published version."""
    tx.execute(
        text("INSERT INTO action_list_version (version, content, made_at) VALUES (:version, :content, :at)"),
        {"version": version, "content": content, "at": at},
    )
