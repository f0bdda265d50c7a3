"""Disputes over HTTP: raised once, with evidence, answered by another person, refunded by a linked entry."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from kernel.ids import EntryId
from kernel.money import VND, Money
from ledger import accounts
from ledger.post import post
from ledger.rules import chart
from ledger.rules.dispute import (
    ANSWER_WITHIN,
    RAISE_WITHIN,
    TRANSITIONS,
    DisputeEvent,
    DisputeStateError,
    step,
)
from ledger.rules.entry import Entry, Line
from service.services import EXTENSION
from service.staff import Role
from tests.service.sellers import Shop, problem

pytestmark = pytest.mark.usefixtures("described")

TAP, SESSION = UUID(int=7), UUID(int=8)


@pytest.fixture
def shop(app, client) -> Shop:
    return Shop(app.extensions[EXTENSION], client)


@pytest.fixture
def card(shop):
    return shop.card(50_000)


@pytest.fixture
def office(shop):
    return shop.staff(Role.FINANCE_MAKER)


def charge(shop: Shop, card, minor: int, cause: str, *, corrects: UUID | None = None) -> UUID:
    """A charge as a house books it; a negative one takes back part of an earlier one."""
    purse, payee = chart.rider_stored_value(card.fare_account_id), chart.operator_payable("transerco")
    ends = (purse, payee) if minor > 0 else (payee, purse)
    made = EntryId(uuid4())
    with shop.running.database.begin() as tx:
        accounts.open_accounts(tx, (purse, payee), shop.now)
        line = Line(ends[0].account_id, ends[1].account_id, Money(abs(minor), VND))
        entry = Entry(
            made, "fare.charged", (line,), card.fare_account_id, shop.now.date(), shop.now, cause,
            corrects=None if corrects is None else EntryId(corrects),
        )  # fmt: skip
        post(tx, (entry,), shop.now)
    return made


def raise_one(client, card, headers, **change):
    body = {"dispute_id": str(uuid4()), "tap_id": str(TAP), "reason": "Tôi không đi chuyến này."} | change
    return client.post(f"/v1/riders/{card.fare_account_id}/disputes", json=body, headers=headers)


def answer_one(client, card, made, headers, minor: int | None = None):
    body: dict[str, object] = {"note": "Đã kiểm tra."}
    if minor is not None:
        body["refund"] = {"minor": minor, "currency": "VND"}
    at = f"/v1/riders/{card.fare_account_id}/disputes/{made['dispute_id']}"
    return client.post(f"{at}/answer", json=body, headers=headers)


def test_a_disputed_charge_is_shown_answered_and_refunded_by_a_linked_entry(client, shop, card, office):
    entry, me = charge(shop, card, 18_625, f"tap:{TAP}"), shop.rider(card)
    made = raise_one(client, card, me)
    assert (made.status_code, made.json["state"], made.json["disputed"]["minor"]) == (201, "raised", 18_625)
    assert made.json["evidence"]["charge"][0]["entry_id"] == str(entry)
    assert made.json["evidence"]["explanation"] == f"/v1/taps/{TAP}/explanation"
    (listed,) = client.get("/v1/disputes", headers=office).json["disputes"]
    assert (listed["dispute_id"], listed["overdue"]) == (made.json["dispute_id"], False)
    at = f"/v1/riders/{card.fare_account_id}/disputes/{made.json['dispute_id']}"
    assert client.get(at, headers=office).status_code == 200
    assert client.post(f"{at}/take", headers=office).json["state"] == "in_review"
    done = answer_one(client, card, made.json, office, 10_030)
    again = answer_one(client, card, made.json, office, 10_030)
    assert (done.status_code, done.json["state"]) == (200, "refunded")
    assert again.headers["Idempotency-Hit"] == "true"
    assert shop.purse(card) == 50_000 - 18_625 + 10_030
    assert shop.balance(chart.goodwill()) == 10_030
    with shop.running.database.read() as tx:
        linked = tx.execute(
            text("SELECT entry_id, corrects FROM ledger_line WHERE kind = 'adjustment'")
        ).one()
    assert (str(linked[0]), linked[1]) == (done.json["steps"][-1]["entry_id"], entry)
    assert client.get("/v1/disputes", headers=office).json["disputes"] == []
    (seen,) = client.get(f"/v1/riders/{card.fare_account_id}/data-access", headers=me).json["data_access"]
    assert seen["purpose"] == f"dispute {made.json['dispute_id']}"


def test_a_parking_charge_is_found_by_its_session(client, shop, card):
    charge(shop, card, 25_000, f"stay:{SESSION}")
    made = raise_one(client, card, shop.rider(card), tap_id=None, session_id=str(SESSION))
    assert (made.status_code, made.json["disputed"]["minor"]) == (201, 25_000)
    assert made.json["evidence"]["explanation"] == f"/v1/parking/sessions/{SESSION}"


def test_what_was_corrected_already_is_not_given_back_twice(client, shop, card, office):
    entry = charge(shop, card, 18_625, f"tap:{TAP}")
    charge(shop, card, -10_030, f"tap:{TAP}", corrects=entry)
    made = raise_one(client, card, shop.rider(card))
    assert made.json["disputed"]["minor"] == 8_595
    refused = answer_one(client, card, made.json, office, 8_596)
    assert (problem(refused), refused.json["most"]) == ((422, "dispute-amount"), 8_595)
    assert answer_one(client, card, made.json, office, 8_595).status_code == 200
    assert shop.purse(card) == 50_000
    assert problem(raise_one(client, card, shop.rider(card))) == (409, "not-a-charge")


def test_one_charge_has_one_unanswered_dispute(client, shop, card, office):
    charge(shop, card, 10_000, f"tap:{TAP}")
    me = shop.rider(card)
    first, second = raise_one(client, card, me), raise_one(client, card, me)
    assert (second.status_code, second.json) == (200, first.json)
    assert answer_one(client, card, first.json, office).json["state"] == "refused"
    assert raise_one(client, card, me).status_code == 201, "a refused one may be raised again"
    assert shop.purse(card) == 40_000


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"tap_id": str(UUID(int=9))}, (409, "not-a-charge")),
        ({"tap_id": None, "entry_id": str(UUID(int=9))}, (409, "not-a-charge")),
        ({"tap_id": None}, (422, "malformed-request")),
        ({"session_id": str(SESSION)}, (422, "malformed-request")),
        ({"reason": ""}, (422, "malformed-request")),
        ({"reason": "x" * 1_001}, (422, "malformed-request")),
    ],
)
def test_dispute_refused(client, shop, card, change, answer):
    charge(shop, card, 10_000, f"tap:{TAP}")
    assert problem(raise_one(client, card, shop.rider(card), **change)) == answer


def test_nobody_disputes_or_sees_anothers_charge(client, shop, card):
    charge(shop, card, 10_000, f"tap:{TAP}")
    made = raise_one(client, card, shop.rider(card)).json
    other = shop.card()
    stranger = shop.rider(other)
    assert problem(raise_one(client, card, stranger)) == (403, "not-yours")
    at = f"/v1/riders/{card.fare_account_id}/disputes/{made['dispute_id']}"
    assert problem(client.get(at, headers=stranger)) == (403, "not-yours")
    assert problem(client.post(f"{at}/withdraw", headers=stranger)) == (403, "not-yours")
    assert problem(raise_one(client, other, stranger)) == (409, "not-a-charge")
    assert problem(client.post(f"{at}/take", headers=shop.staff(Role.AUDITOR))) == (403, "not-allowed")


def test_an_answered_or_withdrawn_dispute_is_final(client, shop, card, office):
    charge(shop, card, 10_000, f"tap:{TAP}")
    me = shop.rider(card)
    made = raise_one(client, card, me).json
    at = f"/v1/riders/{card.fare_account_id}/disputes/{made['dispute_id']}"
    assert client.post(f"{at}/withdraw", headers=me).json["state"] == "withdrawn"
    (listed,) = client.get(f"/v1/riders/{card.fare_account_id}/disputes", headers=me).json["disputes"]
    assert (listed["dispute_id"], listed["state"]) == (made["dispute_id"], "withdrawn")
    assert problem(answer_one(client, card, made, office, 1)) == (409, "dispute-state")
    assert problem(client.post(f"{at}/take", headers=office)) == (409, "dispute-state")
    assert shop.purse(card) == 40_000


def test_late_answers_are_listed_and_old_charges_stand(client, shop, card):
    charge(shop, card, 10_000, f"tap:{TAP}")
    raise_one(client, card, shop.rider(card))
    shop.running.clock.advance(ANSWER_WITHIN + timedelta(seconds=1))
    office = shop.staff(Role.FINANCE_CHECKER)
    (late,) = client.get("/v1/disputes?overdue=true", headers=office).json["disputes"]
    assert late["overdue"] is True
    charge(shop, card, 10_000, f"tap:{UUID(int=10)}")
    shop.running.clock.advance(RAISE_WITHIN + timedelta(seconds=1))
    late = raise_one(client, card, shop.rider(card), tap_id=str(UUID(int=10)))
    assert problem(late) == (409, "dispute-too-late")


@pytest.mark.parametrize("state", list(TRANSITIONS))
@pytest.mark.parametrize("event", list(DisputeEvent))
def test_every_step_is_in_the_table(state, event):
    if event in TRANSITIONS[state]:
        assert step(state, event, uuid4()) is TRANSITIONS[state][event]
    else:
        with pytest.raises(DisputeStateError):
            step(state, event, uuid4())
