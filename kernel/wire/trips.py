"""What a stored-value card carries from tap to tap (file 05, 32 bytes): the ride and the stay that are under way.

Places are marks, the first bytes of a SHA-256 of their id: who meets the same id knows it again, and no names fit.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from kernel.clock import from_micros, micros
from kernel.wire.codec import MalformedRecordError

TRIPS_SIZE: Final = 32
NO_TRIPS: Final = bytes(TRIPS_SIZE)
WITHIN_SIZE: Final = 3
AT_SIZE: Final = 4
_SLOT: Final = struct.Struct(f">BII{WITHIN_SIZE}s{AT_SIZE}s")
_SLOT_SIZE: Final = 16
assert _SLOT.size == _SLOT_SIZE, "two of them fill the file"
_OPEN: Final = 1


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A ride or a stay: what was taken for it ahead (đồng), since when (to the second), within what, begun where."""

    held: int
    since: datetime
    within: bytes
    at: bytes


@dataclass(frozen=True, slots=True)
class Trips:
    """What is under way; None where nothing is."""

    ride: UnderWay | None = None
    stay: UnderWay | None = None


def mark(name: str, size: int = AT_SIZE) -> bytes:
    """Return the mark of an id."""
    return sha256(name.encode()).digest()[:size]


def encode_trips(trips: Trips) -> bytes:
    """Return the 32 bytes of the file."""
    return _encode(trips.ride) + _encode(trips.stay)


def decode_trips(raw: bytes) -> Trips:
    """Return what these 32 bytes tell; MalformedRecordError for any others."""
    if len(raw) != TRIPS_SIZE:
        raise MalformedRecordError(offset=0, field="trips", reason="32 bytes are missing or too many")
    return Trips(_decode(raw[:_SLOT_SIZE]), _decode(raw[_SLOT_SIZE:]))


def _encode(under_way: UnderWay | None) -> bytes:
    if under_way is None:
        return bytes(_SLOT_SIZE)
    seconds = micros(under_way.since) // 1_000_000
    return _SLOT.pack(_OPEN, under_way.held, seconds, under_way.within, under_way.at)


def _decode(raw: bytes) -> UnderWay | None:
    if raw == bytes(_SLOT_SIZE):
        return None
    kind, held, seconds, within, at = _SLOT.unpack(raw)
    if kind != _OPEN:
        raise MalformedRecordError(
            offset=0, field="trips", reason="neither nothing nor something is under way"
        )
    return UnderWay(held, from_micros(seconds * 1_000_000), within, at)
