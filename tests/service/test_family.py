"""A family's payer pays what a ride exceeds the member's balance by, in the transaction that bills it."""

from uuid import uuid4

import pytest

from access import deny, family
from access.deny import DenyReason
from kernel.wire.tap import Purpose
from ledger import statement
from ledger.rules import chart
from tests.linked import DAY, City
from tests.simulation import World


@pytest.fixture
def city(tx, keyring, now):
    return City(World(tx, keyring, now))


def agree(city, limit, payer="card", wallet=None):
    return family.record(
        city.tx,
        wallet_id=wallet or uuid4(),
        member=city.account("phone"),
        payer=city.account(payer) if payer else None,
        month_limit=limit,
        actor="mai",
        now=city.now,
    )


def ride(city, first):
    city.tap("phone", 10 * first, purpose=Purpose.BOARD)
    city.tap("phone", 10 * first + 5, purpose=Purpose.ALIGHT, stop="26-04")
    city.send(first, first + 1)


def denied(city, name="phone"):
    return deny.reasons(city.tx, city.media[name].serial)


def test_the_payer_pays_and_the_member_rides_on(city):
    city.load("card", 50_000)
    city.load("phone", 1_000)
    agree(city, 100_000)
    ride(city, 1)
    fare = city.charged("phone")
    assert fare > 1_000
    assert city.purse("phone") == (0, 0)
    assert city.purse("card") == (50_000 - (fare - 1_000), 0)
    assert denied(city) == ()


def test_past_the_months_limit_the_member_owes_and_is_denied(city):
    city.load("card", 50_000)
    agree(city, 3_000)
    ride(city, 1)
    fare = city.charged("phone")
    assert city.purse("phone") == (0, fare - 3_000)
    assert city.purse("card") == (47_000, 0)
    assert denied(city) == (DenyReason.DEBT,)
    assert denied(city, "card") == ()


@pytest.mark.parametrize("limit", [0, 100_000])
def test_a_payer_without_money_or_a_limit_of_nothing_pays_nothing(city, limit):
    if not limit:
        city.load("card", 50_000)
    agree(city, limit)
    ride(city, 1)
    assert city.purse("phone") == (0, city.charged("phone"))
    assert denied(city) == (DenyReason.DEBT,)


def test_an_ended_wallet_pays_no_more(city):
    city.load("card", 50_000)
    agree(city, 100_000)
    agree(city, 0, payer=None)
    ride(city, 1)
    assert city.purse("card") == (50_000, 0)


def test_the_payers_statement_names_no_place(city):
    city.load("card", 50_000)
    agree(city, 100_000)
    ride(city, 1)
    account = chart.rider_stored_value(city.account("card")).account_id
    lines = statement.statement(city.tx, account, first=DAY, last=DAY).lines
    (paid,) = [line.row for line in lines if line.row.kind.startswith("family")]
    assert paid.kind == "family.given"
    told = f"{paid.cause} {paid.narrative} {paid.metadata}"
    for secret in ("26-01", "26-04", "29B-101.26", str(city.account("phone"))):
        assert secret not in told
