"""Netting: everybody ends at nothing, in at most one payment less than they are, and in the fewest there can be."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.rules.netting import EXACT, Transfer, UnbalancedPositionsError, net


def balanced(amounts: list[int]) -> dict[str, int]:
    names = [f"op{n:02}" for n in range(len(amounts))]
    positions = dict(zip(names, amounts, strict=True))
    return {**positions, "centre": -sum(amounts)}


def left_over(positions: dict[str, int], made: tuple[Transfer, ...]) -> dict[str, int]:
    left = dict(positions)
    for one in made:
        left[one.payer] += one.minor
        left[one.payee] -= one.minor
    return {name: minor for name, minor in left.items() if minor}


def most_zero_groups(values: tuple[int, ...]) -> int:
    """Brute force: the most groups that each sum to nothing, over every way to take one group out."""
    if not values:
        return 0
    first, rest = values[0], values[1:]
    most = 0
    for size in range(len(rest) + 1):
        for chosen in combinations(range(len(rest)), size):
            if first + sum(rest[n] for n in chosen) == 0:
                others = tuple(rest[n] for n in range(len(rest)) if n not in chosen)
                most = max(most, 1 + most_zero_groups(others))
    return most


@pytest.mark.parametrize(
    ("positions", "payments"),
    [
        ({}, ()),
        ({"a": 0, "centre": 0}, ()),
        ({"a": 5, "centre": -5}, (("centre", "a", 5),)),
        ({"a": -5, "centre": 5}, (("a", "centre", 5),)),
        ({"a": 5, "b": 7, "centre": -12}, (("centre", "a", 5), ("centre", "b", 7))),
        # An operator that owes pays another directly: two payments, not three.
        ({"a": 5, "b": -5, "c": 7, "centre": -7}, (("b", "a", 5), ("centre", "c", 7))),
        # Largest first would take three: 6 to 4 and 2, then 5 to 5.
        ({"a": 4, "b": 5, "c": 2, "x": -6, "y": -5}, (("x", "a", 4), ("x", "c", 2), ("y", "b", 5))),
    ],
)
def test_payments(positions, payments):
    assert net(positions) == tuple(Transfer(*one) for one in payments)


@pytest.mark.parametrize("positions", [{"a": 1}, {"a": 1, "b": -2}])
def test_positions_that_do_not_balance_are_refused(positions):
    with pytest.raises(UnbalancedPositionsError):
        net(positions)


@given(st.lists(st.integers(-6, 6), max_size=7))
def test_fewest_by_brute_force(amounts):
    positions = balanced(amounts)
    made = net(positions)
    open_ = tuple(minor for minor in positions.values() if minor)
    assert not left_over(positions, made)
    assert len(made) == len(open_) - most_zero_groups(open_)


@settings(max_examples=60)
@given(st.lists(st.integers(-(10**12), 10**12), max_size=60))
def test_sums_are_right_and_payments_less_than_positions(amounts):
    positions = balanced(amounts)
    made = net(positions)
    open_ = [name for name, minor in positions.items() if minor]
    assert not left_over(positions, made)
    assert len(made) <= max(0, len(open_) - 1)
    assert all(one.minor > 0 for one in made)
    assert not {one.payer for one in made} & {one.payee for one in made}
    assert net(dict(reversed(positions.items()))) == made


def test_many_positions_still_cancel_in_pairs():
    amounts = [*range(1, 30), *range(-29, 0)]
    positions = balanced(amounts)
    assert len(positions) > EXACT
    assert len(net(positions)) == 29
