"""Random UIDs: four bytes that begin with 08 (ISO/IEC 14443-3), new at each presentation."""

from __future__ import annotations

from typing import Final

_RANDOM: Final = 0x08
_SINGLE: Final = 4


def is_random(uid: bytes) -> bool:
    """Return whether a record's 7-byte UID is a single-size random one, filled up with zeros."""
    return uid[:1] == bytes([_RANDOM]) and not any(uid[_SINGLE:])
