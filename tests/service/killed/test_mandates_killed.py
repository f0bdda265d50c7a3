"""Automatic top-ups killed with -9 at every commit: one charge each, and it loads the card once."""

import json
from uuid import uuid4

from tests.service.test_topups_api import notice


def test_each_low_balance_is_charged_once(office, insist, shop, client, proven, tmp_path):
    cards = [shop.card() for _ in range(2)]
    terms = ("--below", "20000", "--amount", "100000", "--a-month", "500000")
    for number, card in enumerate(cards):
        insist("mandate", "give", str(card.serial), "--token", f"so-{number}", *terms)
    file = tmp_path / "charges.jsonl"
    run = ("mandate", "run", "--file", str(file))
    before = office.died
    insist(*run)
    assert office.died - before >= 3 or office.when == "moment", "two are made, then handed over one by one"

    lines = file.read_text("utf-8").splitlines()
    charges = [json.loads(line) for line in dict.fromkeys(lines)]
    assert len(charges) == 2, "what is handed over again is the same to the letter"
    assert {one["token"] for one in charges} == {"so-0", "so-1"}
    for one in charges:
        asked = {"qr": {"payload": one["qr"]}, "reference": one["reference"]}
        raw = notice(asked, 100_000, reference=str(uuid4()))
        for _ in range(2):
            assert client.post("/v1/notifications/payos", data=raw).status_code == 200
    assert [shop.purse(card) for card in cards] == [100_000, 100_000]
    insist(*run)
    assert file.read_text("utf-8").splitlines() == lines, "nobody is low any more"
    proven()
