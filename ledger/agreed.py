"""Whether a payment is settled: our books, the provider's file and the bank's statement say the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from kernel.money import Money, currency
from ledger.store import agreed as store


@dataclass(frozen=True, slots=True)
class Agreement:
    """A payment that our books credited, and since when the provider's file and a bank line agree with them.

    `reason` is why it is in the queue of reconciliation; empty where it is not.
    """

    payment_id: UUID
    intent_id: UUID | None
    amount: Money
    provider: str
    paid_at: datetime
    provider_at: datetime | None
    bank_at: datetime | None
    reason: str

    @property
    def settled_at(self) -> datetime | None:
        """Return since when all three agree; None while one of them is missing."""
        if self.provider_at is None or self.bank_at is None:
            return None
        return max(self.provider_at, self.bank_at)


def list_agreements(tx: Connection, payment_ids: Iterable[UUID]) -> dict[UUID, Agreement]:
    """Return what is known of payments by their ids; one that our books did not credit is absent."""
    return {row.payment_id: _agreement(row) for row in store.list_of_payments(tx, payment_ids)}


def list_topups(tx: Connection, accounts: Iterable[UUID]) -> dict[UUID, tuple[Agreement, ...]]:
    """Return every credited top-up of fare accounts, oldest first."""
    found: dict[UUID, tuple[Agreement, ...]] = {}
    for row in store.list_of_accounts(tx, accounts):
        found[row.fare_account_id] = (*found.get(row.fare_account_id, ()), _agreement(row))
    return found


def _agreement(row: Row[Any]) -> Agreement:
    amount = Money(row.amount, currency(row.currency))
    return Agreement(
        row.payment_id,
        row.intent_id,
        amount,
        row.provider,
        row.paid_at,
        row.provider_at,
        row.bank_at,
        row.reason,
    )
