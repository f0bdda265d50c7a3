"""SQL of where stays and events lie: narrow rows that triggers keep, read before a partition is. Decides nothing.

A statement that names no day plans, locks and probes every partition of `parking_stay`; these tables have none. What
they answer alone needs no stay at all; for the rest they give the keys that name the partitions to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId
from ledger.store.arrays import teach, uuids
from ledger.store.connection import driver

_STAYS: Final = "SELECT fare_account_id, stay_day, stay_id FROM parking_stay_key"
_LOCK_SUBJECT: Final = "pg_advisory_xact_lock(hashtextextended('parking-subject:' || {}, 0))"


class StayKey(NamedTuple):
    """The key of a stay's row."""

    fare_account_id: FareAccountId
    stay_day: date
    stay_id: UUID


class EventKey(NamedTuple):
    """The key of an event's row."""

    fare_account_id: FareAccountId
    event_day: date
    event_id: UUID


def find_key(tx: Connection, stay_id: UUID) -> StayKey | None:
    """Return the key of a stay by its id alone."""
    row = tx.execute(
        text(f"{_STAYS} WHERE stay_id = :id"),
        {"id": stay_id},
    ).first()
    return StayKey(*row) if row else None


def lock_key(tx: Connection, stay_id: UUID) -> StayKey | None:
    """Return as `find_key`, once this transaction alone has the stay's plate, ticket or card: see `lock_subject`."""
    row = tx.execute(
        text(
            f"SELECT key.*, {_LOCK_SUBJECT.format('subject')} FROM (SELECT fare_account_id, stay_day, stay_id, subject"
            " FROM parking_stay_key WHERE stay_id = :id) AS key"
        ),
        {"id": stay_id},
    ).first()
    return StayKey(*row[:3]) if row else None


def lock_subject(tx: Connection, subject: UUID) -> None:
    """Make changes of the stays of one plate, ticket or card wait for each other.

    Each stay of a guest has an account of its own, and a change of one may change others of the same plate. Who has
    the plate locks their accounts in any order; take it after the place and before any account.
    """
    tx.execute(text(f"SELECT {_LOCK_SUBJECT.format('CAST(:subject AS uuid)')}"), {"subject": subject})


def earliest_first_at(
    tx: Connection, since: Mapping[FareAccountId, datetime]
) -> dict[FareAccountId, datetime]:
    """Return, per account, the earliest begin of a stay that was still running at its instant or later."""
    rows = tx.execute(
        text(
            """
            SELECT fare_account_id, min(first_at) FROM parking_stay_key
            JOIN unnest(CAST(:accounts AS uuid[]), CAST(:sinces AS timestamptz[])) AS asked(account, since)
              ON fare_account_id = account AND (last_at >= since OR running)
            GROUP BY fare_account_id
            """
        ),
        _since(since),
    )
    return {FareAccountId(row[0]): row[1] for row in rows}


def list_parked(tx: Connection, accounts: Iterable[FareAccountId]) -> set[FareAccountId]:
    """Return which of these accounts have ever parked."""
    rows = tx.execute(
        text(
            "SELECT DISTINCT fare_account_id FROM parking_stay_key"
            " WHERE fare_account_id = ANY (CAST(:accounts AS uuid[]))"
        ),
        {"accounts": list(accounts)},
    )
    return {FareAccountId(row[0]) for row in rows}


def list_begun(tx: Connection, since: Mapping[FareAccountId, datetime]) -> tuple[StayKey, ...]:
    """Return the keys of each account's stays that began at its instant or later."""
    rows = tx.execute(
        text(
            f"""
            {_STAYS}
            JOIN unnest(CAST(:accounts AS uuid[]), CAST(:sinces AS timestamptz[])) AS asked(account, since)
              ON fare_account_id = account AND first_at >= since
            """
        ),
        _since(since),
    )
    return tuple(StayKey(*row) for row in rows)


