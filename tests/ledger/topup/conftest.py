"""A top-up desk over a transaction: asks for intents, makes payOS-shaped notifications, takes them in."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, text

from kernel.ids import FareAccountId
from kernel.money import VND, Money
from ledger import notify, suspense, topup
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from ledger.rules.account import AccountSpec
from ledger.rules.intent import Intent, IntentId
from ledger.topup import Asked, Merchant

MERCHANT = Merchant(bin="970436", account="0011001234567", name="LIEN THONG", also=frozenset({"V001"}))
LIFETIME = timedelta(minutes=30)
_numbers = count(1)


@dataclass
class Desk:
    """Everything runs in `tx`; `now` may be moved by a test."""

    tx: Connection
    now: datetime
    rider: FareAccountId = field(default_factory=lambda: FareAccountId(uuid4()))
    locked: list[UUID] = field(default_factory=list)

    def asked(self, minor: int = 50_000, **change: Any) -> Asked:
        content = {
            "intent_id": IntentId(uuid4()),
            "fare_account_id": self.rider,
            "amount": Money(minor, VND),
            "provider": "payos",
        }
        return Asked(**(content | change))

    def create(self, asked: Asked) -> topup.Created:
        return topup.create_intent(self.tx, asked, merchant=MERCHANT, lifetime=LIFETIME, now=self.now)

    def intent(self, minor: int = 50_000) -> Intent:
        return self.create(self.asked(minor)).intent

    def again(self, intent: Intent) -> Intent:
        return topup.get_intent(self.tx, intent.intent_id)

    def notice(self, intent: Intent | None, minor: int, **change: Any) -> bytes:
        """A payOS-shaped body (unsigned: this house is given verified bytes)."""
        reference = f"FT{next(_numbers):08d}"
        data = {
            "orderCode": intent.order_code if intent else 0,
            "amount": minor,
            "description": f"CT DEN {intent.reference.lower()} NAP THE" if intent else "chuyen tien",
            "accountNumber": MERCHANT.account,
            "reference": reference,
            "transactionDateTime": self.hanoi(self.now),
            "currency": "VND",
            "code": "00",
        }
        return json.dumps({"data": data | change, "signature": "verified before"}).encode()

    @staticmethod
    def hanoi(at: datetime) -> str:
        return at.astimezone(ZoneInfo("Asia/Ho_Chi_Minh")).strftime("%Y-%m-%d %H:%M:%S")

    def store(self, raw: bytes, provider: str = "payos") -> UUID:
        return notify.store_notification(self.tx, provider, raw, self.now)

    def apply(self, stored: UUID) -> notify.Applied:
        return notify.apply_notification(
            self.tx,
            stored,
            merchant=MERCHANT,
            now=self.now,
            lock_rider=lambda _tx, rider: self.locked.append(rider),
        )

    def take(self, raw: bytes, provider: str = "payos") -> notify.Applied:
        return self.apply(self.store(raw, provider))

    def minor(self, spec: AccountSpec) -> int:
        open_accounts(self.tx, (spec,), self.now)
        return read_balances(self.tx, (spec.account_id,), self.now)[spec.account_id].posted.minor

    def loaded(self) -> int:
        return self.minor(chart.rider_stored_value(self.rider))

    def owed(self) -> int:
        return self.minor(chart.rider_receivable(self.rider))

    def clearing(self, provider: str = "payos") -> int:
        return self.minor(chart.provider_clearing(provider))

    def suspended(self, reason: str) -> int:
        return self.minor(chart.suspense(reason))

    def queue(self) -> list[tuple[str, int | None, bool]]:
        rows = suspense.list_suspense(self.tx, now=self.now)
        return [(row.reason, row.amount.minor if row.amount else None, row.booked) for row in rows]

    def entries(self) -> int:
        found: int = self.tx.execute(text("SELECT count(DISTINCT entry_id) FROM ledger_line")).scalar_one()
        return found


@pytest.fixture
def desk(tx: Connection, now: datetime) -> Desk:
    return Desk(tx, now)
