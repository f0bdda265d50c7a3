"""Late evidence over several days: re-folded forward, by the tariff and engine that were booked (DESIGN §8.6, §8.7)."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from access.keyring import Keyring
from access.take_in import take_in
from access.taps import list_taps
from fare import engine
from fare.bill import Billed, bill, close_day, fare_tap, is_fare_tap
from fare.publish import Books
from fare.rules import price
from fare.rules.bill import ENGINE_VERSION
from fare.rules.difference import wanted_lines
from fare.rules.fold import days_of, fold_days
from fare.rules.tariff import TariffBook
from fare.store import bills
from kernel.ids import FareAccountId
from kernel.service_day import service_day
from kernel.wire.tap import Purpose
from kernel.wire.upload import Upload
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from service.database import Database
from tests.fare.cities import BASE, book_of, town
from tests.simulation import SimCard, SimReader, World

MONDAY = datetime(2026, 11, 16, 8, tzinfo=UTC)
SUNDAY_NIGHT = datetime(2026, 11, 23, 1, tzinfo=UTC)
RIDES_A_DAY = (3, 2, 0, 1, 3, 3, 1)  # CAP-CHARLIE: 4.50, 4.50, 0, 3.50, 2.50, 0, 0
HANOI_NIGHT = datetime(
    2026, 11, 17, 20, 50, tzinfo=UTC
)  # 03:50 on the 18th in Hanoi: still the 17th's service day


@dataclass(frozen=True)
class Office:
    """Takes uploads in and bills them, as the service does, under one shelf of tariffs."""

    keyring: Keyring
    books: Books
    now: datetime = SUNDAY_NIGHT

    @property
    def book(self) -> TariffBook:
        return self.books.current()

    def receive(self, tx: Connection, upload: Upload) -> Billed:
        taken = take_in(tx, upload, keyring=self.keyring, now=self.now)
        days = {
            (account, service_day(at, self.book.day_starts, self.book.zone)) for account, at in taken.touched
        }
        return bill(tx, days, books=self.books, now=self.now)

    def booked(self, tx: Connection, account: FareAccountId) -> dict[date, dict[object, tuple[int, int]]]:
        found = bills.list_booked_lines(tx, {account: MONDAY.date() - timedelta(days=1)})
        return {day: kept for (_, day), lines in found.items() if (kept := _plain(lines))}

    def folded(self, tx: Connection, account: FareAccountId) -> dict[date, dict[object, tuple[int, int]]]:
        """The same, from all stored evidence at once."""
        evidence = list_taps(
            tx, [account], since=MONDAY - timedelta(days=9), until=MONDAY + timedelta(days=9)
        )
        taps = [fare_tap(tap) for tap in evidence if is_fare_tap(tap)]
        days = fold_days(days_of(account, taps, self.book, as_of=self.now), self.book)
        return {facts.service_day: kept for facts, _, one in days if (kept := _plain(wanted_lines(one)))}

    def charged(self, tx: Connection, account: FareAccountId) -> dict[date, int]:
        return {
            day: sum(amount for key, (amount, _) in lines.items() if key.component == "charged")
            for day, lines in self.booked(tx, account).items()
        }

    def owed(self, tx: Connection, account: FareAccountId) -> int:
        spec = chart.rider_receivable(account, self.book.currency)
        open_accounts(tx, [spec], self.now)
        return read_balances(tx, [spec.account_id], self.now)[spec.account_id].posted.minor


def _plain(lines: dict) -> dict:
    return {
        key: (line.amount_minor, line.trips) for key, line in lines.items() if line.amount_minor or line.trips
    }


def account_of(card: SimCard) -> FareAccountId:
    assert card.issued is not None
    return card.issued.fare_account_id


def books_of(*tariffs: TariffBook) -> Books:
    return Books({book.version: book for book in tariffs}, tariffs[-1].version)


def a_week(readers: list[SimReader], cards: Iterable[SimCard]) -> dict[date, list[Upload]]:
    """Charlie's week of boardings for every card, each ride on another bus than the one before; uploads by day."""
    for reader in readers:
        reader.facts = {"route_id": "b1", "stop_id": "", "trip_id": "", "purpose": Purpose.BOARD}
    uploads = defaultdict(list)
    for back, rides in enumerate(RIDES_A_DAY):
        morning = MONDAY + timedelta(days=back)
        began = [len(reader.records) for reader in readers]
        for ride in range(rides):
            for number, card in enumerate(cards):
                readers[(ride + number) % len(readers)].tap(card, at=morning + timedelta(hours=ride))
        for reader, first in zip(readers, began, strict=True):
            if len(reader.records) > first:
                uploads[morning.date()].append(reader.upload(first + 1))
    return uploads


