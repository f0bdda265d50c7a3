"""The antenna over nfcpy's udp driver with real sockets, and nfcpy's faults, each by a test stock nfcpy fails."""
# longer than a room: nfcpy's faults one after the other, on one pair of sockets

import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest

from kernel.crypto.card_keys import Role
from readers import card
from readers.card import CardError, CardLostError, CardRefusedError
from readers.frontend import Emulation, Ended, FieldLostError, open_frontend
from readers.softcard.direct import DirectChannel
from readers.softcard.isodep import ATS, IsoDepTarget
from readers.softcard.mint import mint, uid_of

MASTERS = {role: bytes((number,)) * 16 for number, role in enumerate(Role)}
KEYS = {1: MASTERS[Role.AUTH]}
READER = b"R" * 16
UID = uid_of(7)


def free_port():
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class RawCard(threading.Thread):
    """A card made of a bare socket. `script(frame)` gives the datagrams to send back once it is selected."""

    def __init__(self, port, script, *, uid=UID, sel_res=b"\x20"):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.settimeout(0.05)
        self.script, self.uid, self.sel_res, self.stop = script, uid, sel_res, threading.Event()
        self.start()

    def run(self):
        with closing(self.socket):
            while not self.stop.is_set():
                try:
                    datagram, reader = self.socket.recvfrom(2048)
                except TimeoutError:
                    continue
                if datagram.startswith(b"106A "):
                    for answer in self.answers(bytes.fromhex(datagram.split()[1].decode())):
                        self.socket.sendto(answer, reader)

    def answers(self, frame):
        def bcc(part):
            return part + bytes((part[0] ^ part[1] ^ part[2] ^ part[3],))

        first, second = bcc(b"\x88" + self.uid[:3]), bcc(self.uid[3:])
        match frame:
            case b"\x26":
                return [on_air(b"\x44\x03")]
            case b"\x93\x20":
                return [on_air(first)]
            case b"\x95\x20":
                return [on_air(second)]
            case _ if frame[:2] == b"\x93\x70":
                return [on_air(bytes((self.sel_res[0] | 0x04,)))]
            case _ if frame[:2] == b"\x95\x70":
                return [on_air(self.sel_res)]
        return self.script(frame)


def on_air(frame):
    return b"106A " + frame.hex().encode()


@contextmanager
def raw_card(script, **options):
    port = free_port()
    thread = RawCard(port, script, **options)
    with closing(open_frontend(f"udp:127.0.0.1:{port}")) as field:
        try:
            yield field
        finally:
            thread.stop.set()
            thread.join()


@contextmanager
def emulated(soft, *, waits=0):
    """A soft card that stays in the field of one antenna, served by a thread, and the reader's field."""
    port = free_port()
    emulation, stop, ends = Emulation(port), threading.Event(), []

    def stay():
        while not stop.is_set():
            rats = emulation.activated(soft.uid, 0.1)
            if rats is not None:
                soft.power_off()
                ends.append(
                    emulation.serve(IsoDepTarget(soft.answer, waits=waits), rats, silence_s=lambda: 0.5)
                )

    thread = threading.Thread(target=stay)
    thread.start()
    with closing(open_frontend(f"udp:localhost:{port}")) as field:
        try:
            yield field, ends
        finally:
            stop.set()
            thread.join()
            emulation.close()


def tap(channel):
    prepared = card.prepare(card.begin(channel, KEYS), READER)
    return card.commit(prepared)


@pytest.mark.parametrize("waits", [0, 2])
def test_tap_over_udp(waits):
    soft = mint(7, MASTERS)
    with emulated(soft, waits=waits) as (field, _):
        for count in range(1, 4):
            channel = field.wait_for_card(5)
            assert channel.uid == soft.uid
            assert tap(channel).tmc == soft.eeprom.tmc == count
            assert channel.present()
            channel.close()
            assert not channel.present()
            with pytest.raises(CardLostError):
                channel.transceive(b"\x00", 0.1)


