"""Reading a tariff's CSV files, from a directory or a zip, into typed rows; nothing is guessed."""

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from fare.gtfs.schema import BYSTANDERS, COMMON, FILES, REQUIRED_FILES, Column, FileSpec, Kind
from fare.gtfs.table import Cell, Feed, Notice, Row, Severity
from kernel.currencies import EXPONENTS

_MAX_FILE_BYTES: Final = 256 * 1024 * 1024  # a bundle is far smaller; a zip bomb is not read
_WHOLE: Final = re.compile(r"-?[0-9]{1,15}", re.ASCII)
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
_TIME: Final = re.compile(r"([0-9]{1,3}):([0-5][0-9]):([0-5][0-9])", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{8}", re.ASCII)
_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def files_of(source: Path | bytes) -> dict[str, bytes]:
    """Return the `.txt` files of a directory or of a zip's bytes, by name.

    A path that is no directory is read as a zip. Raises OSError or zipfile.BadZipFile as the reading does;
    a member above 256 MiB is left out, and the reader then reports it missing.
    """
    if isinstance(source, Path) and source.is_dir():
        return {path.name: path.read_bytes() for path in sorted(source.glob("*.txt"))}
    packed = source if isinstance(source, bytes) else source.read_bytes()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {
            one.filename: archive.read(one)
            for one in archive.infolist()
            if one.filename.endswith(".txt") and "/" not in one.filename and one.file_size <= _MAX_FILE_BYTES
        }


def read_feed(files: Mapping[str, bytes]) -> tuple[Feed, list[Notice]]:
    """Return the typed rows of a tariff's files and what is wrong with single files, rows and cells."""
    notices = [
        Notice(name, 0, "", "missing_required_file", "a tariff cannot do without it")
        for name in REQUIRED_FILES
        if name not in files
    ]
    rows: dict[str, tuple[Row, ...]] = {}
    columns: dict[str, frozenset[str]] = {}
    for name, body in sorted(files.items()):
        spec = FILES.get(name)
        if spec is None:
            if name not in BYSTANDERS:
                notices.append(_warn(name, 0, "", "unknown_file", "not a file of the standard or of ours"))
            continue
        rows[name], columns[name] = _read_file(spec, body, notices)
    if "tariff.txt" not in files:
        rows["tariff.txt"] = _of_a_plain_feed(rows, files, notices)
    return Feed(rows, columns), notices


def _of_a_plain_feed(
    rows: dict[str, tuple[Row, ...]], files: Mapping[str, bytes], notices: list[Notice]
) -> tuple[Row, ...]:
    """Return the tariff's own row as a feed of the standard alone implies it; none where it implies nothing."""
    zone = next((row.text("agency_timezone") for row in rows.get("agency.txt", ())), "")
    money = next((row.text("currency") for row in rows.get("fare_products.txt", ())), "")
    if not zone or not money:
        return ()
    detail = "a feed of the standard alone: the service day is the calendar day, in the agency's time zone"
    notices.append(_warn("tariff.txt", 0, "", "tariff_file_missing", detail))
    version = "feed-" + hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()[:12]
    cells: dict[str, Cell] = {"tariff_version": version, "zone": zone, "day_starts": 0, "currency": money}
    return (Row("tariff.txt", 0, cells),)


def _warn(file: str, row: int, field: str, code: str, detail: str) -> Notice:
    return Notice(file, row, field, code, detail, Severity.WARNING.value)


def _read_file(spec: FileSpec, body: bytes, notices: list[Notice]) -> tuple[tuple[Row, ...], frozenset[str]]:
    try:
        text = body.decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        notices.append(Notice(spec.name, 0, "", "csv_parsing_failed", str(error)))
        return (), frozenset()
    if not lines or not any(lines[0]):
        notices.append(Notice(spec.name, 0, "", "empty_file", "no header row"))
        return (), frozenset()
    header = [name.strip() for name in lines[0]]
    known = {column.name: column for column in (*spec.columns, *COMMON)}
    for place, name in enumerate(header):
        if name in header[:place]:
            notices.append(Notice(spec.name, 1, name, "duplicated_column", "the column stands twice"))
        if not name:
            notices.append(Notice(spec.name, 1, "", "empty_column_name", f"column {place + 1} has no name"))
        elif name not in known and not spec.standard:
            # A misspelt column of our own would silently drop a rule.
            notices.append(Notice(spec.name, 1, name, "unknown_column", "not a column of this file"))
    notices.extend(
        Notice(spec.name, 1, column.name, "missing_required_column", "the column must be there")
        for column in spec.columns
        if column.required and column.name not in header
    )
    rows: list[Row] = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(line):
            continue
        if len(line) != len(header):
            detail = f"{len(line)} cells under {len(header)} columns"
            notices.append(Notice(spec.name, number, "", "invalid_row_length", detail))
            continue
        rows.append(_read_row(spec, number, dict(zip(header, line, strict=True)), known, notices))
    _check_keys(spec, rows, notices)
    return tuple(rows), frozenset(header)


def _read_row(
    spec: FileSpec, number: int, line: dict[str, str], known: dict[str, Column], notices: list[Notice]
) -> Row:
    cells: dict[str, Cell] = {}
    for name, raw in line.items():
        column = known.get(name)
        if column is None:
            continue
        text = raw.strip()
        if text != raw:
            notices.append(_warn(spec.name, number, name, "leading_or_trailing_whitespaces", f"“{raw}”"))
        if not text:
            if column.required:
                notices.append(Notice(spec.name, number, name, "missing_required_field", "the cell is empty"))
            continue
        cell, code = _READERS[column.kind](text, column)
        if code:
            notices.append(Notice(spec.name, number, name, code, f"“{text}”"))
        else:
            cells[name] = cell
    money = cells.get("currency")
    for name, cell in cells.items():
        if known[name].kind is Kind.AMOUNT and isinstance(cell, Decimal) and isinstance(money, str):
            exponent = cell.as_tuple().exponent
            if not isinstance(exponent, int) or -exponent != EXPONENTS[money]:
                detail = f"“{line[name]}” in {money}, which has {EXPONENTS[money]} decimals"
                notices.append(Notice(spec.name, number, name, "invalid_currency_amount", detail))
    row = Row(spec.name, number, cells)
    if row.valid_to < row.valid_from:
        notices.append(
            Notice(
                spec.name, number, "valid_to", "start_and_end_range_out_of_order", "it ends before it starts"
            )
        )
    return row


def _check_keys(spec: FileSpec, rows: list[Row], notices: list[Notice]) -> None:
    seen: dict[tuple[Cell, ...], list[Row]] = {}
    for row in rows:
        key = tuple(row.cells.get(name) for name in spec.key)
        for other in seen.setdefault(key, []):
            if row.overlaps(other):
                detail = f"row {other.number} has the same {', '.join(spec.key)} on the same dates"
                codes = (
                    "duplicate_key",
                    *(("duplicate_fare_media",) if spec.name == "fare_media.txt" else ()),
                )
                notices += [Notice(spec.name, row.number, spec.key[0], code, detail) for code in codes]
                break
        seen[key].append(row)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _text(text: str, _: Column) -> tuple[Cell, str]:
    return text, ""


def _whole(text: str, column: Column) -> tuple[Cell, str]:
    if not _WHOLE.fullmatch(text):
        return None, "invalid_integer"
    value = int(text)
    low, high = column.low, column.high
    if (low is not None and value < low) or (high is not None and value > high):
        return None, "unexpected_enum_value" if high is not None else "number_out_of_range"
    return value, ""


def _decimal(text: str, column: Column) -> tuple[Cell, str]:
    if not _DECIMAL.fullmatch(text):
        return None, "invalid_currency_amount" if column.kind is Kind.AMOUNT else "invalid_float"
    value = Decimal(text)
    if column.kind is Kind.DECIMAL and value < 0:
        return None, "number_out_of_range"
    return value, ""


def _currency(text: str, _: Column) -> tuple[Cell, str]:
    return (text, "") if text in EXPONENTS else (None, "invalid_currency")


def _date(text: str, column: Column) -> tuple[Cell, str]:
    shape = _DATE if column.kind is Kind.DATE else _ISO
    if not shape.fullmatch(text):
        return None, "invalid_date"
    try:
        return date.fromisoformat(text), ""
    except ValueError:
        return None, "invalid_date"


def _time(text: str, _: Column) -> tuple[Cell, str]:
    found = _TIME.fullmatch(text)
    if found is None:
        return None, "invalid_time"
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]), ""


