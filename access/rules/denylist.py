"""The deny list as readers hold it: an exact bitmap by card serial, from a snapshot and then deltas.

Exact, not a Bloom filter: that would deny honest riders. 100,000 of 10 million serials are 1.25 MB in memory and
about 139 kB to send (READERS.md). Signing is the bundle's matter; this is only the content and its versions.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from kernel.errors import DomainError

MAX_SERIAL: Final = 2**27 - 1  # 16 MiB of bitmap; ten times the ten million cards of a city (HANOI.md)
_HEADER: Final = struct.Struct(">4sBQI")
_MAGIC: Final = b"LTDN"
_FORMAT: Final = 1


class MalformedDenyListError(DomainError):
    """The bytes are no deny list snapshot."""

    detail = "The deny list is malformed: {why}."


class DenyListVersionError(DomainError):
    """A delta does not start at the version that is held: applying it would lose or undo a change."""

    detail = "The delta leads from version {from_version}; version {held} is held."


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed between two versions: serials that are denied now, and serials that no longer are."""

    from_version: int
    to_version: int
    denied: tuple[int, ...]
    cleared: tuple[int, ...]


class DenyList:
    """One version of the list. Look-ups cost the same whatever its size; a serial beyond its end is not denied."""

    __slots__ = ("_bits", "version")

    def __init__(self, version: int, bits: bytes | bytearray = b"") -> None:
        self.version = version
        self._bits = bytearray(bits)

    @classmethod
    def of(cls, version: int, serials: Iterable[int]) -> Self:
        """Return the list that denies exactly these serials."""
        bits = bytearray()
        for serial in serials:
            _set(bits, serial)
        return cls(version, bits)

    def denies(self, serial: int) -> bool:
        """Return whether the card of this serial is denied; never refuses, whatever the number."""
        place = serial >> 3
        return 0 <= place < len(self._bits) and bool(self._bits[place] >> (serial & 7) & 1)

    def serials(self) -> Iterator[int]:
        """Yield every denied serial in ascending order."""
        for place, byte in enumerate(self._bits):
            if byte:
                for bit in range(8):
                    if byte >> bit & 1:
                        yield place << 3 | bit

    def with_delta(self, delta: Delta) -> Self:
        """Return the list after `delta`, leaving this one as it is.

        DenyListVersionError when the delta starts elsewhere or leads backwards: a rolled-back list is refused.
        """
        if delta.from_version != self.version or delta.to_version <= self.version:
            raise DenyListVersionError(from_version=delta.from_version, held=self.version)
        bits = bytearray(self._bits)
        for serial in delta.cleared:
            _clear(bits, serial)
        for serial in delta.denied:
            _set(bits, serial)
        return type(self)(delta.to_version, bits)

    def digest(self) -> bytes:
        """Return the SHA-256 over version and bitmap: what a snapshot and the same list by deltas have in common."""
        return sha256(self.version.to_bytes(8, "big") + bytes(self._bits).rstrip(b"\x00")).digest()

    def encode(self, *, level: int = 9) -> bytes:
        """Return the snapshot's bytes: magic, format, version, bitmap length, the bitmap deflated at `level`."""
        bits = bytes(self._bits).rstrip(b"\x00")
        return _HEADER.pack(_MAGIC, _FORMAT, self.version, len(bits)) + zlib.compress(bits, level)

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the list of a snapshot; MalformedDenyListError for anything else, however large it claims to be."""
        if len(raw) < _HEADER.size:
            raise MalformedDenyListError(why="it ends inside its header")
        magic, form, version, length = _HEADER.unpack_from(raw)
        if magic != _MAGIC or form != _FORMAT:
            raise MalformedDenyListError(why="it is of another kind or format")
        if length > MAX_SERIAL // 8 + 1:
            raise MalformedDenyListError(why="it claims more serials than a list can hold")
        inflater = zlib.decompressobj()
        try:
            # Bounded by what the header claims, so that a small file cannot fill the device's memory.
            bits = inflater.decompress(raw[_HEADER.size :], length + 1)
        except zlib.error:
            raise MalformedDenyListError(why="its bitmap does not inflate") from None
        if len(bits) != length or not inflater.eof or inflater.unused_data:
            raise MalformedDenyListError(why="its bitmap has another length than its header says")
        return cls(version, bits)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DenyList):
            return NotImplemented
        return self.version == other.version and self._bits.rstrip(b"\x00") == other._bits.rstrip(b"\x00")

    __hash__ = None  # type: ignore[assignment]


def _set(bits: bytearray, serial: int) -> None:
    assert 0 <= serial <= MAX_SERIAL, "serials are issued from 1 upwards"
    place = serial >> 3
    if place >= len(bits):
        bits.extend(bytes(place + 1 - len(bits)))
    bits[place] |= 1 << (serial & 7)


def _clear(bits: bytearray, serial: int) -> None:
    place = serial >> 3
    if 0 <= place < len(bits):
        bits[place] &= ~(1 << (serial & 7)) & 0xFF
