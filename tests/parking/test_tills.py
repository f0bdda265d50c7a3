"""A till is one operator's: nobody else opens a shift at it, or takes or gives cash there."""

from datetime import timedelta
from uuid import uuid4

import pytest

from kernel.money import VND, Money
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from ledger.rules.till import Till, TillDiffersError, TillKind
from ledger.till import add_till
from tests.parking.test_parking_api import BASE, entry, problem
from tests.parking.test_shift_cash import opening, told

OURS, THEIRS = "dongda-parking", "hoankiem-parking"


@pytest.fixture
def ended(client, bearer, now):
    """Return (headers, url) of a guest's stay of an hour at Đống Đa that has ended: 25,000; its till is gate-7."""
    head = bearer()
    assert client.post(f"{BASE}/shifts", headers=head, json=opening()).status_code == 201
    assert (
        client.post(
            f"{BASE}/shifts", headers=bearer(THEIRS), json=opening("hk-1", "hoan-kiem-01")
        ).status_code
        == 201
    )
    began = client.post(f"{BASE}/sessions", headers=head, json=entry(now, 60)).json
    url = f"{BASE}/sessions/{began['session_id']}"
    client.post(f"{url}/leave", headers=head, json={"event_id": str(uuid4())})
    return head, url


def cash(till, minor=25_000):
    amount = {"minor": minor, "currency": "VND"}
    return {"payment_id": str(uuid4()), "method": "cash", "amount": amount, "till": till}


def close(client, one, two, url):
    assert client.post(f"{url}/counts", headers=one, json=told(500_000)).status_code == 200
    assert client.post(f"{url}/close", headers=two, json={"event_id": str(uuid4())}).status_code == 200


@pytest.mark.parametrize("closed", [False, True])
def test_another_operators_till_takes_no_shift_and_tells_nothing(client, bearer, clock, closed):
    head, body = bearer(), opening()
    assert client.post(f"{BASE}/shifts", headers=head, json=body).status_code == 201
    if closed:
        clock.advance(timedelta(minutes=1))
        close(client, head, bearer(), f"{BASE}/shifts/{body['shift_id']}")
    asked = opening(place_id="hoan-kiem-01")
    theirs = client.post(f"{BASE}/shifts", headers=bearer(THEIRS), json=asked)
    assert problem(theirs) == (409, "till-taken")
    assert theirs.json["detail"] == "Till “gate-7” is not yours: give your own another name."
    assert body["shift_id"] not in theirs.text
    assert OURS not in theirs.text
    again = client.post(f"{BASE}/shifts", headers=bearer(), json=opening())
    assert again.status_code == (201 if closed else 409), "the operator's own, once it is free"


@pytest.mark.parametrize("till", ["hk-1", "gate-8"])
def test_cash_goes_to_a_till_of_the_places_operator_or_nowhere(client, ended, begin, now, till):
    head, url = ended
    refused = client.post(f"{url}/payments", headers=head, json=cash(till))
    assert problem(refused) == (404, "unknown-till")
    account = chart.till(till)
    with begin() as tx:
        open_accounts(tx, (account,), now)
        assert read_balances(tx, [account.account_id], now)[account.account_id].posted == Money(0, VND)
    assert client.get(f"{url}/payments", headers=head).json["payments"] == []


@pytest.mark.parametrize("till", ["hk-1", "gate-8"])
def test_cash_is_given_back_from_a_till_of_the_places_operator_only(client, ended, till):
    head, url = ended
    paid = cash("gate-7")
    assert client.post(f"{url}/payments", headers=head, json=paid).status_code == 201
    void = {"event_id": str(uuid4()), "correction": "voided", "note": "barrier broken"}
    assert client.post(f"{url}/corrections", headers=head, json=void).status_code == 200
    assert problem(client.post(f"{url}/refunds", headers=head, json=cash(till))) == (404, "unknown-till")
    assert client.post(f"{url}/payments", headers=head, json=paid).headers["Idempotency-Hit"] == "true"
    back = client.post(f"{url}/refunds", headers=head, json=cash("gate-7"))
    assert (back.status_code, back.json["to_give_back"]["minor"]) == (201, 0)


@pytest.mark.parametrize("till", ["gate-7", "hk-2"])
def test_a_pass_is_sold_at_a_till_of_the_places_operator_only(client, ended, bearer, now, till):
    head = bearer(THEIRS)
    sold = {
        "right_id": str(uuid4()),
        "spec_id": "hoan-kiem-12-month",
        "place_id": "hoan-kiem-01",
        "medium": {"kind": "plate", "value": "30A-123.45"},
        "valid_from": now.isoformat(),
        "valid_to": (now + timedelta(days=30)).isoformat(),
        "till": till,
    }
    assert problem(client.post(f"{BASE}/rights", headers=head, json=sold)) == (404, "unknown-till")
    assert client.post(f"{BASE}/rights", headers=head, json={**sold, "till": "hk-1"}).status_code == 201


def test_a_kiosks_till_and_a_car_parks_have_two_names(client, ended, begin, now):
    head, url = ended
    kiosk = Till("kiosk-7", TillKind.KIOSK, Money(900_000, VND))
    with begin() as tx:
        add_till(tx, kiosk, actor="mai", now=now)
    assert problem(client.post(f"{BASE}/shifts", headers=head, json=opening("kiosk-7"))) == (
        409,
        "till-taken",
    )
    assert problem(client.post(f"{url}/payments", headers=head, json=cash("kiosk-7"))) == (
        404,
        "unknown-till",
    )
    with begin() as tx, pytest.raises(TillDiffersError):
        add_till(tx, Till("gate-7", TillKind.KIOSK, Money(900_000, VND)), actor="mai", now=now)
