"""Operators' terms over HTTP: proposed by a maker, signed by a checker, refused with a reason."""

import pytest

from service.services import EXTENSION
from tests.service.sellers import Shop, problem

TERMS = {
    "valid_from": "2026-12-01",
    "name": "TRANSERCO",
    "account": "0011",
    "bank": "970436",
    "fee_basis_points": 50,
    "shares": [{"house": "fare", "route": "26", "to": "depot", "per_mille": 100}],
}


@pytest.fixture
def shop(app, client) -> Shop:
    """Return the running service, in which nothing has happened."""
    return Shop(app.extensions[EXTENSION], client)


@pytest.fixture(autouse=True)
def held(described):
    """Hold every answer here to the API's description."""


def propose(client, headers, **changed):
    return client.post("/v1/operators/transerco/terms", json=TERMS | changed, headers=headers)


def sign(client, headers, version=1, *, approve=True):
    return client.post(
        f"/v1/operators/transerco/terms/{version}/sign", json={"approve": approve}, headers=headers
    )


def test_two_people_put_terms_in_force_and_a_later_version_follows(client, maker, checker):
    made = propose(client, maker)
    assert (made.status_code, made.json["version"], made.json["state"]) == (201, 1, "proposed")
    assert made.json["decided_by"] == ""
    for _ in range(2):
        signed = sign(client, checker)
        assert (signed.status_code, signed.json["state"]) == (200, "signed")
    assert made.json["proposed_by"] != signed.json["decided_by"]
    same = propose(client, maker)
    assert (same.status_code, same.json["version"]) == (200, 1)
    assert propose(client, maker, fee_basis_points=60).json["version"] == 2
    assert sign(client, checker, 2, approve=False).json["state"] == "refused"
    listed = client.get("/v1/operators/terms", headers=maker).json["terms"]
    assert [(one["version"], one["state"]) for one in listed] == [(1, "signed"), (2, "refused")]


@pytest.mark.parametrize(
    "changed",
    [
        {"bank": "VCB"},
        {"fee_basis_points": 10_001},
        {"shares": [{"house": "fare", "route": "26", "to": "depot", "per_mille": 1_001}]},
        {"shares": [{"house": "fare", "route": "26", "to": "transerco", "per_mille": 100}]},
        {"valid_from": "yesterday"},
        {"rate": 1},
    ],
)
def test_terms_that_cannot_be_are_refused_and_leave_nothing(client, maker, changed):
    assert propose(client, maker, **changed).status_code == 422
    assert client.get("/v1/operators/terms", headers=maker).json == {"terms": []}


def test_who_may_not_sign_does_not(client, maker, checker):
    assert propose(client, checker).status_code == 403
    propose(client, maker)
    assert sign(client, maker).status_code == 403
    assert problem(sign(client, checker, 2)) == (404, "unknown-terms")
    sign(client, checker, approve=False)
    assert problem(sign(client, checker)) == (409, "terms-state")
