"""A small day through the real service, for tests of what is shown of it."""

import json
from datetime import date
from pathlib import Path

import fare
from fare.publish import publish
from service.jobs.settle_day import settle_day
from service.services import EXTENSION
from tests.simulation import World

DAY = date(2026, 11, 18)
TARIFF = Path(fare.__file__).parent / "tariffs/hanoi"


def play_a_day(app, keyring, now) -> int:
    """Two riders ride bus 26 (10,000 VND each), one of them on and off; the day is settled. Returns the tap count."""
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
    for _ in settle_day(services.database, DAY, signer=keyring.bundle_key, now=services.clock.now):
        pass
    return len(reader.records)
