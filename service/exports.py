"""Exports of parking for an operator and a period: rows as they come, then what they sum to, as CSV or XLSX.

Rows are made while they are written, so a year of stays takes no more memory than a day. A text that a spreadsheet
would take for a formula is written as text.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import xlsxwriter
from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import OperatorId
from kernel.money import Money, currency
from parking.elements import elements_in_force
from parking.meter import read_leakage
from parking.settled import list_settled
from parking.shift import list_shifts
from parking.store.changes import count_begun, stream_begun
from parking.store.observations import list_recorded


class ExportTooLongError(DomainError):
    """A spreadsheet ends before the export does."""

    detail = "A spreadsheet has {most} rows at most: ask for CSV, or for a shorter period."


Cell = str | int | Decimal | None
Row = tuple[Cell, ...]
_ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_DAY: Final = timedelta(days=1)
_PAGE: Final = 1_000
MOST_XLSX: Final = 1_048_000  # a sheet has 2^20 rows; the sums need some


class Kind(StrEnum):
    """What is exported."""

    STAYS = "stays"
    OBSERVATIONS = "observations"
    SHIFTS = "shifts"
    LEAKAGE = "leakage"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns, the rows under them, and which columns are amounts (they are summed by currency)."""

    columns: tuple[str, ...]
    amounts: frozenset[str]
    rows: Callable[[], Iterator[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whose, and of which time `[since, until)`."""

    operators: frozenset[OperatorId] | None
    since: datetime
    until: datetime


def sheet(tx: Connection, kind: Kind, period: Period, *, now: datetime) -> Sheet:
    """Return what is to be exported; its rows are read while they are asked for."""
    match kind:
        case Kind.STAYS:
            return Sheet(_STAYS, frozenset({"total", "charged"}), lambda: _stays(tx, period, now))
        case Kind.OBSERVATIONS:
            return Sheet(_OBSERVATIONS, frozenset(), lambda: _observations(tx, period))
        case Kind.SHIFTS:
            amounts = frozenset({"float", "taken", "dropped", "expected", "counted", "variance"})
            return Sheet(_SHIFTS, amounts, lambda: _shifts(tx, period, now))
        case Kind.LEAKAGE:
            amounts = frozenset({"expected", "received", "missing"})
            return Sheet(_LEAKAGE, amounts, lambda: _leakage(tx, period, now))


def count_rows(tx: Connection, kind: Kind, period: Period) -> int | None:
    """Return how many rows there will be, for progress; None where only writing them tells."""
    if kind is Kind.STAYS:
        return count_begun(tx, period.operators, since=period.since, until=period.until)
    return None


def csv_lines(found: Sheet, told: Callable[[int], None] = lambda _: None) -> Iterator[str]:
    """Yield the lines of a CSV file with its sums; `told` is called with the number of rows so far."""
    yield _line(found.columns)
    sums = _Sums(found)
    for number, row in enumerate(found.rows(), 1):
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
        for number, row in enumerate(found.rows(), 1):
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


_STAYS: Final = (
    *("session_id", "place_id", "operator_id", "vehicle_class", "state", "cases", "entered_at", "left_at"),
    *("total", "charged", "currency", "table_id", "rates_version", "revision"),
    *("money", "settled_at", "settled_by", "held_because"),
)
_OBSERVATIONS: Final = (
    *("observation_id", "place_id", "operator_id", "observed_at", "verdict", "may_notify", "session_id"),
    *("confidence_pct", "image_ref", "note", "observed_by", "recorded_at"),
)
_SHIFTS: Final = (
    *("shift_id", "place_id", "operator_id", "till", "attendant", "state", "opened_at", "float", "taken"),
    *(
        "dropped",
        "expected",
        "counted",
        "variance",
        "currency",
        "explanation",
        "counted_by",
        "closed_at",
        "closed_by",
    ),
)
_LEAKAGE: Final = (
    *(
        "shift_id",
        "place_id",
        "attendant",
        "state",
        "opened_at",
        "gate_turns",
        "camera_turns",
        "tickets_issued",
    ),
    *("turns_seen", "turns_paid", "turns_excused", "turns_unpaid", "capture_millionths"),
    *("expected", "received", "missing", "currency", "alert"),
)


def _stays(tx: Connection, period: Period, now: datetime) -> Iterator[Row]:
    for part in stream_begun(tx, period.operators, since=period.since, until=period.until):
        settled = list_settled(tx, part, now=now)
        for row in part:
            unit, money = currency(row.currency), settled[row.stay_id]
            yield (
                str(row.stay_id),
                row.place_id,
                row.operator_id,
                row.vehicle_class,
                row.state,
                row.cases,
                _at(row.entered_at),
                _at(row.left_at),
                _amount(Money(row.total_minor, unit)),
                _amount(Money(row.charged_minor, unit)),
                row.currency,
                row.table_id,
                row.rates_version,
                row.revision,
                money.state.value,
                _at(money.settled_at),
                " ".join(money.by),
                money.why.value if money.why else "",
            )


def _observations(tx: Connection, period: Period) -> Iterator[Row]:
    offset = 0
    while True:
        found, _ = list_recorded(
            tx, period.operators, since=period.since, until=period.until, offset=offset, limit=_PAGE
        )
        for each in found:
            yield (
                str(each.observation_id),
                each.place_id,
                each.operator_id,
                _at(each.observed_at),
                each.verdict,
                "yes" if each.may_notify else "no",
                str(each.session_id) if each.session_id else "",
                each.confidence_pct,
                each.image_ref,
                each.note,
                each.observed_by,
                _at(each.recorded_at),
            )
        if len(found) < _PAGE:
            return
        offset += _PAGE


def _shifts(tx: Connection, period: Period, now: datetime) -> Iterator[Row]:
    for place_id, since, until in _place_days(tx, period, now):
        for each in reversed(list_shifts(tx, place_id, since=since, until=until, now=now)):
            yield (
                str(each.shift_id),
                each.place_id,
                each.operator_id,
                each.till,
                each.attendant,
                each.state.value,
                _at(each.opened_at),
                _amount(each.float_),
                _amount(each.taken),
                _amount(each.dropped),
                _amount(each.expected),
                _amount(each.counted) if each.counted is not None else None,
                _amount(each.variance) if each.variance is not None else None,
                each.float_.currency.code,
                each.explanation,
                each.counted_by,
                _at(each.closed_at),
                each.closed_by,
            )


def _leakage(tx: Connection, period: Period, now: datetime) -> Iterator[Row]:
    for place_id, since, until in _place_days(tx, period, now):
        for each in reversed(read_leakage(tx, place_id, since=since, until=until, now=now)):
            reading, seen = each.reading, each.reading.seen
            yield (
                seen.shift,
                place_id,
                seen.attendant,
                each.shift.state.value,
                _at(each.shift.opened_at),
                seen.gate_turns,
                seen.camera_turns,
                seen.tickets_issued,
                reading.turns_seen,
                seen.turns_paid,
                seen.turns_excused,
                reading.turns_unpaid,
                reading.capture_millionths,
                _amount(seen.expected),
                _amount(seen.received),
                _amount(reading.missing),
                seen.expected.currency.code,
                "yes" if reading.alert else "no",
            )


def _place_days(tx: Connection, period: Period, now: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield each place of the operators for each day of the period: few enough shifts to list."""
    seen = elements_in_force(tx, now=now, operators=period.operators)
    for place in seen.places:
        since = period.since
        while place.operator_id and since < period.until:
            until = min(since + _DAY, period.until)
            yield place.place_id, since, until
            since = until


def _at(at: datetime | None) -> str:
    return at.astimezone(_ZONE).isoformat() if at is not None else ""


def _amount(money: Money) -> Decimal:
    return Decimal(money.minor).scaleb(-money.currency.exponent)


def _safe(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _line(cells: Sequence[Cell]) -> str:
    buffer = StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(["" if each is None else each for each in cells])
    return buffer.getvalue()
