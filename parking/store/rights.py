"""SQL of rights to park and pools. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId
from parking.rules.pool import PoolStay
from parking.store.keys import StayKey


@dataclass(frozen=True, slots=True, kw_only=True)
class RightRow:
    """A right as it was assigned; the fields are the columns, in their order."""

    fare_account_id: FareAccountId
    right_id: UUID
    spec_id: str
    rates_version: str
    place_id: str
    operator_id: str
    subject: UUID | None
    stay_id: UUID | None
    pool_id: UUID | None
    valid_from: datetime
    valid_to: datetime
    price_minor: int
    currency: str
    till: str
    assigned_at: datetime
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a right ended before its time."""

    ended_at: datetime
    refund_minor: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A company's pool of spaces; the fields are the columns, in their order."""

    pool_id: UUID
    place_id: str
    operator_id: str
    name: str
    spaces: int
    opened_at: datetime
    opened_by: str


_RIGHT = tuple(each.name for each in fields(RightRow))
_POOL = tuple(each.name for each in fields(Pool))


def insert_right(tx: Connection, new: RightRow) -> None:
    """Write a right; its id is new under the account's lock."""
    tx.execute(
        text(
            f"INSERT INTO parking_right ({', '.join(_RIGHT)}) VALUES ({', '.join(f':{n}' for n in _RIGHT)})"
        ),
        dict(zip(_RIGHT, astuple(new), strict=True)),
    )


def find_right(tx: Connection, right_id: UUID) -> RightRow | None:
    """Return a right by its id alone."""
    row = tx.execute(
        text(f"SELECT {', '.join(_RIGHT)} FROM parking_right WHERE right_id = :id"), {"id": right_id}
    ).first()
    return RightRow(**dict(zip(_RIGHT, row, strict=True))) if row else None


def find_end(tx: Connection, right: RightRow) -> Ended | None:
    """Return how a right ended early."""
    row = tx.execute(
        text(
            "SELECT ended_at, refund_minor, note FROM parking_right_end"
            " WHERE fare_account_id = :account AND right_id = :right"
        ),
        {"account": right.fare_account_id, "right": right.right_id},
    ).first()
    return Ended(ended_at=row[0], refund_minor=row[1], note=row[2]) if row else None


def insert_end(
    tx: Connection,
    right: RightRow,
    *,
    ended_at: datetime,
    refund_minor: int,
    note: str,
    recorded_at: datetime,
    actor: str,
) -> None:
    """Write that a right ends early."""
    tx.execute(
        text(
            "INSERT INTO parking_right_end"
            " (fare_account_id, right_id, ended_at, refund_minor, note, recorded_at, actor)"
            " VALUES (:account, :right, :ended, :refund, :note, :recorded, :actor)"
        ),
        {
            "account": right.fare_account_id,
            "right": right.right_id,
            "ended": ended_at,
            "refund": refund_minor,
            "note": note,
            "recorded": recorded_at,
            "actor": actor,
        },
    )


def list_rights(
    tx: Connection,
    *,
    accounts: Iterable[FareAccountId] = (),
    subjects: Iterable[UUID] = (),
    stays: Iterable[UUID] = (),
) -> tuple[tuple[RightRow, datetime | None], ...]:
    """Return (right, when it ended early) of accounts, of what parks, and of single stays, oldest first."""
    columns = ", ".join(f"held.{name}" for name in _RIGHT)
    rows = tx.execute(
        text(
            f"SELECT {columns}, ended.ended_at FROM parking_right AS held"
            " LEFT JOIN parking_right_end AS ended"
            "   ON ended.fare_account_id = held.fare_account_id AND ended.right_id = held.right_id"
            " WHERE held.fare_account_id = ANY (CAST(:accounts AS uuid[]))"
            "    OR held.subject = ANY (CAST(:subjects AS uuid[]))"
            "    OR held.stay_id = ANY (CAST(:stays AS uuid[]))"
            " ORDER BY held.assigned_at, held.right_id"
        ),
        {"accounts": list(accounts), "subjects": list(subjects), "stays": list(stays)},
    )
    return tuple((RightRow(**dict(zip(_RIGHT, row[:-1], strict=True))), row[-1]) for row in rows)


def list_assigned(
    tx: Connection,
    operators: Iterable[str] | None,
    *,
    since: datetime,
    until: datetime,
    place_ids: Iterable[str] | None = None,
    offset: int = 0,
    limit: int,
) -> tuple[tuple[tuple[RightRow, datetime | None], ...], int]:
    """Return a page of (right, when it ended early) that changed in [since, until), and how many there are.

    Rights of operators (None: all), the latest change first: it was assigned, or ended.
    """
    asked = {
        "operators": None if operators is None else list(operators),
        "places": None if place_ids is None else list(place_ids),
        "since": since,
        "until": until,
    }
    columns = ", ".join(f"held.{name}" for name in _RIGHT)
    where = (
        " FROM parking_right AS held LEFT JOIN parking_right_end AS ended"
        "   ON ended.fare_account_id = held.fare_account_id AND ended.right_id = held.right_id"
        " WHERE greatest(held.assigned_at, ended.recorded_at) >= :since"
        " AND greatest(held.assigned_at, ended.recorded_at) < :until"
        " AND (CAST(:operators AS text[]) IS NULL OR held.operator_id = ANY (CAST(:operators AS text[])))"
        " AND (CAST(:places AS text[]) IS NULL OR held.place_id = ANY (CAST(:places AS text[])))"
    )
    total = tx.execute(text(f"SELECT count(*){where}"), asked).scalar_one()
    rows = tx.execute(
        text(
            f"SELECT {columns}, ended.ended_at{where}"
            " ORDER BY greatest(held.assigned_at, ended.recorded_at) DESC, held.right_id"
            " LIMIT :limit OFFSET :offset"
        ),
        {**asked, "limit": limit, "offset": offset},
    )
    found = tuple((RightRow(**dict(zip(_RIGHT, row[:-1], strict=True))), row[-1]) for row in rows)
    return found, int(total)


