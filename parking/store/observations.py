"""SQL of what officers and cameras saw. Takes `tx`, decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What an officer or camera saw, and what the check said then; the fields are the columns, in their order."""

    observation_id: UUID
    place_id: str
    operator_id: str
    subject: UUID
    observed_at: datetime
    verdict: str
    may_notify: bool
    session_id: UUID | None
    confidence_pct: int
    image_ref: str
    note: str
    observed_by: str
    recorded_at: datetime


_NAMES = tuple(each.name for each in fields(Observation))
_COLUMNS = ", ".join(_NAMES)


def insert_observation(tx: Connection, new: Observation) -> bool:
    """Write an observation; False when its id is taken."""
    values = ", ".join(f":{name}" for name in _NAMES)
    written = tx.execute(
        text(
            f"INSERT INTO parking_observation ({_COLUMNS}) VALUES ({values})"
            " ON CONFLICT DO NOTHING RETURNING observation_id"
        ),
        dict(zip(_NAMES, astuple(new), strict=True)),
    ).first()
    return written is not None


def find_observation(tx: Connection, observation_id: UUID) -> Observation | None:
    """Return an observation by its id."""
    row = tx.execute(
        text(f"SELECT {_COLUMNS} FROM parking_observation WHERE observation_id = :id"), {"id": observation_id}
    ).first()
    return Observation(**dict(zip(_NAMES, row, strict=True))) if row else None


def list_observations(
    tx: Connection, place_id: str, *, since: datetime, until: datetime, limit: int
) -> tuple[Observation, ...]:
    """Return a place's observations in `[since, until)`, newest first."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM parking_observation WHERE place_id = :place"
            " AND observed_at >= :since AND observed_at < :until"
            " ORDER BY observed_at DESC, observation_id LIMIT :limit"
        ),
        {"place": place_id, "since": since, "until": until, "limit": limit},
    )
    return tuple(Observation(**dict(zip(_NAMES, row, strict=True))) for row in rows)


def list_recorded(
    tx: Connection,
    operators: Iterable[str] | None,
    *,
    since: datetime,
    until: datetime,
    place_ids: Iterable[str] | None = None,
    offset: int = 0,
    limit: int,
) -> tuple[tuple[Observation, ...], int]:
    """Return a page of what was recorded in [since, until) for operators (None: all), the latest first, and its number."""
    asked = {
        "operators": None if operators is None else list(operators),
        "places": None if place_ids is None else list(place_ids),
        "since": since,
        "until": until,
    }
    where = (
        " FROM parking_observation WHERE recorded_at >= :since AND recorded_at < :until"
        " AND (CAST(:operators AS text[]) IS NULL OR operator_id = ANY (CAST(:operators AS text[])))"
        " AND (CAST(:places AS text[]) IS NULL OR place_id = ANY (CAST(:places AS text[])))"
    )
    total = tx.execute(text(f"SELECT count(*){where}"), asked).scalar_one()
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS}{where} ORDER BY recorded_at DESC, observation_id LIMIT :limit OFFSET :offset"
        ),
        {**asked, "limit": limit, "offset": offset},
    )
    return tuple(Observation(**dict(zip(_NAMES, row, strict=True))) for row in rows), int(total)
