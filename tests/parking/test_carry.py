"""Unused paid time that goes along: the next stay of the same plate is covered until the paid time ends."""

from datetime import timedelta
from uuid import uuid4

import pytest

from kernel.money import VND, Money
from parking.correct import correct
from parking.enter import Entering, enter, leave
from parking.pay import find_paid, pay
from parking.publish_rates import publish_rates
from parking.rules.payment import Method
from parking.rules.session import EventKind
from parking.sessions import find_session
from tests.parking.conftest import TWO, own_till

MINUTE = timedelta(minutes=1)
FILES = {
    "gates.csv": "gate_id,place_id\nb-gate,b\n",
    "places.csv": "place_id,name,operator_id\na,A,op\nb,B,op\nc,C,op\nd,D,other\n",
    "vehicle_classes.csv": "class_id,name_vi,name_en\ncar,Ô tô,Car\n",
    "rate_assignments.csv": "place_id,vehicle_class,table_id\na,car,zone\nb,car,zone\nc,car,dear\nd,car,zone\n",
    "rate_tables.csv": "table_id,name,unused_paid_time\nzone,Zone,{policy}\ndear,Dear,{policy}\n",
    "rate_lines.csv": "table_id,sequence,line_type,increment_min,value\n"
    "zone,1,incrementingRate,30,5000\ndear,1,incrementingRate,30,9000\n",
}


class Driver:
    """A plate that is paid until 12:00 at A, from 10:00, for 20,000; the clock is what a test says."""

    def __init__(self, tx, now, policy):
        self.tx, self.ten = tx, now + 60 * MINUTE
        files = {name: body.format(policy=policy).encode() for name, body in FILES.items()}
        early = now - timedelta(days=2)
        publish_rates(tx, files, effective_at=early, **TWO, now=early)
        own_till(tx, "t", now, "op")
        self.plate = uuid4()
        self.first = self.enter("a", 0)
        self.paid = self.pay(self.first, 20_000, at=0, until=120)

    def at(self, minutes):
        return self.ten + minutes * MINUTE

    def enter(self, place, minutes, plate=None):
        asked = Entering(
            event_id=uuid4(),
            place_id=place,
            vehicle_class="car",
            subject=plate or self.plate,
            at=self.at(minutes),
        )
        return enter(self.tx, asked, actor="t", now=self.at(minutes)).row.stay_id

    def leave(self, stay_id, minutes, told=None):
        now = self.at(minutes if told is None else told)
        return leave(self.tx, stay_id, event_id=uuid4(), at=self.at(minutes), actor="t", now=now)

    def pay(self, stay_id, minor, *, at, until=None):
        return pay(
            self.tx, stay_id, payment_id=uuid4(), method=Method.CASH, amount=Money(minor, VND), till="t", actor="t",
            now=self.at(at), until=None if until is None else self.at(until),
        )  # fmt: skip

    def price(self, stay_id):
        return find_paid(self.tx, stay_id, now=self.at(600)).dues.price.minor


@pytest.fixture
def driver(tx, now):
    return Driver(tx, now, "transfer")


@pytest.mark.parametrize(
    ("policy", "first", "second"),
    [("refund", 10_000, 15_000), ("keep", 20_000, 15_000), ("transfer", 20_000, 5_000)],
)
def test_unused_time_is_not_charged_or_kept_or_goes_along(tx, now, policy, first, second):
    """An hour at A of two that were paid; then from 11:10 to 12:20 at B: twenty minutes after the paid time."""
    one = Driver(tx, now, policy)
    one.leave(one.first, 60)
    again = one.enter("b", 70)
    one.leave(again, 140)
    assert (one.price(one.first), one.price(again)) == (first, second)


@pytest.mark.parametrize(
    ("place", "came", "went", "price"),
    [
        ("a", 61, 119, 0),  # the same place again
        ("b", 70, 120, 0),
        ("b", 70, 121, 5_000),
        ("b", 119, 149, 5_000),
        ("b", 120, 150, 5_000),  # the paid time has ended
        ("c", 70, 100, 9_000),  # another table
        ("d", 70, 100, 5_000),  # another operator
    ],
)
def test_it_goes_to_the_same_table_and_operator_until_it_ends(driver, place, came, went, price):
    driver.leave(driver.first, 60)
    again = driver.enter(place, came)
    driver.leave(again, went)
    assert driver.price(again) == price


def test_it_goes_with_the_plate_only(driver):
    driver.leave(driver.first, 60)
    other = driver.enter("b", 70, plate=uuid4())
    driver.leave(other, 100)
    assert driver.price(other) == 5_000


def test_a_third_stay_has_what_the_second_left(driver):
    driver.leave(driver.first, 30)
    second = driver.enter("b", 40)
    driver.leave(second, 60)
    third = driver.enter("a", 90)
    driver.leave(third, 130)
    assert [driver.price(each) for each in (driver.first, second, third)] == [20_000, 0, 5_000]


def test_paying_ahead_for_the_next_stay_costs_what_is_not_paid_yet(driver):
    driver.leave(driver.first, 60)
    again = driver.enter("b", 70)
    assert driver.pay(again, 10_000, at=70, until=180).dues.due == Money(0, VND)
    driver.leave(again, 180)
    assert driver.price(again) == 10_000


@pytest.mark.parametrize("kind", [EventKind.REFUNDED, EventKind.VOIDED])
def test_time_that_was_given_back_covers_nothing(driver, kind):
    driver.leave(driver.first, 60)
    again = driver.enter("b", 70)
    driver.leave(again, 100)
    assert driver.price(again) == 0
    correct(driver.tx, driver.first, kind, event_id=uuid4(), actor="t", now=driver.at(110))
    assert driver.price(again) == 5_000
    row = find_session(driver.tx, again, now=driver.at(120)).row
    assert row.charged_minor == 5_000, "billed again, not only shown"


@pytest.mark.parametrize(
    ("policy", "came", "first", "second"),
    [
        ("refund", 70, 15_000, 15_000),
        ("keep", 70, 20_000, 15_000),
        ("transfer", 70, 20_000, 5_000),
        ("refund", 130, 20_000, 5_000),
    ],
)
def test_who_moves_without_telling_has_left(tx, now, policy, came, first, second):
    """From A, where nobody told of the end, to B until 12:20 or 12:40: never a paid stay that costs nothing."""
    one = Driver(tx, now, policy)
    again = one.enter("b", came)
    one.leave(again, max(140, came + 30))
    assert (one.price(one.first), one.price(again)) == (first, second)