def insert_pool(tx: Connection, new: Pool) -> bool:
    """Write a pool; False when its id is taken."""
    written = tx.execute(
        text(
            f"INSERT INTO parking_pool ({', '.join(_POOL)}) VALUES ({', '.join(f':{n}' for n in _POOL)})"
            " ON CONFLICT DO NOTHING RETURNING pool_id"
        ),
        dict(zip(_POOL, astuple(new), strict=True)),
    ).first()
    return written is not None


def list_pools(tx: Connection, pool_ids: Iterable[UUID] | None = None) -> tuple[Pool, ...]:
    """Return these pools (None: all), by id."""
    rows = tx.execute(
        text(
            f"SELECT {', '.join(_POOL)} FROM parking_pool"
            " WHERE CAST(:ids AS uuid[]) IS NULL OR pool_id = ANY (CAST(:ids AS uuid[])) ORDER BY pool_id"
        ),
        {"ids": None if pool_ids is None else list(pool_ids)},
    )
    return tuple(Pool(**dict(zip(_POOL, row, strict=True))) for row in rows)


@dataclass(frozen=True, slots=True)
class PoolMember:
    """A stay of a pool's member as it is billed: what of it passes cover now."""

    fare_account_id: FareAccountId
    stay: PoolStay
    priced: bool
    covered_minor: int


def list_pool_stays(
    tx: Connection, pool_id: UUID, place_ids: Iterable[str], *, since: datetime
) -> tuple[PoolMember, ...]:
    """Return the stays at places, entered at an instant or later, of accounts that hold a right of a pool then."""
    rows = tx.execute(
        text(
            """
            SELECT DISTINCT stay.fare_account_id, stay.stay_id, stay.entered_at, stay.left_at, stay.table_id <> '',
                   coalesce((SELECT sum(delta_minor) FROM parking_bill_line AS line
                             WHERE line.fare_account_id = stay.fare_account_id AND line.stay_day = stay.stay_day
                               AND line.stay_id = stay.stay_id AND component = 'pass_covered'), 0)::bigint
            FROM parking_right AS held
            LEFT JOIN parking_right_end AS ended
              ON ended.fare_account_id = held.fare_account_id AND ended.right_id = held.right_id
            JOIN parking_stay AS stay ON stay.fare_account_id = held.fare_account_id
            WHERE pool_id = :pool AND stay.place_id = ANY (CAST(:places AS text[])) AND entered_at >= :since
              AND state <> 'voided' AND entered_at >= valid_from
              AND entered_at < least(valid_to, coalesce(ended.ended_at, valid_to))
            """
        ),
        {"pool": pool_id, "places": list(place_ids), "since": since},
    )
    return tuple(
        PoolMember(FareAccountId(row[0]), PoolStay(row[1], row[2], row[3]), row[4], row[5]) for row in rows
    )


def list_uses(
    tx: Connection, right: RightRow, *, since: datetime, until: datetime
) -> tuple[tuple[UUID, str, str, datetime], ...]:
    """Return (stay, place, class, entered at) of a holder's stays that were in between two instants; void ones not."""
    holder = "fare_account_id = :holder" if right.subject is None else "subject = :holder"
    rows = tx.execute(
        text(
            f"""
            WITH mine AS (SELECT fare_account_id, stay_day, stay_id FROM parking_stay_key
                          WHERE {holder} AND first_at < :until AND (running OR last_at > :since))
            SELECT stay_id, place_id, vehicle_class, entered_at FROM mine
            JOIN parking_stay USING (fare_account_id, stay_day, stay_id)
            WHERE state <> 'voided' AND entered_at < :until
            """
        ),
        {"holder": right.subject or right.fare_account_id, "since": since, "until": until},
    )
    return tuple((row[0], row[1], row[2], row[3]) for row in rows)


def list_later_stays(tx: Connection, subject: UUID, *, after: datetime) -> tuple[StayKey, ...]:
    """Return the keys of a subject's stays that began after an instant, while it held a right."""
    rows = tx.execute(
        text(
            "SELECT DISTINCT stay.fare_account_id, stay_day, stay.stay_id FROM parking_right AS held"
            " JOIN parking_stay_key AS stay USING (subject)"
            " WHERE subject = :subject AND valid_to > :after AND first_at > :after AND first_at < valid_to"
        ),
        {"subject": subject, "after": after},
    )
    return tuple(StayKey(*row) for row in rows)
