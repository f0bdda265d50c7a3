"""Pass money: earned over time or by rides, shared by what was ridden, all of it in the end and never more."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fare.rules.earn import PassMoney, earned_minor, share_out
from fare.rules.sales import EarnedBy
from kernel.money import VND, Money

FIRST = date(2026, 11, 18)
MONTH = PassMoney(280_000, FIRST, FIRST + timedelta(days=29), EarnedBy.TIME)


@pytest.mark.parametrize(
    ("sold", "day", "earned"),
    [
        (MONTH, -1, 0),
        (MONTH, 0, 9_333),  # 280,000 / 30, rounded down
        (MONTH, 2, 28_000),
        (MONTH, 28, 270_666),
        (MONTH, 29, 280_000),  # the last day earns the rest
        (MONTH, 400, 280_000),
        (PassMoney(40_000, FIRST, FIRST, EarnedBy.TIME), -1, 0),
        (PassMoney(40_000, FIRST, FIRST, EarnedBy.TIME), 0, 40_000),
        (PassMoney(100_000, FIRST, FIRST + timedelta(days=6), EarnedBy.RIDES, 30_000), 3, 30_000),
        (PassMoney(100_000, FIRST, FIRST + timedelta(days=6), EarnedBy.RIDES, 130_000), 3, 100_000),
        (PassMoney(100_000, FIRST, FIRST + timedelta(days=6), EarnedBy.RIDES, -5), 3, 0),
        (PassMoney(100_000, FIRST, FIRST + timedelta(days=6), EarnedBy.RIDES, 0), 6, 100_000),
        (PassMoney(280_000, FIRST, FIRST + timedelta(days=29), EarnedBy.TIME, 0, 200_000), 0, 80_000),
        (PassMoney(280_000, FIRST, FIRST + timedelta(days=29), EarnedBy.TIME, 0, 280_000), 9, 0),
    ],
)
def test_earned_through_a_day(sold, day, earned):
    assert earned_minor(sold, FIRST + timedelta(days=day)) == earned


@given(st.integers(0, 10**9), st.integers(1, 400), st.sampled_from(EarnedBy), st.lists(st.integers(0, 10**8)))
def test_earning_never_falls_and_ends_at_the_price(price, days, by, rides):
    last = FIRST + timedelta(days=days - 1)
    seen = []
    for n in range(-1, days + 2):
        sold = PassMoney(price, FIRST, last, by, sum(rides[: n + 1]) if n >= 0 else 0)
        seen.append(earned_minor(sold, FIRST + timedelta(days=n)))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, price)


ROUTES = st.tuples(st.sampled_from("ab"), st.sampled_from(["01", "02"]))


@given(st.integers(-(10**9), 10**9), st.dictionaries(ROUTES, st.integers(-5, 10**6)))
def test_shares_sum_to_the_whole_and_nobody_pays(earned, ridden):
    shares = share_out(Money(earned, VND), ridden)
    assert sum(part.minor for _, _, part in shares.parts) + shares.unridden.minor == earned
    assert all(part.minor > 0 and ridden[route] == weight > 0 for route, weight, part in shares.parts)
    assert sum(part.minor for part in shares.by_operator.values()) == earned - shares.unridden.minor
