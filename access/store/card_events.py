"""SQL over what happened to cards: one row an event, never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text


class EventRow(NamedTuple):
    """One event of a card's life; `detail` says what else belongs to it, without personal facts."""

    card_id: UUID
    event_id: UUID
    event: str
    reason: str
    actor: str
    at: datetime
    detail: Mapping[str, str]


_COLUMNS = ", ".join(EventRow._fields)


def insert_event(tx: Connection, row: EventRow) -> None:
    """Store one event."""
    tx.execute(
        text(
            f"INSERT INTO card_event ({_COLUMNS})"
            " VALUES (:card_id, :event_id, :event, :reason, :actor, :at, CAST(:detail AS jsonb))"
        ),
        {**row._asdict(), "detail": json.dumps(dict(row.detail), sort_keys=True)},
    )


def find_event(tx: Connection, card_id: UUID, event_id: UUID) -> EventRow | None:
    """Return the event of this id in the card's life, or None."""
    row = tx.execute(
        text(f"SELECT {_COLUMNS} FROM card_event WHERE card_id = :card AND event_id = :event"),
        {"card": card_id, "event": event_id},
    ).one_or_none()
    return EventRow(*row) if row else None


def list_events(tx: Connection, card_id: UUID) -> tuple[EventRow, ...]:
    """Return a card's life, oldest first."""
    rows = tx.execute(
        text(f"SELECT {_COLUMNS} FROM card_event WHERE card_id = :card ORDER BY at, event_id"),
        {"card": card_id},
    )
    return tuple(EventRow(*row) for row in rows)


def list_expiring(tx: Connection, on: date, limit: int) -> tuple[UUID, ...]:
    """Return cards that are past their last day on this date and whose state does not say so, oldest first."""
    rows = tx.execute(
        text(
            "SELECT card_id FROM card WHERE state IN ('issued', 'active', 'blocked') AND expires_on < :on"
            " ORDER BY expires_on, card_id LIMIT :limit"
        ),
        {"on": on, "limit": limit},
    )
    return tuple(rows.scalars())
