"""A counting house over a transaction: payments come in, the bank and the provider write files, all is reconciled."""

import io
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from demo.bank_statements import camt, mt940, provider_csv
from ledger import recon_queue, reconcile, take_bank_file
from ledger.rules import chart
from ledger.rules.reconcile import Figures
from ledger.take_bank_file import Delivery, Taken
from tests.ledger.topup.conftest import MERCHANT, Desk

ACCOUNT = MERCHANT.account
DELIVERY = Delivery(
    name="file", source="upload", received_by="anna", provider="payos", accounts=frozenset({ACCOUNT})
)


@dataclass
class House:
    """`movements` is what the bank booked, by day; `balance` what its account holds before the next statement."""

    desk: Desk
    balance: int = 0
    numbers: int = 0
    statements: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    told: list[reconcile.Step] = field(default_factory=list)

    @property
    def tx(self) -> Connection:
        return self.desk.tx

    def movement(self, minor: int, description: str, at: datetime, **more: Any) -> dict[str, Any]:
        self.numbers += 1
        return {
            "amount": minor,
            "paid_at": at.astimezone().isoformat(),
            "reference": f"FT{self.numbers:08d}",
            "description": description,
            "account": ACCOUNT,
        } | more

    def pay(
        self, minor: int = 50_000, *, notified: bool = True, asked: int | None = None, **more: Any
    ) -> dict[str, Any]:
        """A rider asks, pays by VietQR, and the provider notifies; return the bank's movement."""
        intent = self.desk.intent(asked or minor)
        made = self.movement(minor, f"CT DEN {intent.reference.lower()} NAP THE", self.desk.now, **more)
        made["order_code"] = intent.order_code
        made["id"] = f"{ACCOUNT}/{made['reference']}"
        if notified:
            self.outcomes[
                self.desk.take(self.desk.notice(intent, minor, reference=made["reference"])).outcome
            ] += 1
        return made

    def notice(self, paid: dict[str, Any], minor: int | None = None) -> bytes:
        """What the provider tells of a movement, maybe with another amount."""
        return self.desk.notice(
            None,
            paid["amount"] if minor is None else minor,
            orderCode=paid["order_code"],
            description=paid["description"],
            reference=paid["reference"],
            transactionDateTime=self.desk.hanoi(datetime.fromisoformat(paid["paid_at"])),
        )

    def statement(self, movements: list[dict[str, Any]], day: date, **more: Any) -> dict[str, Any]:
        self.statements += 1
        made = {
            "id": f"S{self.statements}",
            "sequence": self.statements,
            "account": ACCOUNT,
            "opening": self.balance,
            "day": day.isoformat(),
            "movements": movements,
        } | more
        self.balance += sum(one["amount"] for one in movements)
        return made

    def take(self, raw: bytes, **more: Any) -> Taken:
        delivery = Delivery(**({name: getattr(DELIVERY, name) for name in Delivery.__slots__} | more))
        return take_bank_file.take_in(self.tx, io.BytesIO(raw), delivery, self.desk.now)

    def bank(self, *movements: dict[str, Any], day: date | None = None, write: Any = camt) -> Taken:
        return self.take(write([self.statement(list(movements), day or self.today)]))

    def provider(self, *movements: dict[str, Any]) -> Taken:
        return self.take(provider_csv(list(movements)))

    @property
    def today(self) -> date:
        return (self.desk.now + timedelta(hours=7)).date()

    def tomorrow(self, days: int = 1) -> None:
        self.desk.now += timedelta(days=days)

    def run(self) -> Figures:
        for work in reconcile.steps():
            work(self.tx, self.desk.now, self.told.append)
        return reconcile.read_figures(self.tx)

    def queue(self) -> list[tuple[str, int]]:
        rows = recon_queue.list_exceptions(self.tx, now=self.desk.now, limit=10_000)
        return sorted((row.why.value, row.amount.minor) for row in rows)

    def ids(self) -> list[UUID]:
        return [
            row.exception_id for row in recon_queue.list_exceptions(self.tx, now=self.desk.now, limit=10_000)
        ]

    def rules(self) -> Counter[str]:
        rows = self.tx.execute(text("SELECT relation, rule FROM ledger_recon_edge WHERE live"))
        return Counter(f"{row.relation} {row.rule}" for row in rows)

    def guaranteed(self) -> int:
        return self.desk.minor(chart.bank_guarantee())


@pytest.fixture
def house(tx: Connection, now: datetime) -> House:
    return House(Desk(tx, now))


__all__ = ["House", "camt", "mt940", "uuid4"]
