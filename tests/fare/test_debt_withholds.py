"""A free transfer withheld in debt, over the real ledger: folded from dated money, given back when cleared in time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from access.take_in import take_in
from fare.bill import bill, close_day
from fare.publish import Books
from kernel.ids import uuid7
from kernel.money import Money, currency
from ledger import post
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Posted
from tests.fare.cities import book_of
from tests.simulation import World

DAY = date(2026, 11, 18)
MORNING = datetime(2026, 11, 18, 10, tzinfo=UTC)
NIGHT = datetime(2026, 11, 19, 6, tzinfo=UTC)
GBP = currency("GBP")


@dataclass
class Rider:
    world: World
    books: Books
    number: int

    def __post_init__(self):
        self.card = self.world.card(self.number)
        self.account = self.card.issued.fare_account_id
        self.readers = []
        for place, route in enumerate(("b1", "b2")):
            reader = self.world.reader(f"bus{place}-{self.number}")
            reader.facts = {"route_id": route, "stop_id": "x", "trip_id": "", "place": f"bus-{place}"}
            self.readers.append(reader)

    def load(self, pence: int, paid_at: datetime) -> None:
        tx = self.world.tx
        specs = (
            chart.provider_clearing("test", GBP),
            chart.rider_stored_value(self.account, GBP),
            chart.rider_receivable(self.account, GBP),
        )
        open_accounts(tx, specs, paid_at)
        owed = read_balances(tx, [specs[2].account_id], paid_at)[specs[2].account_id].posted.minor
        cleared = min(owed, pence)
        parts = ((specs[2], cleared), (specs[1], pence - cleared))
        lines = tuple(
            Line(specs[0].account_id, one.account_id, Money(part, GBP)) for one, part in parts if part
        )
        entry = Entry(uuid7(paid_at), "topup.credited", lines, self.account, DAY, paid_at)
        assert isinstance(post.post(tx, [entry], paid_at)[0], Posted)

    def ride(self, first: datetime, second: datetime) -> None:
        for reader, at in zip(self.readers, (first, second), strict=True):
            reader.tap(self.card, at=at)
            taken = take_in(self.world.tx, reader.upload(), keyring=self.world.keyring, now=second)
            touched = {(tap.fare_account_id, DAY) for tap in taken.taps}
            bill(self.world.tx, touched, books=self.books, now=second)

    def worth(self) -> int:
        specs = (chart.rider_stored_value(self.account, GBP), chart.rider_receivable(self.account, GBP))
        found = read_balances(self.world.tx, [one.account_id for one in specs], NIGHT)
        return found[specs[0].account_id].posted.minor - found[specs[1].account_id].posted.minor


@pytest.fixture
def rider(tx, keyring):
    book = book_of("tfl_hopper_inclusive")
    return Rider(World(tx, keyring, MORNING), Books({book.version: book}, book.version), 900)


BUS_2 = MORNING + timedelta(minutes=30)


def test_who_has_money_changes_free(rider):
    rider.load(1000, MORNING - timedelta(hours=1))
    rider.ride(MORNING, BUS_2)
    assert rider.worth() == 1000 - 175


def test_debt_withholds_the_free_bus(rider):
    rider.load(100, MORNING - timedelta(hours=1))
    rider.ride(MORNING, BUS_2)
    close_day(rider.world.tx, DAY, books=rider.books, now=NIGHT)
    assert rider.worth() == 100 - 2 * 175


@pytest.mark.parametrize(("minutes", "left"), [(59, 75), (61, -100)])
def test_debt_cleared_inside_the_hour_gives_it_back_however_late_we_hear(rider, minutes, left):
    """XFER-HOPPER-NEG; the payment is known only after both rides are billed."""
    rider.load(100, MORNING - timedelta(hours=1))
    rider.ride(MORNING, BUS_2)
    assert rider.worth() == -250
    rider.load(150, MORNING + timedelta(minutes=minutes))
    close_day(rider.world.tx, DAY, books=rider.books, now=NIGHT)
    assert rider.worth() == left
    again = close_day(rider.world.tx, DAY, books=rider.books, now=NIGHT)
    assert again.entries == 0
