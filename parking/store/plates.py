"""SQL of what cameras read. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from parking.rules.plate_event import Direction, Inside, PlateSeen
from parking.store import keys
from parking.store.keys import asked

_ABOUT: Final = timedelta(minutes=5)  # at least what the rules call near
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
    return _seen(row) if row else None


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


def insert_rejoin(tx: Connection, event_id: UUID, subject: UUID, session_id: UUID, *, now: datetime) -> None:
    """Write that a reading belongs to a card's session after all, once."""
    tx.execute(
        text(
            "INSERT INTO parking_plate_rejoin (event_id, subject, session_id, joined_at)"
            " VALUES (:event, :subject, :session, :now) ON CONFLICT DO NOTHING"
        ),
        {"event": event_id, "subject": subject, "session": session_id, "now": now},
    )


def find_join(tx: Connection, event_id: UUID) -> tuple[UUID, str] | None:
    """Return (session, how) that a reading was joined to."""
    row = tx.execute(
        text(
            "SELECT session_id, 'same' FROM parking_plate_rejoin WHERE event_id = :id"
            " UNION ALL SELECT session_id, how FROM parking_plate_join WHERE event_id = :id"
            "   AND NOT EXISTS (SELECT FROM parking_plate_rejoin WHERE event_id = :id)"
        ),
        {"id": event_id},
    ).first()
    return (row[0], row[1]) if row else None


_INSIDE = """
    stay_id, subject, coalesce(entered_at, first_at), left_at,
    coalesce(
        (SELECT moved.subject FROM parking_plate_rejoin AS moved WHERE moved.session_id = stay_id
         ORDER BY joined_at, event_id LIMIT 1),
        (SELECT joined.subject FROM parking_plate_join AS joined WHERE joined.session_id = stay_id
         AND NOT EXISTS (SELECT FROM parking_plate_rejoin AS moved WHERE moved.event_id = joined.event_id)
         ORDER BY joined_at, event_id LIMIT 1)),
    guest
"""


def list_inside(tx: Connection, place_id: str, *, near: datetime) -> tuple[Inside, ...]:
    """Return a place's running sessions, and those that began or ended about an instant, each with its plate."""
    inside = keys.list_running_at(tx, place_id)
    about = keys.list_at_place(tx, (place_id,), since=near - _ABOUT, until=near + _ABOUT)
    wanted = asked({*inside, *about})
    if not wanted["days"]:
        return ()
    rows = tx.execute(
        text(
            f"""
            SELECT {_INSIDE} FROM parking_stay
            JOIN unnest(CAST(:accounts AS uuid[]), CAST(:on AS date[]), CAST(:ids AS uuid[]))
              AS asked(account, day, id) ON fare_account_id = account AND stay_day = day AND stay_id = id
            WHERE stay_day = ANY (:days)
              AND (running OR state = 'left' AND last_at >= :since AND entered_at <= :until)
            """
        ),
        {**wanted, "since": near - _ABOUT, "until": near + _ABOUT},
    )
    return tuple(Inside(*row) for row in rows)


@dataclass(frozen=True, slots=True)
class Stray:
    """A reading that began a session of its own, and the readings that belong to that session now."""

    seen: PlateSeen
    place_id: str
    session_id: UUID


def list_strays(tx: Connection, *, since: datetime) -> tuple[Stray, ...]:
    """Return readings that stand for a guest's session, of places where a card's session began since an instant.

    Oldest first. Sessions that were voided stand for nothing.
    """
    columns = ", ".join(f"seen.{name}" for name in _SEEN.split(", "))
    rows = tx.execute(
        text(
            f"""
            SELECT {columns}, seen.place_id, joined.session_id FROM parking_plate_event AS seen
            JOIN parking_plate_join AS joined ON joined.event_id = seen.event_id
            JOIN parking_stay AS stay ON stay.stay_id = joined.session_id
            WHERE seen.at >= :since AND stay.guest AND stay.state IN ('open', 'left')
              AND stay.subject = seen.subject
              AND NOT EXISTS (SELECT FROM parking_plate_rejoin AS moved WHERE moved.event_id = seen.event_id)
              AND EXISTS (SELECT FROM parking_plate_join AS began
                          WHERE began.session_id = joined.session_id AND began.how = 'began')
              AND EXISTS (SELECT FROM parking_stay AS carded
                          WHERE carded.place_id = seen.place_id AND NOT carded.guest
                            AND carded.entered_at BETWEEN :since AND seen.at + :about)
            ORDER BY seen.at, seen.event_id
            """
        ),
        {"since": since, "about": _ABOUT},
    )
    return tuple(Stray(_seen(row[:7]), row[7], row[8]) for row in rows)


def list_carded(tx: Connection, place_id: str, *, since: datetime) -> tuple[Inside, ...]:
    """Return the sessions of cards at a place that entered since an instant, each with its plate."""
    rows = tx.execute(
        text(
            f"SELECT {_INSIDE} FROM parking_stay WHERE place_id = :place AND NOT guest AND entered_at >= :since"
            " AND state <> 'voided'"
        ),
        {"place": place_id, "since": since},
    )
    return tuple(Inside(*row) for row in rows)


def _seen(row: Sequence[Any]) -> PlateSeen:
    return PlateSeen(
        event_id=row[0],
        gate_id=row[1],
        subject=row[2],
        direction=Direction(row[3]),
        at=row[4],
        confidence_pct=row[5],
        image_ref=row[6],
    )
