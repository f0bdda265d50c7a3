"""nfcpy 1.0.4's eleven faults (READERS.md), each shown on the stock driver, and gone in ours.

`stock` is the driver as nfcpy ships it. Were a later nfcpy to mend a fault, the first half of its test would say so,
and the work-around could go.
"""

import errno
import io
import logging
import socket
import threading
from contextlib import closing
from importlib.metadata import version

import nfc
import nfc.clf
import nfc.clf.transport
import nfc.clf.udp
import nfc.tag.tt4
import pytest
import usb1

from readers import card
from readers.card import CardError, CardRefusedError
from readers.frontend import Emulation, FieldLostError, open_frontend, speak_up, whole_ats
from readers.loopback import POLL_S, CardSide, ReaderSide
from readers.softcard.isodep import ATS
from tests.readers.test_frontend_udp import KEYS, UID, free_port, on_air, raw_card

CARD = nfc.clf.LocalTarget(
    "106A", sens_res=bytearray(b"\x44\x03"), sdd_res=bytearray(b"\x04" + bytes(6)), sel_res=bytearray(b"\x20")
)
LOOK = nfc.clf.RemoteTarget("106A")


class Stock(nfc.clf.udp.Device):
    """The driver as it ships; `waits` are the time-outs it asked for."""

    def __init__(self, port):
        super().__init__("127.0.0.1", port)
        self._vendor_name = self._device_name = self._chipset_name = "stock"
        self.waits = []

    def _recv_data(self, timeout, *rates):
        self.waits.append(timeout)
        return super()._recv_data(timeout, *rates)


@pytest.fixture
def stock():
    made = Stock(free_port())
    yield made
    made.mute()


def test_it_is_the_version_whose_faults_these_are():
    assert version("nfcpy") == "1.0.4"


def test_1_listening_on_all_interfaces(stock):
    assert stock._bind_socket(2**62)
    assert stock.socket.getsockname()[0] == "0.0.0.0"
    with closing(CardSide("127.0.0.1", free_port())) as ours:
        assert ours.socket.getsockname()[0] == "127.0.0.1"


def test_2_a_new_socket_at_each_look(stock):
    stock.sense_tta(LOOK)
    stock.mute()
    assert stock.socket is None
    with closing(ReaderSide("127.0.0.1", free_port())) as ours:
        before = ours.socket
        ours.sense_tta(LOOK)
        ours.mute()
        assert ours.socket is before


def late_and_true(device, peer):
    """What `device` takes for the answer to its second command, when that to its first came too late."""
    device._send_data("106A", b"\x01", peer.getsockname())
    _, reader = peer.recvfrom(100)
    peer.sendto(on_air(b"\x02late\x90\x00"), reader)
    device._send_data("106A", b"\x02", peer.getsockname())
    _, reader = peer.recvfrom(100)
    peer.sendto(on_air(b"\x03true\x90\x00"), reader)
    return bytes(device._recv_data(1.0, "106A")[1])


def test_3_a_late_answer_taken_for_the_next_one(stock):
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer:
        peer.bind(stock.addr)
        peer.settimeout(2)
        assert late_and_true(stock, peer) == b"\x02late\x90\x00"
        with closing(ReaderSide("127.0.0.1", stock.addr[1])) as ours:
            assert late_and_true(ours, peer) == b"\x03true\x90\x00"


def test_4_a_second_for_a_card_that_is_not_there(stock, monkeypatch):
    assert stock.sense_tta(LOOK) is None
    assert stock.waits == [1.0]
    asked = []
    once = nfc.clf.udp.Device._recv_data
    with closing(ReaderSide("127.0.0.1", free_port())) as ours:
        real = type(ours).__mro__[1]._recv_data

        def spy(self, timeout, *rates):
            asked.append(timeout)
            return real(self, timeout, *rates)

        monkeypatch.setattr(type(ours).__mro__[1], "_recv_data", spy)
        assert ours.sense_tta(LOOK) is None
    assert asked == [POLL_S]
    assert once is nfc.clf.udp.Device._recv_data


