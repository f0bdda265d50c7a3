"""QR, chip, bank card and FeliCa token from registration to the bill: over the doors that a rider, a desk and a reader have."""

import json
from base64 import b64decode
from datetime import date, timedelta
from uuid import uuid4

import pytest

from access.rules.device import DeviceKind
from access.rules.qr import make_code
from access.rules.voucher import read_voucher
from fare.rules.attestation import Verified, sign
from kernel.crypto.ed25519 import SigningKey
from kernel.wire.cardinfo import Concession
from kernel.wire.shown import ShownKind
from kernel.wire.tap import Purpose
from ledger.rules import chart
from readers.signing import signed_headers
from service.app import create_app
from service.services import EXTENSION
from service.settings import Settings
from service.staff import Role
from tests.service.sellers import Shop
from tests.simulation import World

pytestmark = pytest.mark.usefixtures("described")

VERIFIER = SigningKey.generate()
CHIP, BANK = "c1" * 16, "b1" * 16
FARE = 10_000  # HANOI.md: route 26, 15-<25 km


@pytest.fixture
def app(database, redis_url, now, keyring):
    made = create_app(
        Settings(
            database_url=database.url,
            redis_url=redis_url,
            session_key="a key for the tests, long enough",
            clock=f"fixed:{now.isoformat()}",
            felica_taps_a_day=4,
            identity_verifiers=f"labour:{VERIFIER.public.raw.hex()}",
        ),
        keyring=keyring,
    )
    yield made
    made.extensions[EXTENSION].close()


@pytest.fixture
def shop(app, client):
    made = Shop(app.extensions[EXTENSION], client)
    made.publish()
    return made


@pytest.fixture
def card(shop):
    return shop.card(50_000)


@pytest.fixture
def reader(shop, keyring, now):
    with shop.running.database.begin() as tx:
        made = World(tx, keyring, now).reader()
        made.facts = {"tariff_version": shop.running.shelf.books(tx).current().version}
    return made


def register(client, card, headers, kind, token):
    body = {"kind": kind, "token": token, "expires_on": "2030-01-01"}
    return client.post(f"/v1/accounts/{card.fare_account_id}/media", json=body, headers=headers)


def ask_voucher(client, reader, now, kind, reference):
    raw = json.dumps({"kind": kind, "reference": reference}).encode()
    url = "http://localhost/v1/vouchers"
    headers = signed_headers(reader.key, method="POST", url=url, body=raw, nonce=uuid4().hex, now=now)
    return client.post("/v1/vouchers", data=raw, headers={**headers, "Content-Type": "application/json"})


def ride(client, shop, reader, serial, kind, proof_at):
    """On route 26 and off again, each with a proof of its own."""
    for purpose, stop in ((Purpose.BOARD, "26-01"), (Purpose.ALIGHT, "26-04")):
        shop.running.clock.advance(timedelta(minutes=20))
        at = shop.now
        reader.show(serial, kind, proof_at(at), at=at, purpose=purpose, stop_id=stop)
    answer = client.post("/v1/taps", json=reader.upload().to_json())
    assert answer.status_code == 200
    return [each["verdict"] for each in answer.json["verdicts"]]


def qr_of(client, card, headers):
    phone = SigningKey.generate()
    made = register(client, card, headers, "qr", phone.public.raw.hex()).json
    certificate = b64decode(made["certificate"])
    return made["card_serial"], lambda at: make_code(certificate, phone, at=at, nonce=b"0000").encode()


def test_a_phones_qr_rides_at_the_fare_and_the_account_pays(client, shop, card, reader, now):
    serial, codes = qr_of(client, card, shop.rider(card))
    assert ride(client, shop, reader, serial, ShownKind.QR, codes) == ["accepted", "accepted"]
    assert shop.purse(card) == 50_000 - FARE
    again = client.post("/v1/taps", json=reader.upload().to_json())
    assert [each["verdict"] for each in again.json["verdicts"]] == ["duplicate", "duplicate"]
    assert shop.purse(card) == 50_000 - FARE
    day = client.get("/v1/evidence/2026-11-18", headers=shop.staff(Role.AUDITOR)).json["total"]
    assert (day["records"], day["coded"], day["committed"], day["in_exception"]) == (2, 2, 0, 0)


