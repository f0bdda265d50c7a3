"""Issue 5: card keys and device keys rotate under load; cards of both generations ride, none is refused."""

import json
import time

from demo.processes import wait_until
from service.commands.context import settings
from tests.faults.fleet import ROUTES, many_cards
from tests.faults.test_soak import stored
from tests.walk.town import OPENS, Show

READERS = tuple(ROUTES)
TAPS = 10


def holds(city, name, generation):
    said = json.loads((city.state(name) / "status.json").read_text())
    return generation in (said["bundle"] or {}).get("generations", ())


def shows_of(cards, first=0):
    return [
        Show(READERS[(number + turn + first) % len(READERS)], card)
        for turn in range(TAPS // 2)
        for number, card in enumerate(cards)
    ]


def keys_of(city):
    from sqlalchemy import text

    with city.database.read() as tx:
        rows = tx.execute(
            text(
                "SELECT d.name, count(*) FILTER (WHERE revoked_at IS NULL) AS live, count(*) AS ever"
                " FROM device d JOIN device_key USING (device_id) WHERE d.name = ANY(:names) GROUP BY d.name"
            ),
            {"names": list(READERS)},
        )
        return {row.name: (row.live, row.ever) for row in rows}


def test_keys_rotate_under_load(city, readers, size, figures):
    older = many_cards(city, size(500), money=1_000_000)
    before, ever = city.evidence(), {name: ever for name, (_, ever) in keys_of(city).items()}
    began = time.monotonic()

    def meanwhile(child):
        # Every device changes its own key, and the cards' keys get a generation more, while cards tap.
        for device in city.ask("GET", "/v1/devices", role="auditor")["devices"]:
            if device["name"] in READERS:
                city.city.lienthong("device", "rotate", device["device_id"], "--reason", "acceptance")
        city.city.lienthong("keys", "rotate")
        assert child.running(), "the keys rotate while cards tap"
        city.city.start_service(city.city.environment["LIENTHONG_CLOCK"])

    counters = city.present(shows_of(older), meanwhile=meanwhile, patience_s=900)
    city.__dict__.pop("keyring", None)
    generation = city.keyring.generations[-1]
    wait_until("all readers to hold both", lambda: all(holds(city, name, generation) for name in READERS))
    wait_until(
        "every device to have a new key and one only",
        lambda: all(keys_of(city)[name] == (1, ever[name] + 1) for name in READERS),
    )
    settings.cache_clear()
    city.city.lienthong("keys", "issue-from", str(generation))
    newer = many_cards(city, size(500), money=1_000_000)
    assert {card.row["generation"] for card in newer} == {generation}
    assert {card.row["generation"] for card in older} == {generation - 1}
    both = [card for pair in zip(older, newer, strict=True) for card in pair]
    later = city.present(shows_of(both, first=1), patience_s=1_800)
    city.delivered(*READERS)
    rows = stored(city, [card.serial for card in both])
    reds = [
        line
        for name in READERS
        for line in city.lights(name)
        if line["card"] in later and line["light"] == "red"
    ]
    came = city.evidence_since(before)
    figures(
        taps=sum(later.values()),
        of_new_generation=sum(later[card.serial] for card in newer),
        refused=sum(row.phase == 4 for row in rows),
        seconds=round(time.monotonic() - began),
    )
    assert sum(later.values()) == len(both) * TAPS // 2 + sum(counters.values())
    assert reds == [], "no honest tap is refused"
    assert [
        (row.sequence, row.exception, row.mac_valid) for row in rows if row.exception or not row.mac_valid
    ] == []
    assert came == {name: sum(later.values()) for name in ("records", "proven", "committed")}
    assert city.now > OPENS