class Recorded:
    def __init__(self, inner):
        self.inner, self.uid, self.log = inner, inner.uid, []

    def transceive(self, apdu, timeout_s):
        answer = self.inner.transceive(apdu, timeout_s)
        self.log.append((apdu, answer))
        return answer


def transcript(channel):
    wire = Recorded(channel)
    prepared = card.prepare(card.begin(wire, KEYS, random=lambda size: b"\xa5" * size), READER)
    card.commit(prepared)
    return wire.log


def test_transcripts_are_byte_identical_in_process_and_over_udp():
    def fixed():
        return mint(7, MASTERS, random=lambda size: b"\x5c" * size)

    direct = transcript(DirectChannel(fixed()))
    assert len(direct) == 7
    with emulated(fixed()) as (field, _):
        assert transcript(field.wait_for_card(5)) == direct


def test_the_field_goes_off_when_the_next_card_is_looked_for():
    with emulated(mint(7, MASTERS)) as (field, ends):
        tap(field.wait_for_card(5))
        field.wait_for_card(5)
        assert ends == [Ended.FIELD_OFF]


def test_nobody_there_is_none_and_soon():
    # Stock: one second a look, and connect() does not return for 15.
    with closing(open_frontend(f"udp:127.0.0.1:{free_port()}")) as field:
        begun = time.perf_counter()
        assert field.wait_for_card(0.05) is None
        assert time.perf_counter() - begun < 0.5


def test_the_cards_side_listens_on_loopback_only():
    with closing(Emulation(free_port())) as emulation:
        assert emulation._frontend.device.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "path", ["udp:192.0.2.1:54321", "udp:0.0.0.0:54321", "udp:nowhere", "udp:127.0.0.1:x"]
)
def test_udp_paths_are_loopback_only(path):
    with pytest.raises(FieldLostError):
        open_frontend(path)


def test_a_device_that_is_not_there_is_a_lost_field():
    with pytest.raises(FieldLostError):
        open_frontend("tty:NO-SUCH-PORT:pn532")


def test_a_field_that_was_closed_is_lost():
    field = open_frontend(f"udp:127.0.0.1:{free_port()}")
    field.close()
    field.close()
    with pytest.raises(FieldLostError):
        field.wait_for_card(0.01)


def test_sockets_are_kept_from_card_to_card():
    # Stock: each look and each listen opens another socket, and taps that fall between are lost.
    with emulated(mint(7, MASTERS)) as (field, _):
        tap(field.wait_for_card(5))
        before = field._frontend.device.socket
        tap(field.wait_for_card(5))
        assert field._frontend.device.socket is before


def test_a_second_card_process_on_a_port_fails_at_once():
    # Stock: the bind fails again and again without a word.
    port = free_port()
    with closing(Emulation(port)), pytest.raises(OSError, match="in use"):
        Emulation(port)


def test_an_answer_that_comes_late_is_not_taken_for_the_next_one():
    # Stock: the stray second answer to APDU 1 is what APDU 2 gets, with its 90 00.
    def script(frame):
        if frame[0] == 0xE0:
            return [on_air(ATS)]
        return [on_air(frame + b"\x90\x00"), on_air(bytes((frame[0] ^ 1,)) + b"stale\x90\x00")]

    with raw_card(script) as field:
        channel = field.wait_for_card(5)
        for apdu in (b"first", b"second", b"third"):
            time.sleep(0.02)
            assert channel.transceive(apdu, 0.2) == apdu + b"\x90\x00"


@pytest.mark.parametrize("ats", [b"\x01", b"\x06", b"\x02\x75", b"\x03\x75\x77", b"\x05\x70\x00\x00"])
def test_a_malformed_ats_never_raises(ats):
    # Stock: IndexError, which ends the program.
    with raw_card(lambda frame: [on_air(ats)]) as field:
        channel = field.wait_for_card(0.1)
        if channel is not None:
            with pytest.raises(CardError):
                tap(channel)


