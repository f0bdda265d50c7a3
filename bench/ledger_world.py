"""Accounts and entries that the ledger benches share: riders who pay operators."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine

from kernel.ids import EntryId, LedgerAccountId, uuid7
from kernel.money import VND, Money
from ledger import accounts, post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Posted

NOW: Final = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
TODAY: Final = date(2026, 11, 18)
RIDERS: Final = 10_000
OPERATORS: Final = 12
LOADED: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class World:
    """Riders with money, operators, and a source of entries."""

    riders: tuple[UUID, ...]
    purses: tuple[LedgerAccountId, ...]
    operators: tuple[LedgerAccountId, ...]
    chance: random.Random
    ticks: count[int]

    def fares(self, number: int, *, days: int = 0) -> list[Entry]:
        """Return fares of random riders to random operators, each of one line with a fresh id, some days on."""
        return [self.fare(self.chance.randrange(len(self.riders)), days=days) for _ in range(number)]

    def fare(self, rider: int, operator: LedgerAccountId | None = None, *, days: int = 0) -> Entry:
        """Return one fare of a rider."""
        at = NOW + timedelta(days=days, microseconds=next(self.ticks))
        payee = operator or self.operators[self.chance.randrange(len(self.operators))]
        return Entry(
            EntryId(uuid7(at)),
            "fare.charged",
            (Line(self.purses[rider], payee, Money(8_595, VND)),),
            self.riders[rider],
            TODAY + timedelta(days=days),
            at,
            f"tap:{next(self.ticks):012d}",
            "fare.metro",
        )


def build(engine: Engine, *, riders: int = RIDERS, operators: int = OPERATORS) -> World:
    """Open the accounts, load every rider, and return the world."""
    chance = random.Random(20261118)
    people = tuple(uuid7(NOW, chance.randbytes) for _ in range(riders))
    purses = [chart.rider_stored_value(person) for person in people]
    payees = [chart.operator_payable(f"bench-{riders}-{n:02d}") for n in range(operators)]
    bank = chart.bank_guarantee()
    with engine.begin() as tx:
        accounts.open_accounts(tx, [*purses, *payees, bank], NOW)
    for start in range(0, riders, 5_000):
        with engine.begin() as tx:
            _load(tx, people[start : start + 5_000], bank.account_id)
    return World(
        people,
        tuple(spec.account_id for spec in purses),
        tuple(spec.account_id for spec in payees),
        chance,
        count(1),
    )


def _load(tx: Connection, people: tuple[UUID, ...], bank: LedgerAccountId) -> None:
    entries = [
        Entry(
            EntryId(uuid7(NOW)),
            "topup",
            (Line(bank, chart.rider_stored_value(person).account_id, Money(LOADED, VND)),),
            person,
            TODAY,
            NOW,
        )
        for person in people
    ]
    outcomes = post.post(tx, entries, NOW)
    assert all(isinstance(outcome, Posted) for outcome in outcomes), "the bench's riders are loaded"
