"""Exports: hledger and beancount accept the books and print the balances that the ledger has."""

import csv
import io
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from sqlalchemy import Connection, text

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import uuid7
from kernel.money import Money, currency
from ledger import accounts, close_period, export, statement
from ledger import export_parquet as parquet_export
from ledger.export_parquet import export_parquet
from ledger.rules import chart
from ledger.rules.books import Format, decimal, name_of
from ledger.rules.entry import Entry, EntryId, Line
from ledger.rules.errors import ParquetMissingError
from ledger.rules.row import COLUMNS
from tests.programs import program

from .conftest import NOW, TODAY, Books

SIGNER = SigningKey.generate()

DAY = timedelta(days=1)


@pytest.fixture
def three_days(tx: Connection, books: Books) -> Books:
    """Entries on three days, in two currencies, with names that neither program takes as they are."""
    euro = currency("EUR")
    odd = [chart.operator_payable("Xí nghiệp: 10/10 ;*"), chart.provider_clearing("payos", euro)]
    odd.append(chart.suspense("paid twice", euro))
    accounts.open_accounts(tx, odd, NOW)
    for back in (2, 1, 0):
        at = NOW - back * DAY
        books.posted(
            tx,
            books.topup(0, 50_000, entry_id=books.new_id(at)),
            books.fare(
                0, 7_000, entry_id=books.new_id(at), cause='gate "1"; lane | 2 \\', corrects=uuid7(at)
            ),
            books.entry(
                0,
                Line(books.purse(0), odd[0].account_id, Money(1, currency("VND"))),
                entry_id=books.new_id(at),
            ),
            Entry(
                EntryId(uuid7(at)),
                "suspense",
                (Line(odd[1].account_id, odd[2].account_id, Money(320, euro)),),
                books.riders[1],
                TODAY,
                at,
            ),
            now=at,
        )
    close_period.close(tx, TODAY - DAY, NOW, signer=SIGNER)
    return books


def balances(tx: Connection, *, through=TODAY) -> dict[str, str]:
    """Return every account's balance by exported name, debit positive, from the ledger itself."""
    found = {}
    for account in accounts.list_accounts(tx, limit=1_000):
        balance = statement.balance_on(tx, account.spec.account_id, through)
        if balance:
            net = -account.spec.type.normal * balance.minor
            found[name_of(account)] = f"{decimal(net, balance.currency)} {balance.currency.code}"
    return found


def written(tx: Connection, form: Format, path: Path, **span: object) -> Path:
    path.write_text("".join(export.export(tx, form, **span)), encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("span", [{}, {"first": TODAY - DAY}, {"last": TODAY - DAY}])
def test_hledger_accepts_the_books_and_prints_the_same_balances(
    tx: Connection, three_days: Books, tmp_path: Path, span: dict[str, object]
) -> None:
    hledger = program("hledger")
    journal = written(tx, Format.HLEDGER, tmp_path / "books.journal", **span)
    check = subprocess.run(
        [hledger, "-f", journal, "check", "--strict"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr
    out = subprocess.run(
        [hledger, "-f", journal, "balance", "--flat", "-N", "-O", "csv"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = {row[0]: row[1] for row in csv.reader(io.StringIO(out)) if row[0] != "account"}
    rows.pop("Equity:Opening-Balances", None)
    assert rows == balances(tx, through=span.get("last", TODAY))


def test_hledger_refuses_a_changed_amount(tx: Connection, three_days: Books, tmp_path: Path) -> None:
    hledger = program("hledger")
    journal = written(tx, Format.HLEDGER, tmp_path / "books.journal")
    journal.write_text(journal.read_text().replace("7000 VND", "7001 VND"))
    check = subprocess.run([hledger, "-f", journal, "check"], capture_output=True, text=True, check=False)
    assert check.returncode != 0
    assert "assertion" in check.stderr.lower()


@pytest.mark.parametrize("span", [{}, {"first": TODAY - DAY}])
def test_beancount_accepts_the_books(
    tx: Connection, three_days: Books, tmp_path: Path, span: dict[str, object]
) -> None:
    checker = program("bean-check")
    books = written(tx, Format.BEANCOUNT, tmp_path / "books.beancount", **span)
    check = subprocess.run([checker, books], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout + check.stderr
    books.write_text(books.read_text().replace("7000 VND", "7001 VND"))
    assert subprocess.run([checker, books], capture_output=True, check=False).returncode != 0


def test_csv_has_every_line_and_no_formula(tx: Connection, books: Books) -> None:
    books.posted(tx, books.topup(0, 5, cause="=HYPERLINK()"))
    rows = list(csv.DictReader(io.StringIO("".join(export.export(tx, Format.CSV)))))
    assert set(rows[0]) == {*COLUMNS, "debit_account", "credit_account"}
    mine = next(row for row in rows if row["owner_id"] == str(books.riders[0]))
    assert mine["cause"] == "'=HYPERLINK()"


def test_parquet_has_every_line_as_it_is_stored(tx: Connection, three_days: Books) -> None:
    sink = io.BytesIO()
    assert export_parquet(tx, sink) == 12
    table = pq.read_table(sink)
    stored = tx.execute(
        text(
            f"SELECT {', '.join(COLUMNS)} FROM ledger_line ORDER BY book_day, posted_at, owner_id, entry_id, line_no"
        )
    ).all()
    told = [tuple(row[name] for name in COLUMNS) for row in table.to_pylist()]
    assert told == [tuple(str(one) if isinstance(one, UUID) else one for one in row) for row in stored]
    named = list(csv.DictReader(io.StringIO("".join(export.export(tx, Format.CSV)))))
    for side in ("debit_account", "credit_account"):
        assert table[side].to_pylist() == [row[side] for row in named]
    assert table.schema.field("amount").type == pa.int64()
    assert table.schema.field("posted_at").type == pa.timestamp("us", tz="UTC")
    assert [field.name for field in table.schema if field.nullable] == ["corrects"]


@pytest.mark.parametrize(
    ("first", "last", "lines"),
    [(TODAY, None, 4), (None, TODAY - 2 * DAY, 4), (TODAY - DAY, TODAY - DAY, 4), (TODAY + DAY, None, 0)],
)
def test_parquet_of_some_days(
    tx: Connection, three_days: Books, first: date | None, last: date | None, lines: int
) -> None:
    sink = io.BytesIO()
    assert export_parquet(tx, sink, first=first, last=last) == lines
    assert pq.read_table(sink).num_rows == lines


def test_parquet_comes_in_groups_of_bounded_size(
    tx: Connection, three_days: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_export, "GROUP", 5)
    sink = io.BytesIO()
    assert export_parquet(tx, sink) == 12
    groups = pq.ParquetFile(sink).metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [5, 5, 2]


def test_parquet_without_its_package_is_refused_by_name(
    tx: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ParquetMissingError, match=r"lienthong\[parquet\]"):
        export_parquet(tx, io.BytesIO())


@pytest.mark.parametrize("form", list(Format))
def test_export_of_nothing_is_readable(tx: Connection, form: Format) -> None:
    assert isinstance("".join(export.export(tx, form, last=TODAY - 9_000 * DAY)), str)


def test_names_are_distinct_and_plain(books: Books) -> None:
    specs = [chart.operator_payable(name) for name in ("a b", "a-b", "a/b", "ă", "", "a:b")]
    names = [name_of(accounts.Account(spec, accounts.AccountState.OPEN, NOW)) for spec in specs]
    assert len(set(names)) == len(names)
    assert all(part and part[0].isupper() | part[0].isdigit() for name in names for part in name.split(":"))
