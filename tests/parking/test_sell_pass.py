"""Rights sold and given: what stays cost with them, what operators are owed, and pools that come out even."""

import random
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.ids import uuid8
from kernel.money import VND, Money
from kernel.wire.tap import Purpose
from parking.bill import bill_stays
from parking.book_right import BalanceTooLowError
from parking.enter import Entering, enter, leave
from parking.pay import find_paid, pay
from parking.pools import even_pools, open_pool
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, read_rate_dir
from parking.rules.payment import Method, PaymentAmountError
from parking.rules.pool import PoolStay, covered_stays
from parking.sell_pass import (
    Assigning,
    RightEndedError,
    RightHolderError,
    RightIdReusedError,
    RightTimesError,
    UnknownRightError,
    assign,
    end,
)
from parking.sessions import UnknownSessionError
from parking.settle_lines import settle_lines
from parking.store import stays as stay_store
from tests.parking.conftest import TWO, balances, own_till, store_taps

MINUTE = timedelta(minutes=1)
PRODUCTS = b"""spec_id,kind,name,place_id,vehicle_class,price,currency,minutes,percent,funder,hours_from,hours_to
month,season_pass,Thang,dong-da,car_le9,310000,VND,0,0,,,
shop,coupon,Cua hang,dong-da,car_le9,0,VND,60,0,shop,,
free,permit,Mien phi,dong-da,car_le9,0,VND,0,0,,,
"""


@pytest.fixture
def products(tx, now):
    """Hanoi's rates with three products for Đống Đa."""
    files = {**read_rate_dir(HANOI), "right_specifications.csv": PRODUCTS}
    early = now - timedelta(days=100)
    publish_rates(tx, files, effective_at=early, **TWO, now=early)


def asking(now, account=None, **changes):
    known = {
        "right_id": uuid4(),
        "spec_id": "month",
        "place_id": "dong-da-01",
        "valid_from": now,
        "valid_to": now + timedelta(days=31),
        "account": account,
    }
    return Assigning(**{**known, **changes})


def parked(tx, holder, start, end_):
    taps = [holder.tap(Purpose.PARK_IN, start), holder.tap(Purpose.PARK_OUT, end_)]
    store_taps(tx, taps)
    return bill_stays(tx, taps, now=end_).stays[-1]


def test_a_season_pass_is_paid_once_and_covers_stays(tx, products, issue, now):
    holder = issue(400_000)
    asked = asking(now, holder.account)
    assert not assign(tx, asked, actor="t", now=now).again
    assert assign(tx, asked, actor="t", now=now).again
    assert balances(tx, holder.account, now) == (90_000, 0, 310_000)
    row = parked(tx, holder, now + MINUTE, now + 61 * MINUTE)
    assert (row.total_minor, row.charged_minor) == (25_000, 0)
    assert balances(tx, holder.account, now) == (90_000, 0, 310_000)
    before = parked(tx, issue(100_000), now, now + 60 * MINUTE)
    assert before.charged_minor == 25_000
    (line,) = settle_lines(tx, now.date()).lines
    assert (line.trips, line.collected.minor, line.pass_covered.minor) == (2, 335_000, row.total_minor)


def test_what_is_left_of_a_pass_is_given_back(tx, products, issue, now):
    holder = issue(310_000)
    asked = asking(now, holder.account)
    assign(tx, asked, actor="t", now=now)
    later = now + timedelta(days=21)
    ended = end(tx, asked.right_id, note="moved", actor="t", now=later)
    assert (ended.ended.refund_minor, end(tx, asked.right_id, note="x", actor="t", now=later).again) == (
        100_000,
        True,
    )
    assert balances(tx, holder.account, later) == (100_000, 0, 210_000)
    assert parked(tx, holder, later + MINUTE, later + 61 * MINUTE).charged_minor == 25_000


