"""Sessions over HTTP: a binding quote, an operator's own places only, and clear refusals."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from access.issue import issue_card
from kernel.ids import uuid8
from kernel.wire.cardinfo import Concession
from parking.proof import check_proof
from parking.rate_dir import HANOI, load_rate_dir
from service import audit
from service.staff import Role
from tests.parking.conftest import balances, load

BASE = "/v1/parking"


def entry(now, minutes=0, **changes):
    body = {
        "event_id": str(uuid4()),
        "place_id": "dong-da-01",
        "vehicle_class": "car_le9",
        "medium": {"kind": "plate", "value": "30A-123.45"},
        "entered_at": (now - timedelta(minutes=minutes)).isoformat(),
    }
    return {**body, **changes}


def problem(response):
    assert response.content_type == "application/problem+json"
    return response.status_code, response.json["type"].rpartition("/")[2]


def test_a_quote_needs_no_sign_in_and_proves_itself(client, begin, now):
    asked = {
        "place_id": "dong-da-01",
        "vehicle_class": "car_le9",
        "entered_at": now.isoformat(),
        "left_at": (now + timedelta(hours=5)).isoformat(),
    }
    found = client.post(f"{BASE}/quotes", json=asked)
    assert found.json["total"] == {"minor": 165_000, "currency": "VND"}
    assert datetime.fromisoformat(found.json["expires_at"]) == now + timedelta(minutes=10)
    assert check_proof(found.json, load_rate_dir(HANOI)) == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"place_id": "nowhere"}, (404, "unknown-place")),
        ({"vehicle_class": "tank"}, (422, "unknown-vehicle-class")),
        ({"vehicle_class": "bicycle"}, (404, "no-rate")),
        ({"entered_at": "2026-08-01T00:00:00+07:00"}, (404, "no-rate")),
        ({"left_at": "2026-11-18T08:59:00+07:00"}, (422, "impossible-times")),
    ],
)
def test_a_quote_is_refused_and_never_zero(client, begin, now, changes, expected):
    asked = {
        "place_id": "dong-da-01",
        "vehicle_class": "car_le9",
        "entered_at": now.isoformat(),
        "left_at": (now + timedelta(hours=5)).isoformat(),
    }
    assert problem(client.post(f"{BASE}/quotes", json={**asked, **changes})) == expected


def test_a_stay_through_the_api_is_charged_to_its_account(client, begin, bearer, keyring, now):
    with begin() as tx:
        card = issue_card(
            tx, keyring=keyring, uid=bytes(6) + b"\1", concession=Concession.NORMAL,
            expiry=now.date() + timedelta(days=99), now=now - timedelta(days=9),
        )  # fmt: skip
        load(tx, card.fare_account_id, 40_000, now)
    head = bearer()
    began = client.post(
        f"{BASE}/sessions", headers=head, json=entry(now, 61, fare_account_id=str(card.fare_account_id))
    )
    assert (began.status_code, began.json["state"], began.json["payment"]) == (201, "open", "open")
    assert began.json["proof"]["total"]["minor"] == 50_000
    assert check_proof(began.json["proof"], load_rate_dir(HANOI)) == (), "a running session's proof proves"
    assert (began.json["lines"], began.json["leave_now"]["charged"]["minor"]) == ([], 50_000)
    where = f"{BASE}/sessions/{began.json['session_id']}"
    leaving = {"event_id": str(uuid4())}
    left = client.post(f"{where}/leave", headers=head, json=leaving)
    assert (left.status_code, left.json["state"], left.json["payment"]) == (200, "left", "account")
    again = client.post(f"{where}/leave", headers=head, json=leaving)
    assert again.headers["Idempotency-Hit"] == "true"
    assert client.get(where, headers=head).json["proof"] == left.json["proof"]
    with begin() as tx:
        assert balances(tx, card.fare_account_id, now) == (0, 10_000, 50_000)


def test_a_guest_owes_at_the_exit_and_the_books_do_not_move(client, begin, bearer, now):
    head = bearer()
    began = client.post(f"{BASE}/sessions", headers=head, json=entry(now, 10)).json
    left = client.post(
        f"{BASE}/sessions/{began['session_id']}/leave", headers=head, json={"event_id": str(uuid4())}
    ).json
    assert (left["payment"], left["lines"][0]["amount"]["minor"]) == ("due_at_exit", 25_000)
    with begin() as tx:
        assert balances(tx, uuid4(), now)[2] == 0


@pytest.mark.parametrize(("minutes", "expected"), [(70, 25_000), (71, 50_000)])
def test_a_quote_binds_until_it_expires(client, app, begin, bearer, now, minutes, expected):
    head = bearer()
    began = client.post(f"{BASE}/sessions", headers=head, json=entry(now, minutes)).json
    quoted = now - timedelta(minutes=minutes - 60)
    left = client.post(
        f"{BASE}/sessions/{began['session_id']}/leave",
        headers=head,
        json={"event_id": str(uuid4()), "quoted_at": quoted.isoformat()},
    )
    assert left.json["proof"]["total"]["minor"] == expected


def test_an_entry_is_refused_clearly(client, begin, bearer, now):
    head = bearer()

    def send(**changes):
        return client.post(f"{BASE}/sessions", headers=head, json=entry(now, **changes))

    assert problem(send(medium={"kind": "plate", "value": "30@"})) == (422, "plate-invalid")
    assert problem(send(vehicle_class="bicycle")) == (404, "no-rate")
    assert problem(send(entered_at=(now + timedelta(hours=1)).isoformat())) == (422, "impossible-times")
    first = entry(now)
    assert client.post(f"{BASE}/sessions", headers=head, json=first).status_code == 201
    assert client.post(f"{BASE}/sessions", headers=head, json=first).headers["Idempotency-Hit"] == "true"
    other = {**first, "medium": {"kind": "ticket", "value": "9"}}
    assert problem(client.post(f"{BASE}/sessions", headers=head, json=other)) == (409, "session-id-reused")
    assert problem(send(medium={"kind": "plate", "value": "30a 12345"})) == (409, "already-parked")


def test_a_session_ends_once(client, begin, bearer, now):
    head = bearer()
    began = client.post(f"{BASE}/sessions", headers=head, json=entry(now, 10)).json
    where = f"{BASE}/sessions/{began['session_id']}"
    early = (now - timedelta(minutes=11)).isoformat()
    body = {"event_id": str(uuid4()), "left_at": early}
    assert problem(client.post(f"{where}/leave", headers=head, json=body)) == (422, "impossible-times")
    extended = client.post(
        f"{where}/extend",
        headers=head,
        json={"event_id": str(uuid4()), "until": (now + timedelta(hours=1)).isoformat()},
    )
    assert extended.json["state"] == "extended"
    assert client.post(f"{where}/leave", headers=head, json={"event_id": str(uuid4())}).status_code == 200
    for verb, more in (("leave", {}), ("extend", {"until": (now + timedelta(hours=2)).isoformat()})):
        body = {"event_id": str(uuid4()), **more}
        refused = client.post(f"{where}/{verb}", headers=head, json=body)
        assert problem(refused) == (409, "session-state")
        assert refused.json["state"] == "left"


@pytest.mark.parametrize(("minutes", "expected"), [(45 * 24 * 60, 201), (45 * 24 * 60 + 1, 422)])
def test_an_entry_is_told_within_45_days(client, begin, bearer, now, minutes, expected):
    told = client.post(f"{BASE}/sessions", headers=bearer(), json=entry(now, minutes))
    assert told.status_code == expected
    if expected == 422:
        assert problem(told) == (422, "impossible-times")
        assert "an entry is told within 45 days" in told.json["detail"]


def test_the_last_space_is_given_once(client, begin, bearer, now):
    head = bearer("hoankiem-parking")
    for number in range(40):
        medium = {"kind": "ticket", "value": str(number)}
        sent = client.post(
            f"{BASE}/sessions", headers=head, json=entry(now, place_id="hoan-kiem-01", medium=medium)
        )
        assert sent.status_code == 201
    full = client.post(
        f"{BASE}/sessions",
        headers=head,
        json=entry(now, place_id="hoan-kiem-01", medium={"kind": "ticket", "value": "41"}),
    )
    assert problem(full) == (409, "place-full")
    (place,) = client.get(f"{BASE}/places", headers=head).json["places"]
    assert (place["place_id"], place["occupied"], place["free"]) == ("hoan-kiem-01", 40, 0)


def test_an_operator_sees_its_own_places_only(client, begin, bearer, now):
    mine, other = bearer(), bearer("hoankiem-parking")
    began = client.post(f"{BASE}/sessions", headers=mine, json=entry(now, 10)).json
    where = f"{BASE}/sessions/{began['session_id']}"
    body = {"event_id": str(uuid4()), "until": (now + timedelta(hours=1)).isoformat()}
    refused = (403, "other-operator")
    assert problem(client.get(where, headers=other)) == refused
    assert (
        problem(client.post(f"{where}/leave", headers=other, json={"event_id": body["event_id"]})) == refused
    )
    assert problem(client.post(f"{where}/extend", headers=other, json=body)) == refused
    assert problem(client.post(f"{BASE}/sessions", headers=other, json=entry(now))) == refused
    assert [each["operator_id"] for each in client.get(f"{BASE}/places", headers=other).json["places"]] == [
        "hoankiem-parking"
    ]
    everything = client.get(f"{BASE}/places", headers=bearer("", Role.AUDITOR)).json["places"]
    assert {each["operator_id"] for each in everything} == {"dongda-parking", "hoankiem-parking"}
    assert client.get(f"{BASE}/places").status_code == 401


def test_a_strange_session_is_not_found(client, begin, bearer):
    assert problem(client.get(f"{BASE}/sessions/{uuid8('none')}", headers=bearer())) == (
        404,
        "unknown-session",
    )


def checked(client, headers, value, kind="plate", path="checks", **more):
    body = {"place_id": "dong-da-01", "medium": {"kind": kind, "value": value}, **more}
    return client.post(f"{BASE}/{path}", json=body, headers=headers)


def test_a_check_is_safe_from_typing_mistakes_and_logged(client, bearer, begin, now):
    headers = bearer()
    inspector = bearer(operator="", role=Role.INSPECTOR)
    client.post(f"{BASE}/sessions", json=entry(now), headers=headers)
    assert checked(client, headers, "30a 12345").json["verdict"] == "at_exit"
    for typo in ("30A-123.46", "3OA-123.45", "30A-1234.5", "30A-132.45", "30A-123.455"):
        said = checked(client, inspector, typo).json
        assert (said["verdict"], said["may_notify"]) == (
            ("at_exit", False) if typo == "30A-1234.5" else ("perhaps", False)
        )
    said = checked(client, headers, "30A-123.99").json
    assert (said["verdict"], said["may_notify"], said["session"]) == ("nothing", True, None)
    with begin() as tx:
        actions = [each for each in audit.list_latest(tx) if each.action == "parking.check"]
    assert len(actions) == 7
    assert "12345" not in str(actions)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("30A-123.45!", "plate", (422, "plate-invalid")),
        (4_000_000_000, "card", (404, "unknown-card")),
        ("x", "card", (422, "malformed-request")),
    ],
)
def test_a_check_refuses(client, bearer, value, kind, expected):
    assert problem(checked(client, bearer(), value, kind)) == expected


def test_a_check_elsewhere_is_another_operators(client, bearer):
    assert problem(checked(client, bearer("other"), "30A12345")) == (403, "other-operator")
    assert problem(checked(client, bearer(operator="", role=Role.AUDITOR), "30A12345")) == (
        403,
        "not-allowed",
    )


def test_an_observation_is_kept_once_and_listed(client, bearer, now):
    headers = bearer()
    more = {"observation_id": str(uuid4()), "observed_at": now.isoformat(), "image_ref": "cam/1.jpg"}
    first = checked(client, headers, "30A12345", path="observations", **more)
    assert (first.status_code, first.json["verdict"]) == (201, "nothing")
    again = checked(client, headers, "30A12345", path="observations", **more)
    assert (again.status_code, again.headers["Idempotency-Hit"], again.json) == (200, "true", first.json)
    other = checked(client, headers, "30A99999", path="observations", **more)
    assert problem(other) == (409, "observation-id-reused")
    found = client.get(
        f"{BASE}/observations",
        query_string={"place_id": "dong-da-01", "until": (now + timedelta(minutes=1)).isoformat()},
        headers=headers,
    )
    assert found.json == {"observations": [first.json]}
