"""SQL of stays and their bill lines. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId, OperatorId
from parking.rules.bill import BillKey, Component
from parking.rules.difference import Booked
from parking.store.keys import StayKey, asked, find_key, find_reserved_key


@dataclass(frozen=True, slots=True, kw_only=True)
class StayRow:
    """A stay at its newest revision; the fields are the columns, in their order."""

    fare_account_id: FareAccountId
    stay_day: date
    stay_id: UUID
    guest: bool
    subject: UUID
    place_id: str
    operator_id: str
    vehicle_class: str
    state: str
    cases: str
    first_at: datetime
    entered_at: datetime | None
    left_at: datetime | None
    last_at: datetime
    running: bool
    rates_version: str
    engine_version: str
    table_id: str
    revision: int
    total_minor: int
    charged_minor: int
    currency: str
    billed_at: datetime
    held_until: datetime | None = None
    paid_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRow:
    """One difference as it is written; the fields are the columns, in their order."""

    fare_account_id: FareAccountId
    stay_day: date
    stay_id: UUID
    revision: int
    line_no: int
    component: str
    operator_id: str
    place_id: str
    funder: str
    rule: str
    currency: str
    delta_minor: int
    stays_delta: int
    book_day: date
    entry_id: UUID | None


_SQL_TYPES: Final = {
    "FareAccountId": "uuid",
    "UUID": "uuid",
    "date": "date",
    "datetime": "timestamptz",
    "bool": "boolean",
    "int": "bigint",
    "str": "text",
}


def _unnested(kind: type[StayRow | LineRow]) -> str:
    """Return rows given as one array a column, so that a batch is one statement."""
    arrays = (f"CAST(:{each.name} AS {_SQL_TYPES[str(each.type).split(' ')[0]]}[])" for each in fields(kind))
    return f"SELECT * FROM unnest({', '.join(arrays)})"


_STAY: Final = tuple(each.name for each in fields(StayRow))
STAY_COLUMNS: Final = ", ".join(_STAY)
_CHANGES: Final = ", ".join(f"{name} = excluded.{name}" for name in _STAY if name not in StayKey._fields)
_UPSERT: Final = f"""
WITH written AS (
    INSERT INTO parking_stay ({STAY_COLUMNS}) {_unnested(StayRow)}
    ON CONFLICT ({", ".join(StayKey._fields)}) DO UPDATE SET {_CHANGES} RETURNING {STAY_COLUMNS}
)
INSERT INTO parking_stay_change (stay_id, revision, operator_id, billed_at, stay)
SELECT stay_id, revision, operator_id, billed_at, to_jsonb(written) FROM written
WHERE EXISTS (SELECT FROM parking_webhook AS told
              WHERE told.ended_at IS NULL AND told.operator_id IN ('', written.operator_id))
ON CONFLICT ON CONSTRAINT parking_stay_change_pk DO NOTHING
"""
_INSERT_LINES: Final = f"""
INSERT INTO parking_bill_line ({", ".join(each.name for each in fields(LineRow))}) {_unnested(LineRow)}
"""


def list_stays(tx: Connection, stays: Iterable[StayKey]) -> tuple[StayRow, ...]:
    """Return the rows of these stays."""
    wanted = asked(stays)
    if not wanted["days"]:
        return ()
    rows = tx.execute(
        text(
            f"""
            SELECT {STAY_COLUMNS} FROM parking_stay
            JOIN unnest(CAST(:accounts AS uuid[]), CAST(:on AS date[]), CAST(:ids AS uuid[]))
              AS asked(account, day, id) ON fare_account_id = account AND stay_day = day AND stay_id = id
            WHERE stay_day = ANY (:days)
            """
        ),
        wanted,
    )
    return tuple(stay_of(row) for row in rows)


def get_stay(tx: Connection, key: StayKey) -> StayRow:
    """Return a stay by its key; it exists."""
    row = tx.execute(
        text(
            f"SELECT {STAY_COLUMNS} FROM parking_stay"
            " WHERE fare_account_id = :fare_account_id AND stay_day = :stay_day AND stay_id = :stay_id"
        ),
        key._asdict(),
    ).one()
    return stay_of(row)


def find_stay(tx: Connection, stay_id: UUID) -> StayRow | None:
    """Return a stay by its id alone."""
    key = find_key(tx, stay_id)
    return get_stay(tx, key) if key else None


def find_reserved(tx: Connection, place_id: str, subject: UUID, *, at: datetime) -> StayRow | None:
    """Return the reservation that holds a space for a subject at a place at an instant."""
    key = find_reserved_key(tx, place_id, subject, at=at)
    return get_stay(tx, key) if key else None


def lock_place(tx: Connection, place_id: str) -> None:
    """Make admissions to one place wait for each other, so that its last space is given once."""
    tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('parking-place:' || :place, 0))"),
        {"place": place_id},
    )


def upsert_stays(tx: Connection, rows: Sequence[StayRow]) -> None:
    """Write the newest revision of stays, and keep it where a webhook will tell of it."""
    if rows:
        tx.execute(text(_UPSERT), _columns(rows))


def insert_lines(tx: Connection, rows: Sequence[LineRow]) -> None:
    """Write differences."""
    if rows:
        tx.execute(text(_INSERT_LINES), _columns(rows))


def list_booked(tx: Connection, stays: Iterable[StayKey]) -> dict[UUID, dict[BillKey, Booked]]:
    """Return, per stay, what is booked on each of its lines."""
    wanted = asked(stays)
    if not wanted["days"]:
        return {}
    rows = tx.execute(
        text(
            """
            SELECT line.stay_id, component, operator_id, funder, rule, sum(delta_minor), sum(stays_delta),
                   (array_agg(entry_id ORDER BY revision DESC) FILTER (WHERE entry_id IS NOT NULL))[1]
            FROM parking_bill_line AS line
            JOIN unnest(CAST(:accounts AS uuid[]), CAST(:on AS date[]), CAST(:ids AS uuid[]))
              AS asked(account, day, id)
              ON line.fare_account_id = account AND line.stay_day = day AND line.stay_id = id
            WHERE line.stay_day = ANY (:days)
            GROUP BY line.stay_id, component, operator_id, funder, rule
            """
        ),
        wanted,
    )
    found: dict[UUID, dict[BillKey, Booked]] = {}
    for row in rows:
        key = BillKey(Component(row[1]), OperatorId(row[2]), row[3], row[4])
        found.setdefault(UUID(str(row[0])), {})[key] = Booked(int(row[5]), int(row[6]), row[7])
    return found


def key_of(row: StayRow) -> StayKey:
    """Return the key of a stay's row."""
    return StayKey(row.fare_account_id, row.stay_day, row.stay_id)


def stay_of(row: Iterable[object]) -> StayRow:
    """Return the stay of a row of STAY_COLUMNS."""
    return StayRow(**dict(zip(_STAY, row, strict=True)))  # type: ignore[arg-type]  # the columns are the fields


def _columns(rows: Sequence[StayRow] | Sequence[LineRow]) -> dict[str, list[object]]:
    return {each.name: [getattr(row, each.name) for row in rows] for each in fields(rows[0])}
