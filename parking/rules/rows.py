"""Dated CSV rows, read strictly: whatever is wrong is named by file, row and field, and all of it at once."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from enum import Enum
from io import StringIO
from typing import Final, NamedTuple, TypeVar

from kernel.money import Currency, MalformedAmountError, Money

DATED: Final = ("valid_from", "valid_to", "decision", "source")

_FINER: Final = 4  # more decimals than the currency has, of a price for one minute or one kWh
_DECIMAL: Final = re.compile(r"([0-9]{1,9})\.([0-9]+)")
_NAMES: Final = {";": "semicolons", "\t": "tabs"}

E = TypeVar("E", bound=Enum)
T = TypeVar("T")


class RateProblem(NamedTuple):
    """One thing wrong; `row` is the line in the file (the header is 1), 0 for the file as a whole."""

    file: str
    row: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.row}" if self.row else self.file
        return f"{where}: {self.field}: {self.message}" if self.field else f"{where}: {self.message}"


class Dates(NamedTuple):
    """Inclusive dates between which a row holds; None is without limit."""

    first: date | None
    last: date | None

    def holds(self, on: date) -> bool:
        """Return whether the row holds on that date."""
        return (self.first is None or self.first <= on) and (self.last is None or on <= self.last)

    def meets(self, other: Dates) -> bool:
        """Return whether the two share a date."""
        return (self.last is None or other.first is None or other.first <= self.last) and (
            other.last is None or self.first is None or self.first <= other.last
        )


@dataclass(slots=True)
class Row:
    """One line's cells, with readers that note a problem and go on with the default."""

    file: str
    number: int
    cells: dict[str, str]
    problems: list[RateProblem] = field(repr=False)

    def wrong(self, name: str, message: str) -> None:
        """Note a problem in this row's field."""
        self.problems.append(RateProblem(self.file, self.number, name, message))

    def text(self, name: str, default: str = "") -> str:
        """Return the cell, or `default` where it is empty."""
        return self.cells.get(name) or default

    def needed(self, name: str) -> str:
        """Return the cell; an empty one is a problem."""
        found = self.text(name)
        if not found:
            self.wrong(name, "is missing")
        return found

    def _read(self, name: str, default: T, read: Callable[[str], T], what: str) -> T:
        found = self.text(name)
        if not found:
            return default
        try:
            return read(found)
        except ValueError:
            self.wrong(name, f"“{found}” is not {what}")
            return default

    def whole(self, name: str, default: int, *, least: int = 0) -> int:
        """Return a whole number of at least `least`."""
        found = self._read(name, default, _digits, "a whole number without sign")
        if found < least:
            self.wrong(name, f"{found} is less than {least}")
            return default
        return found

    def maybe_whole(self, name: str) -> int | None:
        """Return a whole number, or None where the cell is empty."""
        return self.whole(name, 0) if self.text(name) else None

    def choice(self, name: str, default: E) -> E:
        """Return the member of the default's Enum that the cell names."""
        kind = type(default)
        known = ", ".join(str(each.value) for each in kind)
        return self._read(name, default, kind, f"one of {known}")

    def yes(self, name: str) -> bool:
        """Return whether the cell says yes; empty is no."""
        found = self.text(name, "no")
        if found not in {"yes", "no"}:
            self.wrong(name, f"“{found}” is not yes or no")
        return found == "yes"

    def day(self, name: str) -> date | None:
        """Return an ISO date, or None where the cell is empty."""
        return self._read(name, None, date.fromisoformat, "a date (YYYY-MM-DD)")

    def day_of_year(self, name: str) -> int | None:
        """Return a day of every year (MM-DD) as one number, 501 for 1 May; an empty cell is a problem too."""
        return (
            self._read(name, None, _day_of_year, "a day of every year (MM-DD)") if self.needed(name) else None
        )

    def clock(self, name: str) -> time | None:
        """Return a local time; 24:00 is the midnight that ends a day."""
        return self._read(name, None, _clock, "a time (HH:MM)")

    def money(self, name: str, currency: Currency, default: int = 0) -> int:
        """Return minor units of an amount that is not negative."""
        found = self.text(name)
        if not found:
            return default
        try:
            minor = Money.parse(found, currency).minor
        except MalformedAmountError:
            self.wrong(name, f"“{found}” is not an amount in {currency.code}")
            return default
        if minor < 0:
            self.wrong(name, f"{found} is negative")
            return default
        return minor

    def maybe_money(self, name: str, currency: Currency) -> int | None:
        """Return minor units, or None where the cell is empty."""
        return self.money(name, currency) if self.text(name) else None

    def price(self, name: str, currency: Currency) -> tuple[int, int]:
        """Return minor units and what number of the priced thing costs them: 0.0453 EUR each is 453 for 100."""
        written = _DECIMAL.fullmatch(self.text(name))
        more = len(written[2]) - currency.exponent if written else 0
        # Three decimals where the currency has none are a thousands' point, and no price.
        if written and 0 < more <= _FINER and not (currency.exponent == 0 and more == 3):
            return int(written[1] + written[2]), 10**more
        return self.money(name, currency), 1

    def dates(self) -> Dates:
        """Return the dates between which the row holds; reversed ones are a problem."""
        found = Dates(self.day("valid_from"), self.day("valid_to"))
        if found.first is not None and found.last is not None and found.last < found.first:
            self.wrong("valid_to", f"{found.last} is before valid_from {found.first}")
        return found


