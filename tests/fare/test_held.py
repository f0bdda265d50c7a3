"""Passes and entitlements of a linked account count where it counts, for as long as it does."""

import itertools
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fare.rules.facts import Entitlement, HeldPass
from fare.rules.held import entitlement_during, pass_during
from kernel.wire.cardinfo import Concession

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
T0 = datetime(2026, 11, 18, tzinfo=UTC)


def hour(n):
    return None if n is None else T0 + timedelta(hours=n)


def held(first, last):
    return HeldPass(UUID(int=1), "month", "", hour(first), hour(last))


@pytest.mark.parametrize(
    ("since", "until", "left"),
    [
        (None, None, (0, 10)),
        (5, None, (5, 10)),
        (None, 5, (0, 5)),
        (3, 7, (3, 7)),
        (-5, 20, (0, 10)),
        (10, None, None),
        (None, 0, None),
        (11, 20, None),
        (5, 5, None),
    ],
)
def test_a_pass_is_cut_to_the_link(since, until, left):
    cut = pass_during(held(0, 10), hour(since), hour(until))
    assert cut == (None if left is None else held(*left))


D = date


@pytest.mark.parametrize(
    ("since", "until", "first", "last"),
    [
        (None, None, D(2026, 11, 1), D(2026, 11, 30)),
        (0, None, D(2026, 11, 18), D(2026, 11, 30)),  # 07:00 in Hanoi: the whole date counts
        (17, None, D(2026, 11, 19), D(2026, 11, 30)),  # midnight in Hanoi
        (None, 16, D(2026, 11, 1), D(2026, 11, 18)),
        (None, 17, D(2026, 11, 1), D(2026, 11, 18)),  # parted at midnight: the date before is its last
        (None, 18, D(2026, 11, 1), D(2026, 11, 19)),
        (0, 1, D(2026, 11, 18), D(2026, 11, 18)),
    ],
)
def test_an_entitlement_is_cut_to_the_dates_of_the_link(since, until, first, last):
    proven = Entitlement(Concession.FREE_SENIOR, D(2026, 11, 1), D(2026, 11, 30))
    assert entitlement_during(proven, hour(since), hour(until), HANOI) == Entitlement(
        Concession.FREE_SENIOR, first, last
    )


@pytest.mark.parametrize(("since", "until"), [(24 * 13, None), (None, -24 * 18)])
def test_an_entitlement_outside_the_link_does_not_count(since, until):
    proven = Entitlement(Concession.FREE_SENIOR, D(2026, 11, 1), D(2026, 11, 30))
    assert entitlement_during(proven, hour(since), hour(until), HANOI) is None


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=5, unique=True), st.integers(-60, 60))
def test_cut_at_any_instants_a_pass_covers_what_it_covered(cuts, at):
    whole, edges = held(-20, 30), [None, *map(hour, sorted(cuts)), None]
    parts = [pass_during(whole, since, until) for since, until in itertools.pairwise(edges)]
    instant = hour(at)
    covering = [part for part in parts if part and part.valid_from <= instant < part.valid_until]
    assert len(covering) == (1 if whole.valid_from <= instant < whole.valid_until else 0)
