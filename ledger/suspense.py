"""What waits for a person: payments in suspense with their age, and gaps in a provider's running balances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from kernel.money import Money
from ledger.store import topup_payments as payments


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One open row of the suspense queue, with its age. `booked` says that the books hold the amount in suspense."""

    suspense_id: UUID
    reason: str
    amount: Money | None
    booked: bool
    intent_id: UUID | None
    payment_id: UUID | None
    opened_at: datetime
    age: timedelta
    assigned_to: str


def list_suspense(tx: Connection, *, now: datetime, limit: int = 100) -> tuple[Waiting, ...]:
    """Return the open rows of the suspense queue, oldest first."""
    return tuple(
        Waiting(
            suspense_id=row.suspense_id,
            reason=row.reason,
            amount=row.amount,
            booked=row.booked,
            intent_id=row.intent_id,
            payment_id=row.payment_id,
            opened_at=row.opened_at,
            age=now - row.opened_at,
            assigned_to=row.assigned_to,
        )
        for row in payments.list_suspense(tx, limit)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A movement that does not follow from any other we know: one before it was never notified."""

    account: str
    payment_id: UUID
    opening_minor: int
    paid_at: datetime


def list_gaps(tx: Connection, provider: str) -> tuple[Gap, ...]:
    """Return the breaks in a provider's running balances (next = previous + amount); empty when it tells none."""
    return tuple(
        Gap(account=row.account, payment_id=row.payment_id, opening_minor=row.opening, paid_at=row.paid_at)
        for row in payments.list_balance_gaps(tx, provider)
    )
