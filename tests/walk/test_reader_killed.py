"""kill -9 of a reader between INTENT and DONE: no commit of a card is lost, none is charged twice."""

import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from demo.plan import BUS_1, BUS_2
from demo.processes import wait_until
from kernel.crypto import tmac
from kernel.crypto.card_keys import Role
from kernel.wire.tap import decode_tap
from readers.frontend import Emulation
from readers.records import verify_chain
from readers.softcard.card import CardLeftError, Eeprom, Secrets, SoftCard
from readers.softcard.field import Antenna, Outcome

from .town import Purse, Show

pytestmark = pytest.mark.walk
MONEY = 200_000
KILLS = 3
OPEN = "SELECT sequence FROM record WHERE open = 1"
FARES = {BUS_1: 10_000, BUS_2: 20_000}  # routes 26 and 93 by their lengths


class Witness(SoftCard):
    """A card that strikes when it hears CommitTransaction: by then the reader's INTENT is on its disk.

    It has then committed, or (`heard` false) not; either way no answer of it comes.
    """

    strike: Callable[[], None] | None = None
    heard = True

    def answer(self, apdu: bytes) -> bytes:
        if self.strike is None or apdu[1] != tmac.COMMIT_TRANSACTION:
            return super().answer(apdu)
        if self.heard:
            super().answer(apdu)
        strike, self.strike = self.strike, None
        strike()
        raise CardLeftError


def witness(card) -> Witness:
    keys = {role: bytes.fromhex(card.row["keys"][role.value]) for role in (Role.AUTH, Role.TMAC)}
    return Witness(
        bytes.fromhex(card.row["uid"]),
        Secrets.of(auth=keys[Role.AUTH], tmac_key=keys[Role.TMAC]),
        Eeprom(bytes.fromhex(card.row["info"])),
    )


def kill(town, name):
    reader = town.city.readers[name]
    reader.popen.send_signal(signal.SIGKILL)
    reader.popen.wait()


def show(town, name, card) -> Outcome:
    with closing(Antenna(Emulation(town.city.ports[name]), patience_s=60)) as antenna:
        return antenna.present(card, None)


def phases(town, name, card):
    with closing(town.journal(name)) as journal:
        bodies = list(journal.bodies())
    verify_chain(bodies)
    return [tap.phase.name for tap in map(decode_tap, bodies) if tap.card_serial == card.serial]


@pytest.mark.parametrize(
    ("heard", "outcome", "after"),
    [(False, Outcome.COMMITTED, ["TORN", "DONE"]), (True, Outcome.READ_ONLY, ["TORN", "RECOVERED"])],
    ids=["unheard", "heard"],
)
def test_killed_between_intent_and_done_and_shown_again(town, heard, outcome, after):
    (card,) = town.cards(1, money=MONEY)
    before, held = town.evidence(), witness(card)
    held.heard, held.strike = heard, lambda: kill(town, BUS_1)
    assert show(town, BUS_1, held) is Outcome.FAULTED
    assert held.eeprom.tmc == int(heard)
    town.city.start_reader(BUS_1)
    assert show(town, BUS_1, held) is outcome
    assert held.eeprom.tmc == 1, "one ride, one commit"
    town.delivered(BUS_1)
    # Shown once more after its green light, as the software card is, it is told that it has tapped already.
    assert [phase for phase in phases(town, BUS_1, card) if phase != "REFUSED"] == after
    assert town.evidence_since(before)["committed"] == 1
    assert town.purse(card.account) == Purse(MONEY - FARES[BUS_1], 0)
    assert town.bill(card.account) == town.fold(card.account)


def test_killed_and_never_shown_again_there(town):
    """The rider saw no light and walked on: the next bus tells of the commit, and it is charged nothing."""
    (card,) = town.cards(1, money=MONEY)
    before, held = town.evidence(), witness(card)
    held.strike = lambda: kill(town, BUS_1)
    assert show(town, BUS_1, held) is Outcome.FAULTED
    town.city.start_reader(BUS_1)
    assert show(town, BUS_2, held) is Outcome.COMMITTED
    wait_until("the killed reader to close its open tap", lambda: phases(town, BUS_1, card) == ["TORN"])
    town.delivered(BUS_1, BUS_2)
    came = town.evidence_since(before)
    assert came == {"records": 2, "proven": 1, "torn_proven": 1, "committed": 2}
    assert held.eeprom.tmc == 2
    assert town.purse(card.account) == Purse(MONEY - FARES[BUS_2], 0)
    assert town.bill(card.account) == town.fold(card.account)


def test_killed_again_and_again_while_a_bus_fills(town):
    """Cards and reader are processes of their own; the kills fall while a tap is open in the journal, and anywhere."""
    cards = town.cards(12, money=MONEY)
    before, dice = town.evidence(), random.Random(20261118)
    shows = [Show(BUS_1, card, "slow") for card in cards] + [Show(BUS_2, card) for card in cards]

    def strike(child):
        for _ in range(KILLS):
            await_open_tap(town, BUS_1, child)
            kill(town, BUS_1)
            town.city.start_reader(BUS_1)
            time.sleep(dice.random())  # any moment will do, that of starting too
            kill(town, BUS_1)
            town.city.start_reader(BUS_1)

    counters = town.present(shows, meanwhile=strike)
    # A bus later every card has shown what became of its tap on the bus that was killed.
    town.delivered(BUS_1, BUS_2)
    told = {card.serial: phases(town, BUS_1, card) for card in cards}
    came = town.evidence_since(before)
    assert came["committed"] == sum(counters.values())
    for card in cards:
        bill = town.bill(card.account)
        assert bill == town.fold(card.account)
        rides = [trips for _, trips in bill.values()]
        done = sum(phase in {"DONE", "RECOVERED"} for phase in told[card.serial] + phases(town, BUS_2, card))
        assert sum(rides) == done <= 2
        assert counters[card.serial] >= done
        assert town.purse(card.account) == Purse(MONEY - sum(amount for amount, _ in bill.values()), 0)
    town.proven()


def await_open_tap(town, name, child):
    """Return as soon as the reader has an INTENT without its DONE, or when all cards were served."""
    path = town.state(name) / "journal.sqlite"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
        left = journal.execute(OPEN).fetchall()  # by the kill before; the start that is under way closes it
        while child.running() and journal.execute(OPEN).fetchall() in ([], left):
            pass
