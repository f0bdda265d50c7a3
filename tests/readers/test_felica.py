"""FeliCa tokens: polled for, asked about, never taken on their own word, whatever they answer."""
# longer than a room: one token from the poll's bytes to the whole reader, with every way it may lie

import random
import socket
import threading
from base64 import b64encode
from contextlib import closing, contextmanager

import nfc
import nfc.clf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.rules.copyable import CopyRefusal
from access.rules.voucher import Voucher
from kernel.clock import FixedClock, stopwatch
from kernel.wire.shown import ShownKind, decode_shown
from readers import scan
from readers.card import CardRefusedError
from readers.config import ConfigError, load_config
from readers.felica import poll, polled
from readers.frontend import Emulation, open_frontend
from readers.lamp import Light
from readers.loopback import CardSide
from readers.softcard.card import Fault
from readers.softcard.felica import PMM, SoftToken, looked_for
from readers.softcard.field import Antenna, FieldServer, Outcome, Presentation
from readers.softcard.files import StateFile, read_cards, write_report
from tests.readers.kit import DEVICE, NOW, SERVER_KEY, enrolled, soft_card, wait_until, write_config
from tests.readers.loop import in_service, lights, running, taps
from tests.readers.test_softcard_field import free_ports

IDM = bytes.fromhex("0114B34C12345678")
SYSTEM = bytes.fromhex("88B4")
OTHER = bytes.fromhex("0003")
SERIAL = 900


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


# The whole reader, its antenna and a back office over HTTP


def vouched(_):
    proof = b64encode(Voucher(ShownKind.FELICA, DEVICE, SERIAL, NOW).signed(SERVER_KEY)).decode()
    return 200, {"decision": "accept", "reason": "", "card_serial": SERIAL, "voucher": proof}


@pytest.fixture
def reader(tmp_path, office):
    (port,) = free_ports(1)
    config = enrolled(tmp_path, url=office.url, port=port)
    config = load_config(felica_config(config.file))
    antenna = Antenna(Emulation(port), patience_s=5)
    daemon = running(config, field=UdpField(config))
    with daemon as made:
        wait_until(lambda: in_service(made))
        yield config, antenna
    antenna.close()


def felica_config(file, system="88B4"):
    file.write_text(file.read_text().replace("[reader]\n", f'[reader]\nfelica = "{system}"\n'))
    return file


class UdpField:
    """The real antenna of a configuration."""

    def __init__(self, config):
        self.config = config

    def open(self, path):
        return open_frontend(path, felica=self.config.field.felica)


def shown(config, antenna, token, fault=None):
    before = len(lights(config))
    outcome = antenna.present(token, fault)
    wait_until(lambda: len(lights(config)) > before)
    return outcome, lights(config)[-1]


def test_a_token_is_green_on_the_back_offices_word_alone_and_leaves_no_trace(reader, office):
    config, antenna = reader
    office.vouch = vouched
    assert shown(config, antenna, SoftToken(IDM, SYSTEM)) == (Outcome.READ_ONLY, ("green", "DONE"))
    assert office.asked == [{"kind": "felica", "reference": IDM.hex()}]
    (tap,) = taps(config)
    assert tap.card_serial == SERIAL
    assert decode_shown(tap.data_read).kind is ShownKind.FELICA
    for kept in (config.journal.path, config.lamp.events):
        content = kept.read_bytes()
        assert IDM not in content
        assert IDM.hex().encode() not in content.lower()


@pytest.mark.parametrize("reason", [*CopyRefusal, "unknown-card", "blocked"])
def test_what_the_back_office_refuses_is_red_and_says_why(reader, office, reason):
    config, antenna = reader
    office.vouch = lambda _: (200, {"decision": "refuse", "reason": str(reason)})
    assert shown(config, antenna, SoftToken(IDM, SYSTEM))[1] == ("red", "")
    assert taps(config) == []


@pytest.mark.parametrize("answered", [(503, {}), (200, b"<html>"), (200, {"decision": "accept"}), (422, {})])
def test_without_a_word_nobody_is_let_through(reader, office, answered):
    config, antenna = reader
    office.vouch = lambda _: answered
    assert shown(config, antenna, SoftToken(IDM, SYSTEM))[1][0] in {"amber", "red"}
    assert taps(config) == []


