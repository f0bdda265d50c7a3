"""What a till cannot do: give more than it should hold, hold less than nothing, or tell of another operator's shift."""

from uuid import uuid4

import pytest

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


def test_a_busy_till_names_its_shift_to_its_own_operator_only(client, bearer, shift):
    head, url = shift
    shift_id = url.rpartition("/")[2]
    own = client.post(f"{BASE}/shifts", headers=head, json=opening())
    assert (problem(own), own.json["shift_id"]) == ((409, "till-busy"), shift_id)
    theirs = client.post(
        f"{BASE}/shifts", headers=bearer("hoankiem-parking"), json=opening(place_id="hoan-kiem-01")
    )
    assert problem(theirs) == (409, "till-busy")
    assert shift_id not in theirs.text
    assert theirs.json["detail"] == "Till gate-7 has a shift that is not closed: another operator's."
