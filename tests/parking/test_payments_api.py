"""Guests pay over HTTP: cash at a till, and a VietQR whose notification pays the stay."""

from datetime import timedelta
from uuid import uuid4

import pytest

from service.staff import Role
from tests.parking.conftest import own_till
from tests.parking.test_parking_api import BASE, entry, problem
from tests.service.test_topups_api import notice


@pytest.fixture
def stay(client, begin, bearer, now):
    """Return (headers, url) of a guest's stay of an hour, running: 25,000."""
    head = bearer()
    with begin() as tx:
        own_till(tx, "gate-1", now)
    began = client.post(f"{BASE}/sessions", headers=head, json=entry(now, 60)).json
    return head, f"{BASE}/sessions/{began['session_id']}"


def cash(minor, **changes):
    body = {
        "payment_id": str(uuid4()),
        "method": "cash",
        "amount": {"minor": minor, "currency": "VND"},
        "till": "gate-1",
    }
    return {**body, **changes}


def left(client, head, url):
    client.post(f"{url}/leave", headers=head, json={"event_id": str(uuid4())})


def test_cash_is_taken_once_and_shown(client, stay):
    head, url = stay
    assert problem(client.post(f"{url}/payments", headers=head, json=cash(25_000))) == (409, "not-ended")
    left(client, head, url)
    body = cash(25_000)
    first = client.post(f"{url}/payments", headers=head, json=body)
    assert (first.status_code, first.json["due"]["minor"]) == (201, 0)
    again = client.post(f"{url}/payments", headers=head, json=body)
    assert (again.status_code, again.headers["Idempotency-Hit"]) == (200, "true")
    reused = client.post(f"{url}/payments", headers=head, json={**body, "till": "gate-2"})
    assert problem(reused) == (409, "payment-id-reused")
    assert problem(client.post(f"{url}/payments", headers=head, json=cash(1))) == (422, "payment-amount")
    (payment,) = client.get(f"{url}/payments", headers=head).json["payments"]
    assert (payment["method"], payment["till"]) == ("cash", "gate-1")


def test_only_the_places_operator_takes_money(client, bearer, stay):
    _, url = stay
    assert problem(client.post(f"{url}/payments", headers=bearer("other"), json=cash(1))) == (
        403,
        "other-operator",
    )
    finance = bearer("", Role.FINANCE_MAKER)
    assert problem(client.post(f"{url}/payments", headers=finance, json=cash(1))) == (403, "not-allowed")


def test_a_vietqr_pays_the_stay_when_the_bank_says_so(client, stay):
    head, url = stay
    asking = {"topup_id": str(uuid4())}
    assert problem(client.post(f"{url}/payment-intents", headers=head, json=asking)) == (409, "not-ended")
    left(client, head, url)
    asked = client.post(f"{url}/payment-intents", headers=head, json=asking)
    assert (asked.status_code, asked.json["amount"]["minor"]) == (201, 25_000)
    again = client.post(f"{url}/payment-intents", headers=head, json=asking)
    assert (again.status_code, again.json["qr"]) == (200, asked.json["qr"])
    raw = notice(asked.json, 25_000)
    for _ in range(3):
        assert client.post("/v1/notifications/payos", data=raw).status_code == 200
    found = client.get(f"{url}/payments", headers=head).json
    assert (found["due"]["minor"], [each["method"] for each in found["payments"]]) == (0, ["vietqr"])
    nothing = client.post(f"{url}/payment-intents", headers=head, json={"topup_id": str(uuid4())})
    assert problem(nothing) == (422, "payment-amount")


def test_a_vietqr_pays_a_running_stay_ahead(client, stay, now):
    head, url = stay
    until = (now + timedelta(hours=1)).isoformat()
    asked = client.post(
        f"{url}/payment-intents", headers=head, json={"topup_id": str(uuid4()), "until": until}
    )
    assert asked.json["amount"]["minor"] == 50_000
    client.post("/v1/notifications/payos", data=notice(asked.json, 50_000))
    assert client.get(url, headers=head).json["state"] == "paid_ahead"
    left(client, head, url)
    found = client.get(f"{url}/payments", headers=head).json
    assert found["to_give_back"]["minor"] == 25_000
    more = client.post(f"{url}/refunds", headers=head, json=cash(25_001))
    assert problem(more) == (422, "give-back-amount")
    assert more.json["detail"] == "25,001 VND cannot be given back: 25,000 VND is to be given back."
    back = client.post(f"{url}/refunds", headers=head, json=cash(25_000))
    assert (back.status_code, back.json["to_give_back"]["minor"]) == (201, 0)


def test_a_wrong_vietqr_amount_waits_in_suspense(client, bearer, stay):
    head, url = stay
    left(client, head, url)
    asked = client.post(f"{url}/payment-intents", headers=head, json={"topup_id": str(uuid4())})
    client.post("/v1/notifications/payos", data=notice(asked.json, 24_000))
    assert client.get(f"{url}/payments", headers=head).json["due"]["minor"] == 25_000
    (waits,) = client.get("/v1/suspense", headers=bearer("", Role.AUDITOR)).json["suspense"]
    assert (waits["reason"], waits["amount"]["minor"]) == ("underpaid", 24_000)
