"""SQL of grounds for benefits. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ground import Ground, GroundKind
from kernel.ids import FareAccountId

_GROUND = "fare_account_id, kind, ref, medium, since, until_at, words"


@dataclass(frozen=True, slots=True)
class Known:
    """A ground at its newest revision; one that is so no longer has `holds` off."""

    ground: Ground
    revision: int
    holds: bool


@dataclass(frozen=True, slots=True)
class NewGround:
    """A revision as it is written."""

    ground: Ground
    revision: int
    holds: bool


@dataclass(frozen=True, slots=True)
class NewDue:
    """What is to be billed again, as it is written."""

    due_id: UUID
    fare_account_id: FareAccountId
    kind: GroundKind
    since: datetime
    until: datetime | None


def list_newest(
    tx: Connection, kind: GroundKind, refs: Collection[tuple[FareAccountId, UUID]]
) -> dict[tuple[FareAccountId, UUID], Known]:
    """Return the newest revision of these grounds; unknown ones are absent."""
    if not refs:
        return {}
    rows = tx.execute(
        text(
            f"""
            SELECT DISTINCT ON (fare_account_id, ref) {_GROUND}, revision, holds FROM benefit_ground
            JOIN unnest(CAST(:accounts AS uuid[]), CAST(:refs AS uuid[])) AS asked(account, of)
              ON fare_account_id = account AND kind = :kind AND ref = of
            ORDER BY fare_account_id, ref, revision DESC
            """
        ),
        {
            "kind": kind.value,
            "accounts": [account for account, _ in refs],
            "refs": [ref for _, ref in refs],
        },
    )
    found = (Known(_ground(row), row[-2], row[-1]) for row in rows)
    return {(each.ground.fare_account_id, each.ground.ref): each for each in found}


def list_holding(
    tx: Connection, accounts: Sequence[FareAccountId], kinds: Iterable[GroundKind], *, since: datetime
) -> tuple[Ground, ...]:
    """Return the grounds that are so and hold at an instant or later, by account and begin."""
    rows = tx.execute(
        text(
            f"""
            SELECT {_GROUND} FROM (
                SELECT DISTINCT ON (fare_account_id, kind, ref) {_GROUND}, holds FROM benefit_ground
                WHERE fare_account_id = ANY (CAST(:accounts AS uuid[])) AND kind = ANY (CAST(:kinds AS text[]))
                ORDER BY fare_account_id, kind, ref, revision DESC
            ) AS newest
            WHERE holds AND (until_at IS NULL OR until_at >= :since)
            ORDER BY fare_account_id, since, ref
            """
        ),
        {"accounts": list(accounts), "kinds": [each.value for each in kinds], "since": since},
    )
    return tuple(_ground(row) for row in rows)


def insert_grounds(tx: Connection, rows: Sequence[NewGround], *, now: datetime) -> None:
    """Write revisions."""
    if not rows:
        return
    tx.execute(
        text(
            f"INSERT INTO benefit_ground ({_GROUND}, revision, holds, told_at)"
            " VALUES (:account, :kind, :ref, :medium, :since, :until, :words, :revision, :holds, :now)"
        ),
        [
            {
                "account": row.ground.fare_account_id,
                "kind": row.ground.kind.value,
                "ref": row.ground.ref,
                "medium": row.ground.medium,
                "since": row.ground.since,
                "until": row.ground.until,
                "words": sorted(row.ground.words),
                "revision": row.revision,
                "holds": row.holds,
                "now": now,
            }
            for row in rows
        ],
    )


def insert_dues(tx: Connection, rows: Sequence[NewDue], *, now: datetime) -> None:
    """Write what is due."""
    if not rows:
        return
    tx.execute(
        text(
            "INSERT INTO benefit_due (fare_account_id, due_id, kind, since, until_at, told_at)"
            " VALUES (:account, :due, :kind, :since, :until, :now)"
        ),
        [
            {
                "account": row.fare_account_id,
                "due": row.due_id,
                "kind": row.kind.value,
                "since": row.since,
                "until": row.until,
                "now": now,
            }
            for row in rows
        ],
    )


def take_dues(tx: Connection, accounts: Iterable[FareAccountId]) -> tuple[NewDue, ...]:
    """Delete what is due of these accounts and return it."""
    rows = tx.execute(
        text(
            "DELETE FROM benefit_due WHERE fare_account_id = ANY (CAST(:accounts AS uuid[]))"
            " RETURNING due_id, fare_account_id, kind, since, until_at"
        ),
        {"accounts": list(accounts)},
    )
    return tuple(NewDue(row[0], FareAccountId(row[1]), GroundKind(row[2]), row[3], row[4]) for row in rows)


def list_due_accounts(tx: Connection, *, limit: int) -> tuple[FareAccountId, ...]:
    """Return accounts of which something is due, in id order."""
    rows = tx.execute(
        text("SELECT DISTINCT fare_account_id FROM benefit_due ORDER BY fare_account_id LIMIT :limit"),
        {"limit": limit},
    )
    return tuple(FareAccountId(row[0]) for row in rows)


def _ground(row: Sequence[object]) -> Ground:
    account, kind, ref, medium, since, until, words = row[:7]
    return Ground(  # the columns are the fields
        fare_account_id=FareAccountId(account),  # type: ignore[arg-type]
        kind=GroundKind(kind),
        ref=ref,  # type: ignore[arg-type]
        medium=medium,  # type: ignore[arg-type]
        since=since,  # type: ignore[arg-type]
        until=until,  # type: ignore[arg-type]
        words=frozenset(words),  # type: ignore[call-overload]
    )
