"""A disputed charge that evidence changes afterwards: nothing is given back twice, and any order ends in the same money."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fare.bill import close_day
from kernel.ids import EntryId
from kernel.money import VND, Money
from kernel.wire.tap import Purpose
from ledger import accounts, dispute
from ledger.charges import find_charge
from ledger.follow_refunds import follow_refunds
from ledger.post import post
from ledger.rules import chart
from ledger.rules.dispute import DisputeAmountError, NotAChargeError, kept_minor, may_be_charge
from ledger.rules.entry import Entry, Line
from tests.linked import DAY, City
from tests.simulation import World

MAXIMUM, HOP, LOAD = 18_625, 8_595, 100_000  # HANOI.md: line 2A without a tap-off, and its first hop


@pytest.fixture
def city(tx, keyring, now):
    made = City(World(tx, keyring, now))
    made.load("card", LOAD)
    made.load("phone", LOAD)
    return made


def posted(city, spec):
    accounts.open_accounts(city.tx, (spec,), city.now)
    return accounts.read_balances(city.tx, (spec.account_id,), city.now)[spec.account_id].posted.minor


def goodwill(city):
    return posted(city, chart.goodwill())


def ridden(city, name="card"):
    """In at Cát Linh, and out one station on; both are signed, and reach us when a test sends them."""
    city.tap(name, 10, purpose=Purpose.BOARD, stop="2A-cat-linh", place="2A-cat-linh", route="2A")
    city.tap(name, 40, purpose=Purpose.ALIGHT, stop="2A-la-thanh", place="2A-la-thanh", route="2A")


def closed(city):
    """The day is over, so that the ride without its tap-off costs the most."""
    close_day(city.tx, DAY, books=city.shelf.books(city.tx), now=city.now + timedelta(days=1))


def refunded(city, minor, *, name="card"):
    """The rider disputes the ride, and so much is given back."""
    account = city.account(name)
    (tap,) = {key[1] for key, amount in city.booked(name).items() if amount > 0}
    made = dispute.raise_dispute(
        city.tx, account, dispute_id=uuid4(), cause=f"tap:{tap}", reason="not mine", by="rider:1", now=city.now
    )  # fmt: skip
    return dispute.answer(
        city.tx, account, made.row.dispute_id, refund=Money(minor, VND), note="ok", by="staff:1", now=city.now
    )


@pytest.mark.parametrize(
    ("refund", "stands"),
    [(MAXIMUM, HOP), (HOP + 1, HOP), (HOP, HOP), (5_000, 5_000), (1, 1)],
)
def test_a_late_tap_off_after_the_refund_ends_as_if_it_had_come_before(city, refund, stands):
    ridden(city)
    city.send(1, 1)
    closed(city)
    assert city.purse("card") == (LOAD - MAXIMUM, 0)
    answered = refunded(city, refund)
    assert (city.purse("card"), goodwill(city)) == ((LOAD - MAXIMUM + refund, 0), refund)
    city.send(2, 2)
    assert city.charged("card") == HOP
    assert (city.purse("card"), goodwill(city)) == ((LOAD - HOP + stands, 0), stands)
    seen = dispute.get_dispute(city.tx, city.account("card"), answered.row.dispute_id)
    assert (seen.charge.charged.minor, seen.charge.left.minor) == (HOP, HOP - stands)


def test_the_other_order_refuses_what_is_no_longer_charged_and_ends_in_the_same_money(city):
    ridden(city)
    city.send(1, 2)
    with pytest.raises(DisputeAmountError):
        refunded(city, MAXIMUM)
    account = city.account("card")
    (waiting,) = dispute.list_disputes(city.tx, account)
    dispute.answer(
        city.tx, account, waiting.dispute_id, refund=Money(HOP, VND), note="", by="s", now=city.now
    )
    assert (city.purse("card"), goodwill(city)) == ((LOAD, 0), HOP)


def test_the_operator_is_paid_what_the_ride_costs_whoever_pays(city):
    ridden(city)
    city.send(1, 1)
    closed(city)
    refunded(city, MAXIMUM)
    city.send(2, 2)
    paid = [posted(city, chart.operator_payable(operator, VND)) for operator in ("hanoi-metro", "transerco")]
    assert sum(paid) == HOP == goodwill(city)


def test_a_ride_disputed_with_the_phone_keeps_its_refund_when_it_comes_to_count_to_the_card(city):
    city.tap("phone", 10)
    city.send(1, 1)
    fare = city.charged("phone")
    refunded(city, fare, name="phone")
    city.link("phone", "card")
    assert (city.charged("phone"), city.charged("card")) == (0, fare)
    assert city.purse("card") == (2 * LOAD, 0)
    assert goodwill(city) == fare
    city.link("phone", "phone")
    assert (city.purse("phone"), city.purse("card")) == ((LOAD, 0), (LOAD, 0))
    assert goodwill(city) == fare


def test_the_same_bill_again_moves_nothing(city):
    ridden(city)
    city.send(1, 1)
    closed(city)
    refunded(city, MAXIMUM)
    city.send(2, 2)
    before = (city.purse("card"), goodwill(city))
    city.send(1, 2)
    closed(city)
    assert (city.purse("card"), goodwill(city)) == before


# The ledger alone: any changes of a charge, any refunds in between, in any order


changes = st.lists(st.tuples(st.sampled_from(["charge", "refund"]), st.integers(-9, 9)), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=changes)
def test_no_order_of_changes_and_refunds_gives_back_more_than_is_charged(city, steps):
    account, cause, charged, refunds = city.account("card"), f"tap:{uuid4()}", 0, 0
    payee, purse = chart.operator_payable("transerco"), chart.rider_stored_value(account)
    accounts.open_accounts(city.tx, (payee, purse), city.now)
    before, given_before = sum_of(city), goodwill(city)
    for kind, minor in steps:
        if kind == "charge" and minor and charged + minor >= 0:
            ends = (purse, payee) if minor > 0 else (payee, purse)
            entry = booked(city, account, cause, ends, abs(minor))
            follow_refunds(city.tx, [entry], now=city.now)
            assert not follow_refunds(city.tx, [entry], now=city.now), "the same again changes nothing"
            charged += minor
        elif kind == "refund" and 0 < minor <= charged - kept_minor(refunds, charged):
            raised = dispute.raise_dispute(
                city.tx, account, dispute_id=uuid4(), cause=cause, reason="x", by="rider", now=city.now
            )
            dispute.answer(
                city.tx, account, raised.row.dispute_id, refund=Money(minor, VND), note="x", by="s", now=city.now
            )  # fmt: skip
            refunds += minor
        stands = kept_minor(refunds, charged)
        assert goodwill(city) - given_before == stands <= charged
        assert before - sum_of(city) == charged - stands >= 0


def booked(city, account, cause, ends, minor, now=None):
    line = Line(ends[0].account_id, ends[1].account_id, Money(minor, VND))
    entry = Entry(EntryId(uuid4()), "fare.charged", (line,), account, DAY, city.now, cause)
    post(city.tx, (entry,), now or city.now)
    return entry


def sum_of(city):
    stored, owed = city.purse("card")
    return stored - owed


@pytest.mark.parametrize(
    ("cause", "charge"),
    [
        ("tap:1", True), ("stay:1", True), ("pass:1", True), ("right:1", True), ("", True),
        ("move:1", False), ("refund:1", False), ("dispute:1", False), ("goodwill:1", False),
    ],
)  # fmt: skip
def test_a_riders_own_money_moving_is_no_charge(cause, charge):
    assert may_be_charge(cause) is charge


def test_money_that_moved_to_another_rider_cannot_be_disputed(city):
    city.link("phone", "card")
    (moved,) = city.tx.exec_driver_sql("SELECT entry_id FROM ledger_line WHERE kind = 'link.given'").scalars()
    with pytest.raises(NotAChargeError):
        dispute.raise_dispute(
            city.tx, city.account("phone"), dispute_id=uuid4(), entry_id=UUID(str(moved)), reason="x",
            by="rider", now=city.now,
        )  # fmt: skip


def test_a_ride_that_grew_dearer_is_one_charge_of_several_entries(city):
    account, cause = city.account("card"), f"tap:{uuid4()}"
    payee, purse = chart.operator_payable("transerco"), chart.rider_stored_value(account)
    accounts.open_accounts(city.tx, (payee, purse), city.now)
    first = booked(city, account, cause, (purse, payee), 8_000)
    second = booked(city, account, cause, (purse, payee), 2_000, city.now + timedelta(hours=1))
    for named in ({"cause": cause}, {"entry_id": first.entry_id}, {"entry_id": second.entry_id}):
        charge = find_charge(city.tx, account, **named)
        assert charge is not None
        assert (charge.entry_id, charge.left.minor) == (first.entry_id, 10_000)
