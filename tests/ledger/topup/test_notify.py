"""Every payment has one booked home: credited once, or in suspense with a reason and an age."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.ids import EntryId
from kernel.money import VND, Money
from ledger import accounts, notify, suspense, topup
from ledger.post import post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from ledger.rules.intent import IntentState
from ledger.rules.topup import Reason, split_credit


def owe(desk, minor: int) -> None:
    """What a bill beyond the stored value leaves behind (DESIGN §8.8)."""
    debt, operator = chart.rider_receivable(desk.rider), chart.operator_payable("transerco")
    accounts.open_accounts(desk.tx, (debt, operator, chart.rider_stored_value(desk.rider)), desk.now)
    line = Line(debt.account_id, operator.account_id, Money(minor, VND))
    entry = Entry(EntryId(uuid4()), "fare.charged", (line,), desk.rider, desk.now.date(), desk.now)
    post(desk.tx, (entry,), desk.now)


def test_exact_payment_is_credited(desk):
    intent = desk.intent(50_000)
    applied = desk.take(desk.notice(intent, 50_000))
    assert applied.outcome == "credited"
    assert (applied.loaded, applied.cleared, applied.owed) == (
        Money(50_000, VND),
        Money(0, VND),
        Money(0, VND),
    )
    assert desk.loaded() == 50_000
    assert desk.clearing() == 50_000
    assert desk.again(intent).state is IntentState.CREDITED
    assert desk.queue() == []
    assert desk.locked == [desk.rider]


@pytest.mark.parametrize(
    ("owed", "cleared", "loaded"),
    [(0, 0, 50_000), (20_000, 20_000, 30_000), (50_000, 50_000, 0), (80_000, 50_000, 0)],
)
def test_receivable_is_cleared_first(desk, owed, cleared, loaded):
    if owed:
        owe(desk, owed)
    applied = desk.take(desk.notice(desk.intent(50_000), 50_000))
    assert (applied.cleared, applied.loaded) == (Money(cleared, VND), Money(loaded, VND))
    assert applied.owed == Money(owed - cleared, VND)
    assert desk.owed() == owed - cleared
    assert desk.loaded() == loaded
    assert desk.clearing() == 50_000


@given(st.integers(1, 10**9), st.integers(-(10**9), 10**9))
def test_split_credit_sums_to_the_payment(amount, owed):
    cleared, loaded = split_credit(Money(amount, VND), Money(owed, VND))
    assert cleared + loaded == Money(amount, VND)
    assert Money(0, VND) <= cleared <= max(Money(owed, VND), Money(0, VND))
    assert loaded >= Money(0, VND)


@pytest.mark.parametrize(
    ("minor", "reason", "state"),
    [
        (49_999, Reason.UNDERPAID, IntentState.MISPAID),
        (50_001, Reason.OVERPAID, IntentState.MISPAID),
    ],
)
def test_another_amount_goes_to_suspense_whole(desk, minor, reason, state):
    intent = desk.intent(50_000)
    assert desk.take(desk.notice(intent, minor)).outcome == reason.value
    assert desk.loaded() == 0
    assert desk.suspended(reason.value) == desk.clearing() == minor
    assert desk.again(intent).state is state
    assert desk.queue() == [(reason.value, minor, True)]


def test_the_right_amount_after_a_wrong_one_still_credits(desk):
    intent = desk.intent(50_000)
    desk.take(desk.notice(intent, 20_000))
    assert desk.take(desk.notice(intent, 50_000)).outcome == "credited"
    assert desk.loaded() == 50_000
    assert desk.suspended("underpaid") == 20_000


def test_payment_in_time_but_notified_late_is_credited(desk):
    intent = desk.intent()
    last = desk.hanoi(intent.expires_at - timedelta(seconds=1))
    desk.now = intent.expires_at + timedelta(days=2)
    topup.expire_intents(desk.tx, desk.now)
    assert desk.take(desk.notice(intent, 50_000, transactionDateTime=last)).outcome == "credited"


def test_payment_at_the_instant_of_expiry_is_late(desk):
    intent = desk.intent()
    at = desk.hanoi(intent.expires_at)
    desk.now = intent.expires_at
    assert desk.take(desk.notice(intent, 50_000, transactionDateTime=at)).outcome == "late"
    assert desk.suspended("late") == 50_000
    assert desk.loaded() == 0


def test_late_payment_leaves_an_expired_intent_expired(desk):
    intent = desk.intent()
    desk.now = intent.expires_at + timedelta(minutes=1)
    topup.expire_intents(desk.tx, desk.now)
    desk.take(desk.notice(intent, 50_000))
    assert desk.again(intent).state is IntentState.EXPIRED


def test_second_payment_of_an_intent_is_double(desk):
    intent = desk.intent()
    desk.take(desk.notice(intent, 50_000))
    assert desk.take(desk.notice(intent, 50_000)).outcome == "double"
    assert desk.loaded() == 50_000
    assert desk.suspended("double") == 50_000
    assert desk.again(intent).state is IntentState.CREDITED


def test_unknown_payment_goes_to_suspense_without_an_intent(desk):
    assert desk.take(desk.notice(None, 12_345)).outcome == "unknown"
    assert desk.suspended("unknown") == desk.clearing() == 12_345
    assert desk.queue() == [("unknown", 12_345, True)]


def test_payment_is_found_by_its_description_alone_or_its_order_code_alone(desk):
    one, other = desk.intent(), desk.intent()
    wrapped = f"MBVCB.77 {one.reference[:6]} {one.reference[6:]}.CT tu 01"
    assert desk.take(desk.notice(one, 50_000, orderCode=0, description=wrapped)).outcome == "credited"
    assert desk.take(desk.notice(other, 50_000, description="")).outcome == "credited"
    assert desk.loaded() == 100_000


def test_order_code_and_description_that_disagree_are_ambiguous(desk):
    one, other = desk.intent(), desk.intent()
    applied = desk.take(desk.notice(one, 50_000, description=other.reference))
    assert applied.outcome == "ambiguous"
    assert desk.suspended("ambiguous") == 50_000
    assert desk.again(one).state is desk.again(other).state is IntentState.OPEN


@pytest.mark.parametrize(
    ("moved", "reason"),
    [
        (timedelta(days=-30, seconds=-1), "implausible_time"),
        (timedelta(days=-30), "credited"),
        (timedelta(hours=1, seconds=1), "implausible_time"),
    ],
)
def test_replay_window_is_ours(desk, moved, reason):
    intent = desk.intent()
    raw = desk.notice(intent, 50_000, transactionDateTime=desk.hanoi(desk.now + moved))
    assert desk.take(raw).outcome == reason
    assert desk.clearing() == 50_000


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        # payOS sends its documented sample when a webhook is registered: signed, and nobody's money.
        ({"accountNumber": "12345678", "amount": 3000, "orderCode": 123}, "foreign_account"),
        ({"amount": -50_000}, "outgoing"),
        ({"amount": 0}, "outgoing"),
    ],
)
def test_what_is_not_our_money_is_queued_and_not_booked(desk, change, reason):
    assert desk.take(desk.notice(desk.intent(), 50_000, **change)).outcome == reason
    assert desk.entries() == 0
    assert [(row[0], row[2]) for row in desk.queue()] == [(reason, False)]


def test_a_virtual_account_of_ours_is_ours(desk):
    raw = desk.notice(desk.intent(), 50_000, accountNumber="999", virtualAccountNumber="V001")
    assert desk.take(raw).outcome == "credited"


def test_signed_but_unreadable_is_queued(desk):
    raw = json.dumps({"data": {"amount": "many"}, "signature": ""}).encode()
    assert desk.take(raw).outcome == "unreadable"
    assert desk.take(raw).repeated
    assert desk.queue() == [("unreadable", None, False)]


def test_same_payment_with_another_amount_is_a_contradiction_and_changes_nothing(desk):
    intent = desk.intent()
    desk.take(desk.notice(intent, 50_000, reference="FT1"))
    assert desk.take(desk.notice(intent, 60_000, reference="FT1")).outcome == "contradiction"
    assert desk.take(desk.notice(desk.intent(), 50_000, reference="FT1")).outcome == "contradiction"
    assert desk.loaded() == desk.clearing() == 50_000
    assert sorted(desk.queue()) == [("contradiction", 50_000, False), ("contradiction", 60_000, False)]


def test_same_payment_in_other_words_is_a_duplicate(desk):
    intent = desk.intent()
    desk.take(desk.notice(intent, 50_000, reference="FT1"))
    again = desk.take(desk.notice(intent, 50_000, reference="FT1", description="folded", desc="ok"))
    assert (again.outcome, again.repeated) == ("duplicate", True)
    assert desk.loaded() == 50_000
    assert desk.queue() == []


def test_frozen_account_sends_the_payment_to_suspense(desk):
    intent = desk.intent()
    purse = chart.rider_stored_value(desk.rider)
    accounts.open_accounts(desk.tx, (purse,), desk.now)
    accounts.freeze(desk.tx, purse.account_id, desk.now)
    assert desk.take(desk.notice(intent, 50_000)).outcome == "account_closed"
    assert desk.suspended("account_closed") == 50_000
    assert desk.again(intent).state is IntentState.MISPAID
    accounts.thaw(desk.tx, purse.account_id, desk.now)
    assert desk.take(desk.notice(intent, 50_000)).outcome == "credited"


def test_queue_tells_the_age_oldest_first(desk):
    desk.take(desk.notice(None, 1))
    desk.now += timedelta(hours=5)
    desk.take(desk.notice(None, 2))
    desk.now += timedelta(hours=1)
    rows = suspense.list_suspense(desk.tx, now=desk.now)
    assert [row.age for row in rows] == [timedelta(hours=6), timedelta(hours=1)]


def test_unknown_notification_is_refused(desk):
    with pytest.raises(notify.UnknownNotificationError):
        desk.apply(uuid4())


def casso(desk, identity: int, minor: int, balance: int) -> bytes:
    return json.dumps(
        {
            "error": 0,
            "data": {
                "id": identity,
                "reference": f"R{identity}",
                "description": "",
                "amount": minor,
                "runningBalance": balance,
                "accountNumber": "0011001234567",
                "transactionDateTime": desk.hanoi(desk.now + timedelta(seconds=identity)),
            },
        }
    ).encode()


def test_running_balance_shows_the_movement_that_was_never_notified(desk):
    for identity, minor, balance in ((3, 500, 1_400), (1, 100, 1_100), (2, -200, 900), (5, 50, 1_750)):
        desk.take(casso(desk, identity, minor, balance), "casso")
    gaps = suspense.list_gaps(desk.tx, "casso")
    assert [(gap.opening_minor, gap.account) for gap in gaps] == [(1_700, "0011001234567")]  # 300 came unseen
    desk.take(casso(desk, 4, 300, 1_700), "casso")
    assert suspense.list_gaps(desk.tx, "casso") == ()
    assert desk.clearing("casso") == 100 + 500 + 50 + 300
    assert suspense.list_gaps(desk.tx, "payos") == ()


def test_a_balance_that_comes_back_hides_no_gap(desk):
    for identity, minor, balance in ((1, 50, 150), (2, 50, 200), (4, 50, 200)):
        desk.take(casso(desk, identity, minor, balance), "casso")
    assert [gap.opening_minor for gap in suspense.list_gaps(desk.tx, "casso")] == [150]  # -50 went unseen
    desk.take(casso(desk, 3, -50, 150), "casso")
    assert suspense.list_gaps(desk.tx, "casso") == ()


PAYMENTS = [(0, 50_000), (0, 50_000), (0, 30_000), (0, 70_000), (None, 11_000), (1, 20_000), (1, 20_500)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.permutations([place for place in range(len(PAYMENTS)) for _ in range(2)]),
    st.lists(st.booleans(), min_size=2 * len(PAYMENTS), max_size=2 * len(PAYMENTS)),
    st.randoms(use_true_random=False),
)
def test_any_order_and_repetition_ends_in_the_same_books(desk, order, at_once, random):
    with desk.tx.begin_nested() as example:
        named = [desk.intent(50_000), desk.intent(20_000)]
        raws = [desk.notice(None if place is None else named[place], minor) for place, minor in PAYMENTS]
        left = []
        for place, now_or_later in zip(order, at_once, strict=True):
            left.append(desk.store(raws[place]))
            if now_or_later:
                desk.apply(left.pop())
        random.shuffle(left)
        for stored in left:
            desk.apply(stored)
        suspended = {reason.value: desk.suspended(reason.value) for reason in Reason}
        assert {name: minor for name, minor in suspended.items() if minor} == {
            "double": 50_000,
            "underpaid": 30_000,
            "overpaid": 70_000 + 20_500,
            "unknown": 11_000,
        }
        assert desk.loaded() == 70_000
        assert desk.clearing() == sum(minor for _, minor in PAYMENTS)
        assert notify.list_due(desk.tx) == ()
        example.rollback()
