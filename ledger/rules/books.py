"""Entries and balances as text that other bookkeeping programs read: hledger, beancount, CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Final, Protocol
from uuid import UUID

from kernel.money import Currency, currency
from ledger.rules.account import Account, AccountType
from ledger.rules.row import COLUMNS, Row

_ROOTS: Final = {
    AccountType.ASSET: "Assets",
    AccountType.LIABILITY: "Liabilities",
    AccountType.INCOME: "Income",
    AccountType.EXPENSE: "Expenses",
    AccountType.EQUITY: "Equity",
}
OPENING: Final = "Equity:Opening-Balances"
_ODD: Final = re.compile(r"[^A-Za-z0-9-]+")


class Format(Enum):
    """The formats of `export`."""

    HLEDGER = "hledger"
    BEANCOUNT = "beancount"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Closing:
    """What an account stands at at the end of a book day, debit positive; the reader asserts it."""

    account: str
    minor: int
    unit: Currency


class Book(Protocol):
    """Writes one format; each method returns text that ends its lines."""

    def start(self, accounts: Sequence[Account], opened: date) -> Iterator[str]:
        """Return what stands before the first entry."""
        ...

    def entry(self, rows: Sequence[Row], names: Mapping[UUID, str]) -> str:
        """Return one entry from its lines."""
        ...

    def opening(self, day: date, balances: Iterable[Closing]) -> str:
        """Return an entry that brings in what was there before the first exported day."""
        ...

    def close(self, day: date, balances: Sequence[Closing]) -> str:
        """Return the assertions at the end of a book day."""
        ...


def name_of(account: Account) -> str:
    """Return an account's name: root, kind and owner, in letters that both programs take.

    Owners whose names differ only in other letters are kept apart by the account id's last twelve digits.
    """
    spec = account.spec
    owner = spec.owner_name or str(spec.owner_id)
    safe = _ODD.sub("-", owner).strip("-")
    if safe != owner or not safe:
        safe = f"{safe}-{spec.account_id.hex[-12:]}".lstrip("-")
    if spec.currency.code != "VND":
        safe = f"{safe}-{spec.currency.code}"
    kind = _ODD.sub("-", spec.kind)
    return f"{_ROOTS[spec.type]}:{kind[0].upper()}{kind[1:]}:{safe[0].upper()}{safe[1:]}"


def decimal(minor: int, unit: Currency) -> str:
    """Return an amount as plain decimal text: "-3.20", "8595"."""
    whole, part = divmod(abs(minor), 10**unit.exponent)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{part:0{unit.exponent}d}" if unit.exponent else f"{sign}{whole}"


def _quoted(text: str) -> str:
    return text.replace("\\", "/").replace('"', "'")


class HledgerBook:
    """The journal format of hledger (https://hledger.org/hledger.html#journal)."""

    def start(self, accounts: Sequence[Account], opened: date) -> Iterator[str]:  # noqa: ARG002
        """Return commodities and accounts, so that `hledger check --strict` knows them."""
        for unit in sorted({account.spec.currency for account in accounts}, key=lambda unit: unit.code):
            sample = f"1000.{'0' * unit.exponent} {unit.code}"
            yield f"commodity {sample}\n"
        yield f"account {OPENING}\n"
        for account in accounts:
            yield f"account {name_of(account)}\n"
        yield "\n"

    def entry(self, rows: Sequence[Row], names: Mapping[UUID, str]) -> str:
        """Return a transaction dated by its book day, with ids and days as tags."""
        first = rows[0]
        unit = currency(first.currency)
        note = f"entry:{first.entry_id}, owner:{first.owner_id}, service_day:{first.service_day}"
        if first.corrects is not None:
            note += f", corrects:{first.corrects}"
        cause = f" | {first.cause.replace(';', ',')}" if first.cause else ""
        out = [f"{first.book_day} * {first.kind}{cause}\n    ; {note}\n"]
        for row in rows:
            out.append(f"    {names[row.debit_id]}  {decimal(row.amount, unit)} {unit.code}\n")
            out.append(f"    {names[row.credit_id]}  {decimal(-row.amount, unit)} {unit.code}\n")
        return "".join([*out, "\n"])

    def opening(self, day: date, balances: Iterable[Closing]) -> str:
        """Return one transaction against the opening account."""
        lines = [
            f"    {one.account}  {decimal(one.minor, one.unit)} {one.unit.code}\n"
            f"    {OPENING}  {decimal(-one.minor, one.unit)} {one.unit.code}\n"
            for one in balances
        ]
        return f"{day} * opening balances\n{''.join(lines)}\n" if lines else ""

    def close(self, day: date, balances: Sequence[Closing]) -> str:
        """Return postings of nothing that assert each balance."""
        lines = [
            f"    {one.account}  0 {one.unit.code} = {decimal(one.minor, one.unit)} {one.unit.code}\n"
            for one in balances
        ]
        return f"{day} * balances at the end of the book day\n{''.join(lines)}\n" if lines else ""


class BeancountBook:
    """The input of beancount (https://beancount.github.io/docs/beancount_language_syntax.html)."""

    def start(self, accounts: Sequence[Account], opened: date) -> Iterator[str]:
        """Return options and an open directive for each account."""
        yield 'option "title" "Lien Thong"\n'
        for code in sorted({account.spec.currency.code for account in accounts}):
            yield f'option "operating_currency" "{code}"\n'
        yield f"\n{opened} open {OPENING}\n"
        for account in accounts:
            yield f"{opened} open {name_of(account)} {account.spec.currency.code}\n"
        yield "\n"

    def entry(self, rows: Sequence[Row], names: Mapping[UUID, str]) -> str:
        """Return a transaction dated by its book day, with ids and days as metadata."""
        first = rows[0]
        unit = currency(first.currency)
        out = [
            f'{first.book_day} * "{first.kind}" "{_quoted(first.cause)}"\n',
            f'  entry: "{first.entry_id}"\n  owner: "{first.owner_id}"\n  service-day: {first.service_day}\n',
        ]
        if first.corrects is not None:
            out.append(f'  corrects: "{first.corrects}"\n')
        for row in rows:
            out.append(f"  {names[row.debit_id]}  {decimal(row.amount, unit)} {unit.code}\n")
            out.append(f"  {names[row.credit_id]}  {decimal(-row.amount, unit)} {unit.code}\n")
        return "".join([*out, "\n"])

    def opening(self, day: date, balances: Iterable[Closing]) -> str:
        """Return one transaction against the opening account."""
        lines = [
            f"  {one.account}  {decimal(one.minor, one.unit)} {one.unit.code}\n"
            f"  {OPENING}  {decimal(-one.minor, one.unit)} {one.unit.code}\n"
            for one in balances
        ]
        return f'{day} * "opening balances"\n{"".join(lines)}\n' if lines else ""

    def close(self, day: date, balances: Sequence[Closing]) -> str:
        """Return balance directives of the next morning, which is when beancount judges them."""
        morning = day + timedelta(days=1)
        lines = [
            f"{morning} balance {one.account}  {decimal(one.minor, one.unit)} {one.unit.code}\n"
            for one in balances
        ]
        return "".join([*lines, "\n"]) if lines else ""


class CsvBook:
    """One row a line, all stored columns; no opening and no assertions."""

    def start(self, accounts: Sequence[Account], opened: date) -> Iterator[str]:  # noqa: ARG002
        """Return the heading."""
        yield ",".join((*COLUMNS, "debit_account", "credit_account")) + "\r\n"

    def entry(self, rows: Sequence[Row], names: Mapping[UUID, str]) -> str:
        """Return the entry's lines."""
        out = io.StringIO()
        writer = csv.writer(out)
        for row in rows:
            values = [_cell(getattr(row, name)) for name in COLUMNS]
            writer.writerow([*values, names[row.debit_id], names[row.credit_id]])
        return out.getvalue()

    def opening(self, day: date, balances: Iterable[Closing]) -> str:  # noqa: ARG002
        """Return nothing."""
        return ""

    def close(self, day: date, balances: Sequence[Closing]) -> str:  # noqa: ARG002
        """Return nothing."""
        return ""


def _cell(value: object) -> object:
    # A spreadsheet takes a text that begins so for a formula.
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        return f"'{value}"
    return value


BOOKS: Final[Mapping[Format, type[Book]]] = {
    Format.HLEDGER: HledgerBook,
    Format.BEANCOUNT: BeancountBook,
    Format.CSV: CsvBook,
}
