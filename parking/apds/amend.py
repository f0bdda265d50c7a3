"""Rate files with one element changed: its rows in force give way to new ones, all others stay as they are. Pure."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date
from io import StringIO
from typing import Final

from kernel.errors import DomainError
from parking.apds.editions import FILES_OF, Cells, Content, ElementKind, Rows
from parking.apds.shapes import Json
from parking.rules.rows import DATED

_NOTHING: Final[Content] = frozenset()


class LaterRowsError(DomainError):
    """The rate files hold a row of this element that begins later: whoever planned it must say what becomes of it."""

    detail = "{file} holds a row of {id} that begins on {begins}, later than this change: publish rate files instead."


def amend(
    files: Mapping[str, bytes], kind: ElementKind, element_id: str, rows: Rows, *, on: date
) -> dict[str, bytes]:
    """Return the files with an element said by `rows` from a date on; no rows take it away. LaterRowsError.

    Rows that ended before the date stay. A place's own row keeps its dates: a place is what its one row says.
    """
    found = dict(files)
    for name, column in FILES_OF[kind].items():
        new = [{column: element_id, **row} for row in rows.get(name, ())]
        if name in files or new:
            found[name] = _amended(files.get(name, b""), name, column, element_id, new, on)
    return found


def _amended(
    before: bytes, name: str, column: str, element_id: str, new: list[dict[str, str]], on: date
) -> bytes:
    reader = csv.DictReader(StringIO(before.decode("utf-8-sig"), newline=""))
    header = [each.strip() for each in reader.fieldnames or (column,)]
    kept: list[Cells] = []
    at = None
    dates = {"valid_from": on.isoformat()}
    for row in reader:
        cells = {key.strip(): (value or "").strip() for key, value in row.items()}
        if cells[column] != element_id:
            kept.append(cells)
        elif name == "places.csv":
            at, dates = len(kept), {each: cells.get(each, "") for each in DATED[:2]}
        elif cells.get("valid_from", "") > on.isoformat():
            raise LaterRowsError(file=name, id=element_id, begins=cells["valid_from"])
        elif cells.get("valid_to") and cells["valid_to"] < on.isoformat():
            kept.append(cells)
        else:
            at = len(kept) if at is None else at
    at = len(kept) if at is None else at
    kept[at:at] = [{**row, **{each: text for each, text in dates.items() if text}} for row in new]
    header += dict.fromkeys(each for row in new for each in [*row, *dates] if each not in header)
    written = StringIO(newline="")
    writer = csv.DictWriter(written, header, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(kept)
    return written.getvalue().encode()


def difference(before: Content | None, after: Content | None) -> tuple[list[Json], list[Json]]:
    """Return the rows of an element that go, and those that come."""
    old, new = before or _NOTHING, after or _NOTHING
    return [_row(each) for each in sorted(old - new)], [_row(each) for each in sorted(new - old)]


def _row(row: tuple[str, tuple[tuple[str, str], ...]]) -> Json:
    return {"file": row[0], "cells": dict(row[1])}
