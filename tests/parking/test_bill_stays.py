"""Stays billed from gate passes: whatever order they come in, the same stays, postings and balances."""

import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access.exceptions import House, list_open
from kernel.wire.tap import Phase, Purpose
from parking.bill import SessionMergedError, bill_stays
from parking.sessions import find_session
from parking.store import keys
from parking.store import stays as store
from tests.parking.conftest import balances, store_taps

IN, OUT = Purpose.PARK_IN, Purpose.PARK_OUT
LONG_AGO = timedelta(days=400)


def bill(tx, taps, now):
    store_taps(tx, taps)
    return bill_stays(tx, taps, now=now)


def stays_of(tx, account, now):
    found = store.list_stays(tx, keys.list_begun(tx, {account: now - LONG_AGO}))
    return sorted(
        (row.state, row.cases, row.entered_at, row.left_at, row.charged_minor)
        for row in found
        if row.cases != "merged"
    )


def test_five_hours_cost_what_decision_44_2017_says(tx, rates, issue, now):
    card = issue(400_000)
    bill(tx, [card.tap(IN, now), card.tap(OUT, now + timedelta(hours=5))], now)
    assert balances(tx, card.account, now) == (235_000, 0, 165_000)


def test_an_open_stay_owes_nothing_yet_and_occupies_a_space(tx, rates, issue, now):
    card = issue(100_000)
    bill(tx, [card.tap(IN, now)], now)
    assert balances(tx, card.account, now) == (100_000, 0, 0)
    assert keys.count_taken(tx, ["dong-da-01"], now=now) == {"dong-da-01": 1}


def test_billing_again_changes_nothing(tx, rates, issue, now):
    card = issue(100_000)
    taps = [card.tap(IN, now), card.tap(OUT, now + timedelta(minutes=61))]
    bill(tx, taps, now)
    again = bill(tx, taps, now + timedelta(days=1))
    assert (again.stays, again.entries) == ((), 0)
    assert balances(tx, card.account, now) == (50_000, 0, 50_000)


def test_exit_learnt_before_the_entry_ends_in_the_same_bill(tx, rates, issue, now):
    card = issue(100_000)
    entry, leaving = card.tap(IN, now), card.tap(OUT, now + timedelta(minutes=61))
    bill(tx, [leaving], now)
    assert [each[:2] for each in stays_of(tx, card.account, now)] == [("left", "missing_entry")]
    assert balances(tx, card.account, now)[0] == 100_000
    bill(tx, [entry], now)
    assert stays_of(tx, card.account, now) == [("left", "", entry.tapped_at, leaving.tapped_at, 50_000)]
    assert balances(tx, card.account, now) == (50_000, 0, 50_000)
    assert list_open(tx, now=now, house=House.PARKING) == ()


def test_a_session_that_joined_another_says_which(tx, rates, issue, now):
    card = issue(100_000)
    entry, leaving = card.tap(IN, now), card.tap(OUT, now + timedelta(minutes=61))
    (alone,) = bill(tx, [leaving], now).stays
    bill(tx, [entry], now)
    found = store.list_stays(tx, keys.list_begun(tx, {card.account: now - LONG_AGO}))
    (kept,) = (row for row in found if row.cases != "merged")
    with pytest.raises(SessionMergedError, match=str(kept.stay_id)):
        find_session(tx, alone.stay_id, now=now)


def test_an_exit_that_comes_late_splits_what_looked_like_one_stay(tx, rates, issue, now):
    card = issue(200_000)
    taps = [
        card.tap(IN, now),
        card.tap(OUT, now + timedelta(minutes=30)),
        card.tap(IN, now + timedelta(hours=2)),
        card.tap(OUT, now + timedelta(hours=4)),
    ]
    bill(tx, [taps[0], taps[3]], now)
    assert balances(tx, card.account, now)[0] == 200_000 - 120_000
    bill(tx, [taps[1]], now)  # a second exit 3.5 h after the first is a stay without entry
    bill(tx, [taps[2]], now)
    assert balances(tx, card.account, now) == (200_000 - 75_000, 0, 75_000)


