"""FeliCa tokens in the field: what a poll asks, what answers it, over the air and directly, whatever it answers."""

import threading
from contextlib import closing, contextmanager

import nfc
import nfc.clf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readers.card import CardRefusedError
from readers.felica import poll, polled
from readers.frontend import Emulation, open_frontend
from readers.loopback import CardSide
from readers.softcard.card import Fault
from readers.softcard.felica import PMM, SoftToken, looked_for
from readers.softcard.field import Antenna, Outcome
from tests.readers.test_softcard_field import free_ports

IDM = bytes.fromhex("0114B34C12345678")
SYSTEM = bytes.fromhex("88B4")
OTHER = bytes.fromhex("0003")


def answer(idm=IDM, system=SYSTEM, *, code=1, pmm=PMM):
    body = bytes((code,)) + idm + pmm + system
    return bytes((1 + len(body),)) + body


def test_a_poll_asks_for_a_system_and_its_code():
    assert poll(SYSTEM) == bytes.fromhex("060088B40100")


@pytest.mark.parametrize(
    ("frame", "asked", "idm"),
    [
        (answer(), SYSTEM, IDM),
        (answer(), b"\xff\xff", IDM),
        (answer(), b"\x88\xff", IDM),
        (answer(system=OTHER), SYSTEM, None),
        (answer(system=b"\x88\xb5"), SYSTEM, None),
        (None, SYSTEM, None),
        (b"", SYSTEM, None),
        (answer()[:-1], SYSTEM, None),
        (answer() + b"\x00", SYSTEM, None),
        (b"\x13" + answer()[1:], SYSTEM, None),
        (answer(code=7), SYSTEM, None),
        (answer(system=b""), SYSTEM, None),
        (answer(idm=b"\x01\xfe" + IDM[2:]), SYSTEM, None),
        (answer(idm=bytes(8)), SYSTEM, None),
        (answer(idm=b"\xff" * 8), SYSTEM, None),
    ],
)
def test_an_answer_names_its_token_or_nobody(frame, asked, idm):
    assert polled(frame, asked) == idm


@given(st.binary(max_size=300))
def test_no_bytes_at_all_end_a_reader(frame):
    found = polled(frame, b"\xff\xff")
    assert found is None or found == frame[2:10]


def test_a_token_speaks_no_apdu_and_is_no_card_of_ours():
    token = looked_for(SoftToken(IDM, SYSTEM), SYSTEM)
    with pytest.raises(CardRefusedError, match="not_ours"):
        token.transceive(b"\x00\xa4\x04\x00", 0.1)
    assert token.present()
    token.close()
    assert not token.present()


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        ("06008 8B4 0000", 18),
        ("060088B40100", 20),
        ("060088B40200", 20),
        ("0600FFFF0100", 20),
        ("0600FFFF010F", 20),
    ],
)
def test_a_software_token_answers_what_it_is_asked(frame, size):
    said = SoftToken(IDM, SYSTEM).answer(bytes.fromhex(frame.replace(" ", "")))
    assert (len(said), said[0], said[1:18]) == (size, size, b"\x01" + IDM + PMM)


@pytest.mark.parametrize(
    "frame", ["", "06", "060000030100", "050088B401", "060188B40100", "0C0602FE000102030405"]
)
def test_a_software_token_is_silent_to_others(frame):
    assert SoftToken(IDM, SYSTEM).answer(bytes.fromhex(frame)) is None


# Over nfcpy's udp driver


@contextmanager
def in_the_field(token, *, felica=SYSTEM):
    """A token that stays in the field of one antenna, and the reader's field."""
    (port,) = free_ports(1)
    emulation, over = Emulation(port), threading.Event()

    def stay():
        while not over.is_set():
            emulation.answer_felica(token.answer, 0.1)

    thread = threading.Thread(target=stay)
    thread.start()
    with closing(open_frontend(f"udp:127.0.0.1:{port}", felica=felica)) as field:
        try:
            yield field
        finally:
            over.set()
            thread.join()
            emulation.close()


class Recorder(SoftToken):
    """A token that keeps what it heard and said."""

    def answer(self, frame):
        said = super().answer(frame)
        self.heard = [*getattr(self, "heard", []), (frame, said)]
        return said


def looked_at(found):
    assert found.uid == IDM
    assert found.present()
    assert found.present()
    found.close()
    assert not found.present()


def test_over_udp_and_directly_the_same_bytes_travel():
    direct, distant = Recorder(IDM, SYSTEM), Recorder(IDM, SYSTEM)
    looked_at(looked_for(direct, SYSTEM))
    with in_the_field(distant) as field:
        looked_at(field.wait_for_card(5))
    assert distant.heard == direct.heard
    assert len(direct.heard) == 3


def test_nfcpys_own_token_is_found_at_both_rates():
    for rate in ("212F", "424F"):
        (port,) = free_ports(1)
        card = nfc.ContactlessFrontend()
        card.device = CardSide("127.0.0.1", port)
        target = nfc.clf.LocalTarget(rate, sensf_res=bytearray(b"\x01" + IDM + PMM + SYSTEM))
        thread = threading.Thread(target=card.listen, args=(target, 1.0))
        thread.start()
        with closing(open_frontend(f"udp:127.0.0.1:{port}", felica=b"\xff\xff")) as field:
            assert field.wait_for_card(5).uid == IDM
        thread.join()
        card.close()


@pytest.mark.parametrize("fault", [Fault.WRONG_SYSTEM, Fault.GARBAGE])
def test_a_token_that_answers_nonsense_is_nobody(fault):
    token = SoftToken(IDM, OTHER if fault is Fault.WRONG_SYSTEM else SYSTEM)
    token.fault = fault
    with in_the_field(token) as field:
        assert field.wait_for_card(0.5) is None
    assert token.answered > 0


def test_tokens_of_other_systems_stay_silent_and_a_reader_without_felica_asks_for_none():
    for token, felica in ((SoftToken(IDM, OTHER), SYSTEM), (SoftToken(IDM, SYSTEM), b"")):
        with in_the_field(token, felica=felica) as field:
            assert field.wait_for_card(0.2) is None
        assert token.answered == 0


@pytest.mark.parametrize(
    ("fault", "present"), [(None, True), (Fault.SLOW, True), (Fault.TEAR_BEFORE, False), (Fault.STALE, False)]
)
def test_a_token_that_left_or_answers_as_another_is_gone(fault, present):
    token = SoftToken(IDM, SYSTEM)
    token.fault = fault
    with in_the_field(token) as field:
        assert field.wait_for_card(5).present() is present


def test_a_token_that_no_reader_polls_is_unserved():
    (port,) = free_ports(1)
    antenna = Antenna(Emulation(port), patience_s=0.2)
    assert antenna.present(SoftToken(IDM, SYSTEM), None) is Outcome.UNSERVED
    antenna.close()
