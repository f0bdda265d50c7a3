"""Proven concessions bill rides anew; an inspector learns three things and is written down."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

import fare
from fare.publish import publish
from fare.rules.attestation import Verified, sign
from kernel.crypto.ed25519 import SigningKey
from kernel.ids import OperatorId
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import Purpose
from ledger.rules import chart
from service import staff
from service.app import create_app
from service.audit import Actor, ActorKind
from service.services import EXTENSION
from service.settings import Settings
from service.staff import Grant, Role
from tests.service.sellers import Shop
from tests.simulation import World

pytestmark = pytest.mark.usefixtures("described")

HANOI = Path(fare.__file__).parent / "tariffs" / "hanoi"
KEY = SigningKey.generate()
SENIOR = Verified(
    "001060012345", Concession.FREE_SENIOR, date(2026, 11, 1), date(2027, 12, 31), "labour", "QĐ 12/2026"
)


@pytest.fixture
def app(database, redis_url, now, keyring):
    made = create_app(
        Settings(
            database_url=database.url,
            redis_url=redis_url,
            session_key="a key for the tests, long enough",
            clock=f"fixed:{now.isoformat()}",
            identity_verifiers=f"labour:{KEY.public.raw.hex()}",
        ),
        keyring=keyring,
    )
    yield made
    made.extensions[EXTENSION].close()


@pytest.fixture
def running(app):
    return app.extensions[EXTENSION]


@pytest.fixture
def city(running, keyring, now):
    with running.database.begin() as tx:
        publish(tx, HANOI, prepared_by="mai", approved_by="tuan", key=keyring.bundle_key, now=now)
        world = World(tx, keyring, now)
        reader = world.reader()
        reader.facts = {"tariff_version": running.shelf.books(tx).current().version}
        return reader, world.card(1), world.card(2)


@pytest.fixture
def ask(client, running):
    tokens = {}

    def call(method, path, body=None, *, role=Role.ADMINISTRATOR):
        if role not in tokens:
            with running.database.begin() as tx:
                _, tokens[role] = staff.add_credential(
                    tx,
                    name=role.value,
                    grant=Grant(role, OperatorId("")),
                    valid=timedelta(days=1),
                    by=Actor(ActorKind.COMMAND, "test"),
                    now=running.clock.now(),
                )
        answer = client.open(
            path, method=method, json=body, headers={"Authorization": f"Bearer {tokens[role]}"}
        )
        return answer.status_code, answer.json

    return call


def prove(ask, card, said=SENIOR, *, now, entitlement_id=None, key=KEY):
    body = {
        "entitlement_id": str(entitlement_id or uuid4()),
        "proof": sign(said, key, signed_at=now).decode(),
    }
    return ask("POST", f"/v1/accounts/{card.issued.fare_account_id}/entitlements", body)


def owed(running, card, now):
    from ledger.accounts import read_balances

    spec = chart.rider_receivable(card.issued.fare_account_id)
    with running.database.read() as tx:
        return read_balances(tx, (spec.account_id,), now)[spec.account_id].posted.minor


def ride(client, reader, card, now):
    reader.tap(card, purpose=Purpose.BOARD, at=now - timedelta(minutes=50))
    reader.tap(card, purpose=Purpose.ALIGHT, stop_id="26-04", at=now - timedelta(minutes=20))
    assert client.post("/v1/taps", json=reader.upload().to_json()).status_code == 200


def test_a_proof_makes_the_rides_since_its_first_day_free_and_its_end_charges_them_again(
    ask, client, running, city, now
):
    reader, card, _ = city
    ride(client, reader, card, now)
    before = owed(running, card, now)
    assert before > 0
    entitlement_id = uuid4()
    status, made = prove(ask, card, now=now, entitlement_id=entitlement_id)
    assert (status, made["concession"], made["verifier"]) == (201, "free_senior", "labour")
    assert owed(running, card, now) == 0
    path = f"/v1/accounts/{card.issued.fare_account_id}/entitlements"
    (listed,) = ask("GET", path)[1]["entitlements"]
    assert (listed["valid_to"], listed["ended_on"]) == ("2027-12-31", None)
    end = {"last_day": "2026-11-17", "reason": "taken back"}
    assert ask("POST", f"{path}/{entitlement_id}/end", end)[1]["again"] is False
    assert ask("POST", f"{path}/{entitlement_id}/end", end)[1]["again"] is True
    assert owed(running, card, now) == before
    assert ask("POST", f"{path}/{uuid4()}/end", end)[0] == 404


def test_the_same_proof_again_changes_nothing_and_another_under_its_id_is_refused(ask, city, now):
    _, card, _ = city
    entitlement_id = uuid4()
    assert prove(ask, card, now=now, entitlement_id=entitlement_id)[0] == 201
    assert prove(ask, card, now=now, entitlement_id=entitlement_id)[0] == 200
    other = prove(ask, card, replace(SENIOR, reference="x"), now=now, entitlement_id=entitlement_id)
    assert other[1]["type"] == "/problems/entitlement-id-reused"


def test_what_stands_already_is_recorded_once_until_it_has_ended(ask, city, now):
    _, card, _ = city
    path = f"/v1/accounts/{card.issued.fare_account_id}/entitlements"
    _, first = prove(ask, card, now=now)
    status, again = prove(ask, card, now=now + timedelta(minutes=5))  # signed anew, under another id
    assert (status, again["entitlement_id"]) == (200, first["entitlement_id"])
    end = {"last_day": "2026-11-20", "reason": "taken back"}
    assert ask("POST", f"{path}/{first['entitlement_id']}/end", end)[0] in {200, 201}
    assert prove(ask, card, now=now)[0] == 201
    assert len(ask("GET", path)[1]["entitlements"]) == 2


def test_one_account_a_citizen_and_one_citizen_an_account(ask, city, now):
    _, card, other = city
    assert prove(ask, card, now=now)[0] == 201
    assert prove(ask, other, now=now)[1]["type"] == "/problems/identified-elsewhere"
    stranger = replace(SENIOR, citizen="001060099999")
    assert prove(ask, card, stranger, now=now)[1]["type"] == "/problems/other-citizen"


def test_a_bad_proof_records_nothing(ask, running, city, now):
    _, card, _ = city
    refused = prove(ask, card, now=now, key=SigningKey.generate())
    assert refused[0] == 422
    assert refused[1]["reason"] == "signature"
    with running.database.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM fare_entitlement")).scalar_one() == 0
        assert tx.execute(text("SELECT count(*) FROM account_identity")).scalar_one() == 0


def test_the_number_stands_nowhere_in_clear(ask, running, city, now):
    _, card, _ = city
    prove(ask, card, now=now)
    with running.database.read() as tx:
        for table in ("account_identity", "fare_entitlement", "fare_entitlement_proof", "audit_trail"):
            rows = tx.execute(text(f"SELECT t::text FROM {table} t")).scalars()
            assert all(SENIOR.citizen not in row for row in rows)


def inspect(ask, card, role=Role.INSPECTOR):
    serial = card if isinstance(card, int) else card.serial
    return ask("POST", "/v1/inspections", {"card_serial": serial, "place": "29B-101.26"}, role=role)


def test_an_inspector_is_told_three_things_and_is_in_the_riders_list(ask, client, running, city, now):
    reader, card, other = city
    nothing = {"tapped": False, "has_pass": False, "vehicle": ""}
    assert inspect(ask, card) == (200, nothing)
    reader.tap(card, purpose=Purpose.BOARD, at=now - timedelta(minutes=10))
    client.post("/v1/taps", json=reader.upload().to_json())
    assert inspect(ask, card)[1] == {"tapped": True, "has_pass": False, "vehicle": "29B-101.26"}
    assert inspect(ask, other)[1] == nothing
    assert inspect(ask, 999_999) == (200, nothing), "an unknown card is not told apart"
    reader.tap(card, purpose=Purpose.ALIGHT, stop_id="26-04", at=now - timedelta(minutes=1))
    client.post("/v1/taps", json=reader.upload(2, 2).to_json())
    assert inspect(ask, card)[1] == nothing
    me = Shop(running, client).rider(card.issued)
    looks = client.get(f"/v1/riders/{card.issued.fare_account_id}/data-access", headers=me).json
    assert [row["purpose"] for row in looks["data_access"]] == ["inspection at 29B-101.26"] * 3


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.RIDER, Role.AUDITOR, Role.AGENT])
def test_only_inspectors_inspect(ask, city, role):
    assert inspect(ask, city[1], role)[0] == 403


def test_a_pass_is_told_as_held_and_not_which(ask, running, city, now):
    _, card, _ = city
    with running.database.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO fare_pass (fare_account_id, pass_id, product_id, scope, valid_from, valid_until,"
                " price_minor, currency, purchased_at) VALUES (:a, :p, 'month', '', :f, :u, 0, 'VND', :f)"
            ),
            {
                "a": card.issued.fare_account_id,
                "p": uuid4(),
                "f": now - timedelta(days=1),
                "u": now + timedelta(days=1),
            },
        )
    assert inspect(ask, card)[1] == {"tapped": False, "has_pass": True, "vehicle": ""}
