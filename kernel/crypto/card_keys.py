"""The card application LT-TRANSIT v1: its names, its key roles, and one card's keys from the masters."""

from __future__ import annotations

from enum import Enum
from typing import Final

from kernel.crypto.an10922 import diversify

AID: Final = bytes.fromhex("F41001")
DF_NAME: Final = b"\xf0" + b"LIENTHONG" + b"\x01"
UID_SIZE: Final = 7

FILE_CARD_INFO: Final = 0x01
FILE_ENTITLEMENTS: Final = 0x02
FILE_PURSE: Final = 0x03
FILE_LOG: Final = 0x04
FILE_TRIP_STATE: Final = 0x05
FILE_TRANSACTION_MAC: Final = 0x0F


class Role(Enum):
    """What a key is for; each role has its own master. Only AUTH may leave the back office for validators."""

    PICC = "PICC"
    APP = "APP"
    AUTH = "AUTH"
    DEBIT = "DEBIT"
    LOAD = "LOAD"
    TMAC = "TMAC"
    PASS = "PASS"  # noqa: S105 - the role of the key over passes


RECORD_SIZE: Final = 16
ENTITLEMENTS_SIZE: Final = 96
PRIVACY_KEY: Final = 4
"""The key that cards with random UIDs answer to before anybody knows which card they are."""
RANDOM_UID_SIZE: Final = 4
RANDOM_UID_FIRST: Final = 0x08
_PRIVACY: Final = b"LIENTHONG-PRIVACY\x00"

KEY_NUMBER: Final[dict[Role, int]] = {Role.APP: 0, Role.AUTH: 1, Role.DEBIT: 2, Role.LOAD: 3}


def system_id(generation: int) -> bytes:
    """Return the 11-byte system identifier of a key generation (0 to 255)."""
    return b"LIENTHONG\x00" + generation.to_bytes(1, "big")


def card_key(master: bytes, uid: bytes, generation: int) -> bytes:
    """Return one card's 16-byte key of the role whose 16-byte master is given.

    `uid` is the card's 7-byte UID, first byte first. Source: AN10922 over UID ‖ AID ‖ SysID.
    """
    assert len(uid) == UID_SIZE, "a 7-byte UID"
    return diversify(master, uid + AID + system_id(generation))


def privacy_key(auth_master: bytes, generation: int) -> bytes:
    """Return the key under which cards with random UIDs tell who they are; the same in all cards of a generation.

    It proves nothing but that the reader is one of ours: the card then authenticates with a key of its own.
    """
    return diversify(auth_master, _PRIVACY + generation.to_bytes(1, "big"))
