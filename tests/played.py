"""A small day through the real service, for tests of what is shown of it."""

import json
from datetime import date
from pathlib import Path

import fare
from fare.publish import publish
from kernel.wire.cardinfo import Concession
from ledger import terms
from service.jobs.settle_day import settle_day
from service.services import EXTENSION
from tests.simulation import World

DAY = date(2026, 11, 18)
TARIFF = Path(fare.__file__).parent / "tariffs/hanoi"


def ride_a_day(app, keyring, now) -> int:
    """Two riders ride bus 26 (10,000 VND each), one of them on and off. Returns the tap count."""
    services = app.extensions[EXTENSION]
    with services.database.begin() as tx:
        tariff = publish(tx, TARIFF, prepared_by="a", approved_by="b", key=keyring.bundle_key, now=now)
        city = World(tx, keyring, now)
        reader, cards = city.reader(), [city.card(1), city.card(2)]
    reader.facts = {"tariff_version": tariff.version, "route_id": "26"}
    for card in (*cards, cards[0]):
        reader.tap(card)
    body = json.dumps(reader.upload().to_json())
    answer = app.test_client().post("/v1/taps", data=body, content_type="application/json")
    assert answer.status_code == 200, answer.text
    return len(reader.records)


def play_a_day(app, keyring, now) -> int:
    """Ride the day, and settle it. Returns the tap count."""
    services = app.extensions[EXTENSION]
    taps = ride_a_day(app, keyring, now)
    for _ in settle_day(services.database, DAY, signer=keyring.bundle_key, now=services.clock.now):
        pass
    return taps


def play_a_funded_day(app, keyring, now) -> None:
    """Ride the day, with a senior whose 10,000 VND the city owes transerco, and settle it."""
    services = app.extensions[EXTENSION]
    ride_a_day(app, keyring, now)
    with services.database.begin() as tx:
        city = World(tx, keyring, now)
        reader, senior = city.reader("second"), city.card(9, concession=Concession.FREE_SENIOR)
        version = services.shelf.books(tx).newest
    reader.facts = {"tariff_version": version, "route_id": "26"}
    reader.tap(senior)
    body = json.dumps(reader.upload().to_json())
    answer = app.test_client().post("/v1/taps", data=body, content_type="application/json")
    assert answer.status_code == 200, answer.text
    sign_terms(app, "transerco", now)
    list(settle_day(services.database, DAY, signer=keyring.bundle_key, now=services.clock.now))


def sign_terms(app, operator: str, now, **changed) -> None:
    """Put an operator's terms in force, by two people."""
    body = {"name": operator.title(), "account": "0011", "bank": "970436"} | changed
    with app.extensions[EXTENSION].database.begin() as tx:
        made = terms.propose(tx, terms.from_json(operator, DAY, body), by="staff:lan", now=now)
        terms.sign(tx, operator, made.version, approved=True, by="staff:minh", now=now)
