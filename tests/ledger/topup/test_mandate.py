"""A mandate tops up once each time the balance is low, within its limits, and a rider may take it back."""

import itertools
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from kernel.ids import EntryId, FareAccountId, uuid7
from kernel.money import VND, Money
from ledger import mandate as verbs
from ledger.accounts import open_accounts
from ledger.post import post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.errors import IdReusedError
from ledger.rules.intent import Intent
from ledger.rules.mandate import (
    MOST_FAILURES,
    TRANSITIONS,
    Mandate,
    MandateEvent,
    MandateId,
    MandateState,
    MandateStateError,
    MandateTermsError,
    UnknownMandateError,
    step,
    triggers,
)
from ledger.rules.topup import TopupAmountError
from tests.ledger.topup.conftest import LIFETIME, MERCHANT, Desk


def vnd(minor: int) -> Money:
    return Money(minor, VND)


def mandate(desk: Desk, **change) -> Mandate:
    content = {
        "mandate_id": MandateId(uuid4()),
        "fare_account_id": desk.rider,
        "provider": "payos",
        "token": "so-1",
        "below": vnd(20_000),
        "amount": vnd(100_000),
        "a_month": vnd(250_000),
        "given_at": desk.now,
    }
    return Mandate(**(content | change))


@pytest.fixture
def given(desk: Desk) -> Mandate:
    return verbs.give(desk.tx, mandate(desk))[0]


def charge(desk: Desk, one: Mandate) -> Intent | None:
    return verbs.charge(
        desk.tx, one.fare_account_id, one.mandate_id, merchant=MERCHANT, lifetime=LIFETIME, now=desk.now
    )


def pay(desk: Desk, intent: Intent | None) -> None:
    assert intent is not None
    assert desk.take(desk.notice(intent, intent.amount.minor)).outcome == "credited"


def standing(desk: Desk) -> Mandate:
    (found,) = verbs.list_of(desk.tx, desk.rider)
    return found


@pytest.mark.parametrize(("state", "event"), list(itertools.product(MandateState, MandateEvent)))
def test_only_what_the_table_has(state: MandateState, event: MandateEvent) -> None:
    one = Mandate(
        mandate_id=MandateId(uuid4()), fare_account_id=FareAccountId(uuid4()), provider="payos", token="t",
        below=vnd(1), amount=vnd(1), a_month=vnd(1), given_at=None, state=state,
    )  # fmt: skip
    if event in TRANSITIONS[state]:
        assert step(one, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(MandateStateError):
            step(one, event)


@pytest.mark.parametrize(
    ("balance", "this_month", "state", "due"),
    [
        (19_999, 0, MandateState.ACTIVE, True),
        (20_000, 0, MandateState.ACTIVE, False),
        (0, 150_000, MandateState.ACTIVE, True),
        (0, 150_001, MandateState.ACTIVE, False),
        (0, 0, MandateState.PAUSED, False),
        (0, 0, MandateState.REVOKED, False),
    ],
)
def test_when_a_charge_is_due(
    desk: Desk, balance: int, this_month: int, state: MandateState, due: bool
) -> None:
    assert triggers(mandate(desk, state=state), vnd(balance), vnd(this_month)) is due


def test_a_charge_is_a_top_up_like_any_other(desk: Desk, given: Mandate) -> None:
    intent = charge(desk, given)
    assert charge(desk, given) is None, "once per trigger: one is open"
    assert desk.loaded() == 0, "asking moves no money"
    pay(desk, intent)
    assert (desk.loaded(), charge(desk, given)) == (100_000, None)
    assert [one.charge_no for one in verbs.list_unhanded(desk.tx)] == []


def test_a_months_limit(desk: Desk, given: Mandate) -> None:
    for _ in range(2):
        pay(desk, charge(desk, given))
        spend(desk)
    assert charge(desk, given) is None, "a third would pass 250,000"
    desk.now += timedelta(days=31)
    assert charge(desk, given) is not None


def spend(desk: Desk) -> None:
    """Ride away what is loaded."""
    purse, operator = chart.rider_stored_value(desk.rider), chart.operator_payable("bus")
    open_accounts(desk.tx, (operator,), desk.now)
    line = Line(purse.account_id, operator.account_id, vnd(desk.loaded()))
    entry = Entry(EntryId(uuid7(desk.now)), "ride", (line,), desk.rider, desk.now.date(), desk.now)
    assert not isinstance(post(desk.tx, (entry,), desk.now)[0], Refused)


def test_three_failures_in_a_row_pause(desk: Desk, given: Mandate) -> None:
    for number in range(1, MOST_FAILURES + 1):
        assert charge(desk, given) is not None
        desk.now += LIFETIME
        told = verbs.list_failed(desk.tx, desk.now - timedelta(days=1), desk.now)
        assert len(told) == number - 1
    assert charge(desk, given) is None
    assert (standing(desk).state, standing(desk).failures) == (MandateState.PAUSED, MOST_FAILURES)
    rider, _, facts = verbs.list_failed(desk.tx, desk.now - timedelta(days=1), desk.now)[0]
    assert (rider, facts["minor"], facts["state"]) == (desk.rider, 100_000, "paused")
    verbs.resume(desk.tx, desk.rider, given.mandate_id, now=desk.now)
    pay(desk, charge(desk, given))
    charge(desk, given)
    assert standing(desk).failures == 0, "failed charges count for nothing in the month's limit"


def test_a_payment_ends_the_row_of_failures(desk: Desk, given: Mandate) -> None:
    charge(desk, given)
    desk.now += LIFETIME
    pay(desk, charge(desk, given))
    charge(desk, given)
    assert (standing(desk).state, standing(desk).failures) == (MandateState.ACTIVE, 0)


def test_a_rider_takes_it_back(desk: Desk, given: Mandate) -> None:
    open_one = charge(desk, given)
    for _ in range(2):
        verbs.revoke(desk.tx, desk.rider, given.mandate_id, now=desk.now)
    assert charge(desk, given) is None
    assert verbs.list_unhanded(desk.tx) == (), "what was not handed over never will be"
    pay(desk, open_one)
    assert desk.loaded() == 100_000, "what the provider paid already is the rider's"
    with pytest.raises(MandateStateError):
        verbs.resume(desk.tx, desk.rider, given.mandate_id, now=desk.now)


def test_refusals(desk: Desk, given: Mandate) -> None:
    assert verbs.give(desk.tx, given) == (given, True)
    with pytest.raises(IdReusedError):
        verbs.give(desk.tx, replace(given, amount=vnd(99_000)))
    for change in ({"below": vnd(0)}, {"a_month": vnd(99_999)}, {"token": ""}):
        with pytest.raises(MandateTermsError):
            verbs.give(desk.tx, mandate(desk, **change))
    with pytest.raises(TopupAmountError):
        verbs.give(desk.tx, mandate(desk, amount=vnd(999)))
    for rider, one in ((desk.rider, uuid4()), (FareAccountId(uuid4()), given.mandate_id)):
        with pytest.raises(UnknownMandateError):
            verbs.revoke(desk.tx, rider, one, now=desk.now)


def test_what_is_handed_over_is_handed_once(desk: Desk, given: Mandate) -> None:
    intent = charge(desk, given)
    (waiting,) = verbs.list_unhanded(desk.tx)
    assert waiting.intent_id == intent.intent_id
    verbs.set_handed(desk.tx, waiting, desk.now)
    assert verbs.list_unhanded(desk.tx) == ()
