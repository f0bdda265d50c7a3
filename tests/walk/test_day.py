"""One tap and one stay from the card to the settled day, and a card that nobody wants any more."""

import json
import subprocess

import pytest

from demo.plan import BUS_1, DAY, PARK_IN, PARK_OUT
from demo.processes import wait_until
from tests.programs import program

from .town import Purse, Show

pytestmark = pytest.mark.walk


def test_a_blocked_card_is_shown_red_and_pays_nothing(town):
    (card,) = town.cards(1, money=100_000)
    # Another walk may have put a card on the list before.
    known = max((told["deny_version"] for told in town.lights(BUS_1, "bundle")), default=0)
    town.city.lienthong("card", "block", str(card.serial), "--reason", "lost", "--cause", "by telephone")
    wait_until(
        "the deny list to reach the bus",
        lambda: any(told["deny_version"] > known for told in town.lights(BUS_1, "bundle")),
    )
    before, shown = town.evidence(), len(town.lights(BUS_1))
    assert town.present([Show(BUS_1, card)]) == {card.serial: 0}, "the card has committed nothing"
    town.delivered(BUS_1)
    since = town.lights(BUS_1)[shown:]
    assert {(one["light"], one["phase"], one["reason"]) for one in since} == {("red", "REFUSED", "denied")}
    came = town.evidence_since(before)
    assert came == {"records": came["refused"], "refused": came["refused"]}
    assert town.purse(card.account) == Purse(100_000, 0)
    assert town.bill(card.account) == {}


def test_one_tap_and_one_stay_from_the_card_to_the_settled_day(town):
    (card,) = town.cards(1, money=500_000)
    before = town.evidence()
    counters = town.present([Show(BUS_1, card), Show(PARK_IN, card), Show(PARK_OUT, card)])
    assert counters == {card.serial: 3}
    town.delivered(BUS_1, PARK_IN, PARK_OUT)
    assert town.evidence_since(before) == {"records": 3, "proven": 3, "committed": 3}
    # Route 26 is 15.9 km, of the band from 15 to under 25 km; two hours and 25 minutes are three begun ones.
    bus, stay = 10_000, 25_000 + 25_000 + 35_000
    assert [amount for amount, _ in town.bill(card.account).values()] == [bus]
    assert town.purse(card.account) == Purse(500_000 - bus - stay, 0)

    settled = json.loads(town.city.lienthong("settle", str(DAY), "--early", "--json"))
    rows = {row["operator_id"]: row for row in settled["settlements"]}
    assert all(row["reconciled"] for row in rows.values())
    assert rows["transerco"]["net"]["minor"] >= bus
    assert rows["dongda-parking"]["trips"] == 1
    assert rows["dongda-parking"]["net"]["minor"] == stay
    assert settled["coverage"]["covered"]
    assert "Proven: " in town.city.lienthong("ledger", "prove")


def test_hledger_accepts_the_books(town, tmp_path):
    town.cards(1, money=50_000)
    hledger = program("hledger")
    books = tmp_path / "books.journal"
    books.write_text(town.city.lienthong("ledger", "export", "--format", "hledger"), "utf-8")
    done = subprocess.run(
        [hledger, "-f", books, "check", "--strict"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
