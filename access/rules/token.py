"""What stands for an account without being a card of ours: a chip citizen ID, a bank card, a FeliCa token, a phone's QR key.

Nothing of a citizen's identity and no card number ever comes this far: a chip is known by a token of its own, a bank
card by the payment token that the acquirer made of it. What looks like the real thing is refused at the door.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from access.rules.medium import MediumKind

SIZES: Final = range(8, 65)
IDM_SIZE: Final = 8
_OF_THE_MOMENT: Final = b"\x01\xfe"
"""How the IDm of a phone that offers peer-to-peer begins (NFCID2 for NFC-DEP): another one each time."""
_CITIZEN_DIGITS: Final = 12
_CARD_DIGITS: Final = range(13, 20)


class TokenFault(StrEnum):
    """Why something cannot be a token."""

    SIZE = "size"
    CITIZEN_NUMBER = "citizen-number"
    CARD_NUMBER = "card-number"
    KIND = "kind"
    IDM = "idm"


class PaymentTokens(Protocol):
    """The port to an acquirer's token service: it keeps card numbers, we never see one."""

    def token_of(self, reference: str) -> bytes | None:
        """Return the payment token behind an acquirer's one-time reference, or None when it is not known or used."""


@dataclass(frozen=True, slots=True)
class AcquirerTokens:
    """The first adapter: the acquirer's terminal hands the token over itself, as hexadecimal digits."""

    def token_of(self, reference: str) -> bytes | None:
        """Return the token that a reference is; None for what is none."""
        try:
            token = bytes.fromhex(reference)
        except ValueError:
            return None
        return None if fault_of(MediumKind.BANK, token) else token


def fault_of(kind: MediumKind, token: bytes) -> TokenFault | None:
    """Return why these bytes cannot be the token of a medium of this kind; None where they can."""
    if kind is MediumKind.FELICA:
        return None if is_idm(token) else TokenFault.IDM
    if kind not in {MediumKind.CITIZEN, MediumKind.BANK}:
        return TokenFault.KIND
    if len(token) not in SIZES:
        return TokenFault.SIZE
    # As text, as packed decimals (also with a nibble of padding): the ways in which such numbers travel.
    for digits in (token.decode("latin-1"), token.hex(), token.hex().rstrip("f"), token.hex().lstrip("0")):
        if digits.isascii() and digits.isdecimal():
            if len(digits) == _CITIZEN_DIGITS:
                return TokenFault.CITIZEN_NUMBER
            if len(digits) in _CARD_DIGITS and _luhn(digits):
                return TokenFault.CARD_NUMBER
    return None


def is_idm(raw: bytes) -> bool:
    """Return whether these bytes can be the IDm of a token that keeps it."""
    return len(raw) == IDM_SIZE and raw[:2] != _OF_THE_MOMENT and raw not in (bytes(8), b"\xff" * 8)


def _luhn(digits: str) -> bool:
    """Return whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, letter in enumerate(reversed(digits)):
        value = int(letter) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
