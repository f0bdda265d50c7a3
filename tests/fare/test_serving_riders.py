"""Passes and corrections against the real evidence, tables and ledger."""

import itertools
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from access.keyring import Keyring
from fare import correct, earn, refund_pass
from fare.bill import bill, close_day
from fare.correct import CorrectionIdReusedError, RideNotMendedError, UnknownRideError
from fare.publish import Books
from fare.sell import PassIdReusedError, Sold, sell_pass
from fare.settle_lines import settle_lines
from kernel.service_day import day_window
from kernel.wire.tap import Purpose
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from tests.fare.cities import book_of
from tests.fare.test_bill import DAY, EVENING, NOW, City, account_of, at
from tests.simulation import SimCard, World

MONTH = "bus_month_all_routes_normal"
NEXT = datetime(2026, 11, 19, 2, 0, tzinfo=NOW.tzinfo)


@pytest.fixture
def books() -> Books:
    book = book_of("hanoi")
    return Books({book.version: book}, book.version)


@pytest.fixture
def city(tx: Connection, keyring: Keyring, books: Books) -> City:
    return City(World(tx, keyring, NOW), books)


def buy(city: City, card: SimCard, **change: object) -> Sold:
    asked: dict[str, object] = {
        "pass_id": uuid4(),
        "fare_account_id": account_of(card),
        "product_id": MONTH,
        "scope": "",
        "starts_at": NOW,
        "tariff": city.books.current(),
        "now": NOW,
    } | change
    sold = sell_pass(city.tx, **asked)  # type: ignore[arg-type]
    assert isinstance(sold, Sold)
    return sold


def posted(city: City, spec) -> int:
    open_accounts(city.tx, (spec,), NOW)
    return read_balances(city.tx, (spec.account_id,), NOW)[spec.account_id].posted.minor


# A metro ride without its tap-off: maximum fare of the line (18,625), mended to the first hop (8,595)


def half_ride(city: City, card: SimCard, name: str = "gate", minutes: float = 0) -> UUID:
    gate = city.world.reader(name)
    gate.facts = {"route_id": "2A", "stop_id": "2A-cat-linh", "trip_id": "", "purpose": Purpose.BOARD}
    gate.tap(card, at=at(minutes))
    city.upload(gate, now=EVENING)
    close_day(city.tx, DAY, books=city.books, now=NEXT)
    return city.tx.execute(
        text("SELECT tap_id FROM tap WHERE tapped_at = :at AND card_id = :card"),
        {"at": at(minutes), "card": card.issued.card_id},
    ).scalar_one()


def mend(city: City, card: SimCard, tap: UUID, **change: object):
    asked: dict[str, object] = {
        "correction_id": uuid4(),
        "tap_id": tap,
        "stop_id": "2A-la-thanh",
        "left_at": at(5),
        "books": city.books,
        "by": "rider",
        "now": NEXT,
    } | change
    return correct.correct(city.tx, account_of(card), **asked)  # type: ignore[arg-type]


def test_a_mended_ride_is_billed_to_the_stop_named_and_once(city: City) -> None:
    card = city.rider(60, 50_000)
    tap, mine = half_ride(city, card), uuid4()
    assert city.balance(card) == (50_000 - 18_625, 0)
    (shown,) = correct.list_mendable(city.tx, account_of(card), books=city.books, now=NEXT)
    assert (shown.ride.tap_id, shown.charged.minor) == (tap, 18_625)
    first = mend(city, card, tap, correction_id=mine)
    again = mend(city, card, tap, correction_id=mine)
    assert (first.before.minor, first.after.minor, first.again) == (18_625, 8_595, False)
    assert (again.after.minor, again.again) == (8_595, True)
    assert city.balance(card) == (50_000 - 8_595, 0)
    with pytest.raises(RideNotMendedError, match="already"):
        mend(city, card, tap, stop_id="2A-thai-ha")
    with pytest.raises(CorrectionIdReusedError):
        mend(city, card, tap, correction_id=mine, stop_id="2A-thai-ha")
    assert correct.list_mendable(city.tx, account_of(card), books=city.books, now=NEXT) == ()
    (line,) = settle_lines(city.tx, DAY, books=city.books).lines
    assert (line.collected.minor - line.refunded.minor, line.trips) == (8_595, 1)


