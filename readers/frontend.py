"""The one file that knows nfcpy: the antenna of a reader, and, for software cards, the other side of the air.

nfcpy 1.0.4 is used unmodified; nothing of it comes out of here, neither its exceptions nor its objects. Its faults,
as met in practice, and where each is worked around (`loopback` is this file's other half):
1. listens on all interfaces                               loopback.CardSide
2. makes a new socket at each look, so taps fall between   loopback.ReaderSide.mute, loopback.CardSide
3. takes a late answer for the next one                    loopback.ReaderSide._send_data; readers.card wants a MAC
4. `connect` heeds terminate after 15 s, sense takes 1 s   Field._sense, loopback.ReaderSide.sense_tta
5. a malformed ATS raises IndexError; endless waits hang   whole_ats, _HOSTILE, _Bounded
6. reads an ATS as if TA and TB were always there          whole_ats
7. its listener never lets a 10-byte UID be selected       loopback.CardSide._recv_data
8. odd datagrams raise, and any sender is believed         loopback._Loopback._recv_data
9. a second card on a port busy-loops                      loopback.CardSide
10. logs nothing unless told                               speak_up
11. needs libusb-1.0-0 for `usb:` paths                    open_frontend says FieldLostError
"""
# longer than a room: all that touches nfcpy, so that it can be replaced in one place

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Any, Final, Protocol, TextIO

import nfc
import nfc.clf
import nfc.tag
import nfc.tag.tt4

from kernel.clock import stopwatch
from readers.card import CardChannel, CardLostError, CardRefusedError
from readers.errors import FieldLostError
from readers.felica import FelicaToken, poll, polled
from readers.loopback import FELICA_RATES, CardSide, ReaderSide

_TRIES: Final = 3  # nfcpy's first attempt and our limit of retries, then some
_PRESENCE_TIMEOUT_S: Final = 0.05
_ACTIVATION_BUDGET_S: Final = 1.0
_RETRIES: Final = 1
_ISO_DEP: Final = 0x20
_CARD_SENS_RES: Final = bytes.fromhex("4403")
_SENSE_REQUESTS: Final = (b"\x26", b"\x52")

# Fault 5: a hostile card's bytes reach nfcpy unchecked. These are what its parsing raises on them; none may end
# the daemon, and none may pass for an answer.
_HOSTILE: Final = (IndexError, KeyError, TypeError, ValueError, AttributeError, AssertionError)
_LOST: Final = (nfc.clf.Error, nfc.tag.TagCommandError)


_RATS: Final = 0xE0
_TA, _TB, _TC = 0x10, 0x20, 0x40
_FRAMES_OF_32: Final = 0x02
_FWI_4: Final = 0x40


def whole_ats(ats: bytes) -> bytes:
    """Return the answer to select with TA, TB and TC in it, what the card left out as ISO/IEC 14443-4 §5.2 says.

    nfcpy takes the byte at TB's usual place for TB, whatever it is. ProtocolError for bytes that are no ATS.
    """
    if not ats or ats[0] != len(ats):
        raise nfc.clf.ProtocolError("the ATS is not as long as it says")
    format_, rest = (ats[1], ats[2:]) if len(ats) > 1 else (_FRAMES_OF_32, b"")
    values = []
    for bit, default in ((_TA, 0), (_TB, _FWI_4), (_TC, _FRAMES_OF_32)):
        if format_ & bit:
            if not rest:
                raise nfc.clf.ProtocolError("the ATS ends before what it announces")
            values.append(rest[0])
            rest = rest[1:]
        else:
            values.append(default)
    body = bytes((format_ & 0x0F | _TA | _TB | _TC, *values)) + rest
    return bytes((1 + len(body),)) + body


def speak_up(out: TextIO) -> logging.Handler:
    """Have nfcpy's warnings written to `out`, once; the handler can be taken away again.

    Fault 10: nfcpy hands its warnings to a handler that drops them, and a reader that is breaking says nothing.
    """
    logger = logging.getLogger("nfc")
    for held in logger.handlers:
        if isinstance(held, logging.StreamHandler):
            return held
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("nfcpy %(levelname)s %(message)s"))
    handler.setLevel(logging.WARNING)
    logger.addHandler(handler)
    return handler


