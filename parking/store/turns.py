"""SQL of turns: what became of the stays that ended, and what others counted. Takes `tx`, decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from parking.store.keys import list_days


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A stay that ended: what the rider owes of it, what is booked of that, and by which means a guest paid."""

    stay_id: UUID
    place_id: str
    guest: bool
    state: str
    left_at: datetime
    charged_minor: int
    booked_minor: int
    currency: str
    methods: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Turns that a gate or camera counted in `[begun_at, ended_at)`, or vehicles present at `ended_at`."""

    count_id: UUID
    place_id: str
    operator_id: str
    source: str
    turns: int
    begun_at: datetime
    ended_at: datetime
    actor: str
    recorded_at: datetime


_COUNT = tuple(each.name for each in fields(Count))


def list_turns(
    tx: Connection, place_ids: Iterable[str], *, since: datetime, until: datetime
) -> tuple[Turn, ...]:
    """Return the stays at places that were left in `[since, until)`."""
    places = list(place_ids)
    days = list_days(tx, places, since=since, until=until)
    rows = tx.execute(
        text(
            """
            SELECT stay_id, stay.place_id, guest, state, left_at, charged_minor,
                   coalesce((SELECT sum(delta_minor) FROM parking_bill_line AS line
                             WHERE line.fare_account_id = stay.fare_account_id AND line.stay_day = stay.stay_day
                               AND line.stay_id = stay.stay_id AND component = 'charged'), 0)::bigint,
                   stay.currency,
                   (SELECT array_agg(DISTINCT method) FROM parking_payment AS paid
                    WHERE paid.fare_account_id = stay.fare_account_id AND paid.stay_id = stay.stay_id
                      AND amount_minor > 0)
            FROM parking_stay AS stay
            WHERE stay_day = ANY (:days)
              AND place_id = ANY (CAST(:places AS text[])) AND left_at >= :since AND left_at < :until
            ORDER BY left_at, stay_id
            """
        ),
        {"places": places, "since": since, "until": until, "days": days},
    )
    return tuple(
        Turn(
            stay_id=row[0],
            place_id=row[1],
            guest=row[2],
            state=row[3],
            left_at=row[4],
            charged_minor=row[5],
            booked_minor=row[6],
            currency=row[7],
            methods=frozenset(row[8] or ()),
        )
        for row in rows
    )


def insert_count(tx: Connection, new: Count) -> bool:
    """Write a count; False when its id is taken."""
    names = ", ".join(_COUNT)
    values = ", ".join(f":{name}" for name in _COUNT)
    written = tx.execute(
        text(
            f"INSERT INTO parking_count ({names}) VALUES ({values}) ON CONFLICT DO NOTHING RETURNING count_id"
        ),
        dict(zip(_COUNT, astuple(new), strict=True)),
    ).first()
    return written is not None


def find_count(tx: Connection, count_id: UUID) -> Count | None:
    """Return a count by its id."""
    row = tx.execute(
        text(f"SELECT {', '.join(_COUNT)} FROM parking_count WHERE count_id = :id"), {"id": count_id}
    ).first()
    return Count(**dict(zip(_COUNT, row, strict=True))) if row else None


def list_counts(
    tx: Connection, place_ids: Iterable[str], *, since: datetime, until: datetime
) -> tuple[Count, ...]:
    """Return the counts of places that lie within `[since, until]`."""
    rows = tx.execute(
        text(
            f"SELECT {', '.join(_COUNT)} FROM parking_count WHERE place_id = ANY (CAST(:places AS text[]))"
            " AND begun_at >= :since AND ended_at <= :until ORDER BY begun_at, count_id"
        ),
        {"places": list(place_ids), "since": since, "until": until},
    )
    return tuple(Count(**dict(zip(_COUNT, row, strict=True))) for row in rows)


def list_last_present(
    tx: Connection, place_ids: Iterable[str], *, until: datetime
) -> dict[str, tuple[datetime, int]]:
    """Return (when, vehicles) of the last count of vehicles present, by place; places never counted are absent."""
    rows = tx.execute(
        text(
            "SELECT DISTINCT ON (place_id) place_id, ended_at, turns FROM parking_count"
            " WHERE source = 'present' AND place_id = ANY (CAST(:places AS text[])) AND ended_at <= :until"
            " ORDER BY place_id, ended_at DESC, recorded_at DESC"
        ),
        {"places": list(place_ids), "until": until},
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def list_passes(
    tx: Connection, since: Mapping[str, datetime], *, until: datetime
) -> dict[str, list[tuple[datetime, int]]]:
    """Return, by place, (when, +1 or -1) of each entry and exit after its instant."""
    if not since:
        return {}
    rows = tx.execute(
        text(
            """
            WITH asked AS (
                SELECT * FROM unnest(CAST(:places AS text[]), CAST(:sinces AS timestamptz[])) AS each(place, since)
            )
            SELECT place_id, entered_at, 1 FROM parking_stay JOIN asked ON place_id = place
            WHERE stay_day = ANY (:days) AND state <> 'voided' AND entered_at > since AND entered_at <= :until
            UNION ALL
            SELECT place_id, left_at, -1 FROM parking_stay JOIN asked ON place_id = place
            WHERE stay_day = ANY (:days) AND state <> 'voided' AND left_at > since AND left_at <= :until
            """
        ),
        {
            "places": list(since),
            "sinces": list(since.values()),
            "until": until,
            "days": list_days(tx, since, since=min(since.values()), until=until),
        },
    )
    found: dict[str, list[tuple[datetime, int]]] = {}
    for place_id, at, change in rows:
        found.setdefault(place_id, []).append((at, change))
    return found
