"""Identifiers: time-ordered ones minted by whoever acts, and derived ones that a replay computes again."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime
from hashlib import sha256
from typing import Final, NewType
from uuid import UUID

from kernel.clock import from_micros, micros
from kernel.errors import DomainError

DeviceId = NewType("DeviceId", UUID)
JournalId = NewType("JournalId", UUID)
CardId = NewType("CardId", UUID)
FareAccountId = NewType("FareAccountId", UUID)
LedgerAccountId = NewType("LedgerAccountId", UUID)
EntryId = NewType("EntryId", UUID)
TapId = NewType("TapId", UUID)
StaffId = NewType("StaffId", UUID)
OperatorId = NewType("OperatorId", str)

_VARIANT: Final = 0b10 << 62
_VERSION_MASK: Final = 0xF << 76


class NotTimeOrderedError(DomainError):
    """The UUID carries no time: it is not of version 7."""

    detail = "{id} is not a version 7 UUID."


def uuid7(now: datetime, random: Callable[[int], bytes] = os.urandom) -> UUID:
    """Return a version 7 UUID of `now` (RFC 9562 §5.7).

    The 12 bits after the milliseconds carry the fraction of the millisecond (§6.2, method 3), so ids minted
    microseconds apart still sort by time; the last 62 bits are random.
    """
    milliseconds, microseconds = divmod(micros(now), 1000)
    assert 0 <= milliseconds < 1 << 48, "version 7 counts 48 bits of milliseconds from 1970"
    fraction = microseconds * 4096 // 1000
    noise = int.from_bytes(random(8), "big") >> 2
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | _VARIANT | noise)


def uuid7_time(identifier: UUID) -> datetime:
    """Return the instant, to the millisecond, at which a version 7 UUID was minted; NotTimeOrderedError else."""
    if identifier.version != 7:
        raise NotTimeOrderedError(id=str(identifier))
    try:
        return from_micros((identifier.int >> 80) * 1000)
    except OverflowError:
        raise NotTimeOrderedError(id=str(identifier)) from None


def uuid8(*parts: str | bytes | int | UUID | date) -> UUID:
    """Return the version 8 UUID of these parts: the first 122 bits of a SHA-256.

    Each part enters as its type's letter, its length in four bytes and its bytes, so ("ab", "c") and ("a", "bc"),
    "1" and 1, all differ. An instant is not a date: pass microseconds.
    """
    digest = sha256()
    for part in parts:
        tag, body = _part(part)
        digest.update(tag + len(body).to_bytes(4, "big") + body)
    number = int.from_bytes(digest.digest()[:16], "big")
    number = number & ~_VERSION_MASK | 0x8 << 76
    return UUID(int=number & ~(0b11 << 62) | _VARIANT)


def _part(part: str | bytes | int | UUID | date) -> tuple[bytes, bytes]:
    match part:
        case bool() | datetime():
            raise TypeError(f"{type(part).__name__} is no part of an id")
        case str():
            return b"s", part.encode()
        case bytes():
            return b"b", part
        case int():
            return b"i", str(part).encode()
        case UUID():
            return b"u", part.bytes
        case date():
            return b"d", part.isoformat().encode()
        case _:
            raise TypeError(f"{type(part).__name__} is no part of an id")
