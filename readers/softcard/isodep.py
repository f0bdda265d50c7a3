"""The card's side of ISO/IEC 14443-4, sans-IO: one frame in, one frame out or silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

# TL, T0 (TA, TB, TC present; frames of 64 bytes), TA, TB, TC, one historical byte. nfcpy reads TA and TB blindly.
ATS: Final = bytes.fromhex("067577A10280")
# It announces TA, TB and TC, and ends.
HOSTILE_ATS: Final = b"\x02\x75"
FRAME_SIZES: Final = (16, 24, 32, 40, 48, 64, 96, 128, 256)

_FRAME_OVERHEAD: Final = 3  # PCB and the two CRC bytes the air adds
_WAITING_TIME_REQUEST: Final = b"\xf2\x01"


class IsoDepTarget:
    """Block protocol for one activation of one card.

    `answer` turns a command APDU into its answer; what it raises goes to the caller of `on_frame`.
    With `waits`, that many waiting time extensions are asked for before each answer.
    `deselected` becomes true when the reader ended the exchange in due form.
    """

    def __init__(self, answer: Callable[[bytes], bytes], *, ats: bytes = ATS, waits: int = 0) -> None:
        self.deselected = False
        self._answer = answer
        self._ats = ats
        self._waits = waits
        self._waits_left = 0
        self._frame_size = FRAME_SIZES[-1]
        self._command = b""
        self._reply = b""
        self._last: bytes | None = None
        # A card's block number starts at 1 (ISO 14443-4 §7.5.3.2), so that the reader's first block toggles it to 0.
        self._number = 1

    def on_frame(self, frame: bytes) -> bytes | None:
        """Return the answer to one frame, without its CRC, or None for silence. Any bytes at all are borne."""
        if not frame:
            return None
        control = frame[0]
        if control == 0xE0 and len(frame) == 2:
            return self._activate(frame[1])
        if control & 0xF0 == 0xD0 and len(frame) >= 2:
            return frame[:1]
        if control & 0xF7 == 0xC2:
            self.deselected = True
            return frame
        if control & 0xF7 == 0xF2:
            return self._extended(frame)
        if control & 0xE2 == 0x02:
            return self._information(frame)
        if control & 0xE6 == 0xA2:
            return self._receipt(control)
        return None

    def _activate(self, parameter: int) -> bytes:
        self._frame_size = FRAME_SIZES[min(parameter >> 4, len(FRAME_SIZES) - 1)]
        self._number, self._command, self._reply, self._last = 1, b"", b"", None
        return self._ats

    def _information(self, frame: bytes) -> bytes:
        self._number ^= 1
        prologue = 1 + bool(frame[0] & 0x08) + bool(frame[0] & 0x04)
        self._command += frame[prologue:]
        if frame[0] & 0x10:
            return self._sent(bytes((0xA2 | self._number,)))
        if self._waits:
            self._waits_left = self._waits - 1
            return self._sent(_WAITING_TIME_REQUEST)
        return self._reply_now()

    def _extended(self, frame: bytes) -> bytes | None:
        if frame != _WAITING_TIME_REQUEST or self._last != _WAITING_TIME_REQUEST:
            return None
        if self._waits_left:
            self._waits_left -= 1
            return self._last
        return self._reply_now()

    def _reply_now(self) -> bytes:
        command, self._command = self._command, b""
        self._reply = self._answer(command)
        return self._next_block()

    def _receipt(self, control: int) -> bytes | None:
        if control & 1 == self._number:
            return self._last
        if control & 0x10:
            return bytes((0xA2 | self._number,))
        if not self._reply:
            return None
        self._number ^= 1
        return self._next_block()

    def _next_block(self) -> bytes:
        size = self._frame_size - _FRAME_OVERHEAD
        part, self._reply = self._reply[:size], self._reply[size:]
        return self._sent(bytes(((0x12 if self._reply else 0x02) | self._number,)) + part)

    def _sent(self, frame: bytes) -> bytes:
        self._last = frame
        return frame