def test_a_pass_that_has_run_out_is_not_given_back(tx, products, issue, now):
    asked = asking(now, issue(310_000).account)
    assign(tx, asked, actor="t", now=now)
    with pytest.raises(RightEndedError):
        end(tx, asked.right_id, note="x", actor="t", now=asked.valid_to)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"spec_id": "nothing"}, UnknownRightError),
        ({"place_id": "hoan-kiem-01"}, UnknownRightError),
        ({"spec_id": "shop"}, RightHolderError),
        ({"stay_id": uuid4()}, RightHolderError),
        ({"account": None, "subject": uuid4()}, RightHolderError),
        ({"subject": uuid4(), "till": "t"}, RightHolderError),
        ({"pool_id": uuid4()}, UnknownRightError),
        ({"days": 0}, RightTimesError),
        ({"days": 401}, RightTimesError),
        ({"late": 1}, RightTimesError),
        ({"poor": True}, BalanceTooLowError),
    ],
)
def test_a_right_is_refused(tx, products, issue, now, changes, refusal):
    changes = dict(changes)
    holder = issue(309_999 if changes.pop("poor", False) else 310_000)
    start = now - MINUTE * changes.pop("late", 0)
    asked = asking(
        now,
        **{
            "account": holder.account,
            "valid_from": start,
            "valid_to": start + timedelta(days=changes.pop("days", 31)),
            **changes,
        },
    )
    with pytest.raises(refusal):
        assign(tx, asked, actor="t", now=now)
    if refusal is not BalanceTooLowError:  # the service rolls that one back
        assert balances(tx, holder.account, now)[2] == 0


def test_a_right_id_tells_of_one_right(tx, products, issue, now):
    asked = asking(now, issue(310_000).account)
    assign(tx, asked, actor="t", now=now)
    with pytest.raises(RightIdReusedError):
        assign(tx, asking(now, asked.account, right_id=asked.right_id, till="t"), actor="t", now=now)


MINUTES = st.integers(0, 60)


