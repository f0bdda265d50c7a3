"""SQL of notices to riders: what to tell is found in the houses' facts, kept in an outbox, and marked when sent."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice: its facts are JSON values, texts are made when it is sent or shown."""

    fare_account_id: FareAccountId
    notice_id: UUID
    kind: str
    facts: dict[str, Any]
    made_at: datetime
    tries: int = 0
    sent_at: datetime | None = None


_COLUMNS = ", ".join(NoticeRow.__slots__)


def insert(tx: Connection, rows: Sequence[NoticeRow]) -> int:
    """Put notices into the outbox and return how many are new; a known id is left as it is."""
    if not rows:
        return 0
    return tx.execute(
        text(
            "INSERT INTO rider_notice (fare_account_id, notice_id, kind, facts, made_at, due_at)"
            " SELECT account, notice, kind, CAST(facts AS jsonb), :now, :now FROM unnest(CAST(:accounts AS uuid[]),"
            " CAST(:notices AS uuid[]), CAST(:kinds AS text[]), CAST(:facts AS text[]))"
            " AS n (account, notice, kind, facts) ON CONFLICT ON CONSTRAINT rider_notice_pk DO NOTHING"
        ),
        {
            "now": rows[0].made_at,
            "accounts": [row.fare_account_id for row in rows],
            "notices": [row.notice_id for row in rows],
            "kinds": [row.kind for row in rows],
            "facts": [json.dumps(row.facts, ensure_ascii=False, sort_keys=True) for row in rows],
        },
    ).rowcount


def lock_due(tx: Connection, now: datetime, limit: int) -> tuple[NoticeRow, ...]:
    """Return unsent notices that are due, the oldest first, locked; those another courier holds are left out."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM rider_notice WHERE sent_at IS NULL AND due_at <= :now"
            " ORDER BY due_at, notice_id LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {"now": now, "limit": limit},
    )
    return tuple(_row(row) for row in rows)


def mark_sent(tx: Connection, row: NoticeRow, now: datetime) -> None:
    """Write that a notice has been handed over."""
    tx.execute(
        text(
            "UPDATE rider_notice SET sent_at = :now, tries = tries + 1"
            " WHERE fare_account_id = :account AND notice_id = :id"
        ),
        {"now": now, "account": row.fare_account_id, "id": row.notice_id},
    )


def put_off(tx: Connection, row: NoticeRow, due_at: datetime) -> None:
    """Write that a notice could not be handed over, and when to try again."""
    tx.execute(
        text(
            "UPDATE rider_notice SET due_at = :due, tries = tries + 1"
            " WHERE fare_account_id = :account AND notice_id = :id"
        ),
        {"due": due_at, "account": row.fare_account_id, "id": row.notice_id},
    )


def list_of(tx: Connection, accounts: Collection[FareAccountId], *, limit: int) -> tuple[NoticeRow, ...]:
    """Return these accounts' notices, the newest first."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM rider_notice WHERE fare_account_id = ANY (CAST(:accounts AS uuid[]))"
            " ORDER BY made_at DESC, notice_id LIMIT :limit"
        ),
        {"accounts": list(accounts), "limit": limit},
    )
    return tuple(_row(row) for row in rows)


def seen_to(tx: Connection, kind: str) -> datetime | None:
    """Return up to when facts were looked through for a kind of notice; None before the first time."""
    return tx.execute(
        text("SELECT seen_to FROM rider_notice_mark WHERE kind = :kind"), {"kind": kind}
    ).scalar_one_or_none()


def set_seen(tx: Connection, kind: str, to: datetime) -> None:
    """Write up to when facts were looked through."""
    tx.execute(
        text(
            "INSERT INTO rider_notice_mark (kind, seen_to) VALUES (:kind, :to)"
            " ON CONFLICT ON CONSTRAINT rider_notice_mark_pk DO UPDATE SET seen_to = excluded.seen_to"
        ),
        {"kind": kind, "to": to},
    )


