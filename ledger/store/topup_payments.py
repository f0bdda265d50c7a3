"""Raw notifications, the payments they tell of, and the suspense queue in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from kernel.money import Money, currency


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """One movement and what became of it."""

    payment_id: UUID
    provider: str
    identity: str
    reference: str
    account: str
    amount: Money
    order_code: int | None
    running_balance: int | None
    paid_at: datetime
    notification_id: UUID
    disposition: str
    intent_id: UUID | None
    entry_owner_id: UUID | None
    entry_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspenseRow:
    """One row of the suspense queue."""

    suspense_id: UUID
    reason: str
    notification_id: UUID
    payment_id: UUID | None
    intent_id: UUID | None
    amount: Money | None
    booked: bool
    opened_at: datetime
    assigned_to: str = ""


def insert_notification(
    tx: Connection, notification_id: UUID, provider: str, raw: bytes, now: datetime
) -> bool:
    """Store a raw body and queue it; False, with nothing written, when the same bytes are stored already."""
    done = tx.execute(
        text(
            "INSERT INTO ledger_notification (notification_id, provider, raw, received_at) "
            "VALUES (:notification_id, :provider, :raw, :now) ON CONFLICT (notification_id) DO NOTHING"
        ),
        {"notification_id": notification_id, "provider": provider, "raw": raw, "now": now},
    )
    if done.rowcount == 0:
        return False
    tx.execute(
        text(
            "INSERT INTO ledger_notification_due (notification_id, received_at) VALUES (:notification_id, :now)"
        ),
        {"notification_id": notification_id, "now": now},
    )
    return True


def take_due(tx: Connection, notification_id: UUID) -> bool:
    """Take a notification's work off the queue; waits for another taker, False when it was done already."""
    done = tx.execute(
        text("DELETE FROM ledger_notification_due WHERE notification_id = :notification_id"),
        {"notification_id": notification_id},
    )
    return done.rowcount == 1


def list_due(tx: Connection, limit: int) -> tuple[UUID, ...]:
    """Return the oldest notifications that wait to be applied."""
    return tuple(
        tx.execute(
            text(
                "SELECT notification_id FROM ledger_notification_due ORDER BY received_at, notification_id LIMIT :limit"
            ),
            {"limit": limit},
        ).scalars()
    )


def get_raw(tx: Connection, notification_id: UUID) -> tuple[str, bytes]:
    """Return (provider, raw body) of a stored notification."""
    row = tx.execute(
        text("SELECT provider, raw FROM ledger_notification WHERE notification_id = :notification_id"),
        {"notification_id": notification_id},
    ).one()
    return row.provider, bytes(row.raw)


def insert_outcome(
    tx: Connection, notification_id: UUID, outcome: str, payment_id: UUID | None, now: datetime
) -> None:
    """Write what became of a notification."""
    tx.execute(
        text(
            "INSERT INTO ledger_notification_outcome (notification_id, outcome, payment_id, decided_at) "
            "VALUES (:notification_id, :outcome, :payment_id, :now)"
        ),
        {"notification_id": notification_id, "outcome": outcome, "payment_id": payment_id, "now": now},
    )


def find_outcome(tx: Connection, notification_id: UUID) -> tuple[str, UUID | None] | None:
    """Return (outcome, payment) of a notification that was applied, else None."""
    row = tx.execute(
        text(
            "SELECT outcome, payment_id FROM ledger_notification_outcome WHERE notification_id = :notification_id"
        ),
        {"notification_id": notification_id},
    ).one_or_none()
    return None if row is None else (row.outcome, row.payment_id)


def take_payment(tx: Connection, payment_id: UUID) -> None:
    """Wait until no other transaction decides about this payment; held until this transaction ends."""
    tx.execute(
        text("SELECT pg_advisory_xact_lock(:key)"),
        {"key": int.from_bytes(payment_id.bytes[:8], "big", signed=True)},
    )


def find_payment(tx: Connection, payment_id: UUID) -> PaymentRow | None:
    """Return the payment, or None when it was never decided about."""
    row = tx.execute(
        text(
            "SELECT payment_id, provider, identity, reference, account, amount, currency, order_code, "
            "running_balance, paid_at, notification_id, disposition, intent_id, entry_owner_id, entry_id "
            "FROM ledger_payment WHERE payment_id = :payment_id"
        ),
        {"payment_id": payment_id},
    ).one_or_none()
    return None if row is None else _payment(row)


