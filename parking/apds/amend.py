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
from parking.rules.rate_checks import FOREIGN
from parking.rules.rows import DATED

_NOTHING: Final[Content] = frozenset()
# How a row that names an element is called itself, and the column that says which it is.
_CALLED: Final = {
    "gates.csv": ("gate", "gate_id"),
    "places.csv": ("place", "place_id"),
    "rate_assignments.csv": ("place", "place_id"),
    "right_specifications.csv": ("product", "spec_id"),
}
_SHOWN: Final = 10


class LaterRowsError(DomainError):
    """The rate files hold a row of this element that begins later: whoever planned it must say what becomes of it."""

    detail = "{file} holds a row of {id} that begins on {begins}, later than this change: publish rate files instead."


class EndingRowsError(DomainError):
    """Some rows of this element end on a date and others do not: what is changed as a whole cannot say which."""

    detail = "{file} holds a row of {id} that ends on {ends} while others go on: publish rate files instead."


class ElementNeededError(DomainError):
    """Others name this element: gates stand at a place, a product is sold by a rate table."""

    detail = "{id} cannot be taken away: it is named by {needed_by}. {first}"


def check_not_needed(files: Mapping[str, bytes], kind: ElementKind, element_id: str) -> None:
    """Refuse with ElementNeededError to take an element away that rows about others name."""
    own = FILES_OF[kind]
    main = next(iter(own.items()))
    found: dict[str, dict[str, None]] = {}
    for name, column, *target in FOREIGN:
        if tuple(target) == main and own.get(name) != column:
            word, called = _CALLED[name]
            named = [row[called] for row in _read(files.get(name, b""))[1] if row.get(column) == element_id]
            found.setdefault(word, {}).update(dict.fromkeys(named))
    needed = {word: list(ids) for word, ids in found.items() if ids}
    if needed:
        raise ElementNeededError(
            id=element_id,
            needed_by=" and ".join(_listed(word, ids) for word, ids in needed.items()),
            first="First publish rate files in which these gates stand elsewhere or are gone."
            if "gate" in needed
            else "First propose to change or take away these.",
        )


def _listed(word: str, ids: list[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{word}{'s' if len(ids) > 1 else ''} {', '.join(ids[:_SHOWN])}{more}"


def amend(
    files: Mapping[str, bytes], kind: ElementKind, element_id: str, rows: Rows, *, on: date
) -> dict[str, bytes]:
    """Return the files with an element said by `rows` from a date on; no rows take it away.

    Rows that ended before the date stay with an element that stays, and what was to end on a date still does. A
    place's own row keeps its dates: a place is what its one row says. LaterRowsError, EndingRowsError.
    """
    found = dict(files)
    for name, column in FILES_OF[kind].items():
        new = [{column: element_id, **row} for row in rows.get(name, ())]
        if name in files or new:
            before = files.get(name, b"")
            found[name] = _amended(before, name, column, element_id, new, on, stays=bool(rows))
    return found


def _read(body: bytes) -> tuple[list[str], list[dict[str, str]]]:
    reader = csv.DictReader(StringIO(body.decode("utf-8-sig"), newline=""))
    rows = [{key.strip(): (value or "").strip() for key, value in row.items()} for row in reader]
    return [each.strip() for each in reader.fieldnames or ()], rows


def _amended(
    before: bytes,
    name: str,
    column: str,
    element_id: str,
    new: list[dict[str, str]],
    on: date,
    *,
    stays: bool,
) -> bytes:
    header, rows = _read(before)
    header = header or [column]
    kept: list[Cells] = []
    at = None
    dates = {"valid_from": on.isoformat()}
    ends: set[str] = set()
    for cells in rows:
        if cells[column] != element_id:
            kept.append(cells)
        elif name == "places.csv":
            at, dates = len(kept), {each: cells.get(each, "") for each in DATED[:2]}
        elif cells.get("valid_from", "") > on.isoformat():
            raise LaterRowsError(file=name, id=element_id, begins=cells["valid_from"])
        elif stays and cells.get("valid_to") and cells["valid_to"] < on.isoformat():
            kept.append(cells)
        else:
            at = len(kept) if at is None else at
            ends.add(cells.get("valid_to", ""))
    if new and len(ends) > 1:
        raise EndingRowsError(file=name, id=element_id, ends=max(ends))
    if ends:
        dates["valid_to"] = ends.pop()
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
