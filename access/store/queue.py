"""SQL over the exception queue. A local table: its rows are work, not evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, text

from access.store.arrays import uuids


@dataclass(frozen=True, slots=True)
class Row:
    """One exception as stored."""

    exception_id: UUID
    house: str
    reason: str
    ref: str
    fare_account_id: UUID | None
    service_day: date | None
    detail: dict[str, str]


def insert_open(tx: Connection, rows: Sequence[Row], *, at: datetime) -> int:
    """Store these unless the same (house, reason, ref) is open, and return how many were stored."""
    done = tx.execute(
        text(
            "INSERT INTO exception_queue (exception_id, house, reason, ref, fare_account_id, service_day, detail,"
            " raised_at) SELECT id, house, reason, ref, account, day, CAST(detail AS jsonb), :at"
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:houses AS text[]), CAST(:reasons AS text[]),"
            " CAST(:refs AS text[]), CAST(:accounts AS uuid[]), CAST(:days AS date[]), CAST(:details AS text[]))"
            " AS q (id, house, reason, ref, account, day, detail)"
            " ON CONFLICT (house, reason, ref) WHERE resolved_at IS NULL DO NOTHING"
        ),
        {
            "ids": [row.exception_id for row in rows],
            "houses": [row.house for row in rows],
            "reasons": [row.reason for row in rows],
            "refs": [row.ref for row in rows],
            "accounts": [row.fare_account_id for row in rows],
            "days": [row.service_day for row in rows],
            "details": [json.dumps(row.detail) for row in rows],
            "at": at,
        },
    )
    return done.rowcount


def close_refs(
    tx: Connection, house: str, refs: Sequence[str], *, resolution: str, by: str, at: datetime
) -> int:
    """Close the house's open rows about these refs and return how many there were."""
    done = tx.execute(
        text(
            "UPDATE exception_queue SET resolved_at = :at, resolved_by = :by, resolution = :resolution"
            " WHERE resolved_at IS NULL AND house = :house AND ref = ANY(CAST(:refs AS text[]))"
        ),
        {"at": at, "by": by, "resolution": resolution, "house": house, "refs": list(refs)},
    )
    return done.rowcount


def list_open_of_days(
    tx: Connection, house: str, days: Sequence[tuple[UUID, date]]
) -> list[tuple[UUID, str, str]]:
    """Return the house's open rows about these (fare account, service day) as (id, reason, ref)."""
    rows = tx.execute(
        text(
            "SELECT q.exception_id, q.reason, q.ref FROM exception_queue q"
            " JOIN unnest(CAST(:accounts AS uuid[]), CAST(:days AS date[])) AS d (account, day)"
            " ON q.fare_account_id = d.account AND q.service_day = d.day"
            " WHERE q.resolved_at IS NULL AND q.house = :house"
        ),
        {"house": house, "accounts": uuids(account for account, _ in days), "days": [day for _, day in days]},
    )
    return [(row[0], row[1], row[2]) for row in rows]


def close_many(
    tx: Connection, exception_ids: Sequence[UUID], *, resolution: str, by: str, at: datetime
) -> None:
    """Close these open rows."""
    tx.execute(
        text(
            "UPDATE exception_queue SET resolved_at = :at, resolved_by = :by, resolution = :resolution"
            " WHERE resolved_at IS NULL AND exception_id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"at": at, "by": by, "resolution": resolution, "ids": uuids(exception_ids)},
    )


def close_one(tx: Connection, exception_id: UUID, *, resolution: str, by: str, at: datetime) -> bool:
    """Close one open row; False when there is none of this id."""
    done = tx.execute(
        text(
            "UPDATE exception_queue SET resolved_at = :at, resolved_by = :by, resolution = :resolution"
            " WHERE resolved_at IS NULL AND exception_id = :id"
        ),
        {"at": at, "by": by, "resolution": resolution, "id": exception_id},
    )
    return done.rowcount == 1


def assign(tx: Connection, exception_id: UUID, *, to: str) -> bool:
    """Give one open row to somebody; False when there is none of this id."""
    done = tx.execute(
        text("UPDATE exception_queue SET assigned_to = :to WHERE resolved_at IS NULL AND exception_id = :id"),
        {"to": to, "id": exception_id},
    )
    return done.rowcount == 1


def list_open(
    tx: Connection,
    house: str | None,
    limit: int,
    *,
    reason: str | None = None,
    exception_id: UUID | None = None,
) -> list[tuple[Row, datetime, str | None]]:
    """Return open rows with when they were raised and to whom they are assigned, oldest first."""
    rows = tx.execute(
        text(
            "SELECT exception_id, house, reason, ref, fare_account_id, service_day, detail, raised_at, assigned_to"
            " FROM exception_queue WHERE resolved_at IS NULL"
            " AND (CAST(:house AS text) IS NULL OR house = :house)"
            " AND (CAST(:reason AS text) IS NULL OR reason = :reason)"
            " AND (CAST(:id AS uuid) IS NULL OR exception_id = :id)"
            " ORDER BY raised_at, exception_id LIMIT :limit"
        ),
        {"house": house, "limit": limit, "reason": reason, "id": exception_id},
    )
    return [(Row(*row[:7]), row.raised_at, row.assigned_to) for row in rows]


def count_open(tx: Connection) -> list[tuple[str, str, int]]:
    """Return (house, reason, how many are open)."""
    rows = tx.execute(
        text(
            "SELECT house, reason, count(*) FROM exception_queue WHERE resolved_at IS NULL"
            " GROUP BY house, reason ORDER BY house, reason"
        )
    )
    return [(row[0], row[1], row[2]) for row in rows]
