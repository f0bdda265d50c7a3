"""A line as bytes: what PostgreSQL's binary COPY reads and what the seal hashes, from one encoder.

The hashed form is `record_send(ROW(…))` of PostgreSQL, so that server and auditor compute it alike: a count of
columns, then for each column its type's number, its length and its bytes (docs/how-to-audit-us.md).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from operator import attrgetter
from typing import Final
from uuid import UUID

COLUMNS: Final = (
    "owner_id",
    "entry_id",
    "debit_id",
    "credit_id",
    "amount",
    "effective_at",
    "posted_at",
    "book_day",
    "service_day",
    "line_no",
    "line_count",
    "currency",
    "kind",
    "cause",
    "narrative",
    "metadata",
    "corrects",
)
COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER: Final = b"\xff\xff"

_UUID, _INT8, _TIMESTAMPTZ, _DATE, _INT2, _TEXT = 2950, 20, 1184, 1082, 21, 25
_TYPES: Final = (
    *(_UUID,) * 4,
    _INT8,
    *(_TIMESTAMPTZ,) * 2,
    *(_DATE,) * 2,
    *(_INT2,) * 2,
    *(_TEXT,) * 5,
    _UUID,
)
assert len(_TYPES) == len(COLUMNS), "every column has its type"

# PostgreSQL counts from 2000-01-01: microseconds for instants, days for dates.
ERA: Final = datetime(2000, 1, 1, tzinfo=UTC)
_ERA_ORDINAL: Final = date(2000, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)

_FIXED: Final = struct.Struct(">h i16s i16s i16s i16s iq iq iq ii ii ih ih".replace(" ", ""))
_AMOUNT: Final = struct.Struct(">iqiq")
_MIDDLE: Final = struct.Struct(">iqiiiiihih")
_HEAD: Final = struct.Struct(">h i16s i16s".replace(" ", ""))
_NO_VALUE: Final = struct.pack(">i", -1)


@dataclass(frozen=True, slots=True)
class Row:
    """One stored line, column by column in the order of COLUMNS."""

    owner_id: UUID
    entry_id: UUID
    debit_id: UUID
    credit_id: UUID
    amount: int
    effective_at: datetime
    posted_at: datetime
    book_day: date
    service_day: date
    line_no: int
    line_count: int
    currency: str
    kind: str
    cause: str
    narrative: str
    metadata: str
    corrects: UUID | None


def era_micros(at: datetime) -> int:
    """Return microseconds since 2000-01-01 UTC, PostgreSQL's count."""
    return (at - ERA) // _MICROSECOND


def era_days(day: date) -> int:
    """Return days since 2000-01-01, PostgreSQL's count."""
    return day.toordinal() - _ERA_ORDINAL


def text_field(text: str) -> bytes:
    """Return a text column of the binary COPY format: length in four bytes, then UTF-8."""
    encoded = text.encode()
    return len(encoded).to_bytes(4, "big") + encoded


def uuid_field(value: UUID | None) -> bytes:
    """Return a nullable UUID column of the binary COPY format."""
    return _NO_VALUE if value is None else b"\x00\x00\x00\x10" + value.int.to_bytes(16, "big")


class Packs:
    """The parts of a COPY tuple that a batch's lines have in common; `rules/batch.py` puts them together.

    `start` is the count of columns and the length of the first one, the owner's id.
    """

    __slots__ = ("_booked", "_posted_at", "amount", "start")

    def __init__(self, posted_at: datetime, book_day: date) -> None:
        self._posted_at = era_micros(posted_at)
        self._booked = era_days(book_day)
        self.start: Final = len(COLUMNS).to_bytes(2, "big") + b"\x00\x00\x00\x10"
        self.amount: Final = _AMOUNT.pack

    def middle(self, service_day: date, number: int, count: int) -> bytes:
        """Return the columns from posted_at to line_count."""
        days = (4, self._booked, 4, era_days(service_day))
        return _MIDDLE.pack(8, self._posted_at, *days, 2, number, 2, count)


_VALUES: Final = attrgetter(*COLUMNS)


def values(row: Row) -> tuple[object, ...]:
    """Return the row's values in the order of COLUMNS."""
    found: tuple[object, ...] = _VALUES(row)
    return found


def copy_row(row: Row) -> bytes:
    """Return the row as one tuple of the binary COPY format."""
    return (
        _FIXED.pack(
            len(COLUMNS),
            *(
                16,
                row.owner_id.bytes,
                16,
                row.entry_id.bytes,
                16,
                row.debit_id.bytes,
                16,
                row.credit_id.bytes,
            ),
            *(8, row.amount, 8, era_micros(row.effective_at), 8, era_micros(row.posted_at)),
            *(4, era_days(row.book_day), 4, era_days(row.service_day), 2, row.line_no, 2, row.line_count),
        )
        + b"".join(
            text_field(text) for text in (row.currency, row.kind, row.cause, row.narrative, row.metadata)
        )
        + uuid_field(row.corrects)
    )


def sealed_bytes(row: Row) -> bytes:
    """Return what is hashed for a line: `record_send` of its columns in order."""
    copied = copy_row(row)
    out = [len(COLUMNS).to_bytes(4, "big")]
    at = 2
    for oid in _TYPES:
        length = int.from_bytes(copied[at : at + 4], "big", signed=True)
        end = at + 4 + max(length, 0)
        out += (oid.to_bytes(4, "big"), copied[at:end])
        at = end
    return b"".join(out)


def leaf_hash(row: Row) -> bytes:
    """Return the line's leaf in its day's tree: SHA-256 over a zero byte (RFC 9162 §2.1.1) and the row."""
    return sha256(b"\x00" + sealed_bytes(row)).digest()


def derived_row(owner: bytes, entry: bytes, day: int) -> bytes:
    """Return a row of `ledger_derived` as a COPY tuple."""
    return _HEAD.pack(3, 16, owner, 16, entry) + b"\x00\x00\x00\x04" + day.to_bytes(4, "big", signed=True)
