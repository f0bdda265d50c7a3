"""Per stay: settled only when everybody whose word counts agrees; otherwise held, and why."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import uuid4

import pytest
from sqlalchemy import text

from access.issue import issue_card
from kernel.money import VND, Money
from kernel.wire.cardinfo import Concession
from ledger.store.recon_match import refresh_ledger
from parking.rules.settled import Held, Settling, account_part, cash_part, rail_part, settle
from tests.service.test_topups_api import notice

AT = datetime(2026, 11, 18, 2, tzinfo=UTC)
LATER = AT + timedelta(days=1)
OTHERS = count(1_000_000)  # movements of the other two sides
PRICE, NOTHING = Money(25_000, VND), Money.zero(VND)


def rail(provider_at=None, bank_at=None, reason=""):
    return rail_part("vietqr", PRICE, "p", provider_at=provider_at, bank_at=bank_at, queue_reason=reason)


@pytest.mark.parametrize(
    ("parts", "owed", "running", "expected"),
    [
        ([], NOTHING, True, (Settling.NOTHING, None, None)),
        ([rail()], NOTHING, True, (Settling.HELD, Held.RUNNING, None)),
        ([], PRICE, False, (Settling.UNPAID, Held.UNPAID, None)),
        ([rail(AT, LATER)], Money(1, VND), False, (Settling.UNPAID, Held.UNPAID, None)),
        ([rail()], NOTHING, False, (Settling.HELD, Held.PROVIDER_FILE, None)),
        ([rail(AT)], NOTHING, False, (Settling.HELD, Held.BANK_LINE, None)),
        ([rail(None, AT)], NOTHING, False, (Settling.HELD, Held.PROVIDER_FILE, None)),
        ([rail(AT, None, "missing_at_bank")], NOTHING, False, (Settling.HELD, Held.QUEUE, None)),
        ([rail(LATER, AT)], NOTHING, False, (Settling.SETTLED, None, LATER)),
        ([cash_part("cash", PRICE, "c", None)], NOTHING, False, (Settling.HELD, Held.SHIFT, None)),
        ([cash_part("cash", PRICE, "c", AT)], NOTHING, False, (Settling.SETTLED, None, AT)),
        ([cash_part("cash", PRICE, "c", AT), rail()], NOTHING, False, (Settling.HELD, Held.PROVIDER_FILE, None)),
        ([account_part(PRICE, "a", [], owes=True)], NOTHING, False, (Settling.HELD, Held.OWED, None)),
        ([account_part(PRICE, "a", [], owes=False)], NOTHING, False, (Settling.HELD, Held.TILL, None)),
        ([account_part(PRICE, "a", [rail(AT, AT)], owes=False)], NOTHING, False, (Settling.SETTLED, None, AT)),
        ([account_part(PRICE, "a", [rail(AT, AT), rail(AT)], owes=False)], NOTHING, False,
         (Settling.HELD, Held.BANK_LINE, None)),
    ],
)  # fmt: skip
def test_where_the_money_of_a_stay_stands(parts, owed, running, expected):
    found = settle(PRICE, owed, parts, running=running)
    assert (found.state, found.why, found.settled_at) == expected


def test_a_free_stay_has_nothing_to_settle():
    assert settle(NOTHING, NOTHING, [], running=False).state is Settling.NOTHING


def test_whose_word_settled_it():
    assert settle(PRICE, NOTHING, [rail(AT, AT)], running=False).by == (
        "ledger",
        "provider_file",
        "bank_line",
    )
    assert settle(PRICE, NOTHING, [rail(AT)], running=False).by == ("ledger", "provider_file")


def settlement(client, head, session_id):
    return client.get(f"/v1/parking/sessions/{session_id}", headers=head).json["settlement"]


def begun_and_left(client, head, now):
    body = {
        "event_id": str(uuid4()),
        "place_id": "dong-da-01",
        "vehicle_class": "car_le9",
        "medium": {"kind": "ticket", "value": str(uuid4())},
        "entered_at": (now - timedelta(minutes=30)).isoformat(),
    }
    made = client.post("/v1/parking/sessions", headers=head, json=body).json["session_id"]
    client.post(f"/v1/parking/sessions/{made}/leave", headers=head, json={"event_id": str(uuid4())})
    return made


def test_cash_is_held_until_two_people_closed_its_shift(client, begin, bearer, now):
    head, other = bearer(), bearer()
    made = begun_and_left(client, head, now)
    assert settlement(client, head, made) == {
        "state": "unpaid", "settled_at": None, "by": [], "why": "not_paid", "parts": [],
    }  # fmt: skip
    shift = str(uuid4())
    opened = {
        "shift_id": shift, "place_id": "dong-da-01", "till": "booth-1", "attendant": "An",
        "float": {"minor": 0, "currency": "VND"},
    }  # fmt: skip
    assert client.post("/v1/parking/shifts", headers=head, json=opened).status_code == 201
    paid = {
        "payment_id": str(uuid4()), "method": "cash", "till": "booth-1",
        "amount": {"minor": 25_000, "currency": "VND"},
    }  # fmt: skip
    assert client.post(f"/v1/parking/sessions/{made}/payments", headers=head, json=paid).status_code == 201
    held = settlement(client, head, made)
    assert (held["state"], held["why"], held["by"]) == ("held", "shift_not_closed", ["ledger"])
    counted = {"event_id": str(uuid4()), "amount": {"minor": 25_000, "currency": "VND"}}
    done = client.post(f"/v1/parking/shifts/{shift}/counts", headers=head, json=counted)
    assert done.status_code in {200, 201}, done.text
    assert settlement(client, head, made)["state"] == "held"
    closed = client.post(f"/v1/parking/shifts/{shift}/close", headers=other, json={"event_id": str(uuid4())})
    assert closed.status_code in {200, 201}, closed.text
    settled = settlement(client, head, made)
    assert (settled["state"], settled["by"], settled["settled_at"]) == (
        "settled", ["ledger", "shift"], now.isoformat(),
    )  # fmt: skip


def test_a_card_that_owes_has_not_paid(client, begin, bearer, keyring, now):
    head = bearer()
    with begin() as tx:
        card = issue_card(
            tx, keyring=keyring, uid=bytes(6) + b"\2", concession=Concession.NORMAL,
            expiry=now.date() + timedelta(days=99), now=now - timedelta(days=9),
        )  # fmt: skip
    body = {
        "event_id": str(uuid4()), "place_id": "dong-da-01", "vehicle_class": "car_le9",
        "medium": {"kind": "plate", "value": "30A-123.45"}, "fare_account_id": str(card.fare_account_id),
        "entered_at": (now - timedelta(minutes=30)).isoformat(),
    }  # fmt: skip
    made = client.post("/v1/parking/sessions", headers=head, json=body).json["session_id"]
    client.post(f"/v1/parking/sessions/{made}/leave", headers=head, json={"event_id": str(uuid4())})
    held = settlement(client, head, made)
    assert (held["state"], held["why"]) == ("held", "account_owes")


def agree(begin, payment_id, relation, at):
    """One side's word, as reconciliation writes it."""
    with begin() as tx:
        refresh_ledger(tx, at)
        tx.execute(
            text(
                "INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, made_at)"
                " SELECT :relation, item_no, :other, 1, 'provider_id', :at FROM ledger_recon_item"
                " WHERE item_id = :payment"
            ),
            {"relation": relation, "payment": payment_id, "other": next(OTHERS), "at": at},
        )


