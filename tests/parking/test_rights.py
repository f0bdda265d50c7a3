"""Passes cover hours and coupons take off, and never more than a stay costs."""

from datetime import datetime, time, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.ids import uuid8
from kernel.money import VND, Money
from parking.rules.bill import Component, price_stay
from parking.rules.right import AssignedRight, RightKind, RightSpecification
from parking.rules.session import EventKind
from tests.parking.books import book
from tests.parking.test_session import IN, OUT, event

DAY = datetime.fromisoformat("2026-11-18T00:00+07:00")


def right(kind, *, stay_id=None, number=0, start=DAY, days=30, **spec):
    facts = {
        "spec_id": kind.value,
        "name": "",
        "place_id": "dong-da",
        "vehicle_class": "",
        "price": Money.zero(VND),
    }
    return AssignedRight(
        right_id=uuid8("right", str(number)),
        spec=RightSpecification(kind=kind, **{**facts, **spec}),
        valid_from=start,
        valid_to=start + timedelta(days=days),
        assigned_at=DAY + timedelta(minutes=number),
        stay_id=stay_id,
    )


def parts(minutes, *rights):
    """(charged, discounted, pass-covered) of a stay from 09:00."""
    bill = price_stay([event(IN, 0, 1), event(OUT, minutes, 2)], book("hanoi"), rights)
    found = dict.fromkeys(Component, 0)
    for line in bill.lines:
        found[line.component] += line.amount.minor
    assert sum(found.values()) == bill.quote.total.minor
    assert all(line.amount.minor >= 0 for line in bill.lines)
    return tuple(found.values())


COUPON, PASS = RightKind.COUPON, RightKind.SEASON_PASS


@pytest.mark.parametrize(
    ("minutes", "rights", "expected"),
    [
        (300, [], (165_000, 0, 0)),
        (300, [right(PASS)], (0, 0, 165_000)),
        (300, [right(PASS, place_id="hanoi")], (0, 0, 165_000)),
        (300, [right(PASS, place_id="hoan-kiem-01")], (165_000, 0, 0)),
        (300, [right(PASS, vehicle_class="motorbike")], (165_000, 0, 0)),
        (300, [right(PASS, start=DAY - timedelta(days=40))], (165_000, 0, 0)),
        (
            300,
            [right(PASS, hours_from=time(6), hours_to=time(12))],
            (50_000, 0, 115_000),
        ),  # 12:00–14:00 is left
        (300, [right(PASS, hours_from=time(22), hours_to=time(6))], (165_000, 0, 0)),
        (300, [right(PASS, hours_from=time(22), hours_to=time(10))], (120_000, 0, 45_000)),
        (300, [right(COUPON, minutes=60, funder="shop")], (120_000, 45_000, 0)),
        (300, [right(COUPON, minutes=400, funder="shop")], (0, 165_000, 0)),
        (300, [right(COUPON, percent_millionths=100_000)], (148_500, 16_500, 0)),
        (300, [right(COUPON, table_id="hoan-kiem-other-car", funder="shop")], (150_000, 15_000, 0)),
        (
            300,
            [right(COUPON, minutes=60), right(COUPON, number=1, percent_millionths=500_000)],
            (60_000, 105_000, 0),
        ),
        (300, [right(COUPON, minutes=60, stay_id=uuid4())], (165_000, 0, 0)),
        (300, [right(COUPON, minutes=60), right(PASS, number=1)], (0, 0, 165_000)),
    ],
)
def test_what_rights_take_off(minutes, rights, expected):
    assert parts(minutes, *rights) == expected
    assert parts(minutes, *reversed(rights)) == expected


def test_a_coupon_stamped_on_this_stay_helps_it():
    stay_id = price_stay([event(IN, 0, 1)], book("hanoi")).stay.stay_id
    assert parts(300, right(COUPON, minutes=60, stay_id=stay_id)) == (120_000, 45_000, 0)


@given(
    st.integers(0, 4_000),
    st.integers(0, 23),
    st.integers(0, 23),
    st.integers(0, 2_000_000),
    st.integers(0, 600),
)
def test_rights_never_take_more_than_a_stay_costs(minutes, opens, closes, millionths, free):
    parts(
        minutes,
        right(PASS, hours_from=time(opens), hours_to=time(closes)),
        right(COUPON, number=1, percent_millionths=millionths),
        right(COUPON, number=2, minutes=free),
    )


def test_an_open_stay_has_no_bill_yet():
    bill = price_stay([event(IN, 0, 1), event(EventKind.PAID, 1, until=60)], book("hanoi"), [right(PASS)])
    assert (bill.lines, bill.quote) == ((), None)