@pytest.mark.parametrize(
    "frame",
    [
        b"\xf2\x01",  # asks for more time, for ever
        b"\xa2",
        b"\xa3",
        b"\x12more",  # a chain without an end
        b"\x13more",
        b"\xff",
        b"\x00",
        b"\x03",
        b"\x02",
        b"\xc2",
    ],
)
def test_hostile_frames_end_in_one_of_our_errors_in_bounded_time(frame):
    def script(sent):
        return [on_air(ATS if sent[0] == 0xE0 else frame)]

    with raw_card(script) as field:
        channel = field.wait_for_card(5)
        begun = time.perf_counter()
        with pytest.raises(CardError):
            card.begin(channel, KEYS, timeout_s=0.05)
        assert time.perf_counter() - begun < 2
        assert channel.present() in (True, False)


@pytest.mark.parametrize(
    "noise", [b"\xff\xfe \xff", b"106A zz", b"106A", b"", b"106A 02 9000", b"212F 0290", b"RFOFF"]
)
def test_odd_datagrams_are_passed_over(noise):
    # Stock: UnicodeDecodeError, binascii.Error, or a card that seems to have left.
    def script(frame):
        return [noise, on_air(ATS) if frame[0] == 0xE0 else on_air(frame + b"\x90\x00")]

    with raw_card(script) as field:
        channel = field.wait_for_card(5)
        assert channel.transceive(b"hello", 0.2) == b"hello\x90\x00"


def test_answers_from_elsewhere_are_passed_over():
    # Stock: whoever sends a datagram to the reader's socket is believed.
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    reader = []

    def script(frame):
        if frame[0] == 0xE0:
            return [on_air(ATS)]
        stranger.sendto(on_air(frame[:1] + b"forged\x90\x00"), reader[0])
        time.sleep(0.02)
        return [on_air(frame + b"\x90\x00")]

    with closing(stranger), raw_card(script) as field:
        channel = field.wait_for_card(5)
        reader.append(("127.0.0.1", field._frontend.device.socket.getsockname()[1]))
        assert channel.transceive(b"hello", 0.2) == b"hello\x90\x00"


def test_a_card_without_iso_dep_is_not_ours():
    with raw_card(lambda _: [], sel_res=b"\x00") as field:
        channel = field.wait_for_card(5)
        assert len(channel.uid) == 7
        assert not channel.present()
        with pytest.raises(CardRefusedError) as refused:
            card.begin(channel, KEYS)
        assert refused.value.reason == "not_ours"


def test_a_card_that_leaves_is_lost_soon_and_not_present():
    with raw_card(lambda frame: [on_air(ATS)] if frame[0] == 0xE0 else []) as field:
        channel = field.wait_for_card(5)
        begun = time.perf_counter()
        with pytest.raises(CardLostError):
            card.begin(channel, KEYS, timeout_s=0.05)
        assert not channel.present()
        assert time.perf_counter() - begun < 1


def test_a_selected_card_hears_its_own_reader_only():
    soft = mint(7, MASTERS)
    with emulated(soft) as (field, ends):
        channel = field.wait_for_card(5)
        port = field._frontend.device.addr[1]
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
            stranger.settimeout(0.1)
            for frame in (b"\x02\x00\xa4", b"\xc2"):
                stranger.sendto(on_air(frame), ("127.0.0.1", port))
            stranger.sendto(b"RFOFF", ("127.0.0.1", port))
            with pytest.raises(TimeoutError):
                stranger.recvfrom(2048)
        assert tap(channel).tmc == 1
        assert ends == []


def test_a_restarted_reader_finds_the_card_again():
    # A reader killed between two APDUs sends no sign of it; the next one just asks who is there.
    soft = mint(7, MASTERS)
    with emulated(soft) as (field, ends):
        card.begin(field.wait_for_card(5), KEYS)
        port = field._frontend.device.addr[1]
        with closing(open_frontend(f"udp:127.0.0.1:{port}")) as another:
            assert tap(another.wait_for_card(5)).tmc == 1
        assert ends[0] is Ended.ASKED_ANEW