class _Bounded:
    """A frontend for one card that stops answering at a deadline.

    Fault 5 again: by endless waiting time extensions or receipts a card could keep nfcpy in a loop for ever.
    """

    def __init__(self, frontend: Any) -> None:
        self._frontend = frontend
        self.deadline = 0.0

    def exchange(self, frame: bytes, timeout: float) -> Any:
        left = self.deadline - stopwatch()
        if left <= 0:
            raise nfc.clf.BrokenLinkError("the card took too long")
        answer = self._frontend.exchange(frame, min(timeout, left))
        return bytearray(whole_ats(bytes(answer))) if frame[0] == _RATS else answer

    @property
    def max_send_data_size(self) -> int:
        return int(self._frontend.max_send_data_size)

    @property
    def max_recv_data_size(self) -> int:
        return int(self._frontend.max_recv_data_size)


class NfcChannel:
    """A `readers.card.CardChannel` to the card in the field. Without a tag it is a card of another kind."""

    def __init__(self, uid: bytes, tag: Any, bounded: _Bounded) -> None:
        self._uid = uid
        self._tag = tag
        self._bounded = bounded
        self._open = True

    @property
    def uid(self) -> bytes:
        """Return the UID that anticollision gave, of whatever length."""
        return self._uid

    def transceive(self, apdu: bytes, timeout_s: float) -> bytes:
        """Return the answer; CardLostError when none comes within `timeout_s` and one repetition.

        A card that does not speak ISO-DEP is a CardRefusedError `not_ours`.
        """
        if self._tag is None:
            raise CardRefusedError("not_ours")
        if not self._open:
            raise CardLostError("closed")
        self._bounded.deadline = stopwatch() + timeout_s * _TRIES
        try:
            answer = self._tag.transceive(bytearray(apdu), timeout_s)
        except _LOST:
            raise CardLostError("no_answer") from None
        except _HOSTILE:
            raise CardLostError("malformed_frame") from None
        except OSError as error:
            raise FieldLostError(str(error)) from error
        if answer is None:
            raise CardLostError("no_answer")
        return bytes(answer)

    def present(self) -> bool:
        """Return whether the card still answers; costs 50 ms when it does not."""
        if self._tag is None or not self._open:
            return False
        self._bounded.deadline = stopwatch() + _PRESENCE_TIMEOUT_S
        try:
            self._tag._dep.exchange(None, _PRESENCE_TIMEOUT_S)  # noqa: SLF001 - is_present waits for the card's own, long, time
        except (*_LOST, *_HOSTILE):
            return False
        except OSError as error:
            raise FieldLostError(str(error)) from error
        return True

    def close(self) -> None:
        """Let go of the card. The field goes off when the next one is looked for."""
        self._open = False


class Field:
    """A reader's antenna; with a system code in `felica` it also looks for such tokens."""

    def __init__(self, frontend: Any, felica: bytes = b"") -> None:
        self._frontend, self._felica = frontend, felica

    def wait_for_card(self, timeout_s: float) -> CardChannel | None:
        """Return a channel to the next card or token, or None when none answered properly in `timeout_s`.

        FieldLostError when the reader device is gone.
        """
        deadline = stopwatch() + timeout_s
        while True:
            try:
                channel = self._sense() or self._sense_felica()
            except OSError as error:
                raise FieldLostError(str(error)) from error
            if channel is not None or stopwatch() >= deadline:
                return channel

    def _sense(self) -> NfcChannel | None:
        try:
            # Fault 4: with no card, nfcpy's `connect` looks at its terminate function only each 15 s.
            target = self._frontend.sense(nfc.clf.RemoteTarget("106A"))
            if target is None:
                return None
            uid = bytes(target.sdd_res)
            bounded = _Bounded(self._frontend)
            if not target.sel_res[0] & _ISO_DEP:
                return NfcChannel(uid, None, bounded)
            bounded.deadline = stopwatch() + _ACTIVATION_BUDGET_S
            tag = nfc.tag.tt4.activate(bounded, target)
            # nfcpy repeats up to five times by the card's own waiting time: a torn tap would take seconds.
            tag._dep.n_retry_ack = tag._dep.n_retry_nak = _RETRIES  # noqa: SLF001
        except (*_LOST, *_HOSTILE):
            return None
        return NfcChannel(uid, tag, bounded)

    def _sense_felica(self) -> FelicaToken | None:
        if not self._felica:
            return None
        asked = poll(self._felica)
        for rate in FELICA_RATES:
            try:
                target = self._frontend.sense(nfc.clf.RemoteTarget(rate, sensf_req=bytearray(asked[1:])))
            except (*_LOST, *_HOSTILE):
                continue
            said = bytes(target.sensf_res) if target is not None else b""
            idm = polled(bytes((1 + len(said),)) + said, self._felica)
            if idm is not None:
                return FelicaToken(idm, self._felica, self._ask_again)
        return None

    def _ask_again(self) -> bytes | None:
        try:
            answer = self._frontend.exchange(bytearray(poll(self._felica)), _PRESENCE_TIMEOUT_S)
        except (*_LOST, *_HOSTILE):
            return None
        except OSError as error:
            raise FieldLostError(str(error)) from error
        return bytes(answer) if answer is not None else None

    def close(self) -> None:
        """Switch the field off and release the device."""
        self._frontend.close()