@pytest.mark.parametrize("order", ["forward", "backward", *range(4)])
def test_days_in_any_order_end_in_the_caps_of_the_week(tx: Connection, keyring: Keyring, order) -> None:
    world = World(tx, keyring, SUNDAY_NIGHT)
    office = Office(keyring, books_of(book_of("stagecoach_caps")))
    card = world.card(1)
    days = a_week([world.reader("b1"), world.reader("b2")], [card])
    sent = [upload for uploads in days.values() for upload in uploads]
    if order == "backward":
        sent.reverse()
    elif order != "forward":
        dice = random.Random(order)
        sent += dice.choices(sent, k=4)
        dice.shuffle(sent)
    for upload in sent:
        office.receive(tx, upload)
    account = account_of(card)
    assert office.booked(tx, account) == office.folded(tx, account)
    charged = office.charged(tx, account)
    week = [charged.get(MONDAY.date() + timedelta(days=n), 0) for n in range(7)]
    assert week == [450, 450, 0, 350, 250, 0, 0]
    assert office.owed(tx, account) == 1500, "nothing was loaded, and one week never costs more than its cap"


@pytest.fixture
def opened(database) -> Iterator[Database]:
    """The service's own way to a database: deadlocks are repeated."""
    found = Database(database.url, pool_size=5)
    yield found
    found.dispose()


def test_parallel_connections_with_shuffled_doubled_days_end_in_the_fold(
    opened: Database, keyring: Keyring
) -> None:
    """Three devices over four connections; every account's week re-folds while others post."""
    office = Office(keyring, books_of(book_of("stagecoach_caps")))
    with opened.begin() as tx:
        world = World(tx, keyring, SUNDAY_NIGHT)
        cards = [world.card(n) for n in range(5)]
        readers = [world.reader(f"b{n}") for n in range(3)]
    sent = [upload for uploads in a_week(readers, cards).values() for upload in uploads] * 3
    random.Random(20261118).shuffle(sent)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda upload: opened.run(lambda tx: office.receive(tx, upload)), sent))
    with opened.begin() as tx:
        for account in map(account_of, cards):
            assert office.booked(tx, account) == office.folded(tx, account)
            assert office.owed(tx, account) == sum(office.charged(tx, account).values()) == 1500
        # By hand, apart from what `prove` runs: every receivable's roll-up is the sum of the lines that name it.
        summed = tx.execute(
            text(
                "SELECT owner_id, sum(CASE WHEN debit_id = account_id THEN amount ELSE -amount END)::bigint"
                " FROM ledger_line JOIN ledger_account USING (owner_id)"
                " WHERE ledger_account.kind = 'rider_receivable' AND account_id IN (debit_id, credit_id) GROUP BY owner_id"
            )
        ).all()
        assert dict(map(tuple, summed)) == {account_of(card): 1500 for card in cards}


def test_stored_parts_of_every_tap_sum_to_its_face_value_through_all_corrections(
    tx: Connection, keyring: Keyring
) -> None:
    world = World(tx, keyring, SUNDAY_NIGHT)
    office = Office(keyring, books_of(book_of("stagecoach_caps")))
    card = world.card(1)
    for uploads in reversed(a_week([world.reader("b1"), world.reader("b2")], [card]).values()):
        for upload in uploads:
            office.receive(tx, upload)
    parts = tx.execute(
        text("SELECT tap_id, sum(delta_minor)::bigint FROM fare_bill_line GROUP BY tap_id ORDER BY tap_id")
    ).all()
    assert len(parts) == sum(RIDES_A_DAY)
    assert {total for _, total in parts} == {350}, "a single of 3.50, whatever a cap covers of it"


def test_a_refold_stops_at_the_day_that_takes_over_the_same(tx: Connection, keyring: Keyring) -> None:
    world = World(tx, keyring, SUNDAY_NIGHT)
    office = Office(keyring, books_of(town()))  # no caps: a day hands nothing on
    card, early, late = world.card(1), world.reader("r1"), world.reader("r2")
    for reader in (early, late):
        reader.facts = {"route_id": "a1", "stop_id": "x", "trip_id": "", "purpose": Purpose.BOARD}
    late.tap(card, at=MONDAY)
    for back in range(1, 4):
        early.tap(card, at=MONDAY + timedelta(days=back))
    assert office.receive(tx, early.upload()).revisions == 3
    assert office.receive(tx, late.upload()).revisions == 1


def test_a_late_tap_on_before_four_changes_the_next_days_bill(tx: Connection, keyring: Keyring) -> None:
    """On at 03:50, off at 04:10: two service days, one ride; the day of its end is billed again when its start comes."""
    world = World(tx, keyring, SUNDAY_NIGHT)
    office = Office(keyring, books_of(book_of("hanoi")))
    card, town_end, suburb = world.card(1), world.reader("g1"), world.reader("g2")
    for reader, stop in ((town_end, "2A-cat-linh"), (suburb, "2A-la-thanh")):
        reader.facts = {"route_id": "2A", "stop_id": stop, "trip_id": ""}
    town_end.tap(card, at=HANOI_NIGHT)
    suburb.tap(card, at=HANOI_NIGHT + timedelta(minutes=20))
    account = account_of(card)
    office.receive(tx, suburb.upload())
    close_day(tx, date(2026, 11, 18), books=office.books, now=SUNDAY_NIGHT)
    assert office.owed(tx, account) == 18_625, "an end alone costs the line's maximum"
    office.receive(tx, town_end.upload())
    assert office.booked(tx, account) == office.folded(tx, account)
    assert office.charged(tx, account) == {date(2026, 11, 18): 8_595}
    assert office.owed(tx, account) == 8_595