def list_adjusted(tx: Connection, since: date, until: date) -> Sequence[Any]:
    """Return revisions booked on these days that changed what an earlier day had cost a rider."""
    return tx.execute(
        text(
            "SELECT fare_account_id, service_day, revision, currency, sum(delta_minor)::bigint AS minor"
            " FROM fare_bill_line WHERE book_day BETWEEN :since AND :until AND service_day < book_day"
            " AND revision > 1 AND component = 'charged'"
            " GROUP BY fare_account_id, service_day, revision, currency HAVING sum(delta_minor) <> 0"
        ),
        {"since": since, "until": until},
    ).all()


def list_denied(tx: Connection, since: datetime, until: datetime) -> Sequence[Any]:
    """Return cards that came on the deny list in (since, until], each with the reason; not yet active ones left out."""
    return tx.execute(
        text(
            "SELECT c.fare_account_id, d.serial, d.reason, d.at FROM deny_change AS d"
            " JOIN card AS c ON c.serial = d.serial"
            " WHERE d.denied AND d.at > :since AND d.at <= :until AND d.reason <> 'not-active'"
        ),
        {"since": since, "until": until},
    ).all()


def list_charged(tx: Connection, since: date, until: date) -> tuple[FareAccountId, ...]:
    """Return accounts that were charged a fare on these book days."""
    rows = tx.execute(
        text(
            "SELECT DISTINCT fare_account_id FROM fare_bill_line WHERE book_day BETWEEN :since AND :until"
            " AND component = 'charged' AND delta_minor > 0 ORDER BY fare_account_id"
        ),
        {"since": since, "until": until},
    )
    return tuple(FareAccountId(found) for found in rows.scalars())


def list_ending(tx: Connection, after: datetime, until: datetime) -> Sequence[Any]:
    """Return passes that end in (after, until] with no pass of the same kind to follow."""
    return tx.execute(
        text(
            "SELECT p.fare_account_id, p.pass_id, p.product_id, p.scope, p.valid_until FROM fare_pass AS p"
            " LEFT JOIN fare_pass_end AS e USING (fare_account_id, pass_id)"
            " WHERE p.valid_until > :after AND p.valid_until <= :until AND e.ended_at IS NULL AND NOT EXISTS ("
            "   SELECT FROM fare_pass AS later WHERE later.fare_account_id = p.fare_account_id"
            "   AND later.product_id = p.product_id AND later.scope = p.scope"
            "   AND later.valid_until > p.valid_until)"
        ),
        {"after": after, "until": until},
    ).all()


def list_parking_ending(tx: Connection, after: datetime, until: datetime) -> Sequence[Any]:
    """Return running stays of accounts whose paid time ends in (after, until]."""
    return tx.execute(
        text(
            "SELECT fare_account_id, stay_id, place_id, paid_until FROM parking_stay"
            " WHERE running AND NOT guest AND paid_until > :after AND paid_until <= :until"
            " ORDER BY paid_until, stay_id"
        ),
        {"after": after, "until": until},
    ).all()


def list_parking_passes_ending(tx: Connection, after: datetime, until: datetime) -> Sequence[Any]:
    """Return parking passes of accounts that end in (after, until] with none of the same product to follow."""
    return tx.execute(
        text(
            "SELECT p.fare_account_id, p.right_id, p.spec_id, p.rates_version, p.assigned_at, p.valid_to"
            " FROM parking_right AS p LEFT JOIN parking_right_end AS e USING (fare_account_id, right_id)"
            " WHERE p.valid_to > :after AND p.valid_to <= :until AND e.ended_at IS NULL"
            "   AND p.subject IS NULL AND p.stay_id IS NULL AND NOT EXISTS ("
            "   SELECT FROM parking_right AS later WHERE later.fare_account_id = p.fare_account_id"
            "   AND later.spec_id = p.spec_id AND later.valid_to > p.valid_to)"
            " ORDER BY p.valid_to, p.right_id"
        ),
        {"after": after, "until": until},
    ).all()


def _row(row: Sequence[Any]) -> NoticeRow:
    return NoticeRow(FareAccountId(row[0]), *row[1:])