def open_frontend(path: str, *, felica: bytes = b"") -> Field:
    """Return the antenna at an nfcpy path ("udp:127.0.0.1:54401", "usb:054c:06c3", "tty:USB0:pn532").

    udp paths are loopback only. `felica` is the system code of tokens that are looked for too. FieldLostError when there is no such device.
    """
    try:
        if path.startswith("udp:"):
            host, port = path.removeprefix("udp:").rsplit(":", 1)
            frontend = nfc.ContactlessFrontend()
            frontend.device = ReaderSide(host, int(port))
        else:
            frontend = nfc.ContactlessFrontend(path)
    except (OSError, ValueError) as error:
        # Fault 11: nfcpy lets the loader's complaint about a file through.
        hint = " (apt-get install libusb-1.0-0)" if "libusb" in str(error) else ""
        raise FieldLostError(f"{path}: {error}{hint}") from error
    return Field(frontend, felica)


class Picc(Protocol):
    """What a card does with frames once it is selected."""

    def on_frame(self, frame: bytes) -> bytes | None:
        """Return the answer or None for silence."""
        ...


class Ended(Enum):
    """Why an exchange is over, as the card sees it."""

    FIELD_OFF = auto()
    SILENCE = auto()
    LEFT = auto()
    ASKED_ANEW = auto()


class Emulation:
    """The card's side of one udp port: one antenna's field that software cards are brought into."""

    def __init__(self, port: int) -> None:
        self._frontend = nfc.ContactlessFrontend()
        self._frontend.device = CardSide("127.0.0.1", port)

    def activated(self, uid: bytes, timeout_s: float) -> bytes | None:
        """Return the first frame (RATS) a reader sends after it selected the card `uid`, or None in time."""
        target = nfc.clf.LocalTarget(
            "106A",
            sens_res=bytearray(_CARD_SENS_RES),
            sdd_res=bytearray(uid),
            sel_res=bytearray((_ISO_DEP,)),
        )
        with suppress(*_LOST, *_HOSTILE):
            found = self._frontend.listen(target, timeout_s)
            if found is not None and found.tt4_cmd:
                return bytes(found.tt4_cmd)
        return None

    def serve(self, picc: Picc, frame: bytes, *, silence_s: Callable[[], float]) -> Ended:
        """Answer frames, the first being given, and return why that ended.

        `silence_s()` is asked after each answer how long to wait for the next frame; 0 or less means that the card
        leaves with that answer.
        """
        command: bytes | None = frame
        while True:
            answer = picc.on_frame(command) if command else None
            wait_s = silence_s()
            try:
                command = self._frontend.exchange(answer, max(wait_s, 0))
            except nfc.clf.BrokenLinkError:
                return Ended.FIELD_OFF
            except nfc.clf.TimeoutError:
                return Ended.SILENCE
            except (*_LOST, *_HOSTILE):
                command = None
            command = bytes(command) if command else None
            if wait_s <= 0:
                return Ended.LEFT
            if command in _SENSE_REQUESTS:
                return Ended.ASKED_ANEW

    def answer_felica(self, token: Callable[[bytes], bytes | None], timeout_s: float) -> int:
        """Be a FeliCa token in the field for so long: answer frames as `token` does, and return how many were."""
        answered: int = self._frontend.device.answer(token, timeout_s)
        return answered

    def drain(self) -> None:
        """Forget what readers sent while no card was there."""
        self._frontend.device.drain()

    def close(self) -> None:
        """Release the port."""
        self._frontend.close()