def insert_payment(tx: Connection, payment: PaymentRow, now: datetime) -> None:
    """Write a payment and its disposition, once."""
    tx.execute(
        text(
            "INSERT INTO ledger_payment (payment_id, provider, identity, reference, account, amount, currency, "
            "order_code, running_balance, paid_at, notification_id, disposition, intent_id, entry_owner_id, "
            "entry_id, decided_at) VALUES (:payment_id, :provider, :identity, :reference, :account, :amount, "
            ":currency, :order_code, :running_balance, :paid_at, :notification_id, :disposition, :intent_id, "
            ":entry_owner_id, :entry_id, :now)"
        ),
        {
            "payment_id": payment.payment_id,
            "provider": payment.provider,
            "identity": payment.identity,
            "reference": payment.reference,
            "account": payment.account,
            "amount": payment.amount.minor,
            "currency": payment.amount.currency.code,
            "order_code": payment.order_code,
            "running_balance": payment.running_balance,
            "paid_at": payment.paid_at,
            "notification_id": payment.notification_id,
            "disposition": payment.disposition,
            "intent_id": payment.intent_id,
            "entry_owner_id": payment.entry_owner_id,
            "entry_id": payment.entry_id,
            "now": now,
        },
    )


def insert_suspense(tx: Connection, row: SuspenseRow) -> None:
    """Open a row of the suspense queue; one that is open under the same id stays as it is, with its age."""
    tx.execute(
        text(
            "INSERT INTO ledger_suspense (suspense_id, reason, notification_id, payment_id, intent_id, amount, "
            "currency, booked, opened_at) VALUES (:suspense_id, :reason, :notification_id, :payment_id, "
            ":intent_id, :amount, :currency, :booked, :opened_at) ON CONFLICT (suspense_id) DO NOTHING"
        ),
        {
            "suspense_id": row.suspense_id,
            "reason": row.reason,
            "notification_id": row.notification_id,
            "payment_id": row.payment_id,
            "intent_id": row.intent_id,
            "amount": None if row.amount is None else row.amount.minor,
            "currency": None if row.amount is None else row.amount.currency.code,
            "booked": row.booked,
            "opened_at": row.opened_at,
        },
    )


def list_suspense(tx: Connection, limit: int) -> tuple[SuspenseRow, ...]:
    """Return the open rows of the suspense queue, oldest first."""
    rows = tx.execute(
        text(
            "SELECT s.suspense_id, s.reason, s.notification_id, s.payment_id, s.intent_id, s.amount, s.currency, "
            "s.booked, s.opened_at, s.assigned_to FROM ledger_suspense s "
            "WHERE NOT EXISTS (SELECT FROM ledger_suspense_end e WHERE e.suspense_id = s.suspense_id) "
            "ORDER BY s.opened_at, s.suspense_id LIMIT :limit"
        ),
        {"limit": limit},
    )
    return tuple(_suspense(row) for row in rows)


def list_balance_gaps(tx: Connection, provider: str) -> Sequence[Row[Any]]:
    """Return the movements whose opening balance is no other movement's closing one, save an account's first.

    (account, payment_id, opening, paid_at), in time order. Opening is running balance - amount. A closing balance
    is the opening of one movement only, so that a balance which comes back hides no gap.
    """
    return tx.execute(
        text(
            "WITH told AS (SELECT account, payment_id, paid_at, running_balance AS closing, "
            "running_balance - amount AS opening, paid_at > min(paid_at) OVER (PARTITION BY account) "
            "AS later FROM ledger_payment "
            "WHERE provider = :provider AND running_balance IS NOT NULL), "
            "opened AS (SELECT *, row_number() OVER (PARTITION BY account, opening ORDER BY paid_at, payment_id) AS n "
            "FROM told WHERE later), "
            "closed AS (SELECT account, closing, row_number() OVER (PARTITION BY account, closing "
            "ORDER BY paid_at, payment_id) AS n FROM told) "
            "SELECT o.account, o.payment_id, o.opening, o.paid_at FROM opened o WHERE NOT EXISTS "
            "(SELECT FROM closed c WHERE c.account = o.account AND c.closing = o.opening AND c.n = o.n) "
            "ORDER BY o.account, o.paid_at, o.payment_id"
        ),
        {"provider": provider},
    ).all()


def _payment(row: Row[Any]) -> PaymentRow:
    return PaymentRow(
        payment_id=row.payment_id,
        provider=row.provider,
        identity=row.identity,
        reference=row.reference,
        account=row.account,
        amount=Money(row.amount, currency(row.currency)),
        order_code=row.order_code,
        running_balance=row.running_balance,
        paid_at=row.paid_at,
        notification_id=row.notification_id,
        disposition=row.disposition,
        intent_id=row.intent_id,
        entry_owner_id=row.entry_owner_id,
        entry_id=row.entry_id,
    )


def _suspense(row: Row[Any]) -> SuspenseRow:
    return SuspenseRow(
        suspense_id=row.suspense_id,
        reason=row.reason,
        notification_id=row.notification_id,
        payment_id=row.payment_id,
        intent_id=row.intent_id,
        amount=None if row.amount is None else Money(row.amount, currency(row.currency)),
        booked=row.booked,
        opened_at=row.opened_at,
        assigned_to=row.assigned_to,
    )
