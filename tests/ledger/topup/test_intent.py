"""Intents: the QR a rider is given, once per id."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from kernel.ids import FareAccountId
from kernel.money import VND, Money, currency
from ledger import topup
from ledger.rails import vietqr
from ledger.rails.fold import order_code_of
from ledger.rails.providers import UnknownProviderError
from ledger.rules.errors import IdReusedError
from ledger.rules.intent import TRANSITIONS, IntentEvent, IntentId, IntentState
from ledger.rules.topup import TopupAmountError


def test_created_intent_carries_a_single_use_qr_with_its_reference(desk):
    intent = desk.intent(50_000)
    read = vietqr.read(intent.qr)
    assert read.warnings == ()
    assert (read.qr.bin, read.qr.account, read.qr.single_use) == ("970436", "0011001234567", True)
    assert read.qr.amount == Money(50_000, VND)
    assert read.qr.reference == intent.reference
    assert read.qr.bill == str(intent.order_code)
    assert intent.expires_at - intent.created_at == timedelta(minutes=30)
    assert desk.again(intent) == intent


def test_same_id_and_body_gets_the_first_answer(desk):
    asked = desk.asked()
    first = desk.create(asked)
    desk.now += timedelta(hours=3)
    assert not first.hit
    assert desk.create(asked) == topup.Created(first.intent, hit=True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": Money(50_001, VND)}, "amount"),
        ({"amount": Money(-1, VND)}, "amount"),  # checked before the amount itself is
        ({"fare_account_id": FareAccountId(UUID(int=1))}, "fare_account_id"),
        ({"provider": "nobody"}, "provider"),
    ],
)
def test_same_id_with_another_body_is_refused_before_all_else(desk, change, field):
    asked = desk.asked()
    desk.create(asked)
    with pytest.raises(IdReusedError) as refused:
        desk.create(desk.asked(**({"intent_id": asked.intent_id} | change)))
    assert refused.value.fields["field"] == field


@pytest.mark.parametrize(
    "amount",
    [
        Money(0, VND),
        Money(-5_000, VND),
        Money(999, VND),
        Money(500_000_000, VND),
        Money(50_000, currency("USD")),
    ],
)
def test_amount_out_of_bounds_is_refused(desk, amount):
    with pytest.raises(TopupAmountError):
        desk.create(desk.asked(amount=amount))


@pytest.mark.parametrize("minor", [1_000, 499_999_999])
def test_amount_at_the_bounds_is_taken(desk, minor):
    assert vietqr.read(desk.intent(minor).qr).qr.amount == Money(minor, VND)


def test_unknown_provider_and_unknown_intent_are_refused(desk):
    with pytest.raises(UnknownProviderError):
        desk.create(desk.asked(provider="nobody"))
    with pytest.raises(topup.UnknownIntentError):
        topup.get_intent(desk.tx, uuid4())


def test_a_taken_order_code_asks_for_a_new_id(desk, monkeypatch):
    first = desk.intent()
    monkeypatch.setattr(topup, "order_code_of", lambda _: order_code_of(first.intent_id))
    with pytest.raises(topup.IntentCollisionError):
        desk.create(desk.asked(intent_id=IntentId(uuid4())))


def test_intent_expires_at_its_instant_and_the_job_writes_it_down(desk):
    intent = desk.intent()
    just_before = intent.expires_at - timedelta(microseconds=1)
    assert intent.shown_state(just_before) is IntentState.OPEN
    assert intent.shown_state(intent.expires_at) is IntentState.EXPIRED
    assert topup.expire_intents(desk.tx, just_before) == 0
    assert topup.expire_intents(desk.tx, intent.expires_at) == 1
    assert topup.expire_intents(desk.tx, intent.expires_at) == 0
    assert desk.again(intent).state is IntentState.EXPIRED


def test_every_state_has_a_row_and_credited_is_final():
    assert TRANSITIONS.keys() == set(IntentState)
    assert TRANSITIONS[IntentState.CREDITED] == {}
    reached = {state for row in TRANSITIONS.values() for state in row.values()}
    assert reached == set(IntentState) - {IntentState.OPEN}
    assert all(
        IntentEvent.PAID in row for state, row in TRANSITIONS.items() if state is not IntentState.CREDITED
    )


def test_a_credited_intent_cannot_be_written_again_in_the_schema(desk):
    intent = desk.intent()
    desk.take(desk.notice(intent, 50_000))
    with pytest.raises(DBAPIError, match="is credited"):
        desk.tx.execute(text("UPDATE ledger_topup_intent SET state = 'open'"))


@pytest.mark.parametrize(
    "table", ["ledger_notification", "ledger_payment", "ledger_notification_outcome", "ledger_suspense_end"]
)
def test_what_was_notified_is_append_only(tx, table):
    with pytest.raises(ProgrammingError, match="permission denied"):
        tx.execute(text(f"DELETE FROM {table}"))


@pytest.mark.parametrize("column", ["amount", "fare_account_id", "qr", "expires_at"])
def test_the_service_may_not_change_what_was_asked(tx, column):
    with pytest.raises(ProgrammingError, match="permission denied"):
        tx.execute(text(f"UPDATE ledger_topup_intent SET {column} = NULL"))