def list_newest(tx: Connection, account: FareAccountId, *, limit: int) -> tuple[StayKey, ...]:
    """Return the keys of an account's stays, the newest first."""
    rows = tx.execute(
        text(f"{_STAYS} WHERE fare_account_id = :account ORDER BY first_at DESC, stay_id LIMIT :limit"),
        {"account": account, "limit": limit},
    )
    return tuple(StayKey(*row) for row in rows)


def find_stay_at(tx: Connection, account: FareAccountId, subject: UUID, at: datetime) -> UUID | None:
    """Return the stay of an account that an event of a subject at an instant belongs to."""
    found = tx.execute(
        text(
            "SELECT stay_id FROM parking_stay_key WHERE fare_account_id = :account AND subject = :subject"
            " AND first_at <= :at AND last_at >= :at ORDER BY first_at DESC LIMIT 1"
        ),
        {"account": account, "subject": subject, "at": at},
    ).scalar()
    return None if found is None else UUID(str(found))


def find_running(tx: Connection, place_id: str, subject: UUID) -> UUID | None:
    """Return the running stay of a subject at a place."""
    found = tx.execute(
        text(
            "SELECT stay_id FROM parking_stay_key"
            " WHERE place_id = :place AND subject = :subject AND running LIMIT 1"
        ),
        {"place": place_id, "subject": subject},
    ).scalar()
    return None if found is None else UUID(str(found))


def list_running(tx: Connection, subjects: Iterable[UUID]) -> tuple[StayKey, ...]:
    """Return the keys of the running stays of any of these subjects, at any place.

    Some 620 of them for a plate: one array in binary form, one probe of a narrow index each. LATERAL and OFFSET 0
    keep the planner from reading every running stay instead, whatever it believes of the table.
    """
    teach(driver(tx))
    rows = tx.exec_driver_sql(
        "SELECT found.* FROM unnest(%(subjects)s) AS asked (subject) CROSS JOIN LATERAL ("
        " SELECT fare_account_id, stay_day, stay_id FROM parking_stay_key"
        " WHERE running AND parking_stay_key.subject = asked.subject OFFSET 0) AS found ORDER BY stay_id",
        {"subjects": uuids([each.int for each in subjects])},
    )
    return tuple(StayKey(*row) for row in rows)


def list_paid_ahead(tx: Connection, subjects: Iterable[UUID], *, after: datetime) -> tuple[StayKey, ...]:
    """Return the keys of stays of any of these subjects that were paid until later than an instant."""
    rows = tx.execute(
        text(f"{_STAYS} WHERE subject = ANY (CAST(:subjects AS uuid[])) AND paid_until > :after"),
        {"subjects": list(subjects), "after": after},
    )
    return tuple(StayKey(*row) for row in rows)


def list_followers(
    tx: Connection, subject: UUID, place_ids: Iterable[str], *, since: datetime, until: datetime
) -> tuple[StayKey, ...]:
    """Return the keys of a subject's stays at places that began in `(since, until)`."""
    rows = tx.execute(
        text(
            f"{_STAYS} WHERE place_id = ANY (CAST(:places AS text[])) AND last_at > :since"
            " AND subject = :subject AND first_at > :since AND first_at < :until"
        ),
        {"subject": subject, "places": list(place_ids), "since": since, "until": until},
    )
    return tuple(StayKey(*row) for row in rows)


def list_at_place(
    tx: Connection, place_ids: Iterable[str], *, since: datetime, until: datetime
) -> tuple[StayKey, ...]:
    """Return the keys of stays at places of which something happened in `[since, until]`, or before and after it."""
    rows = tx.execute(
        text(
            f"{_STAYS} WHERE place_id = ANY (CAST(:places AS text[])) AND last_at >= :since AND first_at <= :until"
        ),
        {"places": list(place_ids), "since": since, "until": until},
    )
    return tuple(StayKey(*row) for row in rows)


def list_days(tx: Connection, place_ids: Iterable[str], *, since: datetime, until: datetime) -> list[date]:
    """Return the days under which stays lie that were at places in `[since, until]`."""
    return sorted({key.stay_day for key in list_at_place(tx, place_ids, since=since, until=until)})


