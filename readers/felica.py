"""FeliCa tokens in the field: what a poll asks, what an answer to it says, and whether the token is still there.

A token's number (IDm) is sent in the clear and can be copied by anyone who once held a reader to it: it says whose
account is meant and proves nothing. Only the back office's voucher lets one through (`access.rules.copyable`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from access.rules.token import IDM_SIZE, is_idm
from readers.card import CardRefusedError

SYSTEM_SIZE: Final = 2
ANY_SYSTEM: Final = 0xFF
"""In either byte of a system code that is polled for, stands for every value."""
_POLLING: Final = 0x00
_POLLED: Final = 0x01
_WITH_SYSTEM: Final = 0x01
_ONE_SLOT: Final = 0x00
_ANSWER_SIZE: Final = 1 + 1 + IDM_SIZE + 8 + SYSTEM_SIZE


def poll(system: bytes) -> bytes:
    """Return the frame that asks tokens of a system code who they are (JIS X 6319-4 §9.2, their system code included)."""
    assert len(system) == SYSTEM_SIZE, "a system code has two bytes"
    body = bytes((_POLLING,)) + system + bytes((_WITH_SYSTEM, _ONE_SLOT))
    return bytes((1 + len(body),)) + body


def polled(frame: bytes | None, system: bytes) -> bytes | None:
    """Return the IDm of an answer to `poll`; None for silence, for other systems' tokens and for what is no answer."""
    if frame is None or len(frame) != _ANSWER_SIZE or frame[0] != _ANSWER_SIZE or frame[1] != _POLLED:
        return None
    idm, said = frame[2 : 2 + IDM_SIZE], frame[-SYSTEM_SIZE:]
    meant = all(asked in (ANY_SYSTEM, got) for asked, got in zip(system, said, strict=True))
    return idm if meant and is_idm(idm) else None


class FelicaToken:
    """One token in the field; `ask` polls it once more and returns its answer, None for silence.

    It is a `readers.card.CardChannel` that speaks no APDU, so that whoever expects a card refuses it as another kind.
    """

    def __init__(self, idm: bytes, system: bytes, ask: Callable[[], bytes | None]) -> None:
        self._idm, self._system, self._ask = idm, system, ask
        self._open = True

    @property
    def uid(self) -> bytes:
        """Return the IDm."""
        return self._idm

    def transceive(self, apdu: bytes, timeout_s: float) -> bytes:  # noqa: ARG002 - a card's signature
        """Refuse any APDU: CardRefusedError `not_ours`."""
        raise CardRefusedError("not_ours")

    def present(self) -> bool:
        """Return whether this very token still answers; another one in its place is not it."""
        return self._open and polled(self._ask(), self._system) == self._idm

    def close(self) -> None:
        """Let go of the token."""
        self._open = False
