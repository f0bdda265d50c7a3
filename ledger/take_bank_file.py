"""Take a bank statement or a provider's settlement file in: once by its content, checked, or quarantined with a reason.

One transaction a file: a kill leaves nothing of it, and the same bytes again are the same file, whatever its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from hashlib import sha256
from typing import BinaryIO, Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import uuid8
from ledger.rails.bank_read import read_bank_file
from ledger.rails.bankfile import (
    BankEntry,
    EntryPart,
    FileClosed,
    FileOpened,
    Finding,
    StatementClosed,
    StatementOpened,
    Status,
    error,
)
from ledger.rails.fold import find_references, squeeze
from ledger.rails.source import MAX_BYTES
from ledger.store import recon_files as store
from ledger.store.recon_files import FileRow, Item, StatementRow

PROVIDER_CSV: Final = "provider-csv"
_FOLDED: Final = 200
_TEXT: Final = 200
_CHUNK: Final = 1 << 20
_MOST_MINOR: Final = 10**15


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a file; `repeated` when the same bytes were taken in before."""

    file: FileRow
    statements: tuple[StatementRow, ...]
    movements: int
    repeated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a file came: its name, by what way ("upload", "folder", "api", "command"), from whom, whose it is.

    `provider` names the provider of a settlement file; `accounts` are ours: another account's statement is
    quarantined. `max_bytes` limits it.
    """

    name: str
    source: str
    received_by: str
    provider: str
    accounts: frozenset[str]
    max_bytes: int = MAX_BYTES


def file_id_of(stream: BinaryIO) -> tuple[UUID, int]:
    """Return the id of a file's content and its size; the stream is rewound."""
    digest, size = sha256(), 0
    stream.seek(0)
    while block := stream.read(_CHUNK):
        digest.update(block)
        size += len(block)
    stream.seek(0)
    return uuid8("bank-file", digest.digest()), size


def take_in(tx: Connection, stream: BinaryIO, delivery: Delivery, now: datetime) -> Taken:
    """Read a file and store what of it may be used; return what became of it.

    `stream` can be rewound. A statement that does not balance, contradicts one we have, or is of another account
    is quarantined and none of its movements used; one we have already is `repeated`.
    """
    file_id, size = file_id_of(stream)
    store.take_file(tx, file_id)
    known = store.find_file(tx, file_id)
    if known is not None:
        return Taken(known, (), 0, repeated=True)
    reading = _Reading(tx, file_id, delivery, now)
    store.stage_items(tx)
    with store.copy_staged(tx) as copy:
        reading.walk(stream, copy.write_row)
    return reading.store(size)


