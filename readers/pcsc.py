"""A PC/SC reader as an antenna: `reader.path = "pcsc:NAME"`, NAME being the start of what pcscd calls it.

Through the system's own libpcsclite (Debian: libpcsclite1, pcscd), so no Python package is needed. PC/SC knows no
time-out for one APDU: the driver's own ends a card that does not answer. The card's UID comes by the pseudo-APDU
FF CA 00 00 00 (PC/SC part 3), which the reader answers, not the card.
"""

from __future__ import annotations

import ctypes
import threading
from ctypes import POINTER, byref, c_char_p, c_long, c_ubyte, c_ulong, c_void_p
from typing import Any, Final

from kernel.clock import stopwatch
from readers.card import CardLostError
from readers.errors import FieldLostError

LIBRARY: Final = "libpcsclite.so.1"
PREFIX: Final = "pcsc:"
_OK: Final = 0
_SYSTEM: Final = 2
_EXCLUSIVE: Final = 1
_T0_OR_T1: Final = 3
_RESET: Final = 1
_LOOK_S: Final = 0.05
_LARGEST: Final = 264
_GET_UID: Final = bytes.fromhex("ffca000000")
_GONE: Final = frozenset(
    {0x80100003, 0x80100009, 0x80100013, 0x80100017, 0x8010001D, 0x8010001E, 0x8010002E, 0x8010002F}
)
"""Invalid handle, unknown reader, communication error, reader unavailable, no service, stopped, no readers: the device."""


class _Request(ctypes.Structure):
    _fields_ = (("protocol", c_ulong), ("length", c_ulong))


class PcscChannel:
    """A `readers.card.CardChannel` to the card on a PC/SC reader."""

    def __init__(self, library: Any, handle: int, protocol: int) -> None:
        self._library, self._handle, self._open = library, c_long(handle), True
        self._request = _Request(protocol, ctypes.sizeof(_Request))
        uid = self.transceive(_GET_UID, 1.0)
        if uid[-2:] != b"\x90\x00":
            raise CardLostError("no_uid")
        self._uid = uid[:-2]

    @property
    def uid(self) -> bytes:
        """Return the UID that the reader tells."""
        return self._uid

    def transceive(self, apdu: bytes, timeout_s: float) -> bytes:
        """Return the answer; CardLostError when the card is gone. The time-out is the driver's own."""
        assert timeout_s > 0, "a card needs some time"
        if not self._open:
            raise CardLostError("closed")
        answer, size = (c_ubyte * _LARGEST)(), c_ulong(_LARGEST)
        code = self._library.SCardTransmit(
            self._handle, byref(self._request), apdu, c_ulong(len(apdu)), None, answer, byref(size)
        )
        if _code(code) != _OK:
            self.close()
            raise _wrong(code, "the card")
        return bytes(answer[: size.value])

    def present(self) -> bool:
        """Return whether the card is still on the reader."""
        if not self._open:
            return False
        state, protocol = c_ulong(), c_ulong()
        code = self._library.SCardStatus(self._handle, None, None, byref(state), byref(protocol), None, None)
        if _code(code) in _GONE:
            raise FieldLostError(f"PC/SC {_code(code):08x}")
        return _code(code) == _OK

    def close(self) -> None:
        """Let go of the card and have it reset."""
        if self._open:
            self._open = False
            self._library.SCardDisconnect(self._handle, c_ulong(_RESET))


class PcscField:
    """A PC/SC reader's antenna."""

    def __init__(self, library: Any, context: int, reader: bytes) -> None:
        self._library, self._context, self._reader = library, c_long(context), reader
        self._rest = threading.Event()

    def wait_for_card(self, timeout_s: float) -> PcscChannel | None:
        """Return a channel to the next card, or None when none came in time. FieldLostError when the reader is gone."""
        deadline = stopwatch() + timeout_s
        while True:
            channel = self._connected()
            if channel is not None or stopwatch() >= deadline:
                return channel
            self._rest.wait(_LOOK_S)

    def _connected(self) -> PcscChannel | None:
        handle, protocol = c_long(), c_ulong()
        code = self._library.SCardConnect(
            self._context,
            self._reader,
            c_ulong(_EXCLUSIVE),
            c_ulong(_T0_OR_T1),
            byref(handle),
            byref(protocol),
        )
        if _code(code) in _GONE:
            raise FieldLostError(f"{self._reader.decode()}: PC/SC {_code(code):08x}")
        if _code(code) != _OK:
            return None
        try:
            return PcscChannel(self._library, handle.value, protocol.value)
        except CardLostError:
            self._library.SCardDisconnect(handle, c_ulong(_RESET))
            return None

    def close(self) -> None:
        """Release the reader."""
        self._library.SCardReleaseContext(self._context)


def open_pcsc(path: str) -> PcscField:
    """Return the antenna of the first PC/SC reader whose name begins as `path` says.

    FieldLostError where there is no library, no pcscd, or no such reader.
    """
    library = _library()
    context = c_long()
    code = library.SCardEstablishContext(c_ulong(_SYSTEM), None, None, byref(context))
    if _code(code) != _OK:
        raise FieldLostError(f"pcscd does not answer (PC/SC {_code(code):08x}): is it running?")
    wanted = path.removeprefix(PREFIX).encode()
    names = _readers(library, context)
    for name in names:
        if name.startswith(wanted):
            return PcscField(library, context.value, name)
    library.SCardReleaseContext(context)
    known = ", ".join(name.decode(errors="replace") for name in names) or "none"
    raise FieldLostError(f"{path}: no such PC/SC reader; pcscd knows {known}")


def _library() -> Any:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise FieldLostError(f"{LIBRARY} is missing: apt-get install pcscd ({error})") from error
    library.SCardTransmit.argtypes = [
        c_long,
        POINTER(_Request),
        c_char_p,
        c_ulong,
        c_void_p,
        POINTER(c_ubyte),
        POINTER(c_ulong),
    ]
    for name in ("EstablishContext", "ListReaders", "Connect", "Transmit", "Status", "Disconnect"):
        getattr(library, f"SCard{name}").restype = c_long
    return library


def _readers(library: Any, context: c_long) -> list[bytes]:
    size = c_ulong(0)
    if _code(library.SCardListReaders(context, None, None, byref(size))) != _OK:
        return []
    names = ctypes.create_string_buffer(size.value)
    if _code(library.SCardListReaders(context, None, names, byref(size))) != _OK:
        return []
    return [name for name in names.raw[: size.value].split(b"\x00") if name]


def _code(returned: int) -> int:
    return returned & 0xFFFFFFFF


def _wrong(code: int, what: str) -> Exception:
    if _code(code) in _GONE - {0x80100013}:
        return FieldLostError(f"{what}: PC/SC {_code(code):08x}")
    return CardLostError("no_answer")
