"""Through the APDS doors: quotes, rights, sessions and observations, once each, and never by a stale version."""

from datetime import timedelta
from uuid import uuid4

import pytest

from parking.proof import check_proof
from parking.rate_dir import HANOI, load_rate_dir
from tests.parking.apds_bodies import (
    BASE,
    CASUAL,
    began,
    observation,
    plate,
    problem,
    quote_request,
    session,
)


def test_a_quote_is_kept_with_its_proof(apds, now):
    asked = quote_request(now)
    made = apds("POST", "/quotes", asked)
    (response,) = made.json["data"]
    (option,) = response["options"]
    assert option["financialQuote"]["value"] == {"currencyType": "VND", "currencyValue": 165_000}
    assert check_proof(response["lienthong"]["proof"], load_rate_dir(HANOI)) == ()
    again = apds("POST", "/quotes", asked)
    assert again.headers["Idempotency-Hit"] == "true"
    assert again.json["data"] == made.json["data"]
    assert apds("GET", f"/quotes/{response['id']}").json == response
    assert problem(apds("POST", "/quotes", {**asked, "periodEnd": asked["periodStart"]})) == (
        409,
        "quote-id-reused",
    )
    assert problem(apds("GET", f"/quotes/{uuid4()}")) == (404, "unknown-quote")


def test_a_session_lives_through_the_doors(apds, clock, now):
    made = apds("POST", "/sessions", session(now))
    assert made.json["status"] == "ok"
    where = f"/sessions/{made.json['reference']['id']}"
    first = apds("GET", where).json
    assert (first["version"], first["lienthong"]["state"]) == (1, "open")
    assert first["lienthong"]["right_specification"] == CASUAL
    later = (now + timedelta(minutes=30)).isoformat()
    extended = apds("PUT", where, {**first, "actualEnd": later})
    assert (extended.status_code, extended.json["reference"]["version"]) == (200, 2)
    assert apds("GET", where).json["lienthong"]["state"] == "extended"
    stale = apds("PUT", where, {**first, "actualEnd": now.isoformat()})
    assert problem(stale) == (409, "stale-version")
    assert stale.json["version"] == 2
    ended = {**apds("GET", where).json, "actualEnd": now.isoformat()}
    left = apds("PUT", where, ended)
    assert left.json["reference"]["version"] == 3
    assert apds("PUT", where, ended).headers["Idempotency-Hit"] == "true", "sent twice, done once"
    told = apds("GET", where).json
    assert told["actualEnd"] == told["segments"][0]["actualEnd"]
    assert told["lienthong"]["charged"]["currencyValue"] == 50_000
    assert told["lienthong"]["settlement"]["state"] == "unpaid"
    assert problem(apds("GET", where, version=2)) == (404, "unknown-element")
    assert problem(apds("DELETE", where, version=2)) == (409, "stale-version")
    assert apds("DELETE", where, version=3).status_code == 200
    assert apds("DELETE", where, version=3).headers["Idempotency-Hit"] == "true"
    gone = apds("GET", where).json["lienthong"]
    assert (gone["state"], gone["settlement"]["state"]) == ("voided", "nothing")


def test_a_session_sent_twice_is_one(apds, now):
    body = session(now)
    one, two = apds("POST", "/sessions", body), apds("POST", "/sessions", body)
    assert (one.status_code, two.status_code) == (201, 200)
    assert one.json["reference"] == two.json["reference"]
    other = {**body, "hierachyElement": {"id": "hoan-kiem-01", "version": 1}}
    assert problem(apds("POST", "/sessions", other)) == (403, "other-operator")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"identifiedCredentials": []}, (422, "malformed-request")),
        ({"identifiedCredentials": [plate("?")]}, (422, "plate-invalid")),
        ({"hierachyElement": {"id": "nowhere", "version": 1}}, (404, "unknown-place")),
        (
            {"segments": [{"assignedRight": {"rightSpecification": {"id": "x", "version": 1}}}]},
            (404, "unknown-element"),
        ),
        ({"actualStart": "2030-01-01T00:00:00+07:00"}, (422, "impossible-times")),
    ],
)
def test_a_session_is_refused_clearly(apds, now, changes, expected):
    assert problem(apds("POST", "/sessions", session(now, **changes))) == expected


def test_an_observation_is_evidence(apds, now):
    body = observation(now, confidencePct=91)
    assert apds("POST", "/observations", body).status_code == 201
    assert apds("POST", "/observations", body).headers["Idempotency-Hit"] == "true"
    seen = apds("GET", f"/observations/{body['id']}").json
    assert seen["lienthong"]["verdict"] == "nothing"
    assert "30A" not in str(seen), "no plate leaves"
    assert apds("DELETE", f"/observations/{body['id']}").status_code == 405
    assert problem(apds("POST", "/observations", {**body, "confidencePct": 5})) == (
        409,
        "observation-id-reused",
    )


def test_a_right_is_sold_once_and_ended_once(client, bearer, sold, now):
    head = bearer("hoankiem-parking")
    where = f"{BASE}/rights/assigned/{sold['id']}"
    again = client.post(f"{BASE}/rights/assigned", headers=head, json=sold)
    assert (again.status_code, again.headers["Idempotency-Hit"]) == (200, "true")
    held = client.get(where, headers=head).json
    assert (held["version"], held["monetaryValue"]["value"]["currencyValue"]) == (1, 4_000_000)
    late = {"version": 1, "expiry": (now + timedelta(days=10)).isoformat()}
    assert problem(client.put(where, headers=head, json=late)) == (422, "right-times")
    assert problem(client.delete(where, headers=head, query_string={"version": 7})) == (409, "stale-version")
    ended = client.delete(where, headers=head, query_string={"version": 1})
    assert (ended.status_code, ended.json["reference"]["version"]) == (200, 2)
    repeated = client.delete(where, headers=head, query_string={"version": 1})
    assert repeated.headers["Idempotency-Hit"] == "true"
    assert client.get(where, headers=head).json["expiry"] == now.isoformat()


def test_a_right_ends_by_its_expiry_too(client, bearer, sold, now):
    head, where = bearer("hoankiem-parking"), f"{BASE}/rights/assigned/{sold['id']}"
    ended = client.put(where, headers=head, json={"version": 1, "expiry": now.isoformat()})
    assert (ended.status_code, ended.json["reference"]["version"]) == (200, 2)


def test_lists_come_in_pages_and_by_what_changed(apds, now):
    began(apds, now)
    since = int(now.timestamp())
    assert apds("GET", "/sessions", modified_since=since).json["meta"]["total"] == 1
    assert apds("GET", "/sessions", modified_since=since + 1).json["data"] == []
    assert apds("GET", "/sessions", offset=1).json["data"] == []
    assert apds("GET", "/sessions", place="dong-da-01,elsewhere").json["meta"]["total"] == 1
    assert apds("GET", "/sessions", place="elsewhere").json["data"] == []
    assert apds("GET", "/sessions", start_after=since).json["data"] == []
    assert apds("GET", "/sessions", start_before=since).json["meta"]["total"] == 1
    assert apds("GET", "/sessions", end_before=since + 9).json["data"] == []
    assert problem(apds("GET", "/places", latitude=21.0)) == (422, "malformed-request")
    assert apds("GET", "/places", latitude=0, longitude=0, radius=10).json["data"] == []