def test_the_tap_off_that_comes_late_speaks_before_the_rider(city: City) -> None:
    card = city.rider(61, 50_000)
    tap = half_ride(city, card)
    mend(city, card, tap)
    end = city.world.reader("end")
    end.facts = {"route_id": "2A", "stop_id": "2A-yen-nghia", "trip_id": ""}
    end.tap(card, at=at(25))
    city.upload(end, now=NEXT)
    assert city.balance(card) == (50_000 - 18_625, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stop_id": "3.1-nhon"}, "stop"),  # another line
        ({"stop_id": "26-01"}, "stop"),
        ({"stop_id": "moon"}, "stop"),
        ({"left_at": at(0)}, "time"),  # at the tap-on itself
        ({"left_at": at(180)}, None),  # the limit is 180 minutes
        ({"left_at": at(180.001)}, "time"),
        (
            {"now": datetime(2026, 11, 25, 20, 59, 59, tzinfo=NOW.tzinfo)},
            None,
        ),  # 7 days: to 26 Nov 04:00 Hanoi
        ({"now": datetime(2026, 11, 25, 21, 0, tzinfo=NOW.tzinfo)}, "too-late"),
    ],
)
def test_where_the_tariff_lets_a_rider_mend(
    city: City, change: dict[str, object], reason: str | None
) -> None:
    card = city.rider(62, 50_000)
    tap = half_ride(city, card)
    if reason is None:
        assert mend(city, card, tap, **change).after.minor == 8_595
        return
    with pytest.raises(RideNotMendedError, match=reason):
        mend(city, card, tap, **change)


def test_a_whole_ride_an_unknown_one_and_a_fourth_in_the_month_are_not_mended(city: City) -> None:
    card = city.rider(63, 500_000)
    taps = [half_ride(city, card, f"gate-{n}", minutes=60 * n) for n in range(4)]
    for n, tap in enumerate(taps[:3]):
        mend(city, card, tap, left_at=at(60 * n + 5))
    with pytest.raises(RideNotMendedError, match="too-many"):
        mend(city, card, taps[3], left_at=at(185))
    with pytest.raises(UnknownRideError):
        mend(city, card, uuid4())
    bus = city.world.reader("bus")
    bus.tap(card, at=at(300))
    city.upload(bus, now=NEXT)
    ride = city.tx.execute(text("SELECT tap_id FROM tap WHERE tapped_at = :at"), {"at": at(300)}).scalar_one()
    with pytest.raises(RideNotMendedError, match="not-missing"):
        mend(city, card, ride)


def test_a_ride_cannot_end_during_the_next_one(city: City) -> None:
    card = city.rider(64, 500_000)
    first = half_ride(city, card, "a")
    half_ride(city, card, "b", minutes=30)
    with pytest.raises(RideNotMendedError, match="time"):
        mend(city, card, first, left_at=at(30.5))
    assert mend(city, card, first, left_at=at(30)).after.minor == 8_595


# Passes


def test_a_late_tap_is_priced_by_the_pass_that_was_held_then(city: City) -> None:
    card, bus = city.rider(70, 300_000), city.world.reader()
    bus.tap(card, at=at(0))  # before the purchase, uploaded after it
    buy(city, card)
    bus.tap(card, at=NOW + timedelta(minutes=5))
    city.upload(bus, now=EVENING)
    assert city.balance(card) == (300_000 - 280_000 - 10_000, 0)


def test_a_pass_given_back_covers_today_and_nothing_after(city: City) -> None:
    card, bus = city.rider(71, 300_000), city.world.reader()
    sold = buy(city, card)
    tariff = city.books.current()
    done = refund_pass.refund_pass(
        city.tx, account_of(card), sold.held.pass_id, tariff=tariff, by="rider", now=NOW
    )
    assert (done.amount.minor, done.ended_at) == (
        280_000 * 29 // 30,
        day_window(DAY, tariff.day_starts, tariff.zone).end,
    )
    left = 300_000 - 280_000 + done.amount.minor
    bus.tap(card, at=NOW + timedelta(minutes=5))
    city.upload(bus, now=EVENING)
    assert city.balance(card) == (left, 0)
    bus.tap(card, at=EVENING)
    taken = bus.upload(2)
    from access.take_in import take_in

    take_in(city.tx, taken, keyring=city.world.keyring, now=EVENING)
    bill(city.tx, [(account_of(card), date(2026, 11, 19))], books=city.books, now=EVENING)
    assert city.balance(card) == (left - 10_000, 0)


