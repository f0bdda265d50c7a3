"""SQL of what guests paid. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId
from parking.store.stays import StayRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money paid in (positive) or given back; the fields are the columns, in their order."""

    fare_account_id: FareAccountId
    payment_id: UUID
    stay_id: UUID
    place_id: str
    operator_id: str
    method: str
    amount_minor: int
    currency: str
    till: str
    until_at: datetime | None
    paid_at: datetime
    actor: str


_NAMES = tuple(each.name for each in fields(Payment))
_COLUMNS = ", ".join(_NAMES)


def insert_payment(tx: Connection, new: Payment) -> None:
    """Write a payment; its id is new under the account's lock."""
    values = ", ".join(f":{name}" for name in _NAMES)
    tx.execute(
        text(f"INSERT INTO parking_payment ({_COLUMNS}) VALUES ({values})"),
        dict(zip(_NAMES, astuple(new), strict=True)),
    )


def list_payments(tx: Connection, account: FareAccountId, stay_id: UUID) -> tuple[Payment, ...]:
    """Return what was paid for a stay, oldest first."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM parking_payment WHERE fare_account_id = :account AND stay_id = :stay"
            " ORDER BY paid_at, payment_id"
        ),
        {"account": account, "stay": stay_id},
    )
    return tuple(Payment(**dict(zip(_NAMES, row, strict=True))) for row in rows)


def list_of_stays(tx: Connection, stay_ids: Iterable[UUID]) -> tuple[tuple[Payment, datetime | None], ...]:
    """Return (payment, when the shift that counted its cash was closed) of stays, oldest first."""
    columns = ", ".join(f"p.{name}" for name in _NAMES)
    rows = tx.execute(
        text(
            f"""
            SELECT {columns}, (
                SELECT min(closed.at) FROM parking_shift AS s
                JOIN parking_shift_event AS closed ON closed.shift_id = s.shift_id AND closed.kind = 'closed'
                WHERE p.till <> '' AND s.till = p.till AND EXISTS (
                    SELECT FROM parking_shift_event AS c
                    WHERE c.shift_id = s.shift_id AND c.kind = 'counted' AND c.at >= p.paid_at))
            FROM parking_payment AS p WHERE p.stay_id = ANY (CAST(:stays AS uuid[]))
            ORDER BY p.paid_at, p.payment_id
            """
        ),
        {"stays": list(stay_ids)},
    )
    return tuple((Payment(**dict(zip(_NAMES, row[:-1], strict=True))), row[-1]) for row in rows)


def list_paid_until(tx: Connection, rows: Iterable[StayRow]) -> dict[UUID, datetime]:
    """Return, by stay, until when guests paid ahead; stays that nobody paid ahead for are absent."""
    wanted = list(rows)
    if not wanted:
        return {}
    found = tx.execute(
        text(
            "SELECT stay_id, max(until_at) FROM parking_payment WHERE until_at IS NOT NULL"
            " AND fare_account_id = ANY (CAST(:accounts AS uuid[])) AND stay_id = ANY (CAST(:stays AS uuid[]))"
            " GROUP BY stay_id"
        ),
        {
            "accounts": [each.fare_account_id for each in wanted],
            "stays": [each.stay_id for each in wanted],
        },
    )
    return {UUID(str(row[0])): row[1] for row in found}


def insert_asked(
    tx: Connection,
    account: FareAccountId,
    intent_id: UUID,
    *,
    stay_id: UUID,
    until_at: datetime | None,
    asked_at: datetime,
) -> None:
    """Write which stay a payment intent is for, once."""
    tx.execute(
        text(
            "INSERT INTO parking_payment_asked (fare_account_id, intent_id, stay_id, until_at, asked_at)"
            " VALUES (:account, :intent, :stay, :until, :asked) ON CONFLICT DO NOTHING"
        ),
        {"account": account, "intent": intent_id, "stay": stay_id, "until": until_at, "asked": asked_at},
    )


def find_asked(
    tx: Connection, account: FareAccountId, intent_id: UUID
) -> tuple[UUID, datetime | None] | None:
    """Return (stay, until when it is paid ahead) of a payment intent; None where it is for no stay."""
    row = tx.execute(
        text(
            "SELECT stay_id, until_at FROM parking_payment_asked"
            " WHERE fare_account_id = :account AND intent_id = :intent"
        ),
        {"account": account, "intent": intent_id},
    ).first()
    return (row[0], row[1]) if row else None
