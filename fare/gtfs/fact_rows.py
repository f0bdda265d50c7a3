"""CSV files of facts about riders, read strictly; what is wrong is named by file, row and field."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Final

from fare.gtfs.table import Notice
from fare.rules.tariff import TariffBook
from kernel.money import MalformedAmountError, Money
from kernel.wire.cardinfo import Concession

_YEARS: Final = range(1970, 9000)  # so that a pass of some years, begun then, still ends in the calendar


def text_of(body: bytes, file: str, notices: list[Notice]) -> str:
    """Return the text of a file; what is no UTF-8 is an error, and empty."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        notices.append(Notice(file, 0, "", "csv_parsing_failed", str(error)))
        return ""


def read_facts(
    text: str, file: str, columns: tuple[str, ...], required: tuple[str, ...], notices: list[Notice]
) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a CSV text with their numbers (the header is 1), every column in each; none of a wrong header."""
    try:
        first, *lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))) or [[]]
    except csv.Error as error:
        notices.append(Notice(file, 0, "", "csv_parsing_failed", str(error)))
        return []
    header = [name.strip() for name in first]
    notices.extend(
        Notice(file, 1, name, "unknown_column", f"the columns are {', '.join(columns)}")
        for name in header
        if name not in columns
    )
    notices.extend(
        Notice(file, 1, name, "duplicated_column", "the column stands twice")
        for place, name in enumerate(header)
        if name in header[:place]
    )
    notices.extend(
        Notice(file, 1, name, "missing_required_column", "the column must be there")
        for name in required
        if name not in header
    )
    if notices:
        return []
    found = []
    for number, line in enumerate(lines, start=2):
        if not any(line):
            continue
        if len(line) != len(header):
            detail = f"{len(line)} cells under {len(header)} columns"
            notices.append(Notice(file, number, "", "invalid_row_length", detail))
            continue
        row = dict.fromkeys(columns, "") | dict(zip(header, (cell.strip() for cell in line), strict=True))
        missing = [name for name in required if not row[name]]
        notices.extend(
            Notice(file, number, name, "missing_required_field", "the cell is empty") for name in missing
        )
        if not missing:
            found.append((number, row))
    return found


def not_there(
    file: str, number: int, field: str, value: str, where: str, known: Iterable[str]
) -> Iterator[Notice]:
    """Yield a notice where a cell names what the tariff does not have, with what was probably meant."""
    if value and value not in (names := set(known)):
        near = get_close_matches(value, names, 1)
        meant = f" (there is “{near[0]}”)" if near else ""
        yield Notice(file, number, field, "foreign_key_violation", f"“{value}” is not in {where}{meant}")


def service_day_or_instant(text: str, book: TariffBook) -> datetime | None:
    """Return an instant; of a date alone the start of its service day."""
    day = day_of(text)
    if day is None:
        return instant_of(text, book)
    return book.day_bounds(day)[0] if day.year in _YEARS else None


def instant_of(text: str, book: TariffBook) -> datetime | None:
    """Return an instant, in the tariff's zone where the text names no offset; None for what is none of our times."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.year not in _YEARS:
        return None
    placed = found.replace(tzinfo=book.zone) if found.tzinfo is None else found
    return placed.astimezone(UTC)


def amount_of(text: str, book: TariffBook) -> int | None:
    try:
        return Money.parse(text, book.currency).minor
    except MalformedAmountError:
        return None


def day_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def category_of(text: str, book: TariffBook) -> int | None:
    """Return a category by the card's name for it, or by a rider_category_id of the tariff; None for neither."""
    found = Concession.__members__.get(text.upper() or "NORMAL")
    return book.rider_categories.get(text) if found is None else int(found)
