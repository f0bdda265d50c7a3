"""A batch of entries as the database takes it: sums an account, rows to copy. Pure and the hot path: measured.

Ids are handled as integers and instants as PostgreSQL's counts here: hashing a UUID object costs more than
the rest of the loop (LIBRARIES.md: a line has 7.5 µs for everything, the server's work included).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Final
from uuid import UUID

from ledger.rules import row
from ledger.rules.book_day import carries_time
from ledger.rules.entry import MAX_CAUSE, Entry, canonical_metadata
from ledger.rules.errors import BadEntryError
from ledger.rules.row import Row

MAX_SUM: Final = 2**63 - 1
_SIXTEEN: Final = b"\x00\x00\x00\x10"
_OWNER_ID: Final = attrgetter("owner_id.int")
# Lines encoded before they are handed on: the server then reads the first while the next are encoded.
CHUNK: Final = 250
# How many pieces `copy_lines` makes of a line.
_PARTS: Final = 14
# The length in bytes of any cause, as COPY writes it.
_SIZES: Final = tuple(size.to_bytes(4, "big") for size in range(4 * MAX_CAUSE + 1))


# An account's owner, debits and credits. A list, because one look-up then serves all three; the look-ups are most of
# what summing costs.
Moved = list[int]
OWNER: Final = 0
DEBITS: Final = 1
CREDITS: Final = 2


@dataclass(frozen=True, slots=True)
class Sums:
    """What a batch on one book day moves by account, as integers of the account ids.

    `moved` has the owner under whom each account was first met, and its debits and credits; `shared` the accounts
    met under several. `service_days` are those of all its entries.
    """

    moved: dict[int, Moved]
    shared: set[int]
    service_days: set[date]

    @property
    def service_day(self) -> date | None:
        """Return the one service day that all entries are about; None when they are about several."""
        return next(iter(self.service_days)) if len(self.service_days) == 1 else None


@dataclass(frozen=True, slots=True)
class RollupDelta:
    """What a batch adds to one append-only account and service day."""

    account: int
    service_day: date
    debits: int
    credits: int


def sums_of(entries: Sequence[Entry]) -> Sums:
    """Return debits and credits by account of one entry or more; BadEntryError when one passes 64 bits."""
    moved: dict[int, Moved] = {}
    known = moved.get
    shared: set[int] = set()
    service_days: set[date] = set()
    service_day = None
    for entry in entries:
        owner = entry.owner_id.int
        # Most entries share it with the one before: an identity test is cheaper than a hash.
        if entry.service_day is not service_day:
            service_day = entry.service_day
            service_days.add(service_day)
        for line in entry.lines:
            minor = line.amount.minor
            account = line.debit.int
            if (cell := known(account)) is None:
                moved[account] = [owner, minor, 0]
            else:
                cell[DEBITS] += minor
                if cell[OWNER] != owner:
                    shared.add(account)
            account = line.credit.int
            if (cell := known(account)) is None:
                moved[account] = [owner, 0, minor]
            else:
                cell[CREDITS] += minor
                if cell[OWNER] != owner:
                    shared.add(account)
    if any(debits > MAX_SUM or credits_ > MAX_SUM for _, debits, credits_ in moved.values()):
        raise BadEntryError(field="lines", value="a batch", why=f"no account may move by more than {MAX_SUM}")
    return Sums(moved, shared, service_days)


def in_key_order(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries by owner, who leads the table's key; those of one owner as they came.

    Neighbours in the key land on one page of its index: a quarter less of the server's time for a large batch. Two
    batches that share ids write them owner by owner in one order; only where one owner's stand otherwise in each may
    both wait for the other, and then the database ends one, which is judged anew.
    """
    return sorted(entries, key=_OWNER_ID)