def two_versions() -> tuple[TariffBook, TariffBook]:
    products = (
        "fare_product_id,amount,currency\na,{0},EUR\nb,3.00,EUR\nr,5.00,EUR\nplus,1.00,EUR\nless,-0.50,EUR"
    )
    header = "tariff_version,zone,day_starts,currency\n{0},UTC,03:00:00,EUR"
    return (
        town(tariff=header.format("old"), fare_products=products.format("2.00")),
        town(tariff=header.format("new"), fare_products=products.format("9.00")),
    )


def test_a_late_tap_is_priced_with_the_tariff_that_its_day_was_booked_with(
    tx: Connection, keyring: Keyring
) -> None:
    old, new = two_versions()
    world = World(tx, keyring, SUNDAY_NIGHT)
    card, first, second = world.card(1), world.reader("r1"), world.reader("r2")
    for reader in (first, second):
        reader.facts = {"route_id": "a1", "stop_id": "x", "trip_id": "", "purpose": Purpose.BOARD}
    first.tap(card, at=MONDAY)
    second.tap(card, at=MONDAY + timedelta(hours=5))
    second.tap(card, at=MONDAY + timedelta(days=1))
    Office(keyring, books_of(old)).receive(tx, first.upload())
    office = Office(keyring, books_of(old, new))
    office.receive(tx, second.upload())
    monday = MONDAY.date()
    assert office.charged(tx, account_of(card)) == {monday: 400, monday + timedelta(days=1): 900}
    versions = tx.execute(
        text("SELECT service_day, revision, tariff_version FROM fare_bill ORDER BY service_day, revision")
    )
    assert [tuple(row) for row in versions] == [
        (monday, 1, "old"),
        (monday, 2, "old"),
        (monday + timedelta(days=1), 1, "new"),
    ]


@pytest.fixture
def upgraded(tx: Connection, keyring: Keyring, monkeypatch: pytest.MonkeyPatch):
    """A day booked by engine 1 with one ride at 2.00, an open ride and its day before, and a tap that comes later."""
    monkeypatch.setattr(price, "ENGINE_VERSION", "1")
    monkeypatch.setattr(engine, "ENGINE_VERSION", "1")
    world = World(tx, keyring, SUNDAY_NIGHT)
    card, reader = world.card(1), world.reader()
    for route, hours in (("a1", 0), ("r1", 4), ("a1", 5)):
        reader.facts = {"route_id": route, "stop_id": "x", "trip_id": "", "purpose": Purpose.BOARD}
        reader.tap(card, at=MONDAY + timedelta(hours=hours))
    office = Office(keyring, books_of(town()), MONDAY + timedelta(hours=4, minutes=10))
    office.receive(tx, reader.upload(1, 2))
    monkeypatch.undo()
    return card, reader


def test_an_upgrade_goes_on_with_a_day_that_it_prices_as_booked(tx: Connection, keyring: Keyring, upgraded):
    """Also while a ride is under way: the afternoon of an upgrade does not wait for anybody."""
    card, reader = upgraded
    office = Office(keyring, books_of(town()), MONDAY + timedelta(hours=5, minutes=5))
    billed = office.receive(tx, reader.upload(3, 3))
    assert [one.reason for one in billed.exceptions] == ["no_rule_for_missing_off"]
    assert office.charged(tx, account_of(card)) == {MONDAY.date(): 400}
    engines = tx.execute(text("SELECT revision, engine_version FROM fare_bill ORDER BY revision"))
    assert [tuple(row) for row in engines] == [(1, "1"), (2, ENGINE_VERSION)]


def test_another_engine_never_reprices_a_day_that_it_prices_otherwise(
    tx: Connection, keyring: Keyring, upgraded
):
    """What the earlier engine booked at 2.00 this one prices at 9.00, as a change of its rules might."""
    card, reader = upgraded
    dearer = town(fare_products=BASE["fare_products"].replace("a,2.00", "a,9.00"))
    office = Office(keyring, books_of(dearer), MONDAY + timedelta(hours=5, minutes=5))
    billed = office.receive(tx, reader.upload(3, 3))
    assert [one.reason for one in billed.exceptions] == ["engine-retired"]
    assert (billed.revisions, billed.entries) == (0, 0)
    assert office.charged(tx, account_of(card)) == {MONDAY.date(): 200}