def test_a_chip_citizen_id_of_a_proven_senior_rides_free(client, shop, card, reader, now):
    desk = shop.staff(Role.ADMINISTRATOR)
    senior = Verified(
        "001060012345", Concession.FREE_SENIOR, date(2026, 11, 1), date(2027, 12, 31), "labour", "QĐ 12/2026"
    )
    proof = sign(senior, VERIFIER, signed_at=now).decode()
    at = f"/v1/accounts/{card.fare_account_id}/entitlements"
    body = {"entitlement_id": str(uuid4()), "proof": proof}
    assert client.post(at, json=body, headers=desk).status_code == 201
    made = register(client, card, desk, "citizen", CHIP)
    assert (made.status_code, made.json["kind"], made.json["certificate"]) == (200, "citizen", None)

    def vouched(at):
        told = ask_voucher(client, reader, at, "citizen", CHIP).json
        assert (told["decision"], told["card_serial"]) == ("accept", made.json["card_serial"])
        return b64decode(told["voucher"])

    verdicts = ride(client, shop, reader, made.json["card_serial"], ShownKind.CITIZEN, vouched)
    assert verdicts == ["accepted", "accepted"]
    assert shop.purse(card) == 50_000, "free, and the subsidy is claimed from the face value"
    assert shop.balance(chart.operator_subsidy("transerco", chart.goodwill().currency)) == FARE


def test_a_bank_card_is_let_through_online_and_never_twice_on_one_word(client, shop, card, reader, now):
    made = register(client, card, shop.staff(Role.AGENT), "bank", BANK).json
    told = ask_voucher(client, reader, now, "bank", BANK).json
    voucher = read_voucher(b64decode(told["voucher"]), shop.running.keyring.bundle_key.public)
    assert voucher is not None
    assert (voucher.serial, voucher.device_id) == (made["card_serial"], reader.device_id)
    proof = b64decode(told["voucher"])
    for seconds in (1, 2):
        at = now + timedelta(seconds=seconds)
        reader.show(made["card_serial"], ShownKind.BANK, proof, at=at, purpose=Purpose.BOARD)
    said = client.post("/v1/taps", json=reader.upload().to_json()).json["verdicts"]
    assert [(each["verdict"], each["reason"]) for each in said] == [
        ("accepted", ""),
        ("exception", "counter-taken"),
    ]


@pytest.mark.parametrize(
    ("kind", "reference", "reason"),
    [
        ("bank", "ff" * 16, "unknown-card"),
        ("citizen", BANK, "unknown-card"),
        ("bank", "no hex", "unknown-card"),
        ("bank", "4111111111111111", "unknown-card"),
        ("citizen", "no hex", "unknown-card"),
    ],
)
def test_a_token_that_stands_for_nobody_is_refused(client, shop, card, reader, now, kind, reference, reason):
    register(client, card, shop.staff(Role.AGENT), "bank", BANK)
    told = ask_voucher(client, reader, now, kind, reference)
    assert (told.status_code, told.json["decision"], told.json["reason"]) == (200, "refuse", reason)
    assert told.json["voucher"] is None


def test_a_blocked_or_owing_medium_gets_no_voucher(client, shop, card, reader, now):
    desk = shop.staff(Role.ADMINISTRATOR)
    made = register(client, card, desk, "bank", BANK).json
    event = {"event_id": str(uuid4()), "event": "blocked", "reason": "lost wallet"}
    at = f"/v1/cards/{made['card_serial']}/events"
    assert client.post(at, json=event, headers=desk).status_code == 200
    assert ask_voucher(client, reader, now, "bank", BANK).json["reason"] == "blocked"
    event = {"event_id": str(uuid4()), "event": "unblocked", "reason": "found"}
    assert client.post(at, json=event, headers=desk).status_code == 200
    assert ask_voucher(client, reader, now, "bank", BANK).json["decision"] == "accept"


IDM = "0114b34c12345678"


def refused(client, reader, now):
    told = ask_voucher(client, reader, now, "felica", IDM).json
    assert (told["voucher"] is None) is bool(told["reason"])
    return told["reason"]


