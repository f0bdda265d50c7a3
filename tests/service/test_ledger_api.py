"""The read endpoints of the books: what finance sees, what a stranger can verify offline, who is kept out."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker

from access.keyring import Keyring
from kernel.ids import EntryId, OperatorId, uuid7
from kernel.money import VND, Money
from ledger import accounts, close_period, post, settle
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from ledger.rules.settlement import HouseDay, blank_line
from service import staff
from service.audit import Actor, ActorKind
from service.services import EXTENSION
from service.staff import Grant, Role

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
TODAY = date(2026, 11, 18)


@pytest.fixture
def booked(app, keyring: Keyring):
    """A rider who loaded 10,000 and paid 7,000 to alpha, on a closed and settled day after an empty one."""
    rider = uuid7(NOW)
    purse, alpha = chart.rider_stored_value(rider), chart.operator_payable("alpha")
    provider = chart.provider_clearing("payos")

    def entry(line: Line) -> Entry:
        return Entry(EntryId(uuid7(NOW)), "test", (line,), rider, TODAY, NOW)

    topup = entry(Line(provider.account_id, purse.account_id, Money(10_000, VND)))
    fare = entry(Line(purse.account_id, alpha.account_id, Money(7_000, VND)))
    paid = Money(7_000, VND)
    blank = blank_line("fare", OperatorId("alpha"), "bus", "01", TODAY, VND)
    line = replace(blank, trips=1, face_value=paid, collected=paid)
    with app.extensions[EXTENSION].database.begin() as tx:
        accounts.open_accounts(tx, [purse, alpha, provider], NOW)
        post.post(tx, [topup, fare], NOW)
        for day in (TODAY - timedelta(days=1), TODAY):
            close_period.close(tx, day, NOW, signer=keyring.bundle_key)
        settle.settle(tx, TODAY, HouseDay((line,)), NOW)
    return rider, fare


@pytest.fixture
def auditor(app, client: FlaskClient) -> FlaskClient:
    with app.extensions[EXTENSION].database.begin() as tx:
        _, token = staff.add_credential(
            tx,
            name="audit",
            grant=Grant(Role.AUDITOR),
            valid=timedelta(days=1),
            by=Actor(ActorKind.COMMAND, "test"),
            now=NOW,
        )
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def test_strangers_see_nothing(client: FlaskClient, booked) -> None:
    for path in ("accounts", "trial-balance", "seals", f"seals/{'ab' * 32}/extension"):
        assert client.get(f"/v1/ledger/{path}").status_code == 401
    assert client.get("/v1/settlements/2026-11-18").status_code == 401


def test_accounts_statements_and_trial_balance(auditor: FlaskClient, booked) -> None:
    rider, fare = booked
    found = auditor.get("/v1/ledger/accounts", query_string={"owner_id": str(rider)}).json
    (account,) = found["accounts"]
    one = auditor.get(f"/v1/ledger/accounts/{account['account_id']}").json
    assert one["balance"]["available"] == {"minor": 3_000, "currency": "VND"}
    span = {"first": "2026-11-18", "last": "2026-11-18"}
    made = auditor.get(f"/v1/ledger/accounts/{account['account_id']}/statement", query_string=span).json
    assert [line["change"]["minor"] for line in made["lines"]] in ([10_000, -7_000], [-7_000, 10_000])
    assert made["closing"]["minor"] == 3_000
    trial = auditor.get("/v1/ledger/trial-balance").json
    assert sum(line["net"]["minor"] for line in trial["lines"]) == 0
    assert auditor.get(f"/v1/ledger/entries/{rider}/{fare.entry_id}").json["lines"][0]["amount"] == 7_000


def test_a_stranger_verifies_a_proof_offline(auditor: FlaskClient, booked, keyring: Keyring) -> None:
    rider, fare = booked
    (proof,) = auditor.get(f"/v1/ledger/entries/{rider}/{fare.entry_id}/proof").json["proofs"]
    root, index, last = (
        sha256(b"\0" + bytes.fromhex(proof["sealed"])).digest(),
        proof["index"],
        proof["seal"]["leaf_count"] - 1,
    )
    for step in map(bytes.fromhex, proof["path"]):
        while index % 2 == 0 and index == last:
            index, last = index // 2, last // 2
        pair = step + root if index % 2 else root + step
        root, index, last = sha256(b"\x01" + pair).digest(), index // 2, last // 2
    seal = proof["seal"]
    assert root.hex() == seal["root"]
    message = bytes.fromhex(seal["message"])
    assert seal["root"] in message.hex()
    assert keyring.bundle_key.public.verify(
        b"lienthong/ledger-head/2", message, bytes.fromhex(seal["signature"])
    )


def test_settlement_of_a_day(auditor: FlaskClient, booked) -> None:
    document = auditor.get("/v1/settlements/2026-11-18").json
    (one,) = document["settlements"]
    assert (one["operator_id"], one["net"]["minor"], one["reconciled"]) == ("alpha", 7_000, True)
    assert document["coverage"]["covered"] is True
    assert auditor.get("/v1/settlements/2026-11-19").status_code == 404
    assert auditor.get("/v1/settlements/yesterday").status_code == 404


def test_balances_of_the_past(auditor: FlaskClient, booked) -> None:
    rider, _ = booked
    purse = chart.rider_stored_value(rider).account_id

    def balance(**asked: str) -> int:
        answer = auditor.get(f"/v1/ledger/accounts/{purse}/balance", query_string=asked)
        assert answer.status_code == 200, answer.text
        return answer.json["balance"]["minor"]

    assert balance(book_day="2026-11-18") == 3_000
    assert balance(book_day="2026-11-17") == 0
    assert balance(service_day="2026-11-18") == 3_000
    assert balance(effective_until="2026-11-18T09:00:00+07:00") == 3_000
    assert balance(posted_until="2026-11-18T08:59:59+07:00") == 0
    both = {"effective_until": "2026-11-18T09:00:00+07:00", "posted_until": "2026-11-18T08:59:59+07:00"}
    assert balance(**both) == 0


def test_a_head_that_is_not_in_the_chain_is_extended_by_nothing(auditor: FlaskClient, booked) -> None:
    refused = auditor.get(f"/v1/ledger/seals/{'ab' * 32}/extension")
    assert (refused.status_code, refused.json["type"]) == (404, "/problems/unknown-seal")
    assert "no seal has it" in refused.json["detail"]


def test_answers_are_what_the_description_says(auditor: FlaskClient, booked) -> None:
    rider, fare = booked
    document = auditor.get("/openapi.json").json
    alpha = chart.operator_payable("alpha").account_id
    asked = {
        "/v1/ledger/accounts": "",
        "/v1/ledger/accounts/{account_id}": "",
        "/v1/ledger/accounts/{account_id}/balance": "?book_day=2026-11-18",
        "/v1/ledger/accounts/{account_id}/statement": "?first=2026-11-18&last=2026-11-18",
        "/v1/ledger/entries/{owner_id}/{entry_id}": "",
        "/v1/ledger/entries/{owner_id}/{entry_id}/proof": "",
        "/v1/ledger/trial-balance": "",
        "/v1/ledger/seals": "",
        "/v1/ledger/seals/{head}/extension": "",
    }
    held = auditor.get("/v1/ledger/seals").json["seals"][0]["head"]
    described = {path for path in document["paths"] if path.startswith("/v1/ledger/")}
    assert set(asked) == described
    for path, query in asked.items():
        operation = document["paths"][path]["get"]
        named = {"account_id": alpha, "owner_id": rider, "entry_id": fare.entry_id, "head": held}
        answer = auditor.get(path.format(**named) + query)
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": document["components"]}
        Draft202012Validator(whole, format_checker=FormatChecker()).validate(answer.json)
        assert schema["$ref"], path
        assert {"401", "403"} <= set(operation["responses"])
        assert "finance_maker" in operation["description"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("accounts?limit=0", 422),
        (f"seals/{'ab' * 32}/extension", 409),
        (f"seals/{'ab' * 32}/extension?last=2026-11-30", 409),
        (f"seals/{'ab' * 32}/extension?last=soon", 422),
        ("seals/xyz/extension", 404),
        ("accounts?stray=1", 422),
        ("accounts/00000000-0000-7000-8000-000000000000/balance", 422),
        (
            "accounts/00000000-0000-7000-8000-000000000000/balance?book_day=2026-11-18&service_day=2026-11-18",
            422,
        ),
        ("accounts/00000000-0000-7000-8000-000000000000/balance?effective_until=2026-11-18T09:00:00", 422),
        ("accounts/00000000-0000-7000-8000-000000000000/balance?book_day=2026-11-18", 404),
        ("accounts/00000000-0000-7000-8000-000000000000/statement?first=2026-11-18", 422),
        ("entries/00000000-0000-7000-8000-000000000000/00000000-0000-7000-8000-000000000000/proof", 404),
        ("accounts/00000000-0000-7000-8000-000000000000", 404),
        ("entries/00000000-0000-7000-8000-000000000000/00000000-0000-7000-8000-000000000000", 404),
    ],
)
def test_bad_questions_are_problems(auditor: FlaskClient, path: str, status: int) -> None:
    answer = auditor.get(f"/v1/ledger/{path}")
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
