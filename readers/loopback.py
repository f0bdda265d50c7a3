"""The two sides of nfcpy's udp driver, on loopback only, without its faults. Imported by `readers.frontend` alone.

The fault numbers are those of `readers.frontend`.
"""

from __future__ import annotations

import select
from binascii import Error as HexError
from binascii import unhexlify
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

import nfc.clf
import nfc.clf.udp

from kernel.clock import stopwatch

POLL_S: Final = 0.02
FELICA_RATES: Final = ("212F", "424F")
_DATAGRAM: Final = 2048
_FIELD_OFF: Final = b"RFOFF"
_SENSE_REQUEST: Final = b" 26"
_PARTS: Final = 2
_SELECT_THIRD: Final = b"\x97\x70"
_SELECT_SECOND: Final = 0x95


class _Loopback(nfc.clf.udp.Device):  # type: ignore[misc] # nfcpy is untyped
    socket: Any
    addr: tuple[str, int]
    rcvd_data: int

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        if not ip_address(self.addr[0]).is_loopback:
            self.socket.close()
            raise ValueError("the udp driver has no protection of its own: loopback only")
        self._vendor_name, self._device_name, self._chipset_name = "Liên Thông", "loopback", "UDP"

    def _accepts(self, sender: tuple[str, int], datagram: bytes) -> bool:
        raise AssertionError(f"no peer is known that may send {datagram!r} from {sender}")

    def drain(self) -> None:
        """Forget every datagram that has arrived."""
        while self.socket is not None and select.select([self.socket], [], [], 0)[0]:
            self.socket.recvfrom(_DATAGRAM)

    def close(self) -> None:
        """Release the socket."""
        if self.socket is not None:
            self.mute()
            self.socket.close()
            self.socket = None

    def _recv_data(self, timeout: float | None, *brty_list: str) -> tuple[str, bytearray, tuple[str, int]]:
        """Return bit rate, frame and sender of the next datagram that is one.

        Fault 8: nfcpy raises on datagrams that are not ASCII or not hexadecimal, and takes them from anybody.
        """
        deadline = None if timeout is None else stopwatch() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - stopwatch())
            if not select.select([self.socket], [], [], left)[0]:
                raise nfc.clf.TimeoutError("no data received")
            datagram, sender = self.socket.recvfrom(_DATAGRAM)
            if not self._accepts(sender, datagram):
                continue
            if datagram.startswith(_FIELD_OFF):
                raise nfc.clf.BrokenLinkError("the field went off")
            parts = datagram.split()
            if len(parts) != _PARTS:
                continue
            rate = parts[0].decode("ascii", "replace")
            try:
                frame = bytearray(unhexlify(parts[1]))
            except HexError:
                continue
            if rate in brty_list:
                self.rcvd_data += len(frame)
                return rate, frame, sender


class ReaderSide(_Loopback):
    """The reader's antenna."""

    def __init__(self, host: str, port: int) -> None:
        self._polling = False
        super().__init__(host, port)

    def _accepts(self, sender: tuple[str, int], datagram: bytes) -> bool:
        return sender == self.addr and not datagram.startswith(_FIELD_OFF)

    def sense_tta(self, target: Any) -> Any:
        """Return the card that answers, or None.

        Fault 4: nfcpy waits a whole second for a card that is not there; a card in the field answers at once.
        """
        self._polling = True
        return super().sense_tta(target)

    def sense_ttf(self, target: Any) -> Any:
        """Return the FeliCa token that answers, or None; fault 4 as in `sense_tta`."""
        self._polling = True
        return super().sense_ttf(target)

    def _recv_data(self, timeout: float | None, *brty_list: str) -> tuple[str, bytearray, tuple[str, int]]:
        polling, self._polling = self._polling, False
        return super()._recv_data(POLL_S if polling else timeout, *brty_list)

    def _send_data(self, brty: str, data: bytes, addr: tuple[str, int]) -> None:
        # Fault 3, the dangerous one: a late answer would be taken for the answer to this command.
        self.drain()
        super()._send_data(brty, data, addr)

    def mute(self) -> None:
        """Switch the field off. Fault 2: nfcpy closes the socket here and pays for a new one at each look."""
        if self.socket is not None and self.rcvd_data:
            super()._send_data("RFOFF", b"", self.addr)
            self.rcvd_data = 0


class CardSide(_Loopback):
    """The card's side. Fault 9: a port that another process holds is an OSError now, not a busy loop later."""

    def __init__(self, host: str, port: int) -> None:
        self._reader: tuple[str, int] | None = None
        super().__init__(host, port)
        try:
            # Fault 1: nfcpy binds all interfaces.
            self.socket.bind(self.addr)
        except OSError:
            self.socket.close()
            raise

    def _accepts(self, sender: tuple[str, int], datagram: bytes) -> bool:
        # Once selected, a card hears the reader that selected it; a new one (restarted) may ask who is there.
        return self._reader in (None, sender) or datagram.endswith(_SENSE_REQUEST)

    def _bind_socket(self, time_to_return: float) -> bool:
        """Fault 2: nfcpy binds anew for each card, and one look in ten falls into the gap."""
        return time_to_return > 0

    def listen_tta(self, target: Any, timeout: float) -> Any:
        """Return the target as selected by a reader, or None in time."""
        self._reader = None
        found = super().listen_tta(target, timeout)
        self._reader = found._addr if found is not None else None  # noqa: SLF001
        return found

    def answer(self, token: Callable[[bytes], bytes | None], timeout_s: float) -> int:
        """Answer FeliCa frames as `token` does until the time is over, and return how many were answered."""
        self._reader = None
        answered, deadline = 0, stopwatch() + timeout_s
        while (left := deadline - stopwatch()) > 0:
            try:
                rate, frame, sender = self._recv_data(left, *FELICA_RATES)
            except nfc.clf.CommunicationError:
                continue
            reply = token(bytes(frame))
            if reply is not None:
                self._send_data(rate, reply, sender)
                answered += 1
        return answered

    def _recv_data(self, timeout: float | None, *brty_list: str) -> tuple[str, bytearray, tuple[str, int]]:
        rate, frame, sender = super()._recv_data(timeout, *brty_list)
        # Fault 7: nfcpy's listener waits for the third part of a long UID under the second part's code.
        if frame[:2] == _SELECT_THIRD:
            frame[0] = _SELECT_SECOND
        return rate, frame, sender

    def mute(self) -> None:
        """A card has no field to switch off."""
