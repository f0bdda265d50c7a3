"""Cards that lie, journals that fail and devices that die: the reader lives, and is never green by mistake."""

import pytest

from kernel.wire.tap import Phase
from readers import lamp
from readers.card import CardLostError
from readers.errors import JournalError
from readers.frontend import FieldLostError
from readers.lamp import Light
from readers.records import JournalReader, verify_chain
from readers.softcard.card import Fault
from readers.softcard.direct import DirectChannel
from readers.states import Event, State
from readers.tap import tap
from tests.readers.kit import adopt, enrolled, make_bench, phases, present, proven, soft_card


@pytest.mark.parametrize("fault", [Fault.WRONG_MAC, Fault.GARBAGE, Fault.STALE])
def test_a_card_that_lies_is_red_and_leaves_no_record(bench, fault):
    for serial in range(1, 30):
        assert present(bench, soft_card(serial), fault).message.light is not Light.GREEN
    assert phases(bench) == []


class Hostile:
    """Answers the n-th command with an exception of any kind or with bytes of any kind."""

    def __init__(self, card, at, what):
        self._inner, self._left, self._what = DirectChannel(card), at, what
        self.uid = self._inner.uid

    def transceive(self, apdu, timeout_s):
        self._left -= 1
        if self._left < 0:
            if isinstance(self._what, Exception):
                raise self._what
            return self._what
        return self._inner.transceive(apdu, timeout_s)

    def present(self):
        return False

    def close(self):
        self._inner.close()


WEIRD = [
    b"",
    b"\x90",
    b"\x91\x00",
    b"\x00" * 64,
    b"\xff" * 300,
    IndexError("ATS"),
    RecursionError(),
    MemoryError(),
]


@pytest.mark.parametrize("what", WEIRD, ids=lambda w: repr(w)[:20])
@pytest.mark.parametrize("at", range(7))
def test_whatever_a_card_answers_the_reader_lives_and_is_not_green(bench, at, what):
    card = soft_card(1, generation=2)  # the newest generation is tried first: seven APDUs
    shown = tap(bench.desk, Hostile(card, at, what))
    bench.desk.machine.on(Event.REMOVED)
    assert shown.message.light is not Light.GREEN
    assert phases(bench) == ([Phase.TORN] if at == 6 else [])
    assert card.eeprom.tmc == 0
    assert present(bench, card).message.light is Light.GREEN, "and serves the next honest card"


@pytest.mark.parametrize("uid", [b"\x08abc", bytes(10), b""])
def test_a_uid_of_another_length_is_red(bench, uid):
    channel = Hostile(soft_card(1), 99, b"")
    channel.uid = uid
    assert tap(bench.desk, channel).message == lamp.NOT_READABLE


def test_a_card_that_leaves_early_is_asked_to_try_again(bench):
    shown = tap(bench.desk, Hostile(soft_card(1), 2, CardLostError("no_answer")))
    assert shown.message == lamp.TRY_AGAIN


def serve_for_ever(bench, serials):
    for serial in serials:
        present(bench, soft_card(serial))


def test_a_journal_that_is_full_is_never_green(tmp_path):
    bench = make_bench(enrolled(tmp_path), max_pages=12)
    served = iter(range(1, 1000))
    with pytest.raises(JournalError, match="full"):
        serve_for_ever(bench, served)
    assert bench.desk.machine.state is State.OUT_OF_SERVICE
    assert len(bench.records()) == next(served) - 2
    verify_chain(JournalReader(bench.desk.journal.path).bodies())
    bench.close()


class FailsAt:
    """A journal that fails one of its writes, as a dying disk does."""

    def __init__(self, journal, write):
        self._journal, self._write = journal, write

    def __getattr__(self, name):
        if name == self._write:

            def fail(*_args, **_more):
                raise JournalError("disk I/O error")

            return fail
        return getattr(self._journal, name)


@pytest.mark.parametrize(
    ("write", "fault", "commits"),
    [("begin", None, 0), ("finish", None, 1), ("tear", Fault.TEAR_AFTER, 1), ("tear", Fault.TEAR_BEFORE, 0)],
)
def test_a_journal_that_cannot_be_written_is_never_green(bench, tmp_path, write, fault, commits):
    journal = bench.desk.journal
    bench.desk.journal = FailsAt(journal, write)
    card = soft_card(7)
    with pytest.raises(JournalError):
        present(bench, card, fault)
    assert bench.desk.machine.state is State.OUT_OF_SERVICE
    assert card.eeprom.tmc == commits
    # The repaired reader finds its INTENT and the card finds its tap.
    journal.close()
    bench.desk.gate.close()
    again = make_bench(bench.desk.config, clock=bench.clock)
    assert present(again, card).message.light is Light.GREEN
    assert card.eeprom.tmc == 1
    assert sum(proven(record) for record in again.records()) == 1
    again.close()
    bench.desk.journal = FailsAt(journal, "none")


@pytest.mark.parametrize("write", ["append"])
@pytest.mark.parametrize("how", ["refuse", "recover"])
def test_a_record_that_cannot_be_written_is_never_green(bench, write, how):
    card = soft_card(7)
    if how == "recover":
        present(bench, card, Fault.TEAR_AFTER)
    else:
        adopt(bench, version=2, denied=(7,))
    bench.desk.journal = FailsAt(bench.desk.journal, write)
    with pytest.raises(JournalError):
        present(bench, card)
    assert bench.desk.machine.state is State.OUT_OF_SERVICE


@pytest.mark.parametrize("at", [0, 5, 6])
def test_a_reader_device_that_dies_is_out_of_service_and_an_open_intent_is_torn(bench, at):
    with pytest.raises(FieldLostError):
        tap(bench.desk, Hostile(soft_card(1, generation=2), at, FieldLostError("usb gone")))
    assert bench.desk.machine.state is State.OUT_OF_SERVICE
    assert phases(bench) == ([Phase.TORN] if at == 6 else [])


def test_without_a_bundle_no_card_can_be_read(bench):
    bench.desk.bundle = None
    assert present(bench, soft_card(1)).message.light is Light.RED
    assert phases(bench) == []