@dataclass(slots=True)
class _Reading:
    tx: Connection
    file_id: UUID
    delivery: Delivery
    now: datetime
    opened: FileOpened = field(default_factory=lambda: FileOpened("unknown"))
    closed: FileClosed | None = None
    head: StatementOpened | None = None
    days: list[date] = field(default_factory=list)
    statements: list[StatementRow] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def walk(self, stream: BinaryIO, write: Callable[[Item], object]) -> None:
        """Read all; movements are staged until their statement is judged."""
        for event in read_bank_file(stream, max_bytes=self.delivery.max_bytes):
            match event:
                case FileOpened():
                    self.opened = event
                case StatementOpened():
                    self.head, self.days = event, []
                case BankEntry():
                    assert self.head is not None, "an entry stands in a statement"
                    for item in self._items(event):
                        write(item)
                case StatementClosed():
                    self.statements.append(self._statement(event))
                    self.findings += event.findings
                case FileClosed():
                    self.closed = event

    def _source(self, number: int) -> UUID:
        return uuid8("bank-statement", self.file_id, number)

    def _items(self, entry: BankEntry) -> Iterator[Item]:
        assert self.head is not None, "an entry stands in a statement"
        if not entry.booked or entry.booked_on is None or abs(entry.amount.minor) > _MOST_MINOR:
            return
        if not self.days or not self.days[0] <= entry.booked_on <= self.days[-1]:
            self.days = sorted({*self.days[:1], *self.days[-1:], entry.booked_on})
        for number, (part, minor) in enumerate(_movements(entry), 1):
            yield self._item(entry, part, minor, number)

    def _item(self, entry: BankEntry, part: EntryPart, minor: int, number: int) -> Item:
        assert self.head is not None, "an entry stands in a statement"
        assert entry.booked_on is not None, "asked before"
        provider = self.opened.format == PROVIDER_CSV
        source = self._source(self.head.number)
        words = f"{part.text} {entry.text}" if part.text not in entry.text else entry.text
        if entry.supplement not in words:
            words = f"{words} {entry.supplement}"
        references = find_references(f"{words} {part.end_to_end} {part.creditor_reference} {entry.reference}")
        fee = part.charges or (entry.charges if len(entry.parts) == 1 else None)
        identity = part.transaction if provider else ""
        return (
            uuid8("provider-item", self.delivery.provider, identity)
            if provider
            else uuid8("bank-item", source, entry.number, number),
            "provider" if provider else "bank",
            self.delivery.provider if provider else "",
            source,
            _clean(part.counterparty_account if provider else self.head.account),
            minor,
            0 if fee is None else max(fee.minor, 0),
            entry.amount.currency.code,
            entry.booked_on,
            _clean(identity),
            _clean(part.bank_reference or entry.bank_reference),
            _clean(part.end_to_end or entry.reference),
            references[0] if len(references) == 1 else "",
            _clean(part.payment_information) if provider else "",
            squeeze(f"{words} {part.end_to_end}")[:_FOLDED],
            entry.reversal or bool(part.return_reason),
            self.now,
        )

    def _statement(self, end: StatementClosed) -> StatementRow:
        assert self.head is not None, "a statement ends after it began"
        closing_on = [one.on for one in end.balances if one.kind.value == "CLBD" and one.on is not None]
        days = sorted({*self.days, *closing_on})
        huge = max(abs(end.credits.minor), abs(end.debits.minor)) > _MOST_MINOR
        return StatementRow(
            statement_id=self._source(end.number),
            file_id=self.file_id,
            number=end.number,
            account=_clean(self.head.account),
            currency=end.credits.currency.code,
            reference=_clean(self.head.statement),
            sequence=_clean(self.head.sequence),
            page=_clean(self.head.page),
            opening=None if end.opening is None or huge else end.opening.minor,
            closing=None if end.closing is None or huge else end.closing.minor,
            entries=end.entries,
            credits=0 if huge else end.credits.minor,
            debits=0 if huge else end.debits.minor,
            first_on=days[0] if days else None,
            last_on=days[-1] if days else None,
            status="quarantined" if huge else end.status.value,
            reason="malformed-amount" if huge else end.reason,
            received_at=self.now,
        )

    def store(self, size: int) -> Taken:
        """Judge each statement against what we have, keep what may be used, and write the file down."""
        assert self.closed is not None, "a file is read to its end"
        provider = self.opened.format == PROVIDER_CSV
        notice = self.opened.format == "camt.054"
        broken = self.closed.findings and self.closed.status is Status.QUARANTINED
        judged: list[StatementRow] = []
        kept: list[UUID] = []
        for row in self.statements:
            one = self._judge(row, provider=provider, broken=bool(broken and len(self.statements) == 1))
            if one.status == "accepted":
                kept += [] if notice else [one.statement_id]
            if not provider and not notice:
                store.insert_statement(self.tx, one)
            judged.append(one)
        movements = store.keep_staged(self.tx, kept) if kept else 0
        bad = [one.reason for one in judged if one.status == "quarantined"]
        reason = bad[0] if bad else self.closed.reason
        self.findings += self.closed.findings
        file = FileRow(
            file_id=self.file_id,
            name=_clean(self.delivery.name),
            format=self.opened.format,
            version=self.opened.version,
            provider=self.delivery.provider if provider else "",
            source=self.delivery.source,
            bytes=size,
            statements=self.closed.statements,
            entries=self.closed.entries,
            status="quarantined" if reason else "accepted",
            reason=reason,
            received_at=self.now,
            received_by=_clean(self.delivery.received_by),
        )
        store.insert_file(self.tx, file, self.findings)
        return Taken(file, tuple(judged), movements, repeated=False)

    def _judge(self, row: StatementRow, *, provider: bool, broken: bool) -> StatementRow:
        if row.status == "quarantined":
            return row
        reason = ""
        if provider:
            if store.list_contradictions(self.tx, [row.statement_id]):
                reason = "contradicts"
        elif row.account not in self.delivery.accounts:
            reason = "foreign-account"
        elif (same := store.find_same_statement(self.tx, row)) is not None:
            told = (same.opening, same.closing, same.credits, same.debits, same.entries)
            if told == (row.opening, row.closing, row.credits, row.debits, row.entries):
                return replace(row, status="repeated")
            reason = "contradicts"
        if not reason and broken:
            assert self.closed is not None, "a file is read to its end"
            reason = self.closed.reason
        if reason:
            self.findings.append(error(reason, "the statement is quarantined", f"statement {row.number}"))
            return replace(row, status="quarantined", reason=reason)
        return row


def _movements(entry: BankEntry) -> Iterator[tuple[EntryPart, int]]:
    """Return the movements of an entry: its payments where they come to its amount, else the entry as one."""
    amounts = [
        part.amount.minor if part.amount and part.amount.currency == entry.amount.currency else 0
        for part in entry.parts
    ]
    if len(entry.parts) > 1 and all(amounts) and sum(amounts) == entry.amount.minor:
        yield from zip(entry.parts, amounts, strict=True)
    else:
        first = entry.parts[0] if entry.parts else EntryPart()
        several = len(entry.parts) > 1
        text = " ".join(part.text for part in entry.parts[:50])[:4000] if several else first.text
        yield replace(first, text=text, end_to_end="" if several else first.end_to_end), entry.amount.minor


def _clean(text: str) -> str:
    return text.replace("\0", "")[:_TEXT]
