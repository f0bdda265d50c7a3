"""Guests pay: what is due, twice sent once booked, ahead and unused, and the operator is owed what was paid."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.ids import uuid8
from kernel.money import VND, Money, currency
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from parking.enter import Entering, enter, leave
from parking.pay import ask, find_paid, pay, pay_back
from parking.rules.bill import BillKey, Component
from parking.rules.difference import Difference, affordable
from parking.rules.payment import (
    EndedError,
    Method,
    NotAGuestError,
    NotEndedError,
    PaymentAmountError,
    PaymentIdReusedError,
    check_payment,
    dues,
)
from parking.rules.session import EventKind
from parking.sessions import lock_session, tell
from parking.settle_lines import settle_lines
from tests.parking.conftest import own_till

PLACE = "dong-da-01"


def vnd(minor: int) -> Money:
    return Money(minor, VND)


@pytest.mark.parametrize(
    ("price", "paid", "due", "credit"),
    [(100, 0, 100, 0), (100, 40, 60, 0), (100, 100, 0, 0), (100, 130, 0, 30), (0, 0, 0, 0), (0, 5, 0, 5)],
)
def test_dues(price, paid, due, credit):
    found = dues(vnd(price), vnd(paid))
    assert (found.due.minor, found.credit.minor) == (due, credit)


@pytest.mark.parametrize("amount", [vnd(0), vnd(-1), vnd(101), Money(50, currency("USD"))])
def test_an_amount_is_refused(amount):
    with pytest.raises(PaymentAmountError):
        check_payment(amount, vnd(100))


def difference(component: Component, minor: int, stays: int = 0) -> Difference:
    return Difference(BillKey(component, "o", "", f"r{minor}"), minor, stays, None)


@given(st.lists(st.integers(-500, 500)), st.integers(0, 500), st.booleans())
def test_a_guest_is_never_charged_beyond_what_was_paid_in(minors, available, covered):
    component = Component.PASS_COVERED if covered else Component.CHARGED
    found = tuple(sorted((difference(component, each) for each in minors), key=lambda each: each.minor))
    kept = affordable(found, available)
    if covered:
        assert [each.minor for each in kept] == [each.minor for each in found if each.minor]
    else:
        assert sum(each.minor for each in kept) <= available
        assert [each.minor for each in kept if each.minor < 0] == [m for m in sorted(minors) if m < 0]


@dataclass
class Guest:
    """One guest's stay and the tools to move it."""

    tx: object
    row: object
    now: datetime

    def leave(self, hours=0):
        at = self.now + timedelta(hours=hours)
        leave(self.tx, self.row.stay_id, event_id=uuid4(), at=at, actor="t", now=at)

    def pay(self, minor, *, verb=pay, payment_id=None, at=None, method=Method.CASH, **more):
        return verb(
            self.tx,
            self.row.stay_id,
            payment_id=payment_id or uuid4(),
            method=method,
            amount=vnd(minor),
            till="gate-1",
            actor="t",
            now=at or self.now,
            **more,
        )

    def books(self):
        """Return (stay's purse, till, due to the operator)."""
        specs = (
            chart.rider_stored_value(self.row.fare_account_id),
            chart.till("gate-1"),
            chart.parking_payable("dongda-parking"),
        )
        open_accounts(self.tx, specs, self.now)
        found = read_balances(self.tx, [spec.account_id for spec in specs], self.now)
        return tuple(found[spec.account_id].posted.minor for spec in specs)


@pytest.fixture
def guest(tx, rates, now):
    """A car that entered Đống Đa an hour ago: 25,000 by decision 44/2017."""
    own_till(tx, "gate-1", now)
    entering = Entering(
        event_id=uuid4(),
        place_id=PLACE,
        vehicle_class="car_le9",
        subject=uuid4(),
        at=now - timedelta(hours=1),
    )
    return Guest(tx, enter(tx, entering, actor="t", now=now).row, now)


def test_a_guest_pays_at_the_exit_in_parts(guest):
    guest.leave()
    assert guest.books() == (0, 0, 0)
    assert guest.pay(10_000).dues.due == vnd(15_000)
    assert guest.books() == (0, 10_000, 10_000)
    done = guest.pay(15_000, method=Method.CASH_BY_PROXY, at=guest.now + timedelta(minutes=1))
    assert (done.dues.due, done.dues.credit, [each.method for each in done.payments]) == (
        vnd(0),
        vnd(0),
        ["cash", "cash_by_proxy"],
    )
    assert guest.books() == (0, 25_000, 25_000)
    (line,) = settle_lines(guest.tx, guest.now.astimezone(UTC).date()).lines
    assert (line.trips, line.collected, line.face_value) == (1, vnd(25_000), vnd(25_000))