def rollup_deltas(entries: Sequence[Entry], accounts: Container[int]) -> tuple[RollupDelta, ...]:
    """Return what the batch adds to these accounts, by service day, in the order rows are locked in."""
    by_day: dict[tuple[int, date], list[int]] = {}
    for entry in entries:
        day = entry.service_day
        for line in entry.lines:
            if (debit := line.debit.int) in accounts:
                by_day.setdefault((debit, day), [0, 0])[0] += line.amount.minor
            if (credit := line.credit.int) in accounts:
                by_day.setdefault((credit, day), [0, 0])[1] += line.amount.minor
    return tuple(RollupDelta(*key, *pair) for key, pair in sorted(by_day.items()))


def copy_lines(entries: Sequence[Entry], book_day: date, now: datetime) -> Iterator[bytes]:
    """Yield the lines of entries in one currency as a binary COPY, in pieces; `now` becomes posted_at.

    Everything that repeats within a batch is encoded once: what all lines of a day and place have in common,
    currency, kinds and narratives. Riders' ids hardly repeat: encoding one again is cheaper than looking it up.
    """
    packs = row.Packs(now, book_day)
    start, pack_amount, sizes, era = packs.start, packs.amount, _SIZES, row.ERA
    currency = row.text_field(entries[0].lines[0].amount.currency.code)
    middles: dict[tuple[date, int, int], bytes] = {}
    heads: dict[str, bytes] = {}
    ends: dict[str, bytes] = {}
    plain_end = row.text_field("") + row.uuid_field(None)
    middle, middle_day, middle_count = b"", None, 0
    most = CHUNK * _PARTS
    parts = [row.COPY_HEADER]
    for entry in entries:
        if len(parts) > most:
            yield b"".join(parts)
            parts = []
        head = heads.get(entry.kind)
        if head is None:
            head = heads[entry.kind] = currency + row.text_field(entry.kind)
        narrative = entry.narrative
        end = ends.get(narrative)
        if end is None:
            end = ends[narrative] = row.text_field(narrative) + plain_end
        if entry.metadata or entry.corrects is not None:
            end = b"".join(
                (
                    row.text_field(narrative),
                    row.text_field(canonical_metadata(entry.metadata)),
                    row.uuid_field(entry.corrects),
                )
            )
        cause = entry.cause.encode()
        owner_field = entry.owner_id.int.to_bytes(16, "big")
        entry_field = entry.entry_id.int.to_bytes(16, "big")
        since = entry.effective_at - era
        effective_at = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        day, lines = entry.service_day, entry.lines
        count = len(lines)
        for number, line in enumerate(lines, 1):
            # Most entries have one line and the day of the one before: an identity test is cheaper than a hash.
            if count != 1 or middle_count != 1 or day is not middle_day:
                place = (day, number, count)
                middle_day, middle_count = day, count
                middle = middles.get(place) or middles.setdefault(place, packs.middle(*place))
            parts += (
                start,
                owner_field,
                _SIXTEEN,
                entry_field,
                _SIXTEEN,
                line.debit.int.to_bytes(16, "big"),
                _SIXTEEN,
                line.credit.int.to_bytes(16, "big"),
                pack_amount(8, line.amount.minor, 8, effective_at),
                middle,
                head,
                sizes[len(cause)],
                cause,
                end,
            )
    parts.append(row.COPY_TRAILER)
    yield b"".join(parts)


def derived_keys(entries: Sequence[Entry], book_day: date) -> list[tuple[UUID, UUID, date]]:
    """Return the register's rows of the entries whose id carries no time."""
    return [
        (entry.owner_id, entry.entry_id, book_day) for entry in entries if not carries_time(entry.entry_id)
    ]


def copy_derived(entries: Sequence[Entry], book_day: date) -> bytes | None:
    """Return the register's rows as a binary COPY; None without any."""
    day = row.era_days(book_day)
    rows = [
        row.derived_row(owner.bytes, entry.bytes, day) for owner, entry, _ in derived_keys(entries, book_day)
    ]
    return b"".join((row.COPY_HEADER, *rows, row.COPY_TRAILER)) if rows else None


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
