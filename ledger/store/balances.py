"""Sums of append-only accounts from closings and roll-ups, and of any account from its lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, text

from ledger.store.arrays import literal

Sums = tuple[int, int]


def current_sums(
    tx: Connection, keys: Sequence[tuple[UUID, UUID]], *, through: date | None = None
) -> dict[UUID, Sums]:
    """Return (debits, credits) of append-only accounts, (owner, account), of all book days up to `through`.

    The last closing carries all closed days; the roll-ups of the days after it are added.
    """
    if not keys:
        return {}
    rows = tx.execute(
        text(
            """
            SELECT q.account_id, coalesce(c.debits, 0) + coalesce(r.debits, 0) AS debits,
                   coalesce(c.credits, 0) + coalesce(r.credits, 0) AS credits
            FROM unnest(CAST(:owners AS uuid[]), CAST(:accounts AS uuid[])) AS q (owner_id, account_id)
            LEFT JOIN LATERAL (
                SELECT book_day, debits, credits FROM ledger_closing c
                WHERE c.owner_id = q.owner_id AND c.account_id = q.account_id
                  AND (CAST(:through AS date) IS NULL OR c.book_day <= :through)
                ORDER BY book_day DESC LIMIT 1
            ) c ON true
            LEFT JOIN LATERAL (
                SELECT sum(debits) AS debits, sum(credits) AS credits FROM ledger_rollup r
                WHERE r.owner_id = q.owner_id AND r.account_id = q.account_id
                  AND r.book_day > coalesce(c.book_day, '-infinity')
                  AND (CAST(:through AS date) IS NULL OR r.book_day <= :through)
            ) r ON true
            """
        ),
        {
            "owners": literal(key[0] for key in keys),
            "accounts": literal(key[1] for key in keys),
            "through": through,
        },
    )
    return {found.account_id: (int(found.debits), int(found.credits)) for found in rows}


def sums_by_service_day(
    tx: Connection, owner_id: UUID, account_id: UUID, first: date, last: date
) -> list[tuple[date, int, int]]:
    """Return (service day, debits, credits) of an append-only account from its roll-ups."""
    rows = tx.execute(
        text(
            "SELECT service_day, sum(debits) AS debits, sum(credits) AS credits FROM ledger_rollup "
            "WHERE owner_id = :owner_id AND account_id = :account_id "
            "AND service_day BETWEEN :first AND :last GROUP BY service_day ORDER BY service_day"
        ),
        {"owner_id": owner_id, "account_id": account_id, "first": first, "last": last},
    )
    return [(found.service_day, int(found.debits), int(found.credits)) for found in rows]


def sums_of_lines(
    tx: Connection,
    account_id: UUID,
    owner_id: UUID | None,
    *,
    effective_until: datetime | None = None,
    posted_until: datetime | None = None,
    service_day: date | None = None,
    book_until: date | None = None,
) -> Sums:
    """Return (debits, credits) from the lines themselves, effective and posted at or before these instants.

    `owner_id` when all of the account's lines stand under one owner: their key then finds them.
    """
    where = ["(debit_id = :account_id OR credit_id = :account_id)"]
    if owner_id is not None:
        where.append("owner_id = :owner_id")
    if effective_until is not None:
        where.append("effective_at <= :effective_until")
    if posted_until is not None:
        where.append("posted_at <= :posted_until")
    if service_day is not None:
        where.append("service_day = :service_day")
    if book_until is not None:
        where.append("book_day <= :book_until")
    found = tx.execute(
        text(
            "SELECT coalesce(sum(amount) FILTER (WHERE debit_id = :account_id), 0) AS debits, "
            "coalesce(sum(amount) FILTER (WHERE credit_id = :account_id), 0) AS credits "
            f"FROM ledger_line WHERE {' AND '.join(where)}"
        ),
        {
            "account_id": account_id,
            "owner_id": owner_id,
            "effective_until": effective_until,
            "posted_until": posted_until,
            "service_day": service_day,
            "book_until": book_until,
        },
    ).one()
    return int(found.debits), int(found.credits)


def control_sums(tx: Connection, *, through: date | None = None) -> list[tuple[str, str, int, int]]:
    """Return (kind, currency, debits, credits) of all guarded accounts by kind, up to a book day."""
    rows = tx.execute(
        text(
            "SELECT kind, currency, sum(debits) AS debits, sum(credits) AS credits FROM ledger_control "
            "WHERE CAST(:through AS date) IS NULL OR book_day <= :through "
            "GROUP BY kind, currency ORDER BY kind, currency"
        ),
        {"through": through},
    )
    return [(found.kind, found.currency, int(found.debits), int(found.credits)) for found in rows]


def guarded_types(tx: Connection) -> dict[tuple[str, str], str]:
    """Return the account type of each (kind, currency) of guarded accounts."""
    rows = tx.execute(
        text(
            "SELECT c.kind, c.currency, (SELECT a.type FROM ledger_account a WHERE a.kind = c.kind "
            "AND a.currency = c.currency AND a.guarded LIMIT 1) AS type "
            "FROM (SELECT DISTINCT kind, currency FROM ledger_control) c"
        )
    )
    return {(found.kind, found.currency): found.type for found in rows}


def kind_sums(tx: Connection, *, through: date | None = None) -> list[tuple[str, str, str, int, int]]:
    """Return (kind, type, currency, debits, credits) of all append-only accounts by kind, up to a book day."""
    rows = tx.execute(
        text(
            "SELECT a.kind, a.type, a.currency, sum(r.debits) AS debits, sum(r.credits) AS credits "
            "FROM ledger_rollup r JOIN ledger_account a USING (owner_id, account_id) "
            "WHERE CAST(:through AS date) IS NULL OR r.book_day <= :through "
            "GROUP BY a.kind, a.type, a.currency ORDER BY a.kind, a.currency"
        ),
        {"through": through},
    )
    return [(f.kind, f.type, f.currency, int(f.debits), int(f.credits)) for f in rows]
