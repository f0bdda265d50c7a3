"""SQL of what cameras read. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from parking.rules.plate_event import Direction, Inside, PlateSeen

_SEEN = "event_id, gate_id, subject, direction, at, confidence_pct, image_ref"


def insert_seen(
    tx: Connection, seen: PlateSeen, *, place_id: str, operator_id: str, actor: str, now: datetime
) -> bool:
    """Write a reading; False when its id is taken."""
    written = tx.execute(
        text(
            f"INSERT INTO parking_plate_event ({_SEEN}, place_id, operator_id, actor, recorded_at)"
            " VALUES (:event_id, :gate_id, :subject, :direction, :at, :confidence, :image_ref, :place, :operator,"
            " :actor, :now) ON CONFLICT DO NOTHING RETURNING event_id"
        ),
        {
            "event_id": seen.event_id,
            "gate_id": seen.gate_id,
            "subject": seen.subject,
            "direction": seen.direction.value,
            "at": seen.at,
            "confidence": seen.confidence_pct,
            "image_ref": seen.image_ref,
            "place": place_id,
            "operator": operator_id,
            "actor": actor,
            "now": now,
        },
    ).first()
    return written is not None


def find_seen(tx: Connection, event_id: UUID) -> PlateSeen | None:
    """Return a reading by its id."""
    row = tx.execute(
        text(f"SELECT {_SEEN} FROM parking_plate_event WHERE event_id = :id"), {"id": event_id}
    ).first()
    if row is None:
        return None
    return PlateSeen(
        event_id=row[0],
        gate_id=row[1],
        subject=row[2],
        direction=Direction(row[3]),
        at=row[4],
        confidence_pct=row[5],
        image_ref=row[6],
    )


def insert_join(
    tx: Connection, event_id: UUID, subject: UUID, session_id: UUID, how: str, *, now: datetime
) -> None:
    """Write which session a reading belongs to, once."""
    tx.execute(
        text(
            "INSERT INTO parking_plate_join (event_id, subject, session_id, how, joined_at)"
            " VALUES (:event, :subject, :session, :how, :now) ON CONFLICT DO NOTHING"
        ),
        {"event": event_id, "subject": subject, "session": session_id, "how": how, "now": now},
    )


def find_join(tx: Connection, event_id: UUID) -> tuple[UUID, str] | None:
    """Return (session, how) that a reading was joined to."""
    row = tx.execute(
        text("SELECT session_id, how FROM parking_plate_join WHERE event_id = :id"), {"id": event_id}
    ).first()
    return (row[0], row[1]) if row else None


def list_inside(tx: Connection, place_id: str) -> tuple[Inside, ...]:
    """Return the running sessions of a place, each with the plate that was joined to it first."""
    rows = tx.execute(
        text(
            """
            SELECT stay_id, subject, coalesce(entered_at, first_at),
                   (SELECT joined.subject FROM parking_plate_join AS joined WHERE joined.session_id = stay_id
                    ORDER BY joined_at, event_id LIMIT 1)
            FROM parking_stay WHERE place_id = :place AND running
            """
        ),
        {"place": place_id},
    )
    return tuple(Inside(*row) for row in rows)
