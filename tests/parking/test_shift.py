"""Shifts, tickets and meters: through the API with real payments."""

from datetime import timedelta
from uuid import uuid4

import pytest

from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from service.staff import Role
from tests.parking.test_parking_api import BASE, entry, problem
from tests.parking.test_payments_api import cash


@pytest.fixture
def place(client, bearer):
    """Two signatures, and a helper that opens a shift at gate-1."""
    one, two = bearer(), bearer()
    shift_id = str(uuid4())

    def _open(**changes):
        body = {
            "shift_id": shift_id,
            "place_id": "dong-da-01",
            "till": "gate-1",
            "attendant": "An",
            "float": {"minor": 500_000, "currency": "VND"},
        }
        return client.post(f"{BASE}/shifts", headers=one, json={**body, **changes})

    return one, two, _open, f"{BASE}/shifts/{shift_id}"


def amount(minor):
    return {"event_id": str(uuid4()), "amount": {"minor": minor, "currency": "VND"}}


def paid_stay(client, head, now, plate="30A-123.45", pay=True):
    began = client.post(
        f"{BASE}/sessions", headers=head, json=entry(now, 60, medium={"kind": "plate", "value": plate})
    ).json
    url = f"{BASE}/sessions/{began['session_id']}"
    client.post(f"{url}/leave", headers=head, json={"event_id": str(uuid4())})
    if pay:
        done = client.post(f"{url}/payments", headers=head, json=cash(25_000))
        assert done.status_code == 201
    return url


def test_a_shift_from_float_to_second_signature(client, app, begin, place, now, clock):
    one, two, open_, url = place
    assert (open_().status_code, open_().status_code) == (201, 200)
    assert problem(open_(attendant="Bình")) == (409, "shift-id-reused")
    assert problem(open_(shift_id=str(uuid4()))) == (409, "till-busy")
    clock.advance(timedelta(minutes=1))
    paid_stay(client, one, clock.now())
    paid_stay(client, one, clock.now(), plate="30A-999.99", pay=False)
    dropped = client.post(f"{url}/drops", headers=one, json=amount(10_000)).json
    assert (dropped["taken"]["minor"], dropped["expected"]["minor"]) == (25_000, 515_000)
    counted = client.post(f"{url}/counts", headers=one, json=amount(510_000)).json
    assert (counted["state"], counted["variance"]["minor"]) == ("counted", -5_000)
    closing = {"event_id": str(uuid4())}
    assert problem(client.post(f"{url}/close", headers=one, json=closing)) == (403, "same-signer")
    assert problem(client.post(f"{url}/close", headers=two, json=closing)) == (409, "variance-unexplained")
    client.post(f"{url}/explanations", headers=one, json={"event_id": str(uuid4()), "note": "wrong change"})
    closed = client.post(f"{url}/close", headers=two, json=closing)
    assert (closed.status_code, closed.json["state"]) == (200, "closed")
    again = client.post(f"{url}/close", headers=two, json=closing)
    assert again.headers["Idempotency-Hit"] == "true"
    with begin() as tx:
        specs = (
            chart.till("gate-1"),
            chart.operator_cash("dongda-parking"),
            chart.parking_payable("dongda-parking"),
        )
        open_accounts(tx, specs, clock.now())
        found = read_balances(tx, [spec.account_id for spec in specs], clock.now())
        assert [found[spec.account_id].posted.minor for spec in specs] == [0, 25_000, 25_000]
    assert open_(shift_id=str(uuid4())).status_code == 201


def test_the_leakage_meter_reads_a_shift(client, place, clock):
    one, _, open_, _ = place
    open_()
    clock.advance(timedelta(minutes=1))
    begun = clock.now()
    for number in range(9):
        paid_stay(client, one, clock.now(), plate=f"30A-000.0{number}", pay=number < 8)
    clock.advance(timedelta(minutes=1))
    counted = {
        "count_id": str(uuid4()),
        "place_id": "dong-da-01",
        "source": "camera",
        "turns": 10,
        "begun_at": begun.isoformat(),
        "ended_at": clock.now().isoformat(),
    }
    assert client.post(f"{BASE}/counts", headers=one, json=counted).status_code == 201
    assert client.post(f"{BASE}/counts", headers=one, json=counted).status_code == 200
    assert problem(client.post(f"{BASE}/counts", headers=one, json={**counted, "turns": 11})) == (
        409,
        "count-id-reused",
    )
    clock.advance(timedelta(seconds=1))
    where = {"place_id": "dong-da-01"}
    read = client.get(f"{BASE}/leakage", query_string=where, headers=one).json
    (shift,) = read["shifts"]
    assert (shift["turns_seen"], shift["turns_paid"], shift["turns_unpaid"]) == (10, 8, 2)
    assert (shift["capture_millionths"], shift["alert"], read["alerts"]) == (800_000, True, 1)
    assert (shift["expected"]["minor"], shift["missing"]["minor"]) == (225_000, 25_000)
    share = client.get(f"{BASE}/cashless", query_string=where, headers=one).json
    assert (share["turns"], share["cash"], share["share_millionths"]) == (8, 8, 0)
    refused = client.get(f"{BASE}/cashless", query_string={**where, "printed_total": 17}, headers=one)
    assert problem(refused) == (422, "parts-do-not-sum")