def test_a_felica_token_rides_some_times_a_day_while_the_account_holds_a_ride(
    client, shop, card, reader, now
):
    made = register(client, card, shop.staff(Role.AGENT), "felica", IDM).json
    assert (made["kind"], made["state"], made["certificate"]) == ("felica", "active", None)

    def vouched(at):
        return b64decode(ask_voucher(client, reader, at, "felica", IDM).json["voucher"])

    assert ride(client, shop, reader, made["card_serial"], ShownKind.FELICA, vouched) == [
        "accepted",
        "accepted",
    ]
    assert shop.purse(card) == 50_000 - FARE
    assert refused(client, reader, shop.now) == ""
    shop.running.clock.advance(timedelta(hours=3))
    again = ride(client, shop, reader, made["card_serial"], ShownKind.FELICA, vouched)
    assert again[-2:] == ["accepted", "accepted"]
    assert shop.purse(card) == 50_000 - 2 * FARE
    assert refused(client, reader, shop.now) == "too-often"
    shop.running.clock.advance(timedelta(days=1))
    assert refused(client, reader, shop.now) == "", "a day of its own"


def test_a_felica_token_of_an_account_without_money_is_not_let_through(client, shop, reader, now):
    poor = shop.card(15_000)
    register(client, poor, shop.staff(Role.AGENT), "felica", IDM)
    assert refused(client, reader, now) == "balance"
    assert refused(client, reader, now) == "balance", "asking changes nothing"


@pytest.mark.parametrize("kind", [DeviceKind.PARKING, DeviceKind.INSPECTOR])
def test_a_copied_number_opens_no_car_park_and_shows_nobodys_presence(client, shop, card, keyring, now, kind):
    register(client, card, shop.staff(Role.AGENT), "felica", IDM)
    with shop.running.database.begin() as tx:
        gate = World(tx, keyring, now).reader("gate-1", kind=kind)
    assert refused(client, gate, now) == "not-here"


@pytest.mark.parametrize("token", ["01fe" + "12" * 6, "00" * 8, "ff" * 8, IDM + "00", IDM[:14]])
def test_what_is_no_idm_is_not_registered(client, shop, card, token):
    answer = register(client, card, shop.staff(Role.AGENT), "felica", token)
    assert answer.status_code == 422


def test_a_rider_registers_no_felica_token_and_a_second_account_none_twice(client, shop, card):
    assert register(client, card, shop.rider(card), "felica", IDM).status_code == 403
    desk = shop.staff(Role.AGENT)
    first = register(client, card, desk, "felica", IDM.upper()).json
    assert register(client, card, desk, "felica", IDM).json["card_serial"] == first["card_serial"]
    assert register(client, shop.card(0), desk, "felica", IDM).status_code == 409


@pytest.mark.parametrize(
    "body", [{}, {"kind": "qr", "reference": "x"}, {"kind": "bank"}, {"kind": "bank", "reference": ""}]
)
def test_a_question_that_is_none_is_refused(client, reader, now, body):
    raw = json.dumps(body).encode()
    url = "http://localhost/v1/vouchers"
    headers = signed_headers(reader.key, method="POST", url=url, body=raw, nonce="n", now=now)
    answer = client.post("/v1/vouchers", data=raw, headers={**headers, "Content-Type": "application/json"})
    assert answer.status_code == 422


def test_nobody_else_asks_for_vouchers(client, shop, card):
    body = {"kind": "bank", "reference": BANK}
    for headers in ({}, shop.rider(card), shop.staff(Role.ADMINISTRATOR)):
        assert client.post("/v1/vouchers", json=body, headers=headers).status_code == 401


def test_an_inspector_sees_that_a_phone_tapped_and_the_rider_who_looked(client, shop, card, reader):
    me = shop.rider(card)
    serial, codes = qr_of(client, card, me)
    shop.running.clock.advance(timedelta(minutes=5))
    reader.show(serial, ShownKind.QR, codes(shop.now), at=shop.now, purpose=Purpose.BOARD)
    assert client.post("/v1/taps", json=reader.upload().to_json()).status_code == 200
    body = {"card_serial": serial, "place": "29B-101.26"}
    told = client.post("/v1/inspections", json=body, headers=shop.staff(Role.INSPECTOR))
    assert (told.status_code, told.json) == (
        200,
        {"tapped": True, "has_pass": False, "vehicle": "29B-101.26"},
    )
    (seen,) = client.get(f"/v1/riders/{card.fare_account_id}/data-access", headers=me).json["data_access"]
    assert seen["what"] == "inspection"
