"""SQL of stays and their bill lines. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId, OperatorId
from parking.rules.bill import BillKey, Component
from parking.rules.difference import Booked


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


STAY_COLUMNS = ", ".join(each.name for each in fields(StayRow))
_LINE = ", ".join(each.name for each in fields(LineRow))
_KEY = ("fare_account_id", "stay_day", "stay_id")
_CHANGES = ", ".join(
    f"{each.name} = excluded.{each.name}" for each in fields(StayRow) if each.name not in _KEY
)


def earliest_first_at(
    tx: Connection, since: Mapping[FareAccountId, datetime]
) -> dict[FareAccountId, datetime]:
    """Return, per account, the earliest begin of a stay that was still running at its instant or later."""
    rows = tx.execute(
        text(
            """
            SELECT fare_account_id, min(first_at) FROM parking_stay
            JOIN unnest(CAST(:accounts AS uuid[]), CAST(:sinces AS timestamptz[])) AS asked(account, since)
              ON fare_account_id = account AND (last_at >= since OR running)
            GROUP BY fare_account_id
            """
        ),
        {"accounts": list(since), "sinces": list(since.values())},
    )
    return {FareAccountId(row[0]): row[1] for row in rows}


def list_parked(tx: Connection, accounts: Iterable[FareAccountId]) -> set[FareAccountId]:
    """Return which of these accounts have ever parked."""
    rows = tx.execute(
        text(
            "SELECT DISTINCT fare_account_id FROM parking_stay"
            " WHERE fare_account_id = ANY (CAST(:accounts AS uuid[]))"
        ),
        {"accounts": list(accounts)},
    )
    return {FareAccountId(row[0]) for row in rows}


def list_stays(tx: Connection, since: Mapping[FareAccountId, datetime]) -> tuple[StayRow, ...]:
    """Return each account's stays that began at its instant or later."""
    rows = tx.execute(
        text(
            f"""
            SELECT {STAY_COLUMNS} FROM parking_stay
            JOIN unnest(CAST(:accounts AS uuid[]), CAST(:sinces AS timestamptz[])) AS asked(account, since)
              ON fare_account_id = account AND first_at >= since
            """
        ),
        {"accounts": list(since), "sinces": list(since.values())},
    )
    return tuple(stay_of(row) for row in rows)


def list_newest(tx: Connection, account: FareAccountId, *, limit: int) -> tuple[StayRow, ...]:
    """Return an account's stays, the newest first."""
    rows = tx.execute(
        text(
            f"SELECT {STAY_COLUMNS} FROM parking_stay WHERE fare_account_id = :account"
            " ORDER BY first_at DESC, stay_id LIMIT :limit"
        ),
        {"account": account, "limit": limit},
    )
    return tuple(stay_of(row) for row in rows)


def find_stay(tx: Connection, stay_id: UUID) -> StayRow | None:
    """Return a stay by its id alone."""
    row = tx.execute(
        text(f"SELECT {STAY_COLUMNS} FROM parking_stay WHERE stay_id = :stay_id"), {"stay_id": stay_id}
    ).first()
    return stay_of(row) if row else None


def find_stay_at(tx: Connection, account: FareAccountId, subject: UUID, at: datetime) -> UUID | None:
    """Return the stay of an account that an event of a subject at an instant belongs to."""
    found = tx.execute(
        text(
            "SELECT stay_id FROM parking_stay WHERE fare_account_id = :account AND subject = :subject"
            " AND first_at <= :at AND last_at >= :at ORDER BY first_at DESC LIMIT 1"
        ),
        {"account": account, "subject": subject, "at": at},
    ).scalar()
    return None if found is None else UUID(str(found))


def find_running(tx: Connection, place_id: str, subject: UUID) -> UUID | None:
    """Return the running stay of a subject at a place."""
    found = tx.execute(
        text(
            "SELECT stay_id FROM parking_stay WHERE place_id = :place AND subject = :subject AND running LIMIT 1"
        ),
        {"place": place_id, "subject": subject},
    ).scalar()
    return None if found is None else UUID(str(found))


def count_taken(tx: Connection, place_ids: Iterable[str], *, now: datetime) -> dict[str, int]:
    """Return how many spaces are taken, by place: running stays and held reservations; none: absent."""
    rows = tx.execute(
        text(
            """
            SELECT place_id, count(*) FROM (
                SELECT place_id FROM parking_stay
                WHERE running AND place_id = ANY (CAST(:places AS text[]))
                UNION ALL
                SELECT place_id FROM parking_stay
                WHERE held_until > :now AND NOT running AND place_id = ANY (CAST(:places AS text[]))
            ) AS taken GROUP BY place_id
            """
        ),
        {"places": list(place_ids), "now": now},
    )
    return {row[0]: row[1] for row in rows}