def test_a_day_pass_that_covered_a_ride_is_not_given_back_and_an_unused_one_never_covered(city: City) -> None:
    used, unused = city.rider(72, 100_000), city.rider(73, 100_000)
    passes = [buy(city, card, product_id="metro_day", scope="metro_2a") for card in (used, unused)]
    gates = []
    for name, stop in (("in", "2A-cat-linh"), ("out", "2A-la-thanh")):
        gate = city.world.reader(name)
        gate.facts = {"route_id": "2A", "stop_id": stop, "trip_id": ""}
        gates.append(gate)
    for gate, minutes in zip(gates, (5, 15), strict=True):
        gate.tap(used, at=NOW + timedelta(minutes=minutes))
        city.upload(gate, now=EVENING)
    tariff = city.books.current()

    def give_back(card: SimCard, sold: Sold) -> object:
        later = NOW + timedelta(hours=1)
        return refund_pass.refund_pass(
            city.tx, account_of(card), sold.held.pass_id, tariff=tariff, by="rider", now=later
        )

    with pytest.raises(refund_pass.PassNotRefundableError, match="used"):
        give_back(used, passes[0])
    give_back(unused, passes[1])
    assert (city.balance(used), city.balance(unused)) == ((60_000, 0), (100_000, 0))
    for gate, minutes in zip(gates, (20, 30), strict=True):  # ridden before it was given back, uploaded after
        gate.tap(unused, at=NOW + timedelta(minutes=minutes))
        city.upload(gate, len(gate.records), now=EVENING)
    assert city.balance(unused) == (100_000 - 8_595, 0)


def test_a_purchase_id_means_one_pass(city: City) -> None:
    card, mine = city.rider(74, 900_000), uuid4()
    buy(city, card, pass_id=mine)
    with pytest.raises(PassIdReusedError):
        buy(city, card, pass_id=mine, product_id="bus_month_one_route_normal", scope="26")


def days() -> Iterator[date]:
    return (DAY + timedelta(days=n) for n in itertools.count())


def test_pass_money_is_earned_day_by_day_by_who_was_ridden_and_all_of_it_in_the_end(city: City) -> None:
    rider, idle = city.rider(80, 300_000), city.rider(81, 300_000)
    buy(city, rider)
    buy(city, idle)
    bus = city.world.reader()
    bus.tap(rider, at=NOW + timedelta(minutes=5))
    city.upload(bus, now=EVENING)
    tariff = city.books.current()
    deferred, operator = chart.deferred_pass(MONTH), chart.operator_pass("transerco")
    (first,) = earn.earn_day(city.tx, DAY, tariff=tariff, now=EVENING)
    assert (first.earned_minor, first.parts) == (2 * 9_333, {"transerco": 2 * 9_333})
    assert earn.earn_day(city.tx, DAY, tariff=tariff, now=EVENING) == ()
    (second,) = earn.earn_day(city.tx, DAY + timedelta(days=1), tariff=tariff, now=EVENING)
    assert (second.parts, second.unridden_minor) == ({}, 2 * 18_666 - 2 * 9_333)
    # A day nobody counted is caught up, and the end of the passes earns the rest.
    (last,) = earn.earn_day(city.tx, DAY + timedelta(days=30), tariff=tariff, now=EVENING)
    assert first.earned_minor + second.earned_minor + last.earned_minor == 560_000
    assert posted(city, deferred) == 0
    assert posted(city, operator) == 2 * 9_333
    assert posted(city, chart.pass_unridden(MONTH)) == 560_000 - 2 * 9_333
    (shown,) = earn.list_earned(city.tx, DAY)
    assert (shown.product_id, dict(shown.parts)) == (MONTH, {"transerco": 2 * 9_333})


def test_what_is_given_back_after_it_was_earned_is_taken_back(city: City) -> None:
    card = city.rider(82, 300_000)
    sold = buy(city, card, product_id="metro_day", scope="metro_2a", starts_at=NOW + timedelta(days=1))
    tariff = city.books.current()
    (made,) = earn.earn_day(city.tx, DAY, tariff=tariff, now=EVENING)
    assert (made.earned_minor, made.entry_id) == (0, None)
    refund_pass.refund_pass(
        city.tx, account_of(card), sold.held.pass_id, tariff=tariff, by="rider", now=NOW + timedelta(hours=1)
    )
    earn.earn_day(city.tx, DAY + timedelta(days=1), tariff=tariff, now=EVENING)
    assert posted(city, chart.deferred_pass("metro_day")) == 0
    assert city.balance(card) == (300_000, 0)
