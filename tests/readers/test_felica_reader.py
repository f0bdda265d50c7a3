"""FeliCa tokens and the whole reader: asked about at the back office, never taken on their own word."""

import random
import socket
import threading
from base64 import b64encode
from contextlib import closing

import pytest

from access.rules.copyable import CopyRefusal
from access.rules.voucher import Voucher
from kernel.clock import FixedClock, stopwatch
from kernel.wire.shown import ShownKind, decode_shown
from readers import scan
from readers.config import ConfigError, load_config
from readers.frontend import Emulation, open_frontend
from readers.lamp import Light
from readers.softcard.card import Fault
from readers.softcard.felica import SoftToken
from readers.softcard.field import Antenna, FieldServer, Outcome, Presentation
from readers.softcard.files import StateFile, read_cards, write_report
from tests.readers.kit import DEVICE, NOW, SERVER_KEY, enrolled, soft_card, wait_until, write_config
from tests.readers.loop import in_service, lights, running, taps
from tests.readers.test_felica import IDM, SYSTEM, answer
from tests.readers.test_softcard_field import free_ports

SERIAL = 900


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