def test_a_payment_sent_twice_is_booked_once(guest):
    guest.leave()
    one = uuid4()
    first = guest.pay(25_000, payment_id=one)
    again = guest.pay(25_000, payment_id=one, at=guest.now + timedelta(hours=3))
    assert (first.again, again.again, again.payments) == (False, True, first.payments)
    assert guest.books() == (0, 25_000, 25_000)
    for changes in ({"minor": 24_000}, {"method": Method.CASH_BY_PROXY}):
        with pytest.raises(PaymentIdReusedError):
            guest.pay(**{"minor": 25_000, "payment_id": one, **changes})


@pytest.mark.parametrize("minor", [0, -1, 25_001])
def test_more_than_is_due_is_not_taken(guest, minor):
    guest.leave()
    with pytest.raises(PaymentAmountError):
        guest.pay(minor)
    assert guest.books() == (0, 0, 0)


def test_a_running_stay_is_paid_ahead_or_not_at_all(guest):
    with pytest.raises(NotEndedError):
        guest.pay(25_000)
    until = guest.now + timedelta(hours=1)  # two hours in all: 50,000
    ahead = guest.pay(50_000, until=until)
    assert (ahead.session.row.state, guest.books()) == ("paid_ahead", (50_000, 50_000, 0))
    guest.leave(hours=1)
    assert guest.books() == (0, 50_000, 50_000)
    with pytest.raises(EndedError, match="not paid ahead any more"):
        guest.pay(25_000, until=guest.now + timedelta(hours=2))


def test_what_was_paid_ahead_and_not_parked_is_given_back(guest):
    guest.pay(50_000, until=guest.now + timedelta(hours=1))
    with pytest.raises(NotEndedError):
        guest.pay(25_000, verb=pay_back)
    guest.leave()
    assert find_paid(guest.tx, guest.row.stay_id, now=guest.now).dues.credit == vnd(25_000)
    assert guest.books() == (25_000, 50_000, 25_000)
    with pytest.raises(PaymentAmountError):
        guest.pay(25_001, verb=pay_back)
    one = uuid4()
    for _ in range(2):
        done = guest.pay(25_000, verb=pay_back, payment_id=one)
    assert (done.again, done.dues.credit, guest.books()) == (True, vnd(0), (0, 25_000, 25_000))


def test_a_longer_stay_than_was_paid_is_due_at_the_exit(guest):
    guest.pay(50_000, until=guest.now + timedelta(hours=1))
    guest.leave(hours=3)  # four hours: 25 + 25 + 35 + 35
    at = guest.now + timedelta(hours=3)
    assert guest.books() == (0, 50_000, 50_000)
    assert find_paid(guest.tx, guest.row.stay_id, now=at).dues.due == vnd(70_000)
    guest.pay(70_000, at=at)
    assert guest.books() == (0, 120_000, 120_000)


def test_a_stay_voided_after_it_was_paid_gives_all_back(guest):
    guest.leave()
    guest.pay(25_000)
    row = lock_session(guest.tx, guest.row.stay_id, guest.now)
    tell(guest.tx, row, EventKind.VOIDED, event_id=uuid4(), at=guest.now, actor="t", now=guest.now)
    assert guest.books() == (25_000, 25_000, 0)
    assert guest.pay(25_000, verb=pay_back).dues.credit == vnd(0)
    assert guest.books() == (0, 0, 0)


def test_a_cards_stay_is_not_paid_at_the_exit(tx, rates, issue, now):
    holder = issue(100_000)
    entering = Entering(
        event_id=uuid4(),
        place_id=PLACE,
        vehicle_class="car_le9",
        subject=uuid8("car"),
        account=holder.account,
        at=now,
    )
    row = enter(tx, entering, actor="t", now=now).row
    with pytest.raises(NotAGuestError):
        Guest(tx, row, now).pay(1_000)
    with pytest.raises(NotAGuestError):
        ask(tx, row.stay_id, intent_id=uuid4(), now=now)


@pytest.mark.parametrize("minor", [1, 49_999, 50_001])
def test_time_is_paid_ahead_whole_or_not_at_all(guest, minor):
    with pytest.raises(PaymentAmountError):
        guest.pay(minor, until=guest.now + timedelta(hours=1))
