"""Bank and provider files in SQL: files, statements, and their movements by COPY."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from ledger.rails.bankfile import Finding
from ledger.store.connection import as_sqlalchemy, driver

_COLUMNS: Final = (
    "item_id, side, pool, source_id, account, amount, fee, currency, occurred_on, identity, reference, "
    "end_to_end, qr_reference, payout, folded, reversal, recorded_at"
)
Item = tuple[
    UUID, str, str, UUID, str, int, int, str, date, str, str, str, str, str, str, bool, datetime
]  # in the order of _COLUMNS
_KEPT_FINDINGS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A file as it was taken in."""

    file_id: UUID
    name: str
    format: str
    version: str
    provider: str
    source: str
    bytes: int
    statements: int
    entries: int
    status: str
    reason: str
    received_at: datetime
    received_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """A statement as it was taken in; amounts in minor units."""

    statement_id: UUID
    file_id: UUID
    number: int
    account: str
    currency: str
    reference: str
    sequence: str
    page: str
    opening: int | None
    closing: int | None
    entries: int
    credits: int
    debits: int
    first_on: date | None
    last_on: date | None
    status: str
    reason: str
    received_at: datetime


def find_file(tx: Connection, file_id: UUID) -> FileRow | None:
    """Return a file that was taken in before, or None."""
    row = tx.execute(
        text(
            "SELECT file_id, name, format, version, provider, source, bytes, statements, entries, status, reason, "
            "received_at, received_by FROM ledger_bank_file WHERE file_id = :file_id"
        ),
        {"file_id": file_id},
    ).one_or_none()
    return None if row is None else FileRow(**row._mapping)  # noqa: SLF001 — a row's public mapping


def list_files(tx: Connection, limit: int) -> tuple[FileRow, ...]:
    """Return the newest files first."""
    rows = tx.execute(
        text(
            "SELECT file_id, name, format, version, provider, source, bytes, statements, entries, status, reason, "
            "received_at, received_by FROM ledger_bank_file ORDER BY received_at DESC, file_id LIMIT :limit"
        ),
        {"limit": limit},
    )
    return tuple(FileRow(**row._mapping) for row in rows)  # noqa: SLF001


def take_file(tx: Connection, file_id: UUID) -> None:
    """Wait until no other transaction takes this file in; held until this transaction ends."""
    tx.execute(
        text("SELECT pg_advisory_xact_lock(:key)"),
        {"key": int.from_bytes(file_id.bytes[:8], "big", signed=True)},
    )


def insert_file(tx: Connection, row: FileRow, findings: Iterable[Finding]) -> None:
    """Write a file down, with the first findings."""
    told = [
        {"code": one.code, "severity": one.severity.value, "message": one.message, "where": one.where}
        for one in list(findings)[:_KEPT_FINDINGS]
    ]
    tx.execute(
        text(
            "INSERT INTO ledger_bank_file (file_id, name, format, version, provider, source, bytes, statements, "
            "entries, status, reason, findings, received_at, received_by) VALUES (:file_id, :name, :format, "
            ":version, :provider, :source, :bytes, :statements, :entries, :status, :reason, "
            "CAST(:findings AS jsonb), :received_at, :received_by)"
        ),
        {name: getattr(row, name) for name in FileRow.__slots__}
        | {"findings": json.dumps(told).replace("\\u0000", "")},
    )


def insert_statement(tx: Connection, row: StatementRow) -> None:
    """Write a statement down."""
    names = StatementRow.__slots__
    tx.execute(
        text(
            f"INSERT INTO ledger_bank_statement ({', '.join(names)}) "
            f"VALUES ({', '.join(':' + name for name in names)})"
        ),
        {name: getattr(row, name) for name in names},
    )


def find_same_statement(tx: Connection, row: StatementRow) -> Row[Any] | None:
    """Return the accepted statement that is about the same: account, currency, number and page, or the same days.

    A bank numbers its statements; where it does not, the days and the opening balance name one.
    """
    return tx.execute(
        text(
            "SELECT statement_id, opening, closing, credits, debits, entries FROM ledger_bank_statement "
            "WHERE status = 'accepted' AND account = :account AND currency = :currency "
            "AND coalesce(first_on, last_on) IS NOT DISTINCT FROM CAST(:first_on AS date) "
            "AND last_on IS NOT DISTINCT FROM CAST(:last_on AS date) "
            "AND CASE WHEN sequence <> '' AND :sequence <> '' "
            "THEN ltrim(sequence, '0') = ltrim(:sequence, '0') ELSE opening = :opening END "
            "AND coalesce(nullif(ltrim(page, '0'), ''), '1') = coalesce(nullif(ltrim(:page, '0'), ''), '1') "
            "ORDER BY received_at LIMIT 1"
        ),
        {
            "account": row.account,
            "currency": row.currency,
            "first_on": row.first_on or row.last_on,
            "last_on": row.last_on,
            "sequence": row.sequence,
            "page": row.page,
            "opening": row.opening,
        },
    ).one_or_none()


@contextmanager
def copy_items(tx: Connection) -> Iterator[Any]:
    """Yield a COPY into the items; `write_row` takes an `Item`."""
    with (
        as_sqlalchemy(),
        driver(tx).cursor() as cursor,
        cursor.copy(f"COPY ledger_recon_item ({_COLUMNS}) FROM STDIN".encode()) as copy,
    ):
        yield copy


def stage_items(tx: Connection) -> None:
    """Make this transaction's table for movements whose statement is not judged yet."""
    tx.execute(text("DROP TABLE IF EXISTS recon_staged"))
    tx.execute(
        text(
            f"CREATE TEMPORARY TABLE recon_staged ON COMMIT DROP AS SELECT {_COLUMNS} FROM ledger_recon_item "
            "WITH NO DATA"
        )
    )


@contextmanager
def copy_staged(tx: Connection) -> Iterator[Any]:
    """Yield a COPY into this transaction's staged movements."""
    with (
        as_sqlalchemy(),
        driver(tx).cursor() as cursor,
        cursor.copy(f"COPY pg_temp.recon_staged ({_COLUMNS}) FROM STDIN".encode()) as copy,
    ):
        yield copy


def keep_staged(tx: Connection, source_ids: Iterable[UUID]) -> int:
    """Move the staged movements of these sources to the items; return how many were new.

    A movement that is known already (a provider lists one in two files) stays as it was.
    """
    done = tx.execute(
        text(
            f"INSERT INTO ledger_recon_item ({_COLUMNS}) SELECT {_COLUMNS} FROM pg_temp.recon_staged "
            "WHERE source_id = ANY(:sources) ON CONFLICT (item_id) DO NOTHING"
        ),
        {"sources": list(source_ids)},
    )
    return done.rowcount


def list_contradictions(tx: Connection, source_ids: Iterable[UUID]) -> int:
    """Return how many staged movements differ in amount from the one of the same identity that is known."""
    found: int = tx.execute(
        text(
            "SELECT count(*) FROM pg_temp.recon_staged s JOIN ledger_recon_item i USING (item_id) "
            "WHERE s.source_id = ANY(:sources) AND (s.amount, s.fee) <> (i.amount, i.fee)"
        ),
        {"sources": list(source_ids)},
    ).scalar_one()
    return found
