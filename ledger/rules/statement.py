"""Statements: an account's lines over book days with a running balance, and the cursor that pages them."""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Final
from uuid import UUID

from kernel.money import Money
from ledger.rules.account import Account
from ledger.rules.errors import BadCursorError
from ledger.rules.row import Row, era_days, era_micros

_CURSOR: Final = struct.Struct(">8s iq 16s 16s h".replace(" ", ""))


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A line as the account sees it: `change` raises (positive) or lowers its balance, `running` is after it."""

    row: Row
    change: Money
    running: Money


@dataclass(frozen=True, slots=True)
class Statement:
    """An account over the book days [first, last].

    `opening` and `closing` are of the whole span, whichever page this is; opening + all changes = closing.
    `next_cursor` is None on the last page.
    """

    account: Account
    first: date
    last: date
    opening: Money
    closing: Money
    lines: tuple[StatementLine, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the last line's place in the order, and the running balance after it."""

    book_day: int
    posted_at: int
    owner_id: UUID
    entry_id: UUID
    line_no: int
    running: int


def _stamp(account_id: UUID, first: date, last: date) -> bytes:
    return sha256(account_id.bytes + struct.pack(">ii", era_days(first), era_days(last))).digest()[:8]


def cursor_of(account_id: UUID, first: date, last: date, line: StatementLine) -> str:
    """Return the cursor that continues after a line."""
    row = line.row
    packed = _CURSOR.pack(
        _stamp(account_id, first, last),
        era_days(row.book_day),
        era_micros(row.posted_at),
        row.owner_id.bytes,
        row.entry_id.bytes,
        row.line_no,
    )
    running = str(line.running.minor).encode()
    return base64.urlsafe_b64encode(packed + running).decode().rstrip("=")


def place_of(account_id: UUID, first: date, last: date, cursor: str) -> Place:
    """Return where a cursor continues; BadCursorError when it is of another statement or none at all."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        stamp, day, posted_at, owner, entry, line_no = _CURSOR.unpack(raw[: _CURSOR.size])
        running = int(raw[_CURSOR.size :])
    except (binascii.Error, struct.error, ValueError):
        raise BadCursorError(cursor=cursor[:80]) from None
    if stamp != _stamp(account_id, first, last) or abs(running) >= 1 << 63:
        raise BadCursorError(cursor=cursor[:80])
    return Place(day, posted_at, UUID(bytes=owner), UUID(bytes=entry), line_no, running)