def find_reserved(tx: Connection, place_id: str, subject: UUID, *, at: datetime) -> StayRow | None:
    """Return the reservation that holds a space for a subject at a place at an instant."""
    row = tx.execute(
        text(
            f"SELECT {STAY_COLUMNS} FROM parking_stay WHERE place_id = :place AND subject = :subject"
            " AND held_until > :at ORDER BY held_until LIMIT 1"
        ),
        {"place": place_id, "subject": subject, "at": at},
    ).first()
    return stay_of(row) if row else None


def list_lapsed_holds(tx: Connection, *, before: datetime, limit: int) -> tuple[UUID, ...]:
    """Return reservations whose hold ended before an instant and that nobody came for, oldest first."""
    rows = tx.execute(
        text(
            "SELECT stay_id FROM parking_stay WHERE held_until <= :before ORDER BY held_until, stay_id LIMIT :limit"
        ),
        {"before": before, "limit": limit},
    )
    return tuple(row[0] for row in rows)


def list_paid_out(
    tx: Connection, *, before: datetime, gated: Iterable[str], limit: int
) -> tuple[tuple[UUID, datetime], ...]:
    """Return (stay, paid until) of running stays without a gate whose paid time ended before an instant."""
    rows = tx.execute(
        text(
            "SELECT stay_id, paid_until FROM parking_stay WHERE running AND paid_until <= :before"
            " AND NOT place_id = ANY (CAST(:gated AS text[])) ORDER BY paid_until, stay_id LIMIT :limit"
        ),
        {"before": before, "gated": list(gated), "limit": limit},
    )
    return tuple((row[0], row[1]) for row in rows)


def lock_place(tx: Connection, place_id: str) -> None:
    """Make admissions to one place wait for each other, so that its last space is given once."""
    tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('parking-place:' || :place, 0))"),
        {"place": place_id},
    )


def upsert_stays(tx: Connection, rows: Sequence[StayRow]) -> None:
    """Write the newest revision of stays."""
    if not rows:
        return
    values = ", ".join(f":{each.name}" for each in fields(StayRow))
    tx.execute(
        text(
            f"""
            INSERT INTO parking_stay ({STAY_COLUMNS}) VALUES ({values})
            ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET {_CHANGES}
            """
        ),
        [_values(row) for row in rows],
    )


def insert_lines(tx: Connection, rows: Sequence[LineRow]) -> None:
    """Write differences."""
    if not rows:
        return
    values = ", ".join(f":{each.name}" for each in fields(LineRow))
    tx.execute(
        text(f"INSERT INTO parking_bill_line ({_LINE}) VALUES ({values})"), [_values(row) for row in rows]
    )


def list_booked(
    tx: Connection, stays: Iterable[tuple[FareAccountId, UUID]]
) -> dict[UUID, dict[BillKey, Booked]]:
    """Return, per stay, what is booked on each of its lines."""
    wanted = list(stays)
    rows = tx.execute(
        text(
            """
            SELECT line.stay_id, component, operator_id, funder, rule, sum(delta_minor), sum(stays_delta),
                   (array_agg(entry_id ORDER BY revision DESC) FILTER (WHERE entry_id IS NOT NULL))[1]
            FROM parking_bill_line AS line
            JOIN unnest(CAST(:accounts AS uuid[]), CAST(:stays AS uuid[])) AS asked(account, stay)
              ON line.fare_account_id = account AND line.stay_id = stay
            GROUP BY line.stay_id, component, operator_id, funder, rule
            """
        ),
        {"accounts": [each[0] for each in wanted], "stays": [each[1] for each in wanted]},
    )
    found: dict[UUID, dict[BillKey, Booked]] = {}
    for row in rows:
        key = BillKey(Component(row[1]), OperatorId(row[2]), row[3], row[4])
        found.setdefault(UUID(str(row[0])), {})[key] = Booked(int(row[5]), int(row[6]), row[7])
    return found


def stay_of(row: Iterable[object]) -> StayRow:
    """Return the stay of a row of STAY_COLUMNS."""
    names = [each.name for each in fields(StayRow)]
    return StayRow(**dict(zip(names, row, strict=True)))  # type: ignore[arg-type]  # the columns are the fields


def _values(row: StayRow | LineRow) -> dict[str, object]:
    return dict(zip([each.name for each in fields(row)], astuple(row), strict=True))
