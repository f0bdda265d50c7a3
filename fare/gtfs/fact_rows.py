"""CSV files of facts about riders, read strictly; what is wrong is named by file, row and field."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from difflib import get_close_matches

from fare.gtfs.table import Notice
from fare.rules.tariff import TariffBook
from kernel.money import MalformedAmountError, Money
from kernel.wire.cardinfo import Concession


def read_facts(
    text: str, file: str, columns: tuple[str, ...], required: tuple[str, ...], notices: list[Notice]
) -> list[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    header = [name.strip() for name in next(reader, [])]
    notices.extend(
        Notice(file, 1, name, "unknown_column", f"the columns are {', '.join(columns)}")
        for name in header
        if name not in columns
    )
    notices.extend(
        Notice(file, 1, name, "missing_required_column", "the column must be there")
        for name in required
        if name not in header
    )
    if notices:
        return []
    found = []
    for number, line in enumerate(reader, start=2):
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
    return instant_of(text, book) if day is None else book.day_bounds(day)[0]


def instant_of(text: str, book: TariffBook) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
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