def test_an_empty_place_reads_as_empty(client, bearer):
    where = {"place_id": "dong-da-01"}
    head = bearer()
    assert client.get(f"{BASE}/leakage", query_string=where, headers=head).json["shifts"] == []
    share = client.get(f"{BASE}/cashless", query_string=where, headers=head).json
    assert (share["turns"], share["share_millionths"]) == (0, None)
    assert client.get(f"{BASE}/tickets/series", query_string=where, headers=head).json == {"series": []}


def test_tickets_are_accounted_for(client, bearer, clock):
    head = bearer()
    issued = {"series": "A26", "numbers": [1, 2, 3, 7], "place_id": "dong-da-01"}
    assert client.post(f"{BASE}/tickets", headers=head, json=issued).json["issued"] == 4
    assert client.post(f"{BASE}/tickets", headers=head, json=issued).json == {
        "series": "A26",
        "issued": 0,
        "known": 4,
    }
    ending = {"series": "A26", "place_id": "dong-da-01"}
    url = f"{BASE}/tickets/ends"
    assert (
        client.post(url, headers=head, json={**ending, "numbers": [1, 2], "end": "collected"}).json["ended"]
        == 2
    )
    assert problem(client.post(url, headers=head, json={**ending, "numbers": [3], "end": "voided"})) == (
        422,
        "void-unexplained",
    )
    voided = {**ending, "numbers": [3], "end": "voided", "note": "jam"}
    assert client.post(url, headers=head, json=voided).json["ended"] == 1
    assert client.post(url, headers=head, json={**voided, "end": "collected"}).json["ended"] == 0
    assert problem(client.post(url, headers=head, json={**ending, "numbers": [4], "end": "collected"})) == (
        404,
        "ticket-unknown",
    )
    clock.advance(timedelta(seconds=1))
    (found,) = client.get(
        f"{BASE}/tickets/series", query_string={"place_id": "dong-da-01"}, headers=head
    ).json["series"]
    assert (found["issued"], found["collected"], found["voided"], found["open"]) == (4, 2, 1, 1)
    assert (found["missing"], found["gaps"]) == (3, [{"first": 4, "last": 6}])


def test_tickets_are_not_handed_out_in_another_operators_shift(client, bearer):
    opened = {
        "shift_id": str(uuid4()),
        "place_id": "hoan-kiem-01",
        "till": "hk-9",
        "attendant": "hk",
        "float": {"minor": 0, "currency": "VND"},
    }
    theirs = bearer("hoankiem-parking")
    assert client.post(f"{BASE}/shifts", headers=theirs, json=opened).status_code == 201
    issued = {"series": "B26", "numbers": [1], "place_id": "dong-da-01", "shift_id": opened["shift_id"]}
    answer = client.post(f"{BASE}/tickets", headers=bearer(), json=issued)
    assert problem(answer) == (404, "unknown-shift")
    del issued["shift_id"]
    assert client.post(f"{BASE}/tickets", headers=bearer(), json=issued).json["issued"] == 1


ROUTES = [
    ("get", "shifts", {"place_id": "dong-da-01"}),
    ("get", "leakage", {"place_id": "dong-da-01"}),
    ("get", "cashless", {"place_id": "dong-da-01"}),
    ("get", "tickets/series", {"place_id": "dong-da-01"}),
    ("get", "observations", {"place_id": "dong-da-01"}),
]


@pytest.mark.parametrize(("method", "path", "query"), ROUTES)
def test_an_operator_reads_its_own_places_only(client, bearer, method, path, query):
    call = getattr(client, method)
    assert problem(call(f"{BASE}/{path}", query_string=query, headers=bearer("other"))) == (
        403,
        "other-operator",
    )
    assert call(f"{BASE}/{path}", query_string=query, headers=bearer("", Role.AUDITOR)).status_code == 200
    assert problem(call(f"{BASE}/{path}", query_string=query, headers=bearer("", Role.FINANCE_MAKER))) == (
        403,
        "not-allowed",
    )
    assert problem(call(f"{BASE}/{path}", query_string={"place_id": "x"}, headers=bearer())) == (
        404,
        "unknown-place",
    )