class Air:
    """A frontend whose card answers RATS with these bytes."""

    max_send_data_size = max_recv_data_size = 256

    def __init__(self, ats):
        self.ats = ats

    def exchange(self, frame, timeout):
        return bytearray(self.ats)


SELECTED = nfc.clf.RemoteTarget("106A", sdd_res=bytearray(7), sel_res=bytearray(b"\x20"))


@pytest.mark.parametrize("ats", [b"\x02\x75", b"\x03\x75\x77"])
def test_5_a_malformed_ats(ats):
    with pytest.raises(IndexError):
        nfc.tag.tt4.activate(Air(ats), SELECTED)
    # With ours the daemon lives on, and the next card in the same field is served.
    answers = [ats, ATS]
    with raw_card(lambda frame: [on_air(answers[0])] if frame[0] == 0xE0 else [on_air(frame)]) as field:
        assert field.wait_for_card(0.1) is None
        del answers[0]
        assert field.wait_for_card(5).transceive(b"hello", 0.2) == b"hello"


def fwt(ats):
    return nfc.tag.tt4.activate(Air(ats), SELECTED)._dep.fwt


@pytest.mark.parametrize(
    ("legal", "frames", "waits"),
    [
        ("042581f280", 64, 8),  # TB alone: stock takes history for it
        ("0325f2", 64, 15),
        ("047581f2", 64, None),  # announces more than it has
        ("0215", None, None),
        ("0205", 64, 4),  # nothing announced: the standard's own waiting time
        ("01", 32, 4),  # not even a T0
        ("067577a10280", 64, 10),
    ],
)
def test_6_an_ats_without_ta_or_tb(legal, frames, waits):
    ats = bytes.fromhex(legal)
    if ats[0] != len(ats):
        ats = bytes((len(ats),)) + ats[1:]
    if waits is None:
        with pytest.raises(nfc.clf.ProtocolError):
            whole_ats(ats)
        return
    told = 4096 / 13.56e6 * 2 ** (4 if waits > 14 else waits)
    mended = whole_ats(ats)
    assert fwt(mended) == pytest.approx(told)
    assert nfc.tag.tt4.activate(Air(mended), SELECTED)._dep.miu == frames - 3
    if ats != ATS:
        try:
            stock = fwt(ats)
        except IndexError:
            stock = None
        assert stock != pytest.approx(told), "stock reads what is not TB, or falls over"
    with raw_card(lambda frame: [on_air(ats)] if frame[0] == 0xE0 else [on_air(frame)]) as field:
        assert field.wait_for_card(5).transceive(b"hello", 0.2) == b"hello"


@pytest.mark.parametrize("broken", [b"", b"\x00", b"\x03\x05", b"\x02", b"\x02\x10", b"\x03\x30\x00"])
def test_6_what_is_no_ats_is_refused(broken):
    with pytest.raises(nfc.clf.ProtocolError):
        whole_ats(broken)


LONG = bytes(range(1, 11))


def selected(listener, reader):
    """What the reader finds when this listener shows a card with a ten-byte UID."""
    target = nfc.clf.LocalTarget(
        "106A", sens_res=bytearray(b"\x44\x03"), sdd_res=bytearray(LONG), sel_res=bytearray(b"\x20")
    )
    thread = threading.Thread(target=listener.listen_tta, args=(target, 1.0))
    thread.start()
    found = reader.sense_tta(LOOK)
    thread.join()
    listener.mute()
    reader.mute()
    return found


def test_7_cards_with_ten_byte_uids_are_never_selected():
    port = free_port()
    assert selected(Stock(port), Stock(port)) is None
    with closing(CardSide("127.0.0.1", port)) as ours, closing(ReaderSide("127.0.0.1", port)) as reader:
        assert bytes(selected(ours, reader).sdd_res) == LONG
    # Found, it is refused by a red light with words, instead of a reader that seems dead.
    channel = type("Ten", (), {"uid": LONG, "transceive": None})()
    with pytest.raises(CardRefusedError):
        card.begin(channel, KEYS)


