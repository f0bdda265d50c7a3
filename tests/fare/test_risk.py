"""Exposure is bounded: tight from the limit on, open again at four fifths of it, and only the poor feel it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fare.rules.risk import Exposure, RiskLimits, RiskMode, may_tap, next_mode
from kernel.money import VND, Money

OPEN, TIGHT = RiskMode.OPEN, RiskMode.TIGHT


def vnd(minor):
    return Money(minor, VND)


LIMITS = RiskLimits(vnd(1_000_000), vnd(20_000))


@pytest.mark.parametrize(
    ("owed", "mode", "after"),
    [
        (0, OPEN, OPEN),
        (999_999, OPEN, OPEN),
        (1_000_000, OPEN, TIGHT),
        (1_000_000, TIGHT, TIGHT),
        (800_001, TIGHT, TIGHT),
        (800_000, TIGHT, OPEN),
        (900_000, OPEN, OPEN),
    ],
)
def test_the_mode_follows_what_is_owed(owed, mode, after):
    assert next_mode(vnd(owed), LIMITS, mode) is after


@given(st.integers(0, 10**12), st.sampled_from(RiskMode))
def test_without_a_limit_it_is_only_reported(owed, mode):
    limits = RiskLimits(None, vnd(20_000))
    assert next_mode(vnd(owed), limits, mode) is OPEN
    assert Exposure(vnd(owed), limits, OPEN).headroom is None


@pytest.mark.parametrize(
    ("available", "mode", "may"),
    [(0, OPEN, True), (19_999, TIGHT, False), (20_000, TIGHT, True), (0, TIGHT, False)],
)
def test_a_tap_offline_needs_the_dearest_ride_while_it_is_tight(available, mode, may):
    assert may_tap(vnd(available), LIMITS, mode) is may


@pytest.mark.parametrize(("owed", "left"), [(0, 1_000_000), (999_999, 1), (1_000_000, 0), (5_000_000, 0)])
def test_headroom_never_goes_below_nothing(owed, left):
    assert Exposure(vnd(owed), LIMITS, OPEN).headroom == vnd(left)


@given(st.lists(st.tuples(st.integers(0, 60_000), st.booleans()), max_size=200), st.integers(0, 15))
def test_new_debt_is_bounded_by_the_limit_and_one_ride_of_each_card_that_had_the_money(steps, cards):
    """Taps of many cards offline: from the limit on only those with the dearest ride's money get in."""
    owed, mode, late = 0, OPEN, 0
    for balance, denied in steps:
        mode = next_mode(vnd(owed), LIMITS, mode)
        if denied or not may_tap(vnd(balance), LIMITS, mode):
            continue
        short = max(0, LIMITS.cover.minor - balance)
        if mode is TIGHT:
            assert short == 0
        owed += short
        late = max(late, short)
    assert owed < LIMITS.total.minor + LIMITS.cover.minor
