"""Issue 5: server away, slow, failing, acknowledging twice: everything arrives, exactly once."""

import random
from collections import Counter
from contextlib import closing
from dataclasses import replace

from demo.processes import wait_until
from kernel.crypto.card_keys import Role
from readers.config import load_config
from readers.records import JournalReader
from readers.softcard.card import Eeprom, Secrets, SoftCard
from tests.faults.fleet import many_cards
from tests.faults.proxy import Line
from tests.faults.test_soak import stored
from tests.readers.loop import CardField, in_service, running

FAULTS = ("away", "500", "503", "429", "slow", "cut", "garbage", "twice", "before", "", "")
READER = "fault-1"


def soft(card):
    keys = {role: bytes.fromhex(card.row["keys"][role.value]) for role in (Role.AUTH, Role.TMAC)}
    return SoftCard(
        bytes.fromhex(card.row["uid"]),
        Secrets.of(auth=keys[Role.AUTH], tmac_key=keys[Role.TMAC]),
        Eeprom(bytes.fromhex(card.row["info"])),
    )


def test_everything_arrives_exactly_once(city, size, figures):
    cards = {card.serial: card for card in many_cards(city, size(1_000), money=200_000)}
    dice, before = random.Random(11), city.evidence()
    with closing(Line(city.city.url)) as line:
        config = load_config(city.city.config(READER))
        server = replace(
            config.server,
            url=line.url,
            batch=2,
            linger_ms=1,
            retry_min_ms=2,
            retry_max_s=0.02,
            timeout_s=5,
        )
        events = city.city.home / "bad-line.jsonl"
        config = replace(config, server=server, lamp=replace(config.lamp, events=events))
        for _ in range(len(cards)):
            line.faults += dice.sample(FAULTS, len(FAULTS))
        field = CardField()
        with running(config, field) as daemon:
            wait_until("the reader to serve", lambda: in_service(daemon))
            for card in cards.values():
                field.cards.put(soft(card))
            wait_until(
                "all cards to be tapped",
                lambda: daemon.tally.report()["lights"].get("green", 0) >= len(cards),
                600,
            )
            journal = JournalReader(config.journal.path)
            last = journal.last()
            journal.close()
            wait_until("all of it to be acknowledged", lambda: daemon._uplink.chained_up_to == last, 600)
    rows = stored(city, list(cards))
    came = city.evidence_since(before)
    met = Counter(fault for fault in line.met if fault)
    figures(taps=len(cards), faults_met=dict(sorted(met.items())), stored=len(rows))
    assert len(rows) == len({row.tap_id for row in rows}) == len(cards)
    assert came == {name: len(cards) for name in ("records", "proven", "committed")}
    assert set(met) == set(FAULTS) - {""}, "every fault was met"
    for card in cards.values():
        assert sum(trips for _, trips in city.bill(card.account).values()) == 1
