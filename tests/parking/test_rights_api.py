"""Rights over HTTP: pools, products, and a pass that a plate holds."""

from datetime import timedelta
from uuid import uuid4

from tests.parking.conftest import own_till
from tests.parking.test_parking_api import BASE, entry, problem
from tests.parking.test_payments_api import cash


def test_pools_and_products_over_http(client, bearer):
    head = bearer()
    where = {"place_id": "hoan-kiem-01"}
    sold = client.get(f"{BASE}/rights/specifications", query_string=where).json["specifications"]
    assert [each["spec_id"] for each in sold] == ["hoan-kiem-12-month", "hoan-kiem-12-month-day"]
    assert sold[0]["price"]["minor"] == 4_000_000
    nothing = client.get(f"{BASE}/rights/specifications", query_string={"place_id": "dong-da-01"})
    assert nothing.json == {"specifications": []}
    pool = {"pool_id": str(uuid4()), "place_id": "dong-da-01", "name": "Công ty A", "spaces": 20}
    assert client.post(f"{BASE}/pools", headers=head, json=pool).status_code == 201
    assert client.post(f"{BASE}/pools", headers=head, json=pool).status_code == 200
    assert problem(client.post(f"{BASE}/pools", headers=head, json={**pool, "spaces": 21})) == (
        409,
        "right-id-reused",
    )
    assert problem(client.post(f"{BASE}/pools", headers=bearer("other"), json=pool)) == (
        403,
        "other-operator",
    )


def test_a_plates_month_is_paid_in_cash_and_its_stay_is_free(client, begin, bearer, now):
    head = bearer("hoankiem-parking")
    with begin() as tx:
        own_till(tx, "hk-1", now, "hoankiem-parking")
    body = {
        "right_id": str(uuid4()),
        "spec_id": "hoan-kiem-12-month",
        "place_id": "hoan-kiem-01",
        "medium": {"kind": "plate", "value": "30A-123.45"},
        "valid_from": now.isoformat(),
        "valid_to": (now + timedelta(days=30)).isoformat(),
        "till": "hk-1",
    }
    made = client.post(f"{BASE}/rights", headers=head, json=body)
    assert (made.status_code, made.json["price"]["minor"], made.json["paid_with"]) == (201, 4_000_000, "till")
    assert client.post(f"{BASE}/rights", headers=head, json=body).status_code == 200
    began = client.post(f"{BASE}/sessions", headers=head, json=entry(now, place_id="hoan-kiem-01")).json
    url = f"{BASE}/sessions/{began['session_id']}"
    left = client.post(f"{url}/leave", headers=head, json={"event_id": str(uuid4())}).json
    assert {each["component"]: each["amount"]["minor"] for each in left["lines"]}["charged"] == 0
    assert problem(client.post(f"{url}/payments", headers=head, json=cash(1))) == (422, "payment-amount")
    where = f"{BASE}/rights/{body['right_id']}"
    assert client.get(where, headers=head).json["ended"] is None
    assert problem(client.post(f"{where}/end", headers=bearer("other"), json={"note": "x"})) == (
        403,
        "other-operator",
    )
    ended = client.post(f"{where}/end", headers=head, json={"note": "sold the car"}).json
    assert ended["ended"]["refund"]["minor"] == 4_000_000
    both = {**body, "right_id": str(uuid4()), "fare_account_id": str(uuid4())}
    assert problem(client.post(f"{BASE}/rights", headers=head, json=both)) == (422, "malformed-request")