def _digits(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _day_of_year(text: str) -> int:
    if len(text) != len("MM-DD"):
        raise ValueError(text)
    found = date.fromisoformat(f"2024-{text}")  # a leap year: 02-29 is a day too
    return found.month * 100 + found.day


def _clock(text: str) -> time:
    if text == "24:00":
        return time(0)
    if len(text) != 5:
        raise ValueError(text)
    return time.fromisoformat(text)


def read_rows(
    files: Mapping[str, bytes], name: str, columns: Iterable[str], problems: list[RateProblem]
) -> list[Row]:
    """Return the rows of one file, or none where it is not there; unknown and missing columns are problems."""
    if name not in files:
        return []
    try:
        text = files[name].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = files[name].count(b"\n", 0, error.start) + 1
        problems.append(RateProblem(name, line, "", f"is not UTF-8 (byte {error.start})"))
        return []
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    lines: list[tuple[int, list[str]]] = []
    begun = 1
    try:
        for cells in reader:
            if any(cells):
                lines.append((reader.line_num, cells))
            begun = reader.line_num + 1
    except csv.Error as error:
        problems.append(RateProblem(name, begun, "", f"is not CSV: {error}"))
        return []
    if not lines:
        problems.append(RateProblem(name, 1, "", "has no header"))
        return []
    header = [cell.strip() for cell in lines[0][1]]
    known = [*columns, *DATED]
    other = next((mark for mark in _NAMES if len(header) == 1 and mark in header[0]), "")
    if other:
        problems.append(RateProblem(name, 1, "", f"cells are parted by {_NAMES[other]}, not by commas"))
        return []
    for column in header:
        if column not in known:
            problems.append(RateProblem(name, 1, column, f"unknown column; known: {', '.join(known)}"))
        elif header.count(column) > 1:
            problems.append(RateProblem(name, 1, column, "stands twice"))
    rows: list[Row] = []
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            problems.append(RateProblem(name, number, "", f"{len(cells)} cells under {len(header)} columns"))
            continue
        stripped = (cell.strip() for cell in cells)
        rows.append(Row(name, number, dict(zip(header, stripped, strict=True)), problems))
    return rows


def refuse_overlaps(rows: Iterable[Row], key: tuple[str, ...], what: str) -> None:
    """Note a problem for each row whose key another row has on a date they share."""
    seen: dict[tuple[str, ...], list[tuple[Dates, int]]] = {}
    for row in rows:
        dates = row.dates()
        place = seen.setdefault(tuple(row.text(each) for each in key), [])
        for other, number in place:
            if dates.meets(other):
                row.wrong("valid_from", f"overlaps row {number}: {what} holds twice on a date")
                break
        place.append((dates, row.number))