def test_a_missing_exit_is_a_case_and_costs_what_its_table_says(tx, rates, issue, now):
    card = issue(100_000)
    first = card.tap(IN, now)
    bill(tx, [first, card.tap(IN, now + timedelta(days=2))], now)
    assert [each[:2] for each in stays_of(tx, card.account, now)] == [("left", "missing_exit"), ("open", "")]
    (waiting,) = list_open(tx, now=now, house=House.PARKING)
    assert waiting.raised.reason == "missing_exit"
    assert balances(tx, card.account, now)[0] == 100_000


def test_a_shortfall_is_owed_and_the_operator_is_due_all_of_it(tx, rates, issue, now):
    card = issue(20_000)
    done = bill(tx, [card.tap(IN, now), card.tap(OUT, now + timedelta(minutes=61))], now)
    assert done.owing == {card.account}
    assert balances(tx, card.account, now) == (0, 30_000, 50_000)


def test_a_correction_lowers_what_is_owed_before_it_refunds(tx, rates, issue, now):
    card = issue(20_000)
    entry, earlier, leaving = (
        card.tap(IN, now),
        card.tap(OUT, now + timedelta(minutes=50)),
        card.tap(OUT, now + timedelta(minutes=61)),
    )
    bill(tx, [entry, leaving], now)
    bill(tx, [earlier], now)  # the first exit counts; the second, beyond the passback, has no entry
    assert balances(tx, card.account, now) == (0, 5_000, 25_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"mac_valid": False},
        {"phase": Phase.TORN, "mac_valid": False},
        {"phase": Phase.REFUSED, "mac_valid": False},
    ],
)
def test_a_pass_that_the_card_did_not_prove_is_no_pass(tx, rates, issue, now, changes):
    card = issue(100_000)
    done = bill(tx, [card.tap(IN, now, **changes)], now)
    assert done.stays == ()


def test_no_rates_published_is_an_exception_and_never_free_in_silence(tx, issue, now):
    card = issue(100_000)
    bill(tx, [card.tap(IN, now), card.tap(OUT, now + timedelta(hours=1))], now)
    assert [each[1] for each in stays_of(tx, card.account, now)] == ["no_rate"]
    assert list_open(tx, now=now, house=House.PARKING)[0].raised.reason == "no_rate"


def test_a_tap_that_is_no_gate_pass_touches_no_account(tx, rates, issue, now):
    card = issue()
    tap = card.tap(Purpose.BOARD, now)
    store_taps(tx, [tap])
    assert bill_stays(tx, [tap], now=now, touched=[(card.account, now)]).stays == ()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), shape=st.lists(st.sampled_from([IN, OUT]), min_size=1, max_size=7))
def test_any_order_and_duplication_of_uploads_gives_the_bill_of_a_fold_from_scratch(
    tx, rates, issue, now, seed, shape
):
    dice = random.Random(seed)
    at, passes = now, []
    for purpose in shape:
        at += timedelta(minutes=dice.choice([1, 4, 59, 60, 61, 500]))
        passes.append((purpose, at, dice.choice(["dong-da-01", "dong-da-01", "hoan-kiem-01"])))
    in_one, shuffled = issue(150_000), issue(150_000)
    bill(tx, [in_one.tap(purpose, at, gate=gate) for purpose, at, gate in passes], now)
    taps = [shuffled.tap(purpose, at, gate=gate) for purpose, at, gate in passes]
    sent = taps + dice.sample(taps, dice.randint(0, len(taps)))
    dice.shuffle(sent)
    while sent:
        size = dice.randint(1, 3)
        bill(tx, sent[:size], now)
        sent = sent[size:]
    assert stays_of(tx, shuffled.account, now) == stays_of(tx, in_one.account, now)
    assert balances(tx, shuffled.account, now)[:2] == balances(tx, in_one.account, now)[:2]
