"""Entries and their posting lines: values that cannot be out of balance."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from kernel.ids import EntryId, LedgerAccountId
from kernel.money import Money
from ledger.rules.errors import BadEntryError, BadLineError

MAX_LINES: Final = 1_000
# A thousand times Viet Nam's yearly GDP; keeps sums of 9,000 such lines inside a bigint.
MAX_MINOR: Final = 10**15
MAX_CAUSE: Final = 200
MAX_NARRATIVE: Final = 200
MAX_METADATA_BYTES: Final = 4_096
_KIND: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"))
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Line:
    """A positive amount that moves from a debit to a credit account. BadLineError for anything else."""

    debit: LedgerAccountId
    credit: LedgerAccountId
    amount: Money

    def __post_init__(self) -> None:
        if not 0 < self.amount.minor <= MAX_MINOR:
            raise BadLineError(field="amount", value=self.amount.minor, why=f"1 to {MAX_MINOR} minor units")
        if self.debit == self.credit:
            raise BadLineError(field="credit", value=str(self.credit), why="it is the debit account")


@dataclass(frozen=True, slots=True)
class Entry:
    """One or more lines in one currency that are booked together, under one id minted by the caller.

    `owner_id` is the distribution key (the fare account, or `chart.owner(…)`); the id is unique within it.
    A version 7 id carries the time of its book day; any other id counts as derived and is booked when first
    posted. `effective_at` is when it counts, `service_day` what day it is about, `cause` refers to what
    caused it and is opaque here, `narrative` is a key for translation, `metadata` must carry no personal
    facts: it is sealed for good. BadEntryError when a field cannot be.
    """

    entry_id: EntryId
    kind: str
    lines: tuple[Line, ...]
    owner_id: UUID
    service_day: date
    effective_at: datetime
    cause: str = ""
    narrative: str = ""
    corrects: EntryId | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        if not 0 < len(self.lines) <= MAX_LINES:
            raise BadEntryError(field="lines", value=len(self.lines), why=f"1 to {MAX_LINES} lines")
        if len(self.lines) > 1:
            currency = self.lines[0].amount.currency
            if any(line.amount.currency != currency for line in self.lines):
                raise BadEntryError(field="lines", value="mixed", why="one currency an entry")
        if self.effective_at.tzinfo is None:
            raise BadEntryError(field="effective_at", value=self.effective_at.isoformat(), why="not aware")
        if _KIND.fullmatch(self.kind) is None:
            raise BadEntryError(
                field="kind", value=self.kind[:80], why="lower-case words, at most 64 letters"
            )
        _check_text("cause", self.cause, MAX_CAUSE)
        _check_text("narrative", self.narrative, MAX_NARRATIVE)
        if self.metadata:
            canonical_metadata(self.metadata)


def _check_text(name: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise BadEntryError(field=name, value=f"{text[:40]}…", why=f"at most {longest} letters")
    if not text.isprintable():
        raise BadEntryError(field=name, value=ascii(text)[:80], why="printable letters only")


def canonical_metadata(metadata: Mapping[str, str]) -> str:
    """Return the metadata as compact JSON with sorted keys, "" when empty: the stored and sealed form."""
    if not metadata:
        return ""
    for key, value in metadata.items():
        if type(key) is not str or type(value) is not str:
            raise BadEntryError(field="metadata", value=ascii(key)[:80], why="text by text")
    text = _ENCODER.encode(dict(metadata))
    if len(text) > MAX_METADATA_BYTES:
        raise BadEntryError(field="metadata", value=f"{len(text)} bytes", why=f"at most {MAX_METADATA_BYTES}")
    return text


class Reason(Enum):
    """Why an entry was refused."""

    FROZEN = "account_frozen"
    CLOSED = "account_closed"
    FLOOR = "below_floor"
    IN_SET = "refused_with_its_set"


@dataclass(frozen=True, slots=True)
class Posted:
    """The entry was booked by this call, on this book day."""

    entry_id: EntryId
    book_day: date
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The entry was booked before with the same body; this is the first answer."""

    entry_id: EntryId
    book_day: date
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of the entry was booked: why, and which line and account stood in the way.

    `short` is how much the account lacks (FLOOR only).
    """

    entry_id: EntryId
    reason: Reason
    line_no: int
    account_id: LedgerAccountId
    short: Money | None = None


Outcome = Posted | Duplicate | Refused