def test_a_vietqr_is_settled_when_books_provider_and_bank_agree(client, begin, bearer, now):
    head = bearer()
    made = begun_and_left(client, head, now)
    asked = client.post(
        f"/v1/parking/sessions/{made}/payment-intents", headers=head, json={"topup_id": str(uuid4())}
    )
    assert client.post("/v1/notifications/payos", data=notice(asked.json, 25_000)).status_code == 200
    held = settlement(client, head, made)
    assert (held["state"], held["why"], held["by"]) == ("held", "provider_file_awaited", ["ledger"])
    payment = held["parts"][0]["ref"]
    agree(begin, payment, "ledger-provider", now)
    held = settlement(client, head, made)
    assert (held["state"], held["why"], held["by"]) == (
        "held",
        "bank_line_awaited",
        ["ledger", "provider_file"],
    )
    agree(begin, payment, "ledger-bank", now + timedelta(days=1))
    settled = settlement(client, head, made)
    assert (settled["state"], settled["by"]) == ("settled", ["ledger", "provider_file", "bank_line"])
    assert settled["settled_at"] == (now + timedelta(days=1)).isoformat()
    with begin() as tx:
        tx.execute(text("UPDATE ledger_recon_edge SET live = false WHERE relation = 'ledger-bank'"))
    assert settlement(client, head, made)["why"] == "bank_line_awaited", (
        "a match that was undone counts no more"
    )
