"""A small set of books: riders with stored value, operators, a provider, and short ways to write entries."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection

from kernel.crypto.ed25519 import VerifyKey
from kernel.errors import DomainError
from kernel.ids import EntryId, LedgerAccountId, uuid7
from kernel.money import VND, Money
from ledger import accounts, post, prove
from ledger.rules import chart
from ledger.rules.account import AccountSpec
from ledger.rules.entry import Entry, Line, Outcome, Posted
from ledger.rules.proof import Fault
from ledger.store import seals
from service.database import Database

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
TODAY = date(2026, 11, 18)
# Connections at once in the races.
CLIENTS = 8


def vnd(minor: int) -> Money:
    return Money(minor, VND)


@dataclass
class Books:
    """Riders 0.. with stored value, operators "alpha" and "beta", and the provider "payos"."""

    riders: list[UUID] = field(default_factory=lambda: [uuid7(NOW) for _ in range(4)])
    ticks: count = field(default_factory=lambda: count(1))

    @property
    def alpha(self) -> LedgerAccountId:
        return chart.operator_payable("alpha").account_id

    @property
    def beta(self) -> LedgerAccountId:
        return chart.operator_payable("beta").account_id

    @property
    def provider(self) -> LedgerAccountId:
        return chart.provider_clearing("payos").account_id

    def purse(self, rider: int) -> LedgerAccountId:
        return chart.rider_stored_value(self.riders[rider]).account_id

    def specs(self) -> list[AccountSpec]:
        return [
            *(chart.rider_stored_value(rider) for rider in self.riders),
            *(chart.rider_receivable(rider) for rider in self.riders),
            chart.operator_payable("alpha"),
            chart.operator_payable("beta"),
            chart.provider_clearing("payos"),
            chart.bank_guarantee(),
        ]

    def new_id(self, at: datetime = NOW) -> EntryId:
        return EntryId(uuid7(at + timedelta(microseconds=next(self.ticks))))

    def entry(self, rider: int, *lines: Line, entry_id: EntryId | None = None, **changed: object) -> Entry:
        values: dict[str, object] = {
            "entry_id": entry_id or self.new_id(),
            "kind": "test.entry",
            "lines": lines,
            "owner_id": self.riders[rider],
            "service_day": TODAY,
            "effective_at": NOW,
            "cause": "tap:1",
        }
        return Entry(**{**values, **changed})

    def topup(self, rider: int, minor: int, **changed: object) -> Entry:
        return self.entry(
            rider, Line(self.provider, self.purse(rider), vnd(minor)), **{"kind": "topup", **changed}
        )

    def fare(self, rider: int, minor: int, **changed: object) -> Entry:
        return self.entry(
            rider, Line(self.purse(rider), self.alpha, vnd(minor)), **{"kind": "fare.charged", **changed}
        )

    def open(self, tx: Connection) -> None:
        accounts.open_accounts(tx, self.specs(), NOW)

    def posted(self, tx: Connection, *entries: Entry, now: datetime = NOW) -> tuple[Outcome, ...]:
        outcomes = post.post(tx, entries, now)
        assert all(isinstance(outcome, Posted) for outcome in outcomes), outcomes
        return outcomes

    def balance(self, tx: Connection, account: LedgerAccountId, now: datetime = NOW) -> int:
        return accounts.read_balances(tx, [account], now)[account].posted.minor


def faults_within(tx: Connection, trusted: VerifyKey) -> list[Fault]:
    """Run every check of `prove` inside one transaction that may be rolled back, instead of on a snapshot."""
    parts = prove._parts(tx, seals.list_seals(tx), [trusted], (), None)
    return [fault for part in parts for fault in part.run(tx)[1]]


@pytest.fixture
def books(tx: Connection) -> Books:
    """Books opened in the test's rolled-back transaction."""
    made = Books()
    made.open(tx)
    return made


@pytest.fixture
def live(database):
    """Committed books with 1,000 on every purse, and a Database of the service on them."""
    books = Books()
    opened = Database(database.url, pool_size=CLIENTS + 1)
    with opened.begin() as tx:
        books.open(tx)
        books.posted(tx, *(books.topup(rider, 1_000) for rider in range(4)))
    yield books, opened
    assert not [fault for step in prove.prove(opened.begin) for fault in step.faults]
    opened.dispose()


def at_once(work: Callable[[int], Any], clients: int = CLIENTS) -> list[Any]:
    """Run `work(n)` on n threads that start together; a refusal counts as an answer."""
    together = Barrier(clients)

    def run(number: int) -> Any:
        together.wait()
        try:
            return work(number)
        except DomainError as refused:
            return refused

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(run, range(clients)))
