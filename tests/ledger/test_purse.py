"""What a rider pays and owes: the floor is absolute, and a refund lowers the debt first (DESIGN §8.8)."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.ids import LedgerAccountId
from kernel.money import VND, Money
from ledger.rules.purse import Purse, fund_charge, fund_refund

STORED, OWED, PAYEE = (LedgerAccountId(UUID(int=n)) for n in (1, 2, 3))


def vnd(minor: int) -> Money:
    return Money(minor, VND)


@pytest.mark.parametrize(
    ("amount", "available", "paid", "owed"),
    [
        (12_000, 50_000, 12_000, 0),
        (12_000, 12_000, 12_000, 0),
        (12_000, 11_999, 11_999, 1),
        (12_000, 0, 0, 12_000),
        (12_000, -5, 0, 12_000),
    ],
)
def test_a_charge_takes_what_the_floor_leaves_and_owes_the_rest(
    amount: int, available: int, paid: int, owed: int
) -> None:
    funding = fund_charge(vnd(amount), vnd(available))
    assert (funding.stored.minor, funding.owed.minor) == (paid, owed)


@pytest.mark.parametrize(
    ("amount", "debt", "to_balance", "lowered"),
    [(12_000, 0, 12_000, 0), (12_000, 12_000, 0, 12_000), (12_000, 5_000, 7_000, 5_000), (1, 9, 0, 1)],
)
def test_a_refund_lowers_the_debt_first(amount: int, debt: int, to_balance: int, lowered: int) -> None:
    funding = fund_refund(vnd(amount), vnd(debt))
    assert (funding.stored.minor, funding.owed.minor) == (to_balance, lowered)


@given(st.integers(0, 100_000), st.lists(st.tuples(st.booleans(), st.integers(1, 50_000)), max_size=12))
def test_a_purse_never_passes_its_floor_and_every_line_is_accounted_for(
    available: int, steps: list[tuple[bool, int]]
) -> None:
    purse = Purse(STORED, OWED, vnd(available), vnd(0))
    paid = 0
    for charge, minor in steps:
        if not charge and paid < minor:
            continue
        lines = (purse.charge if charge else purse.refund)(vnd(minor), PAYEE)
        assert sum(line.amount.minor for line in lines) == minor
        paid += minor if charge else -minor
        assert purse.available.minor >= 0
        assert purse.debt.minor >= 0
        assert available - purse.available.minor + purse.debt.minor == paid
