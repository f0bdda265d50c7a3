"""kill −9 at every step of a tap: nothing is lost, nothing is there twice, the chain is whole."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from access.rules.mac import torn_value
from kernel.wire.tap import Phase, decode_tap
from readers.records import JournalReader, verify_chain
from readers.softcard.files import StateFile
from tests.readers.kit import enrolled, proven, soft_card, tmac_key

SCRIPT = Path(__file__).with_name("kill_at.py")
STEPS = {
    "ACTIVATE": [],
    "DECIDE": [],
    "INTENT": [],
    "COMMIT": [Phase.TORN],
    "CARD": [Phase.TORN],
    "DONE": [Phase.TORN],
    "FEEDBACK": [Phase.DONE],
    "WAIT_REMOVAL": [Phase.DONE],
}


@pytest.fixture(scope="module")
def present():
    """Present a card to a reader in `folder`; return the light. With a step, the reader is killed at it."""
    readers = subprocess.Popen(
        [sys.executable, "-W", "error", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def send(folder, serial, step="", *, seconds=0, must_die=True):
        readers.stdin.write(json.dumps([str(folder), serial, step, seconds]) + "\n")
        readers.stdin.flush()
        status, light, phase = json.loads(readers.stdout.readline())
        died = status == -signal.SIGKILL
        assert died or status == 0
        assert died == bool(step) or not must_die
        return f"{light} {phase}"

    yield send
    readers.stdin.close()
    assert readers.wait(timeout=10) == 0
    readers.stdout.close()


def journal(folder):
    reader = JournalReader(folder / "state" / "journal.sqlite")
    try:
        bodies = list(reader.bodies())
    finally:
        reader.close()
    verify_chain(bodies)
    return [decode_tap(body) for body in bodies]


def commits(folder, serial):
    state = StateFile(folder / "cards.jsonl")
    eeprom = state.last(serial, soft_card(serial).eeprom)
    state.close()
    return eeprom.tmc


def check_books(folder, serials):
    """Every commit of every card is accounted for once: by its own MAC, or as a torn tap that a later one proves."""
    taps = journal(folder)
    assert [tap.sequence for tap in taps] == list(range(1, len(taps) + 1))
    for serial in serials:
        own = [tap for tap in taps if tap.card_serial == serial]
        charged = [tap for tap in own if tap.phase in {Phase.DONE, Phase.RECOVERED}]
        assert all(proven(tap) for tap in charged)
        torn = {torn_value(tap, tmac_key(tap)): tap.tmc for tap in own if tap.phase is Phase.TORN}
        counters = [tap.tmc for tap in charged]
        told_later = {torn[tap.prior_tmv] for tap in own if tap.prior_tmv in torn} - set(counters)
        assert sorted([*counters, *told_later]) == list(range(1, commits(folder, serial) + 1))


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_one_step_and_presented_again(present, tmp_path, step):
    enrolled(tmp_path)
    present(tmp_path, 5, step)
    # The next start closes an open INTENT as TORN before it takes the card again.
    assert present(tmp_path, 5).startswith("green"), "the honest rider gets through at the second try"
    phases = [tap.phase for tap in journal(tmp_path)]
    again = {"CARD": [Phase.RECOVERED], "DONE": [Phase.RECOVERED], "FEEDBACK": [], "WAIT_REMOVAL": []}
    assert phases == STEPS[step] + again.get(step, [Phase.DONE])
    assert commits(tmp_path, 5) == 1
    check_books(tmp_path, [5])


def test_killed_twice_in_a_row(present, tmp_path):
    enrolled(tmp_path)
    present(tmp_path, 5, "COMMIT")
    present(tmp_path, 5, "CARD")
    assert present(tmp_path, 5) == "green RECOVERED"
    assert [tap.phase for tap in journal(tmp_path)] == [Phase.TORN, Phase.TORN, Phase.RECOVERED]
    check_books(tmp_path, [5])


def test_killed_while_it_recovers(present, tmp_path):
    enrolled(tmp_path)
    present(tmp_path, 5, "CARD")
    present(tmp_path, 5, "FEEDBACK")
    assert [tap.phase for tap in journal(tmp_path)] == [Phase.TORN, Phase.RECOVERED]
    assert present(tmp_path, 5) == "green RECOVERED"
    assert len(journal(tmp_path)) == 2, "its light is owed, nothing more is written"
    check_books(tmp_path, [5])


def test_killed_and_presented_after_the_passback_window(present, tmp_path):
    enrolled(tmp_path)
    present(tmp_path, 5, "CARD")
    assert present(tmp_path, 5, seconds=30) == "green DONE"
    torn, done = journal(tmp_path)
    assert (torn.tmc, done.tmc, done.prior_tmc) == (1, 2, 1)
    assert done.prior_tmv == torn_value(torn, tmac_key(torn)), "the later tap proves the torn one"
    check_books(tmp_path, [5])


def test_a_walk_of_kills_over_several_cards(present, tmp_path):
    enrolled(tmp_path)
    dice = random.Random(20261118)
    serials, seconds = [1, 2, 3], 0
    for _ in range(40):
        seconds += dice.choice([0, 1, 40])
        present(tmp_path, dice.choice(serials), dice.choice([*STEPS, ""]), seconds=seconds, must_die=False)
    for serial in serials:
        assert present(tmp_path, serial, seconds=seconds + 60) == "green DONE"
    check_books(tmp_path, serials)
