"""CardInfo: file 01 of the card, 32 bytes, read inside every transaction MAC."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from typing import Final

from kernel.wire.codec import MalformedRecordError

SIZE: Final = 32
VERSION: Final = 1
PRODUCT_ACCOUNT: Final = 1
"""CardInfo's product for the account-based profile: no purse on the card (READERS.md)."""
PRODUCT_PURSE: Final = 2
"""CardInfo's product for the stored-value profile: file 03 is a purse that pays by itself."""
_DAY_ZERO: Final = date(2020, 1, 1)
_LAYOUT: Final = struct.Struct(">BHQBBHBB")
_SPARE: Final = bytes(SIZE - _LAYOUT.size)


class Concession(IntEnum):
    """What its holder is entitled to, as printed into the card when issued; the server's records decide."""

    NORMAL = 0
    PRIORITY = 1
    """Pupils, students, industrial-zone workers."""
    FREE_MERIT = 2
    FREE_SENIOR = 3
    FREE_CHILD = 4
    FREE_DISABLED = 5
    FREE_POOR = 6
    GROUP = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class CardInfo:
    """What a card says of itself; `expires_on` is the last day it is good for."""

    issuer: int
    serial: int
    product: int
    concession: Concession
    expires_on: date
    key_generation: int
    flags: int = 0


def encode(info: CardInfo) -> bytes:
    """Return the 32 bytes of file 01; a number that does not fit, or a date outside 2020–2199, is a ValueError."""
    days = (info.expires_on - _DAY_ZERO).days
    try:
        head = _LAYOUT.pack(
            VERSION,
            info.issuer,
            info.serial,
            info.product,
            Concession(info.concession),
            days,
            info.key_generation,
            info.flags,
        )
    except struct.error as error:
        raise ValueError(str(error)) from None
    return head + _SPARE


def decode(raw: bytes) -> CardInfo:
    """Return what file 01 says.

    A later version may use the spare bytes, which are then ignored; in version 1 they are zero. Anything else is
    a MalformedRecordError.
    """
    if len(raw) != SIZE:
        raise MalformedRecordError(offset=len(raw), field="end", reason=f"CardInfo has {SIZE} bytes")
    version, issuer, serial, product, category, days, generation, flags = _LAYOUT.unpack_from(raw)
    if version < VERSION:
        raise MalformedRecordError(offset=0, field="version", reason="versions count from 1")
    if version == VERSION and raw[_LAYOUT.size :] != _SPARE:
        raise MalformedRecordError(offset=_LAYOUT.size, field="spare", reason="bytes after the last field")
    try:
        concession = Concession(category)
    except ValueError:
        raise MalformedRecordError(offset=12, field="concession", reason="no such category") from None
    return CardInfo(
        issuer=issuer,
        serial=serial,
        product=product,
        concession=concession,
        expires_on=_DAY_ZERO + timedelta(days=days),
        key_generation=generation,
        flags=flags,
    )
