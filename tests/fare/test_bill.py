"""Bills against the real evidence, tables and ledger: differences only, in whatever order evidence comes."""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from access.keyring import Keyring
from access.take_in import take_in
from fare.bill import Billed, bill, close_day
from fare.gtfs.load import load_tariff
from fare.publish import Books
from fare.rules.difference import wanted_lines
from fare.sell import PassCategoryError, PassScopeError, Sold, TooLittle, UnknownPassError, sell_pass
from fare.settle_lines import settle_lines
from fare.store import bills
from kernel.ids import FareAccountId, uuid7
from kernel.money import VND, Money
from kernel.wire.tap import Phase
from ledger import post
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Posted
from tests.simulation import SimCard, SimReader, World

HANOI = Path(__file__).parents[2] / "fare" / "tariffs" / "hanoi"
DAY = date(2026, 11, 18)
MORNING = datetime(2026, 11, 18, 1, 0, tzinfo=UTC)  # 08:00 in Hanoi
NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
EVENING = datetime(2026, 11, 19, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def books() -> Books:
    book = load_tariff(HANOI)
    return Books({book.version: book}, book.version)


@dataclass
class City:
    """What a test does: riders with money, readers, uploads taken in and billed."""

    world: World
    books: Books

    @property
    def tx(self) -> Connection:
        return self.world.tx

    def rider(self, number: int, minor: int) -> SimCard:
        card = self.world.card(number)
        if minor:
            account = account_of(card)
            specs = (chart.provider_clearing("test"), chart.rider_stored_value(account))
            open_accounts(self.tx, specs, NOW)
            line = Line(specs[0].account_id, specs[1].account_id, Money(minor, VND))
            entry = Entry(uuid7(NOW), "topup", (line,), account, DAY, NOW)
            assert isinstance(post.post(self.tx, [entry], NOW)[0], Posted)
        return card

    def upload(
        self, reader: SimReader, first: int = 1, last: int | None = None, now: datetime = NOW
    ) -> Billed:
        taken = take_in(self.tx, reader.upload(first, last), keyring=self.world.keyring, now=now)
        touched = {(tap.fare_account_id, DAY) for tap in taken.taps}
        return bill(self.tx, touched, books=self.books, now=now)

    def balance(self, card: SimCard) -> tuple[int, int]:
        """Stored value and debt, in đồng."""
        specs = (chart.rider_stored_value(account_of(card)), chart.rider_receivable(account_of(card)))
        open_accounts(self.tx, specs, NOW)
        found = read_balances(self.tx, [spec.account_id for spec in specs], NOW)
        return tuple(found[spec.account_id].posted.minor for spec in specs)  # type: ignore[return-value]


def account_of(card: SimCard) -> FareAccountId:
    assert card.issued is not None
    return card.issued.fare_account_id


@pytest.fixture
def city(tx: Connection, keyring: Keyring, books: Books) -> City:
    return City(World(tx, keyring, NOW), books)


def at(minutes: float) -> datetime:
    return MORNING + timedelta(minutes=minutes)


def test_a_bus_ride_costs_its_band_and_is_booked_once(city: City) -> None:
    card, reader = city.rider(1, 50_000), city.world.reader()
    reader.tap(card, at=at(0))
    reader.tap(card, at=at(30))
    first = city.upload(reader)
    again = city.upload(reader)
    assert (first.revisions, first.entries) == (1, 1)
    assert (again.revisions, again.entries) == (0, 0)
    assert city.balance(card) == (50_000 - 10_000, 0)  # route 26 is 15.9 km: 15-<25 is 10,000


def test_what_the_balance_cannot_pay_becomes_debt_and_evidence_is_never_refused(city: City) -> None:
    card, reader = city.rider(2, 5_000), city.world.reader()
    reader.tap(card, at=at(0))
    billed = city.upload(reader)
    assert city.balance(card) == (0, 5_000)
    assert billed.owing == {account_of(card)}


def test_a_route_the_tariff_does_not_know_is_an_exception_and_never_zero(city: City) -> None:
    card, reader = city.rider(3, 50_000), city.world.reader()
    reader.tap(card, at=at(0), route_id="999", stop_id="999-1")
    billed = city.upload(reader)
    assert [one.reason for one in billed.exceptions] != []
    assert city.balance(card) == (50_000, 0)


def test_a_tap_with_a_bad_mac_charges_nothing(city: City) -> None:
    card, reader = city.rider(4, 50_000), city.world.reader()
    reader.tap(card, at=at(0), tmv=b"\x01" * 8)
    city.upload(reader)
    assert city.balance(card) == (50_000, 0)


def test_a_torn_tap_is_charged_only_when_it_is_recovered(city: City) -> None:
    walked_on, tried_again, reader = city.rider(5, 50_000), city.rider(6, 50_000), city.world.reader()
    reader.tap(walked_on, phase=Phase.TORN, at=at(0))
    torn = reader.tap(tried_again, phase=Phase.TORN, at=at(1))
    reader.recover(torn, tried_again)
    city.upload(reader)
    assert city.balance(walked_on) == (50_000, 0)
    assert city.balance(tried_again) == (40_000, 0)


def test_a_late_tap_changes_the_bill_by_its_difference_and_corrects_the_booked_line(city: City) -> None:
    """A tap-off that comes late moves a metro ride from the maximum fare to the real one."""
    card, town, suburb = city.rider(7, 100_000), city.world.reader("g1"), city.world.reader("g2")
    for reader, stop in ((town, "2A-cat-linh"), (suburb, "2A-la-thanh")):
        reader.facts = {"route_id": "2A", "stop_id": stop, "trip_id": ""}
    town.tap(card, at=at(0))
    suburb.tap(card, at=at(5))
    city.upload(town)
    close_day(city.tx, DAY, books=city.books, now=EVENING)
    assert city.balance(card) == (100_000 - 18_625, 0)
    city.upload(suburb, now=EVENING)
    assert city.balance(card) == (100_000 - 8_595, 0)
    (line,) = settle_lines(city.tx, DAY, books=city.books).lines
    assert (line.trips, line.mode, line.face_value.minor) == (1, "metro", 8_595)
    assert line.collected.minor - line.refunded.minor == 8_595


def test_an_open_ride_is_not_priced_until_the_day_is_closed(city: City) -> None:
    card, gate = city.rider(8, 100_000), city.world.reader("g1")
    gate.facts = {"route_id": "2A", "stop_id": "2A-cat-linh", "trip_id": ""}
    gate.tap(card, at=NOW - timedelta(minutes=5))
    city.upload(gate)
    assert city.balance(card) == (100_000, 0)
    assert bills.list_open_rides(city.tx, DAY) == ((account_of(card), DAY),)
    close_day(city.tx, DAY, books=city.books, now=EVENING)
    assert city.balance(card) == (100_000 - 18_625, 0)
    assert bills.list_open_rides(city.tx, DAY) == ()


def test_later_than_the_limit_waits_for_a_person(city: City) -> None:
    card, reader = city.rider(9, 50_000), city.world.reader()
    reader.tap(card, at=at(0))
    taken = take_in(city.tx, reader.upload(), keyring=city.world.keyring, now=NOW)
    later = NOW + timedelta(days=46)
    billed = bill(city.tx, {(tap.fare_account_id, DAY) for tap in taken.taps}, books=city.books, now=later)
    assert [one.reason for one in billed.exceptions] == ["too-late"]
    assert city.balance(card) == (50_000, 0)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_and_repetition_of_uploads_ends_in_the_bill_of_a_fold_from_scratch(
    city: City, seed: int
) -> None:
    """Two buses and two gates, uploads cut anywhere, shuffled and doubled (DESIGN §2.2)."""
    dice = random.Random(seed)
    cards = [city.rider(20 + n, dice.choice((0, 9_000, 200_000))) for n in range(4)]
    readers = [city.world.reader(f"r{n}") for n in range(4)]
    for reader, facts in zip(
        readers,
        (
            {},
            {"route_id": "93", "stop_id": "93-01", "trip_id": "93-05"},
            {"route_id": "2A", "stop_id": "2A-cat-linh", "trip_id": ""},
            {"route_id": "2A", "stop_id": "2A-yen-nghia", "trip_id": ""},
        ),
        strict=True,
    ):
        reader.facts = facts
    minute = 0.0
    for _ in range(40):
        minute += dice.choice((0.3, 4, 17))
        dice.choice(readers).tap(dice.choice(cards), at=at(minute))
    after = at(minute) + timedelta(hours=5)
    pieces = []
    for reader in readers:
        cuts = sorted({0, len(reader.records), *(dice.randint(0, len(reader.records)) for _ in range(3))})
        pieces += [(reader, low + 1, high) for low, high in itertools.pairwise(cuts)]
    pieces += dice.choices(pieces, k=len(pieces) // 2)
    dice.shuffle(pieces)
    for reader, first, last in pieces:
        city.upload(reader, first, last, now=after)
    close_day(city.tx, DAY, books=city.books, now=EVENING)
    booked = bills.list_booked_lines(city.tx, {account_of(card): DAY for card in cards})
    for card in cards:
        from_scratch = fold(city, card)
        mine = booked.get((account_of(card), DAY), {})
        assert {
            k: (v.amount_minor, v.trips) for k, v in mine.items() if (v.amount_minor, v.trips) != (0, 0)
        } == {
            k: (v.amount_minor, v.trips)
            for k, v in from_scratch.items()
            if (v.amount_minor, v.trips) != (0, 0)
        }
    ledger = city.tx.execute(
        text("SELECT sum(posted) FROM ledger_balance WHERE kind = :kind"), {"kind": chart.RIDER_STORED_VALUE}
    ).scalar_one()
    assert ledger == sum(city.balance(card)[0] for card in cards)


def fold(city: City, card: SimCard) -> dict[object, object]:
    """The bill's lines from all evidence at once."""
    from access.taps import list_taps
    from fare.bill import fare_tap, is_fare_tap
    from fare.rules.facts import DayFacts
    from fare.rules.price import price_day

    account = account_of(card)
    found = list_taps(
        city.tx, [account], since=MORNING - timedelta(days=1), until=MORNING + timedelta(days=2)
    )
    facts = DayFacts(account, DAY, tuple(fare_tap(tap) for tap in found if is_fare_tap(tap)))
    return wanted_lines(price_day(facts, city.books.current()))  # type: ignore[return-value]


SELL = Callable[..., Sold | TooLittle]


@pytest.fixture
def sell(city: City) -> SELL:
    def sale(card: SimCard, **changes: object) -> Sold | TooLittle:
        asked: dict[str, object] = {
            "pass_id": uuid4(),
            "fare_account_id": account_of(card),
            "product_id": "bus_month_all_routes_normal",
            "scope": "",
            "starts_at": MORNING - timedelta(hours=1),
            "tariff": city.books.current(),
            "now": NOW,
        } | changes
        return sell_pass(city.tx, **asked)  # type: ignore[arg-type]

    return sale


def test_a_pass_is_paid_once_and_covers_the_rides(city: City, sell: SELL) -> None:
    card, reader, pass_id = city.rider(30, 300_000), city.world.reader(), uuid4()
    first, again = sell(card, pass_id=pass_id), sell(card, pass_id=pass_id)
    assert isinstance(first, Sold)
    assert isinstance(again, Sold)
    assert (first.held, first.again, again.held, again.again) == (again.held, False, first.held, True)
    reader.tap(card, at=at(0))
    city.upload(reader)
    assert city.balance(card) == (300_000 - 280_000, 0)
    (line,) = settle_lines(city.tx, DAY, books=city.books).lines
    assert (line.pass_covered.minor, line.collected.minor, line.trips) == (10_000, 0, 1)


def test_a_sale_is_refused_where_the_tariff_or_the_balance_says_so(city: City, sell: SELL) -> None:
    card = city.rider(31, 10_000)
    assert isinstance(sell(card), TooLittle)
    with pytest.raises(UnknownPassError):
        sell(card, product_id="moon_pass")
    with pytest.raises(PassScopeError):
        sell(card, scope="26")
    with pytest.raises(PassScopeError):
        sell(card, product_id="bus_month_one_route_normal", scope="999")
    with pytest.raises(PassCategoryError):
        sell(card, product_id="bus_month_all_routes_priority")
    assert city.balance(card) == (10_000, 0)
