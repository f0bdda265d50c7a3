"""Tables as CSV or XLSX: rows as they come, then what they sum to.

Rows are made while they are written, so a year of stays takes no more memory than a day. A text that a spreadsheet
would take for a formula is written as text.
"""

import csv
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Final

import xlsxwriter

from kernel.errors import DomainError


class ExportTooLongError(DomainError):
    """A spreadsheet ends before the export does."""

    detail = "A spreadsheet has {most} rows at most: ask for CSV, or for a shorter period."


Cell = str | int | Decimal | None
Row = tuple[Cell, ...]
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
MOST_XLSX: Final = 1_048_000  # a sheet has 2^20 rows; the sums need some


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns, the rows under them, and which columns are amounts (they are summed by currency)."""

    columns: tuple[str, ...]
    amounts: frozenset[str]
    rows: Callable[[], Generator[Row]]


def csv_lines(found: Sheet, told: Callable[[int], None] = lambda _: None) -> Iterator[str]:
    """Yield the lines of a CSV file with its sums; `told` is called with the number of rows so far."""
    yield _line(found.columns)
    sums = _Sums(found)
    with closing(found.rows()) as rows:
        for number, row in enumerate(rows, 1):
            sums.add(row)
            yield _line([_safe(each) for each in row])
            told(number)
    for total in sums.rows():
        yield _line(total)


def write_xlsx(found: Sheet, path: Path, told: Callable[[int], None] = lambda _: None) -> int:
    """Write a spreadsheet with its sums and return how many rows it has; rows leave memory as they are written."""
    book = xlsxwriter.Workbook(
        str(path), {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    number = 0
    try:
        page, bold = book.add_worksheet(), book.add_format({"bold": True})
        page.freeze_panes(1, 0)
        page.write_row(0, 0, found.columns, bold)
        sums = _Sums(found)
        with closing(found.rows()) as rows:
            for number, row in enumerate(rows, 1):
                check_fits(number)
                sums.add(row)
                page.write_row(number, 0, row)
                told(number)
        for offset, total in enumerate(sums.rows(), 1):
            page.write_row(number + offset, 0, total, bold)
    finally:
        book.close()  # its temporary files, too
    return number


def check_fits(rows: int) -> None:
    """Refuse with ExportTooLongError what a spreadsheet cannot hold."""
    if rows > MOST_XLSX:
        raise ExportTooLongError(most=MOST_XLSX)


class _Sums:
    """The sums of the amount columns, by currency."""

    def __init__(self, found: Sheet) -> None:
        self._sheet = found
        self._sums: dict[str, dict[str, Decimal]] = {}

    def add(self, row: Row) -> None:
        cells = dict(zip(self._sheet.columns, row, strict=True))
        if not self._sheet.amounts:
            return
        sums = self._sums.setdefault(str(cells["currency"]), dict.fromkeys(self._sheet.amounts, Decimal(0)))
        for name in self._sheet.amounts:
            sums[name] += Decimal(cells[name] or 0)

    def rows(self) -> Iterator[Row]:
        for code, sums in sorted(self._sums.items()):
            cells: dict[str, Cell] = {**sums, "currency": code, self._sheet.columns[0]: "total"}
            yield tuple(cells.get(name) for name in self._sheet.columns)


def _safe(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _line(cells: Sequence[Cell]) -> str:
    buffer = StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(["" if each is None else each for each in cells])
    return buffer.getvalue()