def _word(text: str, column: Column) -> tuple[Cell, str]:
    return (text, "") if text in column.choices else (None, "unexpected_enum_value")


def _ids(text: str, _: Column) -> tuple[tuple[str, ...], str]:
    return tuple(sorted({part.strip() for part in text.split(";") if part.strip()})), ""


def _pairs(text: str, column: Column) -> tuple[Cell, str]:
    found, _ = _ids(text, column)
    pairs = tuple(">".join(part.strip() for part in one.split(">")) for one in found)
    return (
        (pairs, "") if all(one.count(">") == 1 and len(one) > 2 for one in pairs) else (None, "invalid_pair")
    )


def _zone(text: str, _: Column) -> tuple[Cell, str]:
    if text not in _zones():
        return None, "invalid_timezone"
    ZoneInfo(text)
    return text, ""


_READERS: Final[dict[Kind, Callable[[str, Column], tuple[Cell, str]]]] = {
    Kind.ID: _text,
    Kind.TEXT: _text,
    Kind.WHOLE: _whole,
    Kind.DECIMAL: _decimal,
    Kind.AMOUNT: _decimal,
    Kind.CURRENCY: _currency,
    Kind.DATE: _date,
    Kind.ISO_DATE: _date,
    Kind.TIME: _time,
    Kind.WORD: _word,
    Kind.IDS: _ids,
    Kind.PAIRS: _pairs,
    Kind.ZONE: _zone,
}
