"""Cards over HTTP in the running town: lost and replaced in the middle of a day; phone in, card out, linked later."""

import uuid
from contextlib import closing
from datetime import date, timedelta

import pytest

from access.issue import ISSUER, PRODUCT_ACCOUNT
from kernel.wire.cardinfo import CardInfo, Concession, encode
from kernel.wire.tap import Purpose
from tests.simulation import sim_card

from .devices import Line
from .town import Card, Purse, Town

pytestmark = pytest.mark.walk
BUS = {"route_id": "26", "stop_id": "26-01", "trip_id": "26-05", "place": "29B-777.01"}


def event(what):
    return {"event_id": str(uuid.uuid4()), "event": what, "reason": "walk"}


def desk(town, method, path, body=None):
    return town.ask(method, path, body, role="administrator")


def loaded(town, sim, minor):
    asked = town.topup(Card(sim.serial, sim.issued.fare_account_id, {}), minor)
    town.pay({"payments": [{"qr": asked["qr"]["payload"]}]})


def components(town, account):
    sums = {}
    for key, (minor, _) in town.bill(account).items():
        sums[key.component] = sums.get(key.component, 0) + minor
    return sums


def test_a_lost_card_is_replaced_in_the_middle_of_the_day(town: Town, fleet):
    reader = fleet.reader("replacing-bus", **BUS)
    (old,) = fleet.cards(1)
    account = old.issued.fare_account_id
    loaded(town, old, 300_000)
    with closing(Line(town.city.url)) as line:
        reader.tap(old, purpose=Purpose.BOARD)
        reader.clock += timedelta(minutes=20)
        reader.tap(old, purpose=Purpose.ALIGHT, stop_id="26-04")
        line.send(reader.upload())
        charged = components(town, account)["charged"]
        assert charged > 0
        bought = {"pass_id": str(uuid.uuid4()), "product_id": "bus_month_one_route_normal", "scope": "26"}
        code = town.ask("POST", "/v1/riders/codes", {"card_serial": old.serial}, role="agent")["code"]
        told = town.city.ask("POST", "/v1/riders/sign-in", "", {"card_serial": old.serial, "code": code})
        town.city.ask("POST", f"/v1/riders/{account}/passes", told["token"], bought)
        before = town.purse(account)
        assert before.stored < 300_000 - charged

        assert desk(town, "POST", f"/v1/cards/{old.serial}/events", event("reported_lost"))["state"] == "lost"
        assert line.decide(town, reader, old.serial, 8_000)["reason"] == "lost"
        uid = b"\x04walk" + old.serial.to_bytes(2, "big")
        asked = {
            "event_id": str(uuid.uuid4()),
            "reason": "lost",
            "uid": uid.hex(),
            "expires_on": "2031-12-31",
        }
        made = desk(town, "POST", f"/v1/cards/{old.serial}/replacement", asked)
        assert desk(town, "POST", f"/v1/cards/{old.serial}/replacement", asked) == made, "once only"
        assert made["fare_account_id"] == str(account)
        new = _personalised(town, uid, made["card_serial"])

        refused, accepted = (line.decide(town, reader, one.serial, 8_000) for one in (old, new))
        assert (refused["decision"], refused["reason"]) == ("refuse", "replaced")
        assert accepted["decision"] == "accept"
        assert accepted["balance"]["minor"] == before.stored, "the balance came along"
        assert desk(town, "GET", f"/v1/denials/{old.serial}")["denied"] == ["replaced"]

        reader.clock = town.now
        reader.tap(new, purpose=Purpose.BOARD)
        line.send(reader.upload(3, 3))
    told = town.ask(
        "POST", "/v1/inspections", {"card_serial": new.serial, "place": BUS["place"]}, role="inspector"
    )
    assert told == {"tapped": True, "has_pass": True, "vehicle": BUS["place"]}
    with closing(Line(town.city.url)) as line:
        reader.clock = town.now
        reader.tap(new, purpose=Purpose.ALIGHT, stop_id="26-04")
        line.send(reader.upload(4, 4))
    sums = components(town, account)
    assert sums["charged"] == charged, "the pass came along too"
    assert sums["pass_covered"] > 0
    assert town.purse(account) == before
    town.proven()


def _personalised(town, uid, serial):
    generation = town.keyring.generations[-1]
    info = CardInfo(
        issuer=ISSUER,
        serial=serial,
        product=PRODUCT_ACCOUNT,
        concession=Concession.NORMAL,
        expires_on=date(2031, 12, 31),
        key_generation=generation,
    )
    return sim_card(town.keyring, uid, serial=serial, info=encode(info), generation=generation)


def test_phone_in_and_card_out_become_one_ride_when_they_are_linked(town: Town, fleet):
    entry, exit_ = (
        fleet.reader(f"linking-{stop}", route_id="2A", stop_id=stop, trip_id="", place=stop)
        for stop in ("2A-cat-linh", "2A-la-thanh")
    )
    phone, card = fleet.cards(2)
    home, head = phone.issued.fare_account_id, card.issued.fare_account_id
    loaded(town, phone, 50_000)
    loaded(town, card, 50_000)
    entry.tap(phone, purpose=Purpose.BOARD)
    exit_.tap(card, purpose=Purpose.ALIGHT, at=entry.clock + timedelta(minutes=5))
    with closing(Line(town.city.url)) as line:
        for reader in (exit_, entry):
            line.send(reader.upload())
        assert components(town, head)["charged"] == 18_625, (
            "an exit without an entry (HANOI.md: the full line)"
        )
        apart = town.purse(home), town.purse(head)
        desk(town, "POST", f"/v1/cards/{phone.serial}/events", event("blocked"))
        asked = {"link_id": str(uuid.uuid4()), "into": str(head), "reason": "one rider"}
        done = desk(town, "POST", f"/v1/accounts/{home}/links", asked)
        assert (done["again"], done["taps"], done["owing"]) == (False, 1, [])
        assert desk(town, "POST", f"/v1/accounts/{home}/links", asked)["again"]
        assert components(town, home) == {}
        assert components(town, head) == {"charged": 8_595}, "one station (HANOI.md)"
        assert town.bill(head) == town.fold(head)
        assert (town.purse(home), town.purse(head)) == (Purse(0, 0), Purse(100_000 - 8_595, 0))
        shown = line.decide(town, entry, phone.serial, 8_000)
        assert (shown["reason"], shown["balance"]["minor"]) == ("blocked", 100_000 - 8_595)
        parted = {"link_id": str(uuid.uuid4()), "into": None, "reason": "two riders after all"}
        desk(town, "POST", f"/v1/accounts/{home}/links", parted)
        assert components(town, head) == {"charged": 18_625}
        assert (town.purse(home), town.purse(head)) == apart
    town.proven()
