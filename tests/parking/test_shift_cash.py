"""What lies in a till, and what it cannot do: give more than it should hold, or tell of another operator's shift."""

from datetime import timedelta
from uuid import uuid4

import pytest

from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from tests.parking.test_parking_api import BASE, problem


def told(minor, unit="VND"):
    return {"event_id": str(uuid4()), "amount": {"minor": minor, "currency": unit}}


def opening(till="gate-7", place_id="dong-da-01"):
    return {
        "shift_id": str(uuid4()),
        "place_id": place_id,
        "till": till,
        "attendant": "An",
        "float": {"minor": 500_000, "currency": "VND"},
    }


@pytest.fixture
def shift(client, bearer):
    """An operator's head, and where its open shift with a float of 500,000 stands."""
    head, body = bearer(), opening()
    assert client.post(f"{BASE}/shifts", headers=head, json=body).status_code == 201
    return head, f"{BASE}/shifts/{body['shift_id']}"


@pytest.mark.parametrize(
    ("verb", "cash", "refusal"),
    [
        ("drops", told(500_001), (409, "till-short")),
        ("drops", told(1_000_000_000), (409, "till-short")),
        ("drops", told(0), (409, "till-short")),
        ("drops", told(-1), (422, "malformed-request")),
        ("drops", told(100, "USD"), (422, "currency-mismatch")),
        ("counts", told(-1), (422, "malformed-request")),
        ("counts", told(500_000, "USD"), (422, "currency-mismatch")),
    ],
)
def test_cash_that_cannot_be_is_refused_and_nothing_is_written(client, shift, verb, cash, refusal):
    head, url = shift
    before = client.get(url, headers=head).json
    assert problem(client.post(f"{url}/{verb}", headers=head, json=cash)) == refusal
    assert client.get(url, headers=head).json == before


def test_all_that_a_till_should_hold_may_be_dropped_once(client, shift):
    head, url = shift
    all_of_it = told(500_000)
    done = client.post(f"{url}/drops", headers=head, json=all_of_it).json
    assert done["expected"]["minor"] == 0
    again = client.post(f"{url}/drops", headers=head, json=all_of_it)
    assert again.headers["Idempotency-Hit"] == "true"
    more = client.post(f"{url}/drops", headers=head, json=told(1))
    assert problem(more) == (409, "till-short")
    assert more.json["detail"] == "1 VND is to be taken where 0 VND lies."


def test_a_float_is_not_less_than_nothing(client, bearer):
    body = {**opening(), "float": {"minor": -1, "currency": "VND"}}
    assert problem(client.post(f"{BASE}/shifts", headers=bearer(), json=body)) == (422, "malformed-request")


def test_a_busy_till_names_its_shift(client, shift):
    head, url = shift
    shift_id = url.rpartition("/")[2]
    own = client.post(f"{BASE}/shifts", headers=head, json=opening())
    assert (problem(own), own.json["shift_id"]) == ((409, "till-busy"), shift_id)


def test_a_pass_sold_at_a_till_is_its_shifts_cash_and_so_is_what_is_given_back(client, begin, bearer, clock):
    one, two = bearer("hoankiem-parking"), bearer("hoankiem-parking")
    body = opening("hk-1", "hoan-kiem-01")
    url = f"{BASE}/shifts/{body['shift_id']}"
    assert client.post(f"{BASE}/shifts", headers=one, json=body).status_code == 201
    clock.advance(timedelta(minutes=1))
    begins = clock.now() + timedelta(days=1)
    sold = {
        "right_id": str(uuid4()),
        "spec_id": "hoan-kiem-12-month",
        "place_id": "hoan-kiem-01",
        "medium": {"kind": "plate", "value": "30A-123.45"},
        "valid_from": begins.isoformat(),
        "valid_to": (begins + timedelta(days=30)).isoformat(),
        "till": "hk-1",
    }
    assert client.post(f"{BASE}/rights", headers=one, json=sold).status_code == 201
    assert client.get(url, headers=one).json["taken"]["minor"] == 4_000_000
    clock.advance(timedelta(minutes=1))
    again = {**sold, "right_id": str(uuid4()), "medium": {"kind": "plate", "value": "30A-999.99"}}
    assert client.post(f"{BASE}/rights", headers=one, json=again).status_code == 201
    ended = client.post(f"{BASE}/rights/{again['right_id']}/end", headers=one, json={"note": "changed mind"})
    assert ended.status_code == 200
    clock.advance(timedelta(minutes=1))
    counted = client.post(f"{url}/counts", headers=one, json=told(4_500_000)).json
    assert (counted["taken"]["minor"], counted["variance"]["minor"]) == (4_000_000, 0)
    closed = client.post(f"{url}/close", headers=two, json={"event_id": str(uuid4())})
    assert closed.json["state"] == "closed"
    with begin() as tx:
        specs = chart.till("hk-1"), chart.operator_cash("hoankiem-parking")
        open_accounts(tx, specs, clock.now())
        found = read_balances(tx, [spec.account_id for spec in specs], clock.now())
        assert [found[spec.account_id].posted.minor for spec in specs] == [0, 4_000_000]
