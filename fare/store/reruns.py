"""SQL of announced reruns: the announcement, what two people said of it, and which accounts are done."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId


@dataclass(frozen=True, slots=True)
class Announced:
    """One announcement as stored; `events` are the ones that followed it, with who and when."""

    run_id: UUID
    tariff_version: str
    engine_version: str
    first_day: date
    last_day: date
    reason: str
    announced_by: str
    announced_at: datetime
    not_before: datetime
    events: dict[str, tuple[str, datetime]]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: accounts done and to do, revisions written, and what riders' charges changed by."""

    done: int
    left: int
    revisions: int
    change_minor: int


_COLUMNS = """run_id, tariff_version, engine_version, first_day, last_day, reason, announced_by, announced_at,
    not_before"""


def insert(tx: Connection, one: Announced) -> bool:
    """Write an announcement; False where its id stands already."""
    done = tx.execute(
        text(
            f"INSERT INTO fare_rerun ({_COLUMNS}) VALUES (:run_id, :tariff, :engine, :first, :last, :reason, :by, :at,"
            " :not_before) ON CONFLICT ON CONSTRAINT fare_rerun_pk DO NOTHING"
        ),
        {
            "run_id": one.run_id,
            "tariff": one.tariff_version,
            "engine": one.engine_version,
            "first": one.first_day,
            "last": one.last_day,
            "reason": one.reason,
            "by": one.announced_by,
            "at": one.announced_at,
            "not_before": one.not_before,
        },
    )
    return done.rowcount == 1


def insert_event(
    tx: Connection, run_id: UUID, *, event: str, announced_by: str, actor: str, at: datetime
) -> bool:
    """Write what somebody said of a run; False where that was said before."""
    done = tx.execute(
        text(
            "INSERT INTO fare_rerun_event (run_id, event, announced_by, actor, at)"
            " VALUES (:run, :event, :by, :actor, :at) ON CONFLICT ON CONSTRAINT fare_rerun_event_pk DO NOTHING"
        ),
        {"run": run_id, "event": event, "by": announced_by, "actor": actor, "at": at},
    )
    return done.rowcount == 1


def list_all(tx: Connection, *, run_id: UUID | None = None) -> tuple[Announced, ...]:
    """Return announcements with their events, the newest first; one of them where an id is given."""
    given = {"id": run_id}
    said: dict[UUID, dict[str, tuple[str, datetime]]] = {}
    for row in tx.execute(
        text(
            "SELECT run_id, event, actor, at FROM fare_rerun_event"
            " WHERE CAST(:id AS uuid) IS NULL OR run_id = :id"
        ),
        given,
    ):
        said.setdefault(row[0], {})[row[1]] = row[2], row[3]
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM fare_rerun WHERE CAST(:id AS uuid) IS NULL OR run_id = :id"
            " ORDER BY announced_at DESC, run_id"
        ),
        given,
    )
    return tuple(Announced(**row, events=said.get(row["run_id"], {})) for row in rows.mappings())


_LEFT = """
    FROM (SELECT DISTINCT fare_account_id FROM fare_bill WHERE service_day BETWEEN :first AND :last) AS billed
    WHERE NOT EXISTS (SELECT FROM fare_rerun_account d
                      WHERE d.fare_account_id = billed.fare_account_id AND d.run_id = :run)
"""


def list_left(tx: Connection, one: Announced) -> tuple[FareAccountId, ...]:
    """Return the accounts with a bill in the run's days that the run has not done, in id order."""
    rows = tx.execute(
        text(f"SELECT fare_account_id {_LEFT} ORDER BY fare_account_id"),
        {"first": one.first_day, "last": one.last_day, "run": one.run_id},
    )
    return tuple(FareAccountId(row[0]) for row in rows)


def read_progress(tx: Connection, one: Announced) -> Progress:
    """Return how far the run has come."""
    row = tx.execute(
        text(
            f"SELECT count(*), coalesce(sum(revisions), 0)::bigint, coalesce(sum(change_minor), 0)::bigint,"
            f" (SELECT count(*) {_LEFT}) FROM fare_rerun_account WHERE run_id = :run"
        ),
        {"first": one.first_day, "last": one.last_day, "run": one.run_id},
    ).one()
    return Progress(done=row[0], left=row[3], revisions=row[1], change_minor=row[2])


def insert_done(
    tx: Connection,
    run_id: UUID,
    account: FareAccountId,
    *,
    revisions: int,
    change_minor: int,
    at: datetime,
) -> None:
    """Write that the run has done an account."""
    tx.execute(
        text(
            "INSERT INTO fare_rerun_account (fare_account_id, run_id, done_at, revisions, change_minor)"
            " VALUES (:account, :run, :at, :revisions, :change)"
        ),
        {"account": account, "run": run_id, "at": at, "revisions": revisions, "change": change_minor},
    )


def list_billed_days(tx: Connection, account: FareAccountId, first: date, last: date) -> tuple[date, ...]:
    """Return the account's billed days between two days, both included."""
    return tuple(
        tx.execute(
            text(
                "SELECT DISTINCT service_day FROM fare_bill WHERE fare_account_id = :account"
                " AND service_day BETWEEN :first AND :last ORDER BY service_day"
            ),
            {"account": account, "first": first, "last": last},
        ).scalars()
    )


def sum_charges(tx: Connection, account: FareAccountId, since: date) -> dict[tuple[str, str], int]:
    """Return what an account's bills from a day on come to, in minor units, by operator and component."""
    rows = tx.execute(
        text(
            "SELECT operator_id, component, sum(delta_minor)::bigint FROM fare_bill_line"
            " WHERE fare_account_id = :account AND service_day >= :since GROUP BY operator_id, component"
        ),
        {"account": account, "since": since},
    )
    return {(row[0], row[1]): row[2] for row in rows}


def differ(
    before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]
) -> Iterable[tuple[tuple[str, str], int]]:
    """Return what changed between two such sums."""
    for key in sorted(before.keys() | after.keys()):
        change = after.get(key, 0) - before.get(key, 0)
        if change:
            yield key, change
