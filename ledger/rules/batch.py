"""A batch of entries as the database takes it: sums an account, rows to copy. Pure and the hot path: measured.

Ids are handled as integers and instants as PostgreSQL's counts here: hashing a UUID object costs more than
the rest of the loop (LIBRARIES.md: a line has 7.5 µs for everything, the server's work included).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from kernel.money import Currency
from ledger.rules import row
from ledger.rules.book_day import carries_time
from ledger.rules.entry import Entry, canonical_metadata
from ledger.rules.errors import BadEntryError
from ledger.rules.row import Row

MAX_SUM: Final = 2**63 - 1
_SIXTEEN: Final = b"\x00\x00\x00\x10"


@dataclass(slots=True)
class Sums:
    """Debits and credits by account of a batch on one book day, as integers of the account ids.

    `owner` has the owner under whom each account was first met; `shared` the accounts met under several.
    `units` and `service_days` are those of all its entries.
    """

    owner: dict[int, int]
    debits: dict[int, int]
    credits: dict[int, int]
    shared: set[int]
    units: set[Currency]
    service_days: set[date]


@dataclass(frozen=True, slots=True)
class RollupDelta:
    """What a batch adds to one append-only account and service day."""

    account: int
    service_day: date
    debits: int
    credits: int


def sums_of(entries: Sequence[Entry]) -> Sums:
    """Return debits and credits by account of one entry or more; BadEntryError when one passes 64 bits."""
    owners: dict[int, int] = {}
    debits: dict[int, int] = {}
    credits_: dict[int, int] = {}
    shared: set[int] = set()
    units: set[Currency] = set()
    service_days: set[date] = set()
    unit = service_day = None
    for entry in entries:
        owner = entry.owner_id.int
        lines = entry.lines
        # Most entries share these with the one before: an identity test is cheaper than a hash.
        if entry.service_day is not service_day:
            service_day = entry.service_day
            service_days.add(service_day)
        if lines[0].amount.currency is not unit:
            unit = lines[0].amount.currency
            units.add(unit)
        for line in lines:
            minor = line.amount.minor
            debit, credit = line.debit.int, line.credit.int
            debits[debit] = debits.get(debit, 0) + minor
            credits_[credit] = credits_.get(credit, 0) + minor
            if owners.setdefault(debit, owner) != owner:
                shared.add(debit)
            if owners.setdefault(credit, owner) != owner:
                shared.add(credit)
    if max(*debits.values(), *credits_.values()) > MAX_SUM:
        raise BadEntryError(field="lines", value="a batch", why=f"no account may move by more than {MAX_SUM}")
    return Sums(owners, debits, credits_, shared, units, service_days)


def rollup_deltas(entries: Sequence[Entry], sums: Sums, accounts: Container[int]) -> tuple[RollupDelta, ...]:
    """Return what the batch adds to these accounts, by service day, in the order rows are locked in."""
    if len(sums.service_days) == 1:
        (only,) = sums.service_days
        return tuple(
            RollupDelta(account, only, sums.debits.get(account, 0), sums.credits.get(account, 0))
            for account in sorted(account for account in sums.owner if account in accounts)
        )
    by_day: dict[tuple[int, date], list[int]] = {}
    for entry in entries:
        day = entry.service_day
        for line in entry.lines:
            if (debit := line.debit.int) in accounts:
                by_day.setdefault((debit, day), [0, 0])[0] += line.amount.minor
            if (credit := line.credit.int) in accounts:
                by_day.setdefault((credit, day), [0, 0])[1] += line.amount.minor
    return tuple(RollupDelta(*key, *pair) for key, pair in sorted(by_day.items()))


def copy_rows(entries: Sequence[Entry], book_day: date, now: datetime) -> list[bytes]:
    """Return one tuple of the binary COPY format a line; `now` becomes posted_at.

    Everything that repeats within a batch is encoded once: accounts, what all lines of a day and place have in
    common, kinds and narratives.
    """
    packs = row.Packs(now, book_day)
    ids: dict[int, bytes] = {}
    middles: dict[tuple[date, int, int], bytes] = {}
    heads: dict[tuple[str, str], bytes] = {}
    texts: dict[str, bytes] = {}
    start, pack_amount, era_micros, join = packs.start, packs.amount, row.era_micros, b"".join
    no_text, no_uuid = row.text_field(""), row.uuid_field(None)
    rows: list[bytes] = []
    for entry in entries:
        owner = entry.owner_id.int
        owner_field = ids.get(owner)
        if owner_field is None:
            owner_field = ids[owner] = _SIXTEEN + owner.to_bytes(16, "big")
        lines = entry.lines
        kind = (lines[0].amount.currency.code, entry.kind)
        head = heads.get(kind)
        if head is None:
            head = heads[kind] = row.text_field(kind[0]) + row.text_field(kind[1])
        narrative = texts.get(entry.narrative)
        if narrative is None:
            narrative = texts[entry.narrative] = row.text_field(entry.narrative)
        cause = entry.cause.encode()
        tail = (
            head,
            len(cause).to_bytes(4, "big"),
            cause,
            narrative,
            row.text_field(canonical_metadata(entry.metadata)) if entry.metadata else no_text,
            no_uuid if entry.corrects is None else row.uuid_field(entry.corrects),
        )
        entry_field = entry.entry_id.int.to_bytes(16, "big")
        effective_at = era_micros(entry.effective_at)
        count = len(lines)
        for number, line in enumerate(lines, 1):
            place = (entry.service_day, number, count)
            middle = middles.get(place)
            if middle is None:
                middle = middles[place] = packs.middle(*place)
            debit, credit = line.debit.int, line.credit.int
            debit_field = ids.get(debit)
            if debit_field is None:
                debit_field = ids[debit] = _SIXTEEN + debit.to_bytes(16, "big")
            credit_field = ids.get(credit)
            if credit_field is None:
                credit_field = ids[credit] = _SIXTEEN + credit.to_bytes(16, "big")
            amount = pack_amount(8, line.amount.minor, 8, effective_at)
            rows.append(
                join(
                    (
                        start,
                        owner_field,
                        _SIXTEEN,
                        entry_field,
                        debit_field,
                        credit_field,
                        amount,
                        middle,
                        *tail,
                    )
                )
            )
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
