"""A tariff out again as GTFS-Fares v2: whole, with our files beside, or plain, for programs that know the standard alone."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from fare.gtfs.columns import COMMON
from fare.gtfs.schema import FILES, OURS
from fare.gtfs.table import Feed, Notice, Row, Severity

_COMMON: Final = frozenset(column.name for column in COMMON)
_SILENT: Final = frozenset(
    {"valid_from", "valid_to", "decision", "source", "note"}
)  # remarks, or told once below
_ENDS: Final = ("from_leg_group_id", "to_leg_group_id")


@dataclass(frozen=True, slots=True)
class Exported:
    """The files by name, and what they no longer say."""

    files: dict[str, bytes]
    notices: tuple[Notice, ...]


def export_whole(files: Mapping[str, bytes]) -> Exported:
    """Return every file of the standard and of ours as it stands; others are left out with a warning."""
    kept = {name: _written(_lines(files[name])) for name in sorted(files) if name in FILES}
    lost = (name for name in sorted(files) if name not in kept)
    return Exported(kept, tuple(_warn(name, "", "file_dropped", "no file of a tariff") for name in lost))


def export_plain(files: Mapping[str, bytes], feed: Feed, on: date) -> Exported:
    """Return the files of the standard alone, with the rows in force on a date; `feed` is what was read of `files`.

    An extension file, a column of ours that is filled and a row of other dates are dropped with a warning. A limit
    that excludes its own last second is written a second shorter, which for times in whole seconds is the same.
    """
    kept: dict[str, bytes] = {}
    notices: list[Notice] = []
    for name in sorted(files):
        spec = FILES.get(name)
        if spec is None or not spec.standard:
            what = "no file of a tariff" if spec is None else "the standard has no such rule"
            code = "file_dropped" if spec is None else "extension_file_dropped"
            notices.append(_warn(name, "", code, what))
            continue
        kept[name] = _plain(name, files[name], feed, on, notices)
    return Exported(kept, tuple(notices))


def _plain(name: str, body: bytes, feed: Feed, on: date, notices: list[Notice]) -> bytes:
    rows = {row.number: row for row in feed.of(name)}
    header, *lines = _lines(body)
    names = [cell.strip() for cell in header]
    ours = {column for file, column in OURS if file == name}
    dropped = [place for place, column in enumerate(names) if column in ours or column in _COMMON]
    other_dates = 0
    groups = {row.text("leg_group_id") for row in feed.of("fare_leg_rules.txt") if row.holds_on(on)}
    homeless = 0
    out = [[cell for place, cell in enumerate(names) if place not in dropped]]
    filled: dict[str, int] = {}
    for number, line in enumerate(lines, start=2):
        row = rows.get(number)
        if row is None:
            continue
        if not row.holds_on(on):
            other_dates += 1
            continue
        if name == "fare_transfer_rules.txt" and not {row.text(end) for end in _ENDS} <= {"", *groups}:
            homeless += 1
            continue
        for place in dropped:
            if line[place].strip() and names[place] not in _SILENT:
                filled[names[place]] = filled.get(names[place], 0) + 1
        cells = dict(zip(names, line, strict=True))
        if name == "fare_transfer_rules.txt" and row.text("edge") == "exclusive":
            cells["duration_limit"] = _shorter(row)
            filled["edge"] -= 1
        out.append([cells[column] for column in out[0]])
    for column, count in sorted(filled.items()):
        if count:
            detail = f"{count} rows say what the standard cannot"
            notices.append(_warn(name, column, "extension_column_dropped", detail))
    if other_dates:
        detail = f"{other_dates} rows are not in force on {on.isoformat()}"
        notices.append(_warn(name, "valid_from", "rows_of_other_dates_dropped", detail))
    if homeless:
        detail = f"{homeless} rows transfer between leg groups of our files alone"
        notices.append(_warn(name, "from_leg_group_id", "rows_without_leg_group_dropped", detail))
    return _written(out)


def _shorter(row: Row) -> str:
    limit = row.whole("duration_limit")
    return "" if limit is None else str(limit - 1)


def _lines(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def _written(lines: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue().encode()


def _warn(file: str, field: str, code: str, detail: str) -> Notice:
    return Notice(file, 0, field, code, detail, Severity.WARNING.value)
