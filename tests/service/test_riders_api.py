"""Riders sign in for their own account and no other."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from access import issue
from kernel.ids import OperatorId
from kernel.wire.cardinfo import Concession
from ledger import accounts
from ledger.rules import chart
from service import riders, staff
from service.audit import Actor, ActorKind
from service.services import EXTENSION
from service.staff import Grant, Role

pytestmark = pytest.mark.usefixtures("described")
STAFF = Actor(ActorKind.COMMAND, "test")


@pytest.fixture
def running(app):
    return app.extensions[EXTENSION]


@pytest.fixture
def cards(running, keyring, now):
    with running.database.begin() as tx:
        return [
            issue.issue_card(
                tx,
                keyring=keyring,
                uid=b"\x04rider" + bytes([n]),
                concession=Concession.NORMAL,
                expiry=date(2030, 1, 1),
                now=now,
            )
            for n in (1, 2)
        ]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def credential(running, role: Role) -> dict[str, str]:
    with running.database.begin() as tx:
        _, token = staff.add_credential(
            tx,
            name=role.value,
            grant=Grant(role, OperatorId("")),
            valid=timedelta(days=1),
            by=STAFF,
            now=running.clock.now(),
        )
    return bearer(token)


def code_of(client, running, card, role: Role = Role.AGENT) -> str:
    made = client.post(
        "/v1/riders/codes", json={"card_serial": card.serial}, headers=credential(running, role)
    )
    assert made.status_code == 201
    return made.json["code"]


def enter(client, card, code: str):
    return client.post("/v1/riders/sign-in", json={"card_serial": card.serial, "code": code})


def signed_in(client, running, card) -> dict[str, str]:
    return bearer(enter(client, card, code_of(client, running, card)).json["token"])


def wish(card) -> dict[str, object]:
    return {
        "topup_id": str(uuid4()),
        "fare_account_id": str(card.fare_account_id),
        "amount": {"minor": 20_000, "currency": "VND"},
    }


def test_a_code_opens_one_sign_in_for_the_cards_account(client, running, cards):
    code = code_of(client, running, cards[0])
    spoken = code[:5].lower() + "-" + code[5:].replace("0", "o").replace("1", "l")
    made = enter(client, cards[0], spoken)
    assert made.status_code == 200
    assert client.get("/v1/riders/me", headers=bearer(made.json["token"])).json == {
        "fare_account_id": str(cards[0].fare_account_id)
    }
    assert enter(client, cards[0], code).status_code == 401, "used up"


@pytest.mark.parametrize("wrong", ["", "0", "not a code", "'; --"])
def test_wrong_codes_open_nothing(client, running, cards, wrong):
    code_of(client, running, cards[0])
    assert enter(client, cards[0], wrong).status_code in {401, 422}


def test_a_code_is_for_its_own_card_and_unknown_cards_answer_alike(client, running, cards):
    code = code_of(client, running, cards[0])
    other = enter(client, cards[1], code)
    nobody = client.post("/v1/riders/sign-in", json={"card_serial": 9_999_999, "code": code})
    assert (other.status_code, nobody.status_code) == (401, 401)
    assert {**other.json, "request_id": ""} == {**nobody.json, "request_id": ""}
    assert enter(client, cards[0], code).status_code == 200


def test_five_wrong_guesses_end_a_code(client, running, cards):
    code = code_of(client, running, cards[0])
    for _ in range(riders.MOST_TRIES):
        enter(client, cards[0], "AAAAAAAAAA")
    assert enter(client, cards[0], code).status_code == 401


@pytest.mark.parametrize(("days", "status"), [(riders.CODE_DAYS - 1, 200), (riders.CODE_DAYS, 401)])
def test_a_code_is_good_for_its_days(client, running, cards, days, status):
    code = code_of(client, running, cards[0])
    running.clock.advance(timedelta(days=days))
    assert enter(client, cards[0], code).status_code == status


def test_a_rider_acts_for_the_own_account_alone(client, running, cards):
    own = signed_in(client, running, cards[0])
    asked = wish(cards[0])
    assert client.post("/v1/topups", json=asked, headers=own).status_code == 201
    refused = client.post("/v1/topups", json=wish(cards[1]), headers=own)
    assert (refused.status_code, refused.json["type"]) == (403, "/problems/not-yours")
    other = signed_in(client, running, cards[1])
    assert client.get(f"/v1/topups/{asked['topup_id']}", headers=other).status_code == 403
    assert client.get(f"/v1/topups/{asked['topup_id']}", headers=own).status_code == 200
    assert (
        client.post("/v1/riders/codes", json={"card_serial": cards[1].serial}, headers=own).status_code == 403
    )
    assert client.get("/v1/suspense", headers=own).status_code == 403


def test_signing_out_ends_every_device_and_time_does_too(client, running, cards):
    phone, tablet = (signed_in(client, running, cards[0]) for _ in range(2))
    account = cards[0].fare_account_id
    assert client.post(f"/v1/riders/{account}/sign-out", headers=phone).json == {"ended": 2}
    for left in (phone, tablet, bearer("ltr_guess")):
        assert client.get("/v1/riders/me", headers=left).status_code == 401
    late = signed_in(client, running, cards[0])
    running.clock.advance(timedelta(days=riders.SIGN_IN_DAYS))
    assert client.get("/v1/riders/me", headers=late).status_code == 401


def test_a_rider_sees_who_looked_and_why_and_nobody_elses(client, running, cards, now):
    own, other = (signed_in(client, running, card) for card in cards)
    account = cards[0].fare_account_id
    with running.database.begin() as tx:
        riders.looked_at(tx, account, by=STAFF, what="statement", purpose="dispute 7", now=now)
    (seen,) = client.get(f"/v1/riders/{account}/data-access", headers=own).json["data_access"]
    assert (seen["by"], seen["what"], seen["purpose"]) == ("command:test", "statement", "dispute 7")
    assert client.get(f"/v1/riders/{account}/data-access", headers=other).status_code == 403


def test_reading_a_riders_account_in_the_books_is_told_with_its_purpose(client, running, cards, now):
    account = cards[0].fare_account_id
    own, auditor = signed_in(client, running, cards[0]), credential(running, Role.AUDITOR)
    spec = chart.rider_stored_value(account)
    with running.database.begin() as tx:
        accounts.open_accounts(tx, (spec, chart.operator_payable("transerco")), now)
    at = f"/v1/ledger/accounts/{spec.account_id}"
    assert client.get(at, headers=auditor | {"X-Purpose": "audit 2026-4"}).status_code == 200
    span = "first=2026-11-01&last=2026-11-18"
    assert client.get(f"{at}/statement?{span}", headers=auditor).status_code == 200
    other = chart.operator_payable("transerco").account_id
    assert client.get(f"/v1/ledger/accounts/{other}", headers=auditor).status_code == 200
    seen = client.get(f"/v1/riders/{account}/data-access", headers=own).json["data_access"]
    assert sorted((one["what"], one["purpose"]) for one in seen) == [
        ("balance", "audit 2026-4"),
        ("statement", "books"),
    ]
