"""A software FeliCa token: it answers polls (JIS X 6319-4) and, on demand, wrongly."""

from __future__ import annotations

import os
import threading
from typing import Final

from access.rules.token import IDM_SIZE
from readers.felica import ANY_SYSTEM, SYSTEM_SIZE, FelicaToken, poll, polled
from readers.softcard.card import Fault, Random

PMM: Final = bytes.fromhex("00F1000000014300")
"""The maker's parameters of a FeliCa Lite-S: what it is and how long it takes."""
_POLLING: Final = 0x00
_POLLED: Final = b"\x01"
_POLL_SIZE: Final = 6
_NO_REQUEST: Final = 0x00
_WITH_SYSTEM: Final = 0x01
_SLOW_S: Final = 0.01


class SoftToken:
    """One token. `answer` takes a frame with its length byte; `fault` is what this presentation shall do wrong.

    `answered` counts the polls that it answered since it was put into a field.
    """

    def __init__(self, idm: bytes, system: bytes, *, random: Random = os.urandom) -> None:
        assert len(idm) == IDM_SIZE, "an IDm has eight bytes"
        assert len(system) == SYSTEM_SIZE, "a system code has two bytes"
        self.idm, self.system = idm, system
        self.fault: Fault | None = None
        self.lock = threading.Lock()
        self.answered = 0
        self._random = random

    def power_off(self) -> None:
        """Be taken out of the field."""
        self.answered = 0

    def answer(self, frame: bytes) -> bytes | None:
        """Return the answer to a frame, None for silence: to what is no poll, and to one for other systems."""
        if len(frame) != _POLL_SIZE or frame[0] != _POLL_SIZE or frame[1] != _POLLING:
            return None
        meant = all(asked in (ANY_SYSTEM, own) for asked, own in zip(frame[2:4], self.system, strict=True))
        if not meant and self.fault is not Fault.WRONG_SYSTEM:
            return None
        self.answered += 1
        match self.fault:
            case Fault.TEAR_BEFORE | Fault.TEAR_AFTER if self.answered > 1:
                return None
            case Fault.GARBAGE:
                return self._random(1 + self._random(1)[0])
            case Fault.SLOW:
                threading.Event().wait(_SLOW_S)
        # As if the token before it had only now found its words.
        stale = self.fault is Fault.STALE and self.answered > 1
        idm = bytes((*self.idm[:-1], self.idm[-1] ^ 1)) if stale else self.idm
        body = _POLLED + idm + PMM
        match frame[4]:
            case code if code == _WITH_SYSTEM:
                body += self.system
            case code if code != _NO_REQUEST:
                body += bytes((0x00, 0x03))
        return bytes((1 + len(body),)) + body


def looked_for(token: SoftToken, system: bytes) -> FelicaToken | None:
    """Return the token as a reader has it that polls directly, in one process and without any air between; or None."""
    asked = poll(system)
    idm = polled(token.answer(asked), system)
    return None if idm is None else FelicaToken(idm, system, lambda: token.answer(asked))
