"""Export the lines as Parquet, for whoever counts in columns; needs the extra `parquet` (pyarrow)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice
from typing import IO, Any, Final
from uuid import UUID

from sqlalchemy import Connection

from ledger.rules.books import name_of
from ledger.rules.errors import ParquetMissingError
from ledger.rules.row import COLUMNS, Row
from ledger.store import accounts as account_store
from ledger.store import exports as store

# Lines of a row group: what is held in memory at a time.
GROUP: Final = 5_000
NAMES: Final = ("debit_account", "credit_account")


def export_parquet(
    tx: Connection, sink: IO[bytes], *, first: date | None = None, last: date | None = None
) -> int:
    """Write the lines of the book days [first, last] to `sink`, oldest first; return how many.

    One row a line: the stored columns and the names of both accounts, as in CSV, with types of their own: amounts are
    whole minor units (int64), instants are microseconds UTC, days are days, ids are text. Memory grows with the
    accounts, not with the lines. ParquetMissingError without pyarrow. Read in a REPEATABLE READ transaction.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise ParquetMissingError from None
    schema = _schema(pa)
    known = account_store.list_accounts(tx, store.list_account_ids(tx, last))
    names: dict[UUID, str] = {account.spec.account_id: name_of(account) for account in known}
    written = 0
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        for rows in _groups(tx, first, last):
            columns = [[_plain(getattr(row, name)) for row in rows] for name in COLUMNS]
            columns += [[names[row.debit_id] for row in rows], [names[row.credit_id] for row in rows]]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            written += len(rows)
    return written


def _groups(tx: Connection, first: date | None, last: date | None) -> Iterator[Sequence[Row]]:
    lines = (row for rows in store.entries(tx, first, last) for row in rows)
    while group := list(islice(lines, GROUP)):
        yield group


def _plain(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value


def _schema(pyarrow: Any) -> Any:
    whole, short, text = pyarrow.int64(), pyarrow.int16(), pyarrow.string()
    instant, day = pyarrow.timestamp("us", tz="UTC"), pyarrow.date32()
    types = {"amount": whole, "line_no": short, "line_count": short, "book_day": day, "service_day": day}
    types |= {"effective_at": instant, "posted_at": instant}
    fields = [
        pyarrow.field(name, types.get(name, text), nullable=name == "corrects") for name in (*COLUMNS, *NAMES)
    ]
    return pyarrow.schema(fields)
