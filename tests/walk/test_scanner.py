"""Walk: a phone's QR and a senior's chip at a real reader's scanner, up to the bill and the proof of the books."""

import os
import uuid
from base64 import b64encode
from dataclasses import replace

import pytest

from demo.plan import BUS_1, READERS
from demo.processes import wait_until
from demo.world import enrol_readers, write_reader
from readers.softcard import phone

from .test_selling import rider_of
from .town import Purse

pytestmark = pytest.mark.walk
FARE = 10_000  # HANOI.md: route 26, 15-<25 km
NAME = "bus-with-scanner"


@pytest.fixture(scope="module")
def bus(town):
    """A bus on route 26 whose reader has a scanner: a named pipe."""
    (like,) = [one for one in READERS if one.name == BUS_1]
    reader = replace(like, name=NAME)
    clock = town.city.environment["LIENTHONG_CLOCK"]
    enrol_readers(town.city, clock, [reader])
    write_reader(town.city, reader, url=town.city.url, clock=clock)
    config = town.city.config(NAME)
    os.mkfifo(config.parent / "scanner")
    with config.open("a", encoding="utf-8") as file:
        file.write('[scanner]\npath = "scanner"\n')
    town.city.start_reader(NAME)
    wait_until("the reader to serve", lambda: bool(town.lights(NAME, "state")))
    return config


def scanned(town, bus, text):
    """Hold this before the scanner and return the light."""
    before = len(town.lights(NAME))
    town.city.crew.call("-m", "readers", "scan", "--config", str(bus), text)
    wait_until("the light", lambda: len(town.lights(NAME)) > before)
    return town.lights(NAME)[-1]


def test_a_phone_rides_by_its_code_and_the_account_pays(town, bus, tmp_path, capsys):
    (card,) = town.cards(1, money=50_000)
    _, token = rider_of(town, card)
    key = tmp_path / "phone.key"
    assert phone.main(["new", "--key", str(key)]) == 0
    asked = {"kind": "qr", "token": capsys.readouterr().out.strip(), "expires_on": "2030-01-01"}
    made = town.city.ask("POST", f"/v1/accounts/{card.account}/media", token, asked)

    def code():
        shown = ["code", "--key", str(key), "--certificate", made["certificate"]]
        assert phone.main([*shown, "--clock", town.city.environment["LIENTHONG_CLOCK"]]) == 0
        return capsys.readouterr().out.strip()

    text, before = code(), town.evidence()
    assert scanned(town, bus, text)["light"] == "green"
    assert scanned(town, bus, text)["light"] == "amber", "the same code again is not taken"
    town.delivered(NAME)
    came = town.evidence_since(before)
    assert came["coded"] == 1
    assert "in_exception" not in came
    assert town.purse(card.account) == Purse(50_000 - FARE, 0)
    assert town.bill(card.account) == town.fold(card.account)
    (line,) = town.bill(card.account)
    why = town.city.ask("GET", f"/v1/taps/{line.tap_id}/explanation", token)
    assert str(why["tap_id"]) == str(line.tap_id)
    town.proven()


def test_a_token_is_let_through_online_only(town, bus):
    (card,) = town.cards(1, money=50_000)
    reference = uuid.uuid4().hex
    assert scanned(town, bus, f"LTB1.{reference}")["light"] == "red", "nobody's token"
    asked = {"kind": "bank", "token": reference, "expires_on": "2030-01-01"}
    town.ask("POST", f"/v1/accounts/{card.account}/media", asked, role="agent")
    assert scanned(town, bus, f"LTB1.{reference}")["light"] == "green"
    town.delivered(NAME)
    assert town.purse(card.account) == Purse(50_000 - FARE, 0)
    with (town.state(NAME) / "journal.sqlite").open("rb") as file:
        kept = file.read()
    assert bytes.fromhex(reference) not in kept
    assert b64encode(bytes.fromhex(reference)) not in kept
    assert reference.encode() not in kept
    town.proven()
