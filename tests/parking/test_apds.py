"""The APDS doors: what they answer is what the published document asks for, and an operator sees its own only."""

from uuid import uuid4

import pytest

from service.staff import Role
from tests.parking.apds_bodies import (
    BASE,
    CASUAL,
    began,
    observation,
    problem,
    quote_request,
    right,
    session,
)
from tests.parking.apds_document import needs_document, place_problems, problems


@needs_document
@pytest.mark.parametrize(
    "path", ["/places", "/rates", "/rights/specs", "/rights/assigned", "/sessions", "/observations"]
)
def test_lists_and_their_members_are_what_the_document_asks_for(apds, client, bearer, now, path, sold):
    began(apds, now)
    assert apds("POST", "/observations", observation(now)).status_code == 201
    auditor = bearer("", Role.AUDITOR)
    listed = client.get(f"{BASE}{path}", headers=auditor)
    assert listed.status_code == 200, listed.text
    assert problems(listed.json, path, "get", 200) == []
    assert listed.json["meta"]["total"] == len(listed.json["data"]) >= 1
    for each in listed.json["data"]:
        one = client.get(f"{BASE}{path}/{each['id']}", headers=auditor)
        assert one.json == each
        if path == "/places":
            assert place_problems(each) == []


@needs_document
def test_what_we_are_sent_in_the_tests_is_what_the_document_asks_for(now):
    assert problems(session(now), "/sessions", "post", "request") == []
    assert problems(observation(now), "/observations", "post", "request") == []
    assert problems(quote_request(now), "/quotes", "post", "request") == []
    assert problems(right(now, uuid4()), "/rights/assigned", "post", "request") == []


@needs_document
def test_the_document_is_not_taken_so_loosely_that_everything_fits(now):
    assert problems({**session(now), "segments": []}, "/sessions", "post", "request")
    assert problems({"meta": {}, "data": []}, "/places", "get", 200)
    assert place_problems({"type": "campus", "id": "x"})


def test_an_operator_lists_its_own_places_and_what_holds_there(apds):
    places = apds("GET", "/places").json["data"]
    assert [each["id"] for each in places] == ["dong-da-01"]
    assert places[0]["layer"] == 2
    assert places[0]["parentId"] == {"id": "dong-da", "version": 1, "className": "Place"}
    assert (
        places[0]["hierarchyElementReference"]["demandTable"][0]["demandType"][0]["occupancyCalculation"]
        == "derived"
    )
    assert [each["id"] for each in apds("GET", "/rates").json["data"]] == ["dong-da-car"]
    specs = [each["id"] for each in apds("GET", "/rights/specs").json["data"]]
    assert specs == [CASUAL, "casual:dong-da:truck_lt2t:casual"]


def test_a_rate_table_says_its_lines(apds):
    table = apds("GET", "/rates/dong-da-car").json
    (collection,) = table["rateLineCollections"]
    lines = [
        (line["value"], line["durationStart"], line.get("durationEnd")) for line in collection["rateLines"]
    ]
    assert lines == [(25_000, "PT0S", "PT2H"), (35_000, "PT2H", "PT4H"), (45_000, "PT4H", None)]
    assert {line["incrementPeriod"] for line in collection["rateLines"]} == {"PT1H"}
    assert collection["applicableCurrency"] == "VND"


@pytest.mark.parametrize(
    "path",
    ["/places/hoan-kiem-01", "/places/dong-da", "/sessions/{session}", "/rights/assigned/{session}",
     "/rights/assigned/{right}", "/observations/{observation}", "/quotes/{quote}"],
)  # fmt: skip
def test_what_another_operator_has_is_refused_route_by_route(apds, client, bearer, now, path, sold):
    made = {"session": began(apds, now), "right": sold["id"]}
    seen = observation(now)
    apds("POST", "/observations", seen)
    made["observation"] = seen["id"]
    made["quote"] = apds("POST", "/quotes", quote_request(now)).json["data"][0]["id"]
    other = bearer("elsewhere-parking")
    answer = client.get(BASE + path.format(**made), headers=other)
    assert problem(answer) == (403, "other-operator")
    for listing in (
        "/places",
        "/rates",
        "/rights/specs",
        "/rights/assigned",
        "/sessions",
        "/observations",
        "/quotes",
    ):
        assert client.get(BASE + listing, headers=other).json["data"] == [], listing


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/sessions", session),
        ("POST", "/observations", observation),
        ("POST", "/quotes", quote_request),
        ("PUT", "/sessions/{session}", lambda now: {"id": "x", "version": 1, "actualEnd": now.isoformat()}),
        ("DELETE", "/sessions/{session}?version=1", lambda _: None),
        ("PUT", "/rights/assigned/{right}", lambda now: {"version": 1, "expiry": now.isoformat()}),
        ("DELETE", "/rights/assigned/{right}?version=1", lambda _: None),
    ],
)
def test_another_operators_things_are_not_changed(apds, client, bearer, now, sold, method, path, body):
    made = {"session": began(apds, now), "right": sold["id"]}
    other = bearer("elsewhere-parking")
    answer = client.open(BASE + path.format(**made), method=method, headers=other, json=body(now))
    assert problem(answer) == (403, "other-operator")


@needs_document
def test_quotes_are_what_the_document_asks_for(apds, now):
    made = apds("POST", "/quotes", quote_request(now)).json
    assert problems(made, "/quotes", "post", 200) == []
    assert problems(apds("GET", "/quotes").json, "/quotes", "get", 200) == []
