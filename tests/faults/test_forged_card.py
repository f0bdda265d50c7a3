"""Issue 5: a card made with a stolen validator's key gets one ride, is exposed at upload, and locks no honest rider out."""

import time
from contextlib import closing

from demo.processes import wait_until
from kernel.crypto.card_keys import Role
from readers.frontend import Emulation
from readers.softcard.card import Eeprom, Secrets, SoftCard
from readers.softcard.field import Antenna, Outcome


def made_of(card, *, tmac_key=None, eeprom=None):
    """The holder's card; with another TMAC key, what a thief of a validator's AUTH master can make of its UID."""
    keys = {role: bytes.fromhex(card.row["keys"][role.value]) for role in (Role.AUTH, Role.TMAC)}
    secrets = Secrets.of(auth=keys[Role.AUTH], tmac_key=tmac_key or keys[Role.TMAC])
    return SoftCard(
        bytes.fromhex(card.row["uid"]), secrets, eeprom or Eeprom(bytes.fromhex(card.row["info"]))
    )


def show(city, name, soft):
    with closing(Antenna(Emulation(city.city.ports[name]), patience_s=60)) as antenna:
        return antenna.present(soft, None)


def lights_of(city, name, card):
    return [(line["light"], line["reason"]) for line in city.lights(name) if line["card"] == card.serial]


def await_lights(city, name, card, lights):
    """The lamp is never waited for, so what it showed is told a moment after the card went."""
    wait_until(f"{lights} at {name}", lambda: lights_of(city, name, card) == lights)


def cases_of(city, card):
    found = city.ask("GET", "/v1/cases?kind=mac-invalid&limit=1000", role="inspector")["cases"]
    return [each for each in found if each["card_id"] == card.row["card_id"]]


def await_light(city, name, soft, card, light):
    """Show the card until its newest light is this one; each time it must have been read to the end."""

    def shown():
        before = len(lights_of(city, name, card))
        assert show(city, name, soft) in {Outcome.COMMITTED, Outcome.READ_ONLY}
        wait_until("its light", lambda: len(lights_of(city, name, card)) > before)
        return lights_of(city, name, card)[-1] == light

    wait_until(f"{light} at {name}", shown)


def test_a_card_forged_with_a_stolen_validators_key(city, readers, figures):
    (card,) = city.cards(1, money=200_000)
    honest, forged = made_of(card), made_of(card, tmac_key=b"stolen no master")
    first, second, third, fourth = readers

    # Offline nobody can tell; the upload does.
    assert show(city, first, forged) is Outcome.COMMITTED
    await_lights(city, first, card, [("green", "")])
    uploaded = time.monotonic()
    wait_until("a case", lambda: len(cases_of(city, card)) == 1)
    exposed_s = time.monotonic() - uploaded

    # One forged tap alone locks nobody out, and costs its victim nothing.
    time.sleep(3)  # longer than it takes a reader to ask for its bundle
    assert show(city, second, honest) is Outcome.COMMITTED
    await_lights(city, second, card, [("green", "")])
    city.delivered(first, second)
    assert sum(trips for _, trips in city.bill(card.account).values()) == 1

    # A second, independent reader's upload restricts the card: one delta later every reader refuses it.
    assert show(city, third, forged) is Outcome.COMMITTED
    restricted = time.monotonic()
    for name in readers:
        await_light(city, name, forged, card, ("red", "denied"))
    refused_s = time.monotonic() - restricted
    assert show(city, fourth, honest) is Outcome.READ_ONLY, "its holder is sent for a free replacement"

    # The reviewer finds the validator stolen and the card honest: one delta later it rides again.
    (case,) = cases_of(city, card)
    body = {"finding": "card-honest", "reason": "a validator of line 26 was stolen"}
    closed = city.ask("POST", f"/v1/cases/{case['case_id']}/close", body, role="inspector")
    assert closed["lifted"] is True
    await_light(city, fourth, honest, card, ("green", ""))
    city.delivered(*readers)
    bill = city.bill(card.account)
    assert bill == city.fold(card.account)
    assert sum(trips for _, trips in bill.values()) == 2, "the honest taps, and only they"
    assert lights_of(city, fourth, card).count(("red", "denied")) >= 1
    figures(exposed_after_s=round(exposed_s, 1), refused_on_all_readers_after_s=round(refused_s, 1))