@pytest.mark.parametrize(
    ("noise", "raised"),
    [(b"\xff\xfe 26", UnicodeDecodeError), (b"106A zz", ValueError), (b"one", nfc.clf.TransmissionError)],
)
def test_8_odd_datagrams_and_any_sender(stock, noise, raised):
    with (
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger,
    ):
        peer.bind(stock.addr)
        for sender, sent in ((peer, noise), (stranger, on_air(b"\x02forged\x90\x00"))):
            stock._send_data("106A", b"\x26", stock.addr)
            _, reader = peer.recvfrom(100)
            sender.sendto(sent, reader)
            if sender is peer:
                with pytest.raises(raised):
                    stock._recv_data(1.0, "106A")
            else:
                assert bytes(stock._recv_data(1.0, "106A")[1]) == b"\x02forged\x90\x00"
        with closing(ReaderSide("127.0.0.1", stock.addr[1])) as ours:
            ours._send_data("106A", b"\x26", ours.addr)
            _, reader = peer.recvfrom(100)
            peer.sendto(noise, reader)
            stranger.sendto(on_air(b"\x02forged\x90\x00"), reader)
            peer.sendto(on_air(b"\x02true\x90\x00"), reader)
            assert bytes(ours._recv_data(1.0, "106A")[1]) == b"\x02true\x90\x00"


def test_9_a_second_card_on_a_port(stock):
    with closing(Emulation(stock.addr[1])):
        # It says "nobody came" at once instead of "taken": whoever listens in a loop spins.
        assert stock.listen_tta(CARD, 60.0) is None
        assert stock.waits == []
        with pytest.raises(OSError, match="in use"):
            Emulation(stock.addr[1])


def unanswered(timeout_s=0.02):
    with raw_card(lambda frame: [on_air(ATS)] if frame[0] == 0xE0 else [on_air(b"\xff")]) as field:
        channel = field.wait_for_card(5)
        with pytest.raises(CardError):
            card.begin(channel, KEYS, timeout_s=timeout_s)


def test_10_nothing_is_logged_unless_told(capsys, monkeypatch):
    # As in a program that set up no log of its own, which other tests of this process may have.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    # Stock: its only handler drops everything, so that Python's own last resort is silent too.
    assert all(isinstance(each, logging.NullHandler) for each in logging.getLogger("nfc").handlers)
    unanswered()
    assert capsys.readouterr().err == ""
    heard = io.StringIO()
    handler = speak_up(heard)
    try:
        unanswered()
    finally:
        logging.getLogger("nfc").removeHandler(handler)
    assert heard.getvalue().startswith("nfcpy WARNING ISO-DEP")
    assert UID.hex() not in heard.getvalue(), "no log names a card"


@pytest.mark.parametrize("path", ["usb:054c:06c3", "usb"])
def test_11_libusb_that_is_missing(monkeypatch, path):
    def missing(*_):
        raise FileNotFoundError(errno.ENOENT, "cannot find a suitable libusb-1.0: ['libusb-1.0.so.0']")

    # What the wrapper's own loader says where the library is not installed, as on the machine of these tests.
    monkeypatch.setattr(usb1, "loadLibrary", missing, raising=False)
    monkeypatch.setattr(usb1.USBContext, "open", missing)
    monkeypatch.setattr(nfc.clf.transport.USB, "find", classmethod(missing))
    with pytest.raises(FileNotFoundError) as stock:
        nfc.ContactlessFrontend(path)
    assert "apt-get" not in str(stock.value), "it speaks of a file, not of what to do"
    with pytest.raises(FieldLostError, match=r"apt-get install libusb-1\.0-0"):
        open_frontend(path)
    port = free_port()
    open_frontend(f"udp:127.0.0.1:{port}").close()


@pytest.mark.parametrize("path", ["usb:054c:06c3", "usb", "tty:NO-SUCH-PORT:pn532"])
def test_11_a_device_that_is_missing(path):
    with pytest.raises(FieldLostError):
        open_frontend(path)