def list_running_at(tx: Connection, place_id: str) -> tuple[StayKey, ...]:
    """Return the keys of a place's running stays."""
    rows = tx.execute(
        text(f"{_STAYS} WHERE place_id = :place AND running"),
        {"place": place_id},
    )
    return tuple(StayKey(*row) for row in rows)


def count_taken(tx: Connection, place_ids: Iterable[str], *, now: datetime) -> dict[str, int]:
    """Return how many spaces are taken, by place: running stays and held reservations; none: absent."""
    rows = tx.execute(
        text(
            """
            SELECT place_id, count(*) FROM (
                SELECT place_id FROM parking_stay_key
                WHERE running AND place_id = ANY (CAST(:places AS text[]))
                UNION ALL
                SELECT place_id FROM parking_stay_key
                WHERE held_until > :now AND NOT running AND place_id = ANY (CAST(:places AS text[]))
            ) AS taken GROUP BY place_id
            """
        ),
        {"places": list(place_ids), "now": now},
    )
    return {row[0]: row[1] for row in rows}


def find_reserved_key(tx: Connection, place_id: str, subject: UUID, *, at: datetime) -> StayKey | None:
    """Return the reservation that holds a space for a subject at a place at an instant."""
    row = tx.execute(
        text(
            f"{_STAYS} WHERE place_id = :place AND subject = :subject AND held_until > :at ORDER BY held_until LIMIT 1"
        ),
        {"place": place_id, "subject": subject, "at": at},
    ).first()
    return StayKey(*row) if row else None


def list_lapsed_holds(tx: Connection, *, before: datetime, limit: int) -> tuple[UUID, ...]:
    """Return reservations whose hold ended before an instant and that nobody came for, oldest first."""
    rows = tx.execute(
        text(
            "SELECT stay_id FROM parking_stay_key WHERE held_until <= :before"
            " ORDER BY held_until, stay_id LIMIT :limit"
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
            "SELECT stay_id, paid_until FROM parking_stay_key WHERE running AND paid_until <= :before"
            " AND NOT place_id = ANY (CAST(:gated AS text[])) ORDER BY paid_until, stay_id LIMIT :limit"
        ),
        {"before": before, "gated": list(gated), "limit": limit},
    )
    return tuple((row[0], row[1]) for row in rows)


def find_event_keys(
    tx: Connection, event_id: UUID, account: FareAccountId | None = None
) -> tuple[EventKey, ...]:
    """Return the keys of the events of an id: of an account, or (None) of any."""
    rows = tx.execute(
        text(
            "SELECT fare_account_id, event_day, event_id FROM parking_event_key WHERE event_id = :id"
            " AND (CAST(:account AS uuid) IS NULL OR fare_account_id = :account) ORDER BY event_day"
        ),
        {"id": event_id, "account": account},
    )
    return tuple(EventKey(*row) for row in rows)


def list_event_keys(tx: Connection, since: Mapping[FareAccountId, datetime]) -> tuple[EventKey, ...]:
    """Return the keys of each account's events from its instant on."""
    rows = tx.execute(
        text(
            """
            SELECT fare_account_id, event_day, event_id FROM parking_event_key
            JOIN unnest(CAST(:accounts AS uuid[]), CAST(:sinces AS timestamptz[])) AS asked(account, since)
              ON fare_account_id = account AND at >= since
            """
        ),
        _since(since),
    )
    return tuple(EventKey(*row) for row in rows)


def asked(keys: Iterable[StayKey | EventKey]) -> dict[str, Any]:
    """Return keys as the parameters `accounts`, `on`, `ids` of a join, and `days`, the partitions that it reads.

    `days` stands in the statement as `= ANY (:days)`: a constant to the planner, which then looks at nothing else.
    """
    wanted = list(keys)
    return {
        "accounts": [each[0] for each in wanted],
        "on": [each[1] for each in wanted],
        "ids": [each[2] for each in wanted],
        "days": sorted({each[1] for each in wanted}),
    }


def _since(since: Mapping[FareAccountId, datetime]) -> dict[str, Any]:
    return {"accounts": list(since), "sinces": list(since.values())}
