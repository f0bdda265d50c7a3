"""A batch of entries as the database takes it: sums an account, rows to copy. Pure and the hot path: measured.

Ids are handled as integers and instants as PostgreSQL's counts here: hashing a UUID object costs more than
the rest of the loop (LIBRARIES.md: a line has 7.5 µs for everything, the server's work included).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from ledger.rules import row
from ledger.rules.book_day import carries_time
from ledger.rules.entry import Entry, canonical_metadata
from ledger.rules.row import Row

_COLUMNS: Final = len(row.COLUMNS)


@dataclass(slots=True)
class Sums:
    """Debits and credits by account of a batch in one currency and on one book day.

    `owner` has the owner under whom each account was first met; `shared` the accounts met under several.
    """

    owner: dict[int, int]
    debits: dict[int, int]
    credits: dict[int, int]
    shared: set[int]


@dataclass(frozen=True, slots=True)
class RollupDelta:
    """What a batch adds to one append-only account and service day."""

    account: int
    service_day: date
    debits: int
    credits: int


def sums_of(entries: Sequence[Entry]) -> Sums:
    """Return debits and credits by account, as integers of the account ids."""
    owners: dict[int, int] = {}
    debits: dict[int, int] = {}
    credits_: dict[int, int] = {}
    shared: set[int] = set()
    for entry in entries:
        owner = entry.owner_id.int
        for line in entry.lines:
            minor = line.amount.minor
            debit, credit = line.debit.int, line.credit.int
            debits[debit] = debits.get(debit, 0) + minor
            credits_[credit] = credits_.get(credit, 0) + minor
            if owners.setdefault(debit, owner) != owner:
                shared.add(debit)
            if owners.setdefault(credit, owner) != owner:
                shared.add(credit)
    return Sums(owners, debits, credits_, shared)


def rollup_deltas(entries: Sequence[Entry], accounts: Container[int]) -> tuple[RollupDelta, ...]:
    """Return what the batch adds to these accounts, by service day, in the order rows are locked in."""
    sums: dict[tuple[int, date], list[int]] = {}
    for entry in entries:
        day = entry.service_day
        for line in entry.lines:
            if (debit := line.debit.int) in accounts:
                sums.setdefault((debit, day), [0, 0])[0] += line.amount.minor
            if (credit := line.credit.int) in accounts:
                sums.setdefault((credit, day), [0, 0])[1] += line.amount.minor
    return tuple(RollupDelta(*key, *pair) for key, pair in sorted(sums.items()))


def copy_rows(entries: Sequence[Entry], book_day: date, now: datetime) -> list[bytes]:
    """Return one tuple of the binary COPY format a line; `now` becomes posted_at."""
    pack = row.fixed_packer()
    posted_at = row.era_micros(now)
    booked = row.era_days(book_day)
    texts: dict[str, bytes] = {}
    heads: dict[tuple[str, str], bytes] = {}
    days: dict[date, int] = {}
    no_text, no_uuid = row.text_field(""), row.uuid_field(None)
    rows: list[bytes] = []
    for entry in entries:
        owner, entry_id = entry.owner_id.int.to_bytes(16, "big"), entry.entry_id.int.to_bytes(16, "big")
        effective_at = row.era_micros(entry.effective_at)
        about = days.get(entry.service_day)
        if about is None:
            about = days[entry.service_day] = row.era_days(entry.service_day)
        lines = entry.lines
        code = lines[0].amount.currency.code
        head = heads.get((code, entry.kind))
        if head is None:
            head = heads[code, entry.kind] = row.text_field(code) + row.text_field(entry.kind)
        narrative = texts.get(entry.narrative)
        if narrative is None:
            narrative = texts[entry.narrative] = row.text_field(entry.narrative)
        cause = entry.cause.encode()
        metadata = row.text_field(canonical_metadata(entry.metadata)) if entry.metadata else no_text
        corrects = no_uuid if entry.corrects is None else row.uuid_field(entry.corrects)
        tail = b"%b%b%b%b%b%b" % (head, len(cause).to_bytes(4, "big"), cause, narrative, metadata, corrects)
        count = len(lines)
        for number, line in enumerate(lines, 1):
            fixed = pack(
                _COLUMNS,
                *(16, owner, 16, entry_id),
                *(16, line.debit.int.to_bytes(16, "big"), 16, line.credit.int.to_bytes(16, "big")),
                *(8, line.amount.minor, 8, effective_at, 8, posted_at, 4, booked, 4, about),
                *(2, number, 2, count),
            )
            rows.append(fixed + tail)
    return rows


def derived_rows(entries: Sequence[Entry], book_day: date) -> list[bytes]:
    """Return the register's rows, as COPY tuples, of the entries whose id carries no time."""
    day = row.era_days(book_day)
    return [
        row.derived_row(entry.owner_id.bytes, entry.entry_id.bytes, day)
        for entry in entries
        if not carries_time(entry.entry_id)
    ]


def rows_of(entry: Entry, book_day: date, posted_at: datetime) -> tuple[Row, ...]:
    """Return the lines of an entry as they are, or would be, stored."""
    return tuple(
        Row(
            entry.owner_id,
            entry.entry_id,
            line.debit,
            line.credit,
            line.amount.minor,
            entry.effective_at,
            posted_at,
            book_day,
            entry.service_day,
            number,
            len(entry.lines),
            line.amount.currency.code,
            entry.kind,
            entry.cause,
            entry.narrative,
            canonical_metadata(entry.metadata),
            entry.corrects,
        )
        for number, line in enumerate(entry.lines, 1)
    )