def test_a_token_taken_away_before_the_answer_holds_up_nobody(reader, office):
    config, antenna = reader
    heard = threading.Event()

    def late(asked):
        heard.wait(5)
        return vouched(asked)

    office.vouch = late
    began = stopwatch()
    assert shown(config, antenna, SoftToken(IDM, SYSTEM), Fault.TEAR_AFTER)[1] == ("amber", "")
    assert shown(config, antenna, soft_card(1))[1] == ("green", "DONE"), "a card is served while it is asked"
    assert stopwatch() - began < 4
    heard.set()
    assert [tap.card_serial for tap in taps(config)] == [1], (
        "an answer that came too late lets nobody through"
    )


def test_hostile_frames_never_make_the_reader_green_and_never_end_it(reader, office):
    config, antenna = reader
    office.vouch = vouched
    antenna.close()
    port = int(config.field.path.rsplit(":", 1)[1])
    rng = random.Random(5)
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as raw:
        raw.bind(("127.0.0.1", port))
        raw.settimeout(0.2)
        for number in range(300):
            datagram, sender = raw.recvfrom(2048)
            if not datagram.startswith(b"212F"):
                continue
            frame = bytearray(answer())
            if number % 3:
                frame[rng.randrange(2, 12) if number % 2 else rng.randrange(2)] ^= 1 << rng.randrange(8)
                del frame[rng.randrange(len(frame)) :]
            else:
                frame = bytearray(rng.randbytes(rng.randrange(40)))
            raw.sendto(b"212F " + bytes(frame).hex().encode(), sender)
    assert [light for light, _ in lights(config) if light == "green"] == []
    fresh = Antenna(Emulation(port), patience_s=5)
    assert shown(config, fresh, SoftToken(IDM, SYSTEM))[1] == ("green", "DONE")
    fresh.close()


def test_cards_and_tokens_follow_one_plan(tmp_path, reader, office):
    config, antenna = reader
    office.vouch = vouched
    file = tmp_path / "cards.json"
    file.write_text(f'[{{"serial": 2, "idm": "{IDM.hex()}", "system": "88b4"}}]')
    cards = {1: soft_card(1), **read_cards(file, StateFile(None))}
    port = int(config.field.path.rsplit(":", 1)[1])
    plan = [Presentation(NOW, port, serial) for serial in (1, 2)]
    server = FieldServer(cards, {port: antenna}, plan, FixedClock(NOW))
    for thread in server.start():
        thread.join()
    assert (server.tally.presented, server.tally.committed, server.tally.read_only) == (2, 1, 1)
    assert set(server.eeproms()) == {1}
    write_report(tmp_path / "report.json", cards, server.tally)
    assert '"serial": 2' not in (tmp_path / "report.json").read_text()
    wait_until(lambda: len(lights(config)) == 2)
    assert [light for light, _ in lights(config)] == ["green", "green"]


def test_a_token_that_no_reader_polls_is_unserved():
    (port,) = free_ports(1)
    antenna = Antenna(Emulation(port), patience_s=0.2)
    assert antenna.present(SoftToken(IDM, SYSTEM), None) is Outcome.UNSERVED
    antenna.close()


@pytest.mark.parametrize("system", ["88B", "88B4FF", "no", "8 8"])
def test_a_system_code_is_four_digits(tmp_path, system):
    with pytest.raises(ConfigError, match=r"reader\.felica"):
        load_config(felica_config(write_config(tmp_path), system))


def test_a_pcsc_reader_looks_for_no_tokens(tmp_path):
    file = felica_config(write_config(tmp_path))
    file.write_text(file.read_text().replace("udp:127.0.0.1:54390", "pcsc:ACS"))
    with pytest.raises(ConfigError, match="nfcpy"):
        load_config(file)


def test_every_refusal_of_a_copy_has_its_words():
    assert scan.TOKEN_SAYS.keys() == set(CopyRefusal)
    assert all(message.light is Light.RED for message in scan.TOKEN_SAYS.values())
