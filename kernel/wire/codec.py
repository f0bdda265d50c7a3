"""Tagged, versioned binary records that outlive the program that wrote them.

Layout: tag (u8), version (u8), then the fields in order, big-endian. Fields of a fixed size stand side by side;
text and blobs carry a u16 length. A record type only ever grows at its end: a reader of version 1 takes a
version 2 record and ignores its tail, a reader of version 2 fills the defaults into a version 1 record.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from kernel.clock import from_micros, micros
from kernel.errors import DomainError

_HEADER: Final = struct.Struct(">BB")
_LENGTH: Final = struct.Struct(">H")
_LONGEST: Final = 0xFFFF

_Reader = Callable[[Any], object]


class MalformedRecordError(DomainError):
    """Bytes that are no record of the expected type; `offset` and `field` say where reading stopped."""

    detail = "Malformed record at byte {offset}, field {field}: {reason}."


@dataclass(frozen=True, slots=True)
class Kind:
    """How one sort of field is put on the wire. `code` is its struct code, or empty for length-prefixed bytes.

    `write` gives what struct packs (ValueError when the value cannot be written); `read` is its inverse, or None
    when struct's own value will do, and may raise ValueError, KeyError or OverflowError.
    """

    code: str
    write: Callable[[Any], int | bytes]
    read: _Reader | None = None


def _whole(bits: int) -> Callable[[Any], int]:
    def write(value: Any) -> int:
        if not isinstance(value, int) or not 0 <= value < 1 << bits:
            raise ValueError(f"not an unsigned number of {bits} bits")
        return int(value)

    return write


def _exactly(size: int) -> Callable[[Any], bytes]:
    def write(value: Any) -> bytes:
        # struct would silently cut or fill.
        if not isinstance(value, bytes) or len(value) != size:
            raise ValueError(f"not {size} bytes")
        return value

    return write


def _blob(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) > _LONGEST:
        raise ValueError(f"not bytes, or more than {_LONGEST}")
    return value


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004 - every refusal to write is one kind
    return _blob(value.encode())


def _instant(value: Any) -> int:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("not an aware instant")
    return micros(value)


def _identifier(value: Any) -> bytes:
    if not isinstance(value, UUID):
        raise ValueError("not a UUID")  # noqa: TRY004 - every refusal to write is one kind
    return value.bytes


def _read_text(raw: bytes) -> str:
    return str(raw, "utf-8")


def _read_identifier(raw: bytes) -> UUID:
    return UUID(bytes=raw)


U8: Final = Kind("B", _whole(8))
U16: Final = Kind("H", _whole(16))
U32: Final = Kind("I", _whole(32))
U64: Final = Kind("Q", _whole(64))
INSTANT: Final = Kind("q", _instant, from_micros)
IDENTIFIER: Final = Kind("16s", _identifier, _read_identifier)
TEXT: Final = Kind("", _text, _read_text)
BLOB: Final = Kind("", _blob)


def fixed(size: int) -> Kind:
    """Return the kind of a field of exactly `size` bytes."""
    return Kind(f"{size}s", _exactly(size))


def choice(options: type[IntEnum]) -> Kind:
    """Return the kind of a field that is one member of `options`, in one byte."""
    members: dict[int, IntEnum] = {int(member): member for member in options}

    def write(value: Any) -> int:
        if not isinstance(value, options):
            raise ValueError(f"not a {options.__name__}")  # noqa: TRY004 - every refusal to write is one kind
        return int(value)

    return Kind("B", write, members.__getitem__)


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `since` is the version that added it, and `default` stands in for it in older records."""

    name: str
    kind: Kind
    since: int = 1
    default: object = None


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring fixed-size fields of one version, read in one go."""

    layout: struct.Struct
    names: tuple[str, ...]
    reads: tuple[tuple[str, _Reader], ...]
    writes: tuple[tuple[str, Callable[[Any], int | bytes]], ...]


@dataclass(frozen=True, slots=True)
class _Tail:
    """Neighbouring length-prefixed fields of one version."""

    reads: tuple[tuple[str, _Reader | None], ...]
    writes: tuple[tuple[str, Callable[[Any], int | bytes]], ...]


def _steps(fields: Iterable[Field]) -> tuple[_Run | _Tail, ...]:
    steps: list[_Run | _Tail] = []
    for is_fixed, group in groupby(fields, key=lambda each: bool(each.kind.code)):
        members = tuple(group)
        writes = tuple((each.name, each.kind.write) for each in members)
        if is_fixed:
            layout = struct.Struct(">" + "".join(each.kind.code for each in members))
            reads = tuple((each.name, each.kind.read) for each in members if each.kind.read is not None)
            steps.append(_Run(layout, tuple(each.name for each in members), reads, writes))
        else:
            steps.append(_Tail(tuple((each.name, each.kind.read) for each in members), writes))
    return tuple(steps)


@dataclass(frozen=True, slots=True)
class RecordType:
    """A record's tag, its newest version and its fields, which are only ever added at the end."""

    tag: int
    version: int
    fields: tuple[Field, ...]
    _plans: dict[int, tuple[tuple[_Run | _Tail, ...], dict[str, object]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        versions = [each.since for each in self.fields]
        assert versions == sorted(versions), "fields are only added at the end"
        assert min(versions) >= 1, "versions count from 1"
        assert max(versions) <= self.version <= 0xFF, "the newest version names every field"
        assert len({each.name for each in self.fields}) == len(versions), "each name once"
        plans = {}
        for version in range(1, self.version + 1):
            steps: tuple[_Run | _Tail, ...] = ()
            for _, group in groupby(
                (each for each in self.fields if each.since <= version), key=lambda each: each.since
            ):
                steps += _steps(group)
            plans[version] = (
                steps,
                {each.name: each.default for each in self.fields if each.since > version},
            )
        object.__setattr__(self, "_plans", plans)

    def encode(self, values: Mapping[str, object]) -> bytes:
        """Return the record of these values, one for each field; a value that does not fit is a ValueError."""
        parts = [_HEADER.pack(self.tag, self.version)]
        for step in self._plans[self.version][0]:
            written = [_written(name, write, values[name]) for name, write in step.writes]
            if isinstance(step, _Run):
                parts.append(step.layout.pack(*written))
            else:
                for raw in written:
                    assert isinstance(raw, bytes), "a length-prefixed kind writes bytes"
                    parts += (_LENGTH.pack(len(raw)), raw)
        return b"".join(parts)

    def decode(self, raw: bytes) -> dict[str, Any]:
        """Return each field's value by name. Any other bytes raise MalformedRecordError and nothing else."""
        size = len(raw)
        if size < 2 or raw[0] != self.tag:
            raise MalformedRecordError(offset=0, field="tag", reason=f"not a record of tag {self.tag}")
        version = raw[1]
        if version == 0:
            raise MalformedRecordError(offset=1, field="version", reason="versions count from 1")
        steps, defaults = self._plans[min(version, self.version)]
        values: dict[str, Any] = {}
        offset = 2
        for step in steps:
            if isinstance(step, _Run):
                if offset + step.layout.size > size:
                    raise _cut(offset, step.names[0])
                values.update(zip(step.names, step.layout.unpack_from(raw, offset), strict=True))
                for name, read in step.reads:
                    try:
                        values[name] = read(values[name])
                    except (ValueError, KeyError, OverflowError):
                        raise _unreadable(offset, name) from None
                offset += step.layout.size
            else:
                for name, reader in step.reads:
                    start = offset + 2
                    if start > size:
                        raise _cut(offset, name)
                    end = start + (raw[offset] << 8 | raw[offset + 1])
                    if end > size:
                        raise _cut(offset, name)
                    part = raw[start:end]
                    try:
                        values[name] = part if reader is None else reader(part)
                    except ValueError:
                        raise _unreadable(start, name) from None
                    offset = end
        if offset != size and version <= self.version:
            raise MalformedRecordError(offset=offset, field="end", reason="bytes after the last field")
        if defaults:
            values.update(defaults)
        return values


def _written(name: str, write: Callable[[Any], int | bytes], value: object) -> int | bytes:
    try:
        return write(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _cut(offset: int, name: str) -> MalformedRecordError:
    return MalformedRecordError(offset=offset, field=name, reason="the record ends too soon")


def _unreadable(offset: int, name: str) -> MalformedRecordError:
    return MalformedRecordError(offset=offset, field=name, reason="not a value of this field")
