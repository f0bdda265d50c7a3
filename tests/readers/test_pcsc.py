"""A PC/SC reader: pcscd with vsmartcard's virtual reader, and a software card behind it. Needs Debian's packages."""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from readers import card
from readers.antenna import open_field
from readers.card import CardLostError
from readers.errors import FieldLostError
from readers.pcsc import LIBRARY
from readers.softcard.direct import DirectChannel
from readers.softcard.mint import mint
from tests.readers.test_frontend_udp import KEYS, MASTERS, tap, transcript

PORT = 35_963
ATR = bytes.fromhex("3b8180018080")  # an ISO 14443-4 card without historical bytes, as PC/SC shows it
COMM = Path("/run/pcscd/pcscd.comm")


class VirtualCard(threading.Thread):
    """The card's side of vpcd: two bytes of length, then a command of the reader or an APDU."""

    def __init__(self, soft):
        super().__init__(daemon=True)
        self.soft = soft
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=5)
        self.socket.settimeout(None)
        self.start()

    def run(self):
        with suppress(OSError, struct.error):
            while True:
                message = self._read(struct.unpack(">H", self._read(2))[0])
                if len(message) == 1:
                    if message[0] == 4:
                        self._send(ATR)
                    else:
                        self.soft.power_off()
                elif message == bytes.fromhex("ffca000000"):
                    self._send(self.soft.shown_uid + b"\x90\x00")
                else:
                    self._send(self.soft.answer(message))

    def _read(self, count):
        held = b""
        while len(held) < count:
            # vpcd sends length and body apart with Nagle on: without this each APDU takes 44 ms.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            part = self.socket.recv(count - len(held))
            if not part:
                raise OSError("pcscd hung up")
            held += part
        return held

    def _send(self, answer):
        self.socket.sendall(struct.pack(">H", len(answer)) + answer)

    def leave(self):
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.join(timeout=5)


@pytest.fixture(scope="module")
def only_one():
    """One worker at a time: pcscd's socket and vpcd's port are the machine's."""
    with Path(tempfile.gettempdir(), f"lienthong-pcscd-{os.geteuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def pcscd(only_one, tmp_path_factory):
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        pytest.skip(f"{LIBRARY} is not installed: apt-get install pcscd vsmartcard-vpcd")
    if shutil.which("pcscd") is None or not Path("/etc/reader.conf.d/vpcd").exists():
        pytest.skip("pcscd with vpcd is not installed: apt-get install pcscd vsmartcard-vpcd")
    if COMM.exists():
        pytest.skip(f"{COMM} is there: a pcscd runs already, or died; ours would meet its readers")
    if os.geteuid() != 0:
        pytest.skip("only root may start a pcscd of its own")
    log = tmp_path_factory.mktemp("pcscd") / "log"
    with log.open("wb") as out:
        daemon = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "pcscd", "-f"], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 10
        while True:
            with suppress(FieldLostError):
                open_field("pcsc:Virtual PCD 00 00").close()
                break
            if time.monotonic() > deadline:
                pytest.skip("pcscd shows no virtual reader here: " + log.read_text(errors="replace")[-200:])
            time.sleep(0.05)
        yield
    finally:
        daemon.terminate()
        daemon.wait(timeout=10)
        COMM.unlink(missing_ok=True)


@contextmanager
def on_reader(soft):
    virtual, field = VirtualCard(soft), open_field("pcsc:Virtual PCD 00 00")
    try:
        yield field, virtual
    finally:
        field.close()
        virtual.leave()


def test_taps_over_pcsc(pcscd):
    soft = mint(7, MASTERS)
    with on_reader(soft) as (field, _):
        for count in range(1, 4):
            channel = field.wait_for_card(5)
            assert channel.uid == soft.uid
            assert tap(channel).tmc == soft.eeprom.tmc == count
            assert channel.present()
            channel.close()
            assert not channel.present()
            with pytest.raises(CardLostError):
                channel.transceive(b"\x00", 0.1)


def test_the_transcript_is_byte_for_byte_the_direct_one(pcscd):
    def fixed():
        return mint(7, MASTERS, random=lambda size: b"\x5c" * size)

    with on_reader(fixed()) as (field, _):
        assert transcript(field.wait_for_card(5)) == transcript(DirectChannel(fixed()))


def test_a_card_that_is_taken_away_is_lost(pcscd):
    with on_reader(mint(7, MASTERS)) as (field, virtual):
        channel = field.wait_for_card(5)
        card.begin(channel, KEYS)
        virtual.leave()

        def taps_on():
            for _ in range(200):
                card.begin(channel, KEYS)
                time.sleep(0.02)

        with pytest.raises(CardLostError):
            taps_on()
        assert field.wait_for_card(0.01) is None


def test_no_card_is_none(pcscd):
    field = open_field("pcsc:Virtual PCD 00 00")
    assert field.wait_for_card(0.01) is None
    field.close()


def test_a_reader_that_is_not_there_names_those_that_are(pcscd):
    with pytest.raises(FieldLostError, match="Virtual PCD"):
        open_field("pcsc:No Such Reader")


def test_without_pcscd_or_its_library_the_field_is_lost(only_one, monkeypatch):
    if not COMM.exists():
        with pytest.raises(FieldLostError):
            open_field("pcsc:")
    monkeypatch.setattr("readers.pcsc.LIBRARY", "libnosuch.so.1")
    with pytest.raises(FieldLostError, match="apt-get install pcscd"):
        open_field("pcsc:")
