"""A bank file as one JSON document, written piece by piece while it is read: memory stays flat, order too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from kernel.money import Money
from ledger.rails.bankfile import (
    BankEntry,
    EntryPart,
    Event,
    FileClosed,
    FileOpened,
    Finding,
    StatementClosed,
    StatementOpened,
)


def write_json(events: Iterable[Event]) -> Iterator[str]:
    """Yield the text of `{"format", "version", "statements": [{…, "entries", "balances", …}], "findings", "status"}`.

    Amounts are `{"minor", "currency"}`, entries signed (in is positive); "findings" at the end has those of every
    statement too, each with its "statement" number (null for the file's own).
    """
    every: list[dict[str, Any]] = []
    started, entries = False, 0
    for event in events:
        match event:
            case FileOpened():
                yield "{" + _members(
                    {
                        "format": event.format,
                        "version": event.version,
                        "message": event.message,
                        "created_at": None if event.created_at is None else event.created_at.isoformat(),
                    }
                )
                yield ', "statements": ['
            case StatementOpened():
                yield (",\n " if started else "\n ") + "{" + _members(_head(event)) + ', "entries": ['
                started, entries = True, 0
            case BankEntry():
                yield (",\n  " if entries else "\n  ") + _dump(entry_document(event))
                entries += 1
            case StatementClosed():
                yield "], " + _members(_end(event)) + "}"
                every += [{"statement": event.number, **_finding(one)} for one in event.findings]
            case FileClosed():
                every += [{"statement": None, **_finding(one)} for one in event.findings]
                yield "],\n" + _members(
                    {
                        "statement_count": event.statements,
                        "entry_count": event.entries,
                        "findings": every,
                        "status": event.status.value,
                        "reason": event.reason,
                    }
                )
                yield "}\n"


def _head(head: StatementOpened) -> dict[str, Any]:
    return {
        "number": head.number,
        "id": head.statement,
        "account": head.account,
        "currency": head.currency,
        "sequence": head.sequence,
        "page": head.page,
        "created_at": None if head.created_at is None else head.created_at.isoformat(),
        "from": head.from_at,
        "to": head.to_at,
    }


def _end(end: StatementClosed) -> dict[str, Any]:
    return {
        "balances": [
            {
                "kind": one.kind.value,
                "code": one.code,
                "amount": one.amount.to_json(),
                "date": None if one.on is None else one.on.isoformat(),
            }
            for one in end.balances
        ],
        "opening": _money(end.opening),
        "closing": _money(end.closing),
        "credits": end.credits.to_json(),
        "debits": end.debits.to_json(),
        "entry_count": end.entries,
        "findings": [_finding(one) for one in end.findings],
        "status": end.status.value,
        "reason": end.reason,
    }


def entry_document(entry: BankEntry) -> dict[str, Any]:
    """Return an entry as JSON can carry it."""
    return {
        "number": entry.number,
        "amount": entry.amount.to_json(),
        "direction": "debit" if entry.amount.minor < 0 else "credit",
        "booked_on": None if entry.booked_on is None else entry.booked_on.isoformat(),
        "value_on": None if entry.value_on is None else entry.value_on.isoformat(),
        "booked_at": None if entry.booked_at is None else entry.booked_at.isoformat(),
        "status": entry.status,
        "booked": entry.booked,
        "reversal": entry.reversal,
        "reference": entry.reference,
        "bank_reference": entry.bank_reference,
        "kind": entry.kind,
        "supplement": entry.supplement,
        "text": entry.text,
        "charges": _money(entry.charges),
        "batch_count": entry.batch_count,
        "batch_total": _money(entry.batch_total),
        "parts": [_part(part) for part in entry.parts],
    }


def _part(part: EntryPart) -> dict[str, Any]:
    return {
        "amount": _money(part.amount),
        "end_to_end": part.end_to_end,
        "transaction": part.transaction,
        "instruction": part.instruction,
        "payment_information": part.payment_information,
        "bank_reference": part.bank_reference,
        "creditor_reference": part.creditor_reference,
        "counterparty": part.counterparty,
        "counterparty_account": part.counterparty_account,
        "text": part.text,
        "return_reason": part.return_reason,
        "charges": _money(part.charges),
        "instructed": _money(part.instructed),
        "exchange_rate": part.exchange_rate,
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "code": found.code,
        "severity": found.severity.value,
        "message": found.message,
        "where": found.where,
    }


def _money(amount: Money | None) -> dict[str, int | str] | None:
    return None if amount is None else amount.to_json()


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _members(members: dict[str, Any]) -> str:
    return _dump(members)[1:-1]
