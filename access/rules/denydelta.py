"""A delta of the deny list as it travels: what changed between two versions, and how the result must look."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from access.rules.denylist import MAX_SERIAL, Delta, MalformedDenyListError

MAX_CHANGES: Final = 20_000
"""More changed serials than this, and a snapshot is no longer to send (100,000 of 10 million: 139 kB)."""
_HEADER: Final = struct.Struct(">4sBQQII")
_MAGIC: Final = b"LTDD"
_FORMAT: Final = 1
_SERIAL: Final = 4


def encode_delta(delta: Delta) -> bytes:
    """Return the delta's bytes: magic, format, both versions, how many denied and cleared, then the serials deflated."""
    serials = (*delta.denied, *delta.cleared)
    return _HEADER.pack(
        _MAGIC, _FORMAT, delta.from_version, delta.to_version, len(delta.denied), len(delta.cleared)
    ) + zlib.compress(struct.pack(f">{len(serials)}I", *serials), 6)


def decode_delta(raw: bytes) -> Delta:
    """Return the delta of these bytes; MalformedDenyListError for anything else, however large it claims to be."""
    if len(raw) < _HEADER.size:
        raise MalformedDenyListError(why="the delta ends inside its header")
    magic, form, start, end, denied, cleared = _HEADER.unpack_from(raw)
    if magic != _MAGIC or form != _FORMAT:
        raise MalformedDenyListError(why="the delta is of another kind or format")
    if denied + cleared > MAX_CHANGES:
        raise MalformedDenyListError(why="the delta claims more changes than one may hold")
    length = (denied + cleared) * _SERIAL
    inflater = zlib.decompressobj()
    try:
        packed = inflater.decompress(raw[_HEADER.size :], length + 1)
    except zlib.error:
        raise MalformedDenyListError(why="the delta does not inflate") from None
    if len(packed) != length or not inflater.eof or inflater.unused_data:
        raise MalformedDenyListError(why="the delta has another length than its header says")
    serials = struct.unpack(f">{denied + cleared}I", packed)
    if serials and max(serials) > MAX_SERIAL:
        raise MalformedDenyListError(why="the delta names a serial that cannot be")
    if not set(serials[:denied]).isdisjoint(serials[denied:]):
        raise MalformedDenyListError(why="the delta denies and clears one serial")
    return Delta(start, end, serials[:denied], serials[denied:])