@given(
    st.lists(st.tuples(MINUTES, st.none() | st.integers(1, 30)), max_size=12),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_a_pool_never_covers_more_than_its_spaces(stays, spaces, dice: random.Random):
    start = datetime.fromisoformat("2026-11-18T09:00+07:00")
    made = [
        PoolStay(
            UUID(int=number),
            start + MINUTE * at,
            None if length is None else start + MINUTE * (at + length),
        )
        for number, (at, length) in enumerate(stays)
    ]
    covered = covered_stays(made, spaces)
    shuffled = list(made)
    dice.shuffle(shuffled)
    assert covered_stays(shuffled, spaces) == covered
    for minute in range(95):
        at = start + MINUTE * minute + timedelta(seconds=1)
        inside = [
            each for each in made if each.entered_at <= at and (each.left_at is None or each.left_at > at)
        ]
        held = [each for each in inside if each.stay_id in covered]
        assert len(held) <= spaces
    if len(made) <= spaces:
        assert covered == {each.stay_id for each in made}


def test_a_pool_gives_its_spaces_to_who_came_first_in_whatever_order_it_is_told(tx, products, issue, now):
    pool_id = uuid8("pool", str(now))
    open_pool(tx, pool_id, place_id="dong-da-01", name="Công ty A", spaces=1, actor="t", now=now)
    one, two = issue(310_000), issue(310_000)
    for holder in (one, two):
        assign(tx, asking(now, holder.account, pool_id=pool_id), actor="t", now=now)
    late = [one.tap(Purpose.PARK_IN, now + MINUTE), one.tap(Purpose.PARK_OUT, now + 50 * MINUTE)]
    second = parked(tx, two, now + 10 * MINUTE, now + 40 * MINUTE)
    assert second.charged_minor == 0  # nobody else is known to be in
    store_taps(tx, late)
    first = bill_stays(tx, late, now=now + 60 * MINUTE).stays[-1]
    assert first.charged_minor == 0
    assert even_pools(tx, now=now + 60 * MINUTE) == 1
    assert even_pools(tx, now=now + 60 * MINUTE) == 0
    again = stay_store.find_stay(tx, second.stay_id)
    assert again.charged_minor == 25_000


def test_a_shops_coupon_helps_one_stay_and_the_shop_owes_it(tx, products, issue, now):
    holder = issue(100_000)
    row = parked(tx, holder, now, now + 120 * MINUTE)
    assert row.charged_minor == 50_000
    coupon = asking(now, None, spec_id="shop", stay_id=row.stay_id)
    assign(tx, coupon, actor="t", now=now + 120 * MINUTE)
    assert balances(tx, holder.account, now) == (75_000, 0, 25_000)
    (line,) = settle_lines(tx, now.date()).lines
    assert (line.collected.minor - line.refunded.minor, line.discounted.minor) == (25_000, 25_000)


@pytest.mark.parametrize(
    ("place_id", "vehicle_class", "refusal"),
    [
        ("hoan-kiem-01", "car_le9", UnknownSessionError),
        ("dong-da-02", "car_le9", RightHolderError),
        ("dong-da-01", "truck_lt2t", RightHolderError),
    ],
)
def test_a_coupon_is_for_a_stay_of_who_gives_it_where_it_holds(
    tx, two_parks, now, place_id, vehicle_class, refusal
):
    asked = Entering(
        event_id=uuid4(), place_id=place_id, vehicle_class=vehicle_class, subject=uuid4(), at=now
    )
    stay_id = enter(tx, asked, actor="t", now=now).row.stay_id
    with pytest.raises(refusal):
        assign(tx, asking(now, None, spec_id="shop-01", stay_id=stay_id), actor="t", now=now)


@pytest.fixture
def two_parks(tx, now):
    """Đống Đa with a second park, and a coupon of the first alone."""
    files = dict(read_rate_dir(HANOI))
    lines = files["places.csv"].decode().splitlines()
    first = next(each for each in lines if each.startswith("dong-da-01,"))
    files["places.csv"] = "\n".join([*lines, first.replace("dong-da-01", "dong-da-02", 1), ""]).encode()
    files["right_specifications.csv"] = (
        PRODUCTS + b"shop-01,coupon,Cua hang,dong-da-01,car_le9,0,VND,60,0,shop,,\n"
    )
    early = now - timedelta(days=100)
    publish_rates(tx, files, effective_at=early, **TWO, now=early)


def test_a_pool_is_of_the_operator_who_sells_into_it(tx, products, issue, now):
    pool_id = uuid4()
    open_pool(tx, pool_id, place_id="hoan-kiem-01", name="Công ty B", spaces=1, actor="t", now=now)
    with pytest.raises(UnknownRightError):
        assign(tx, asking(now, issue(400_000).account, pool_id=pool_id), actor="t", now=now)


def test_a_guest_who_pays_ahead_pays_what_a_shops_coupon_leaves(tx, products, now):
    asked = Entering(
        event_id=uuid4(), place_id="dong-da-01", vehicle_class="car_le9", subject=uuid4(), at=now
    )
    stay_id = enter(tx, asked, actor="t", now=now).row.stay_id
    assign(tx, asking(now, None, spec_id="shop", stay_id=stay_id), actor="t", now=now)
    until = now + 120 * MINUTE
    own_till(tx, "dd-1", now)
    paying = {"payment_id": uuid4(), "method": Method.CASH, "till": "dd-1", "actor": "t", "until": until}
    with pytest.raises(PaymentAmountError):
        pay(tx, stay_id, amount=Money(25_001, VND), now=now + MINUTE, **paying)
    paid = pay(tx, stay_id, amount=Money(25_000, VND), now=now + MINUTE, **paying)
    assert paid.session.asked.charged() == Money(0, VND), "the first hour is the shop's"
    leave(tx, stay_id, event_id=uuid4(), at=until, actor="t", now=until)
    paid = find_paid(tx, stay_id, now=until)
    assert (paid.dues.due, paid.dues.credit) == (Money(0, VND), Money(0, VND))


def test_a_right_that_ends_before_it_begins_is_told_so(tx, products, issue, now):
    asked = asking(now, issue(400_000).account, valid_from=now + MINUTE, valid_to=now)
    with pytest.raises(RightTimesError, match=r"\+07:00: it would end before it begins"):
        assign(tx, asked, actor="t", now=now)
