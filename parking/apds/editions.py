"""Versions of places, rate tables and right specifications: one more each time its rows were published otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from csv import DictReader
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from io import StringIO
from typing import Final


class ElementKind(Enum):
    """What APDS numbers, by its class name there."""

    PLACE = "Place"
    RATE_TABLE = "RateTable"
    RIGHT_SPECIFICATION = "RightSpecification"


# The column that names the element, in each file whose rows are about it.
FILES_OF: Final[Mapping[ElementKind, Mapping[str, str]]] = {
    ElementKind.PLACE: {"places.csv": "place_id", "rate_assignments.csv": "place_id"},
    ElementKind.RATE_TABLE: {
        "rate_tables.csv": "table_id",
        "rate_line_collections.csv": "table_id",
        "rate_lines.csv": "table_id",
        "rate_caps.csv": "table_id",
        "rate_taxes.csv": "table_id",
    },
    ElementKind.RIGHT_SPECIFICATION: {"right_specifications.csv": "spec_id"},
}
Key = tuple[ElementKind, str]


@dataclass(frozen=True, slots=True)
class Edition:
    """Which version of an element is in force, since when, and when its first one was."""

    version: int
    since: datetime
    created_at: datetime
    withdrawn: bool = False


Content = frozenset[tuple[str, tuple[tuple[str, str], ...]]]
Cells = Mapping[str, str]
Rows = Mapping[str, Sequence[Cells]]


def contents(files: Mapping[str, bytes]) -> dict[Key, Content]:
    """Return what one publication says of each element; the order of rows and of columns says nothing."""
    found: dict[Key, set[tuple[str, tuple[tuple[str, str], ...]]]] = {}
    for kind, columns in FILES_OF.items():
        for name, column in columns.items():
            for row in DictReader(StringIO(files.get(name, b"").decode("utf-8-sig"))):
                cells = tuple(sorted((key, value.strip()) for key, value in row.items() if value))
                found.setdefault((kind, row[column].strip()), set()).add((name, cells))
    return {key: frozenset(rows) for key, rows in found.items()}


def editions(publications: Sequence[tuple[datetime, Mapping[Key, Content]]]) -> dict[Key, Edition]:
    """Return every element that was ever published, as it stands after the last of these (oldest first)."""
    found: dict[Key, Edition] = {}
    before: Mapping[Key, Content] = {}
    for at, now in publications:
        for key in now.keys() | before.keys():
            old = found.get(key)
            if now.get(key) != before.get(key):
                found[key] = Edition(
                    old.version + 1 if old else 1, at, old.created_at if old else at, withdrawn=key not in now
                )
        before = now
    return found


def in_force(content: Content, on: date) -> Rows:
    """Return the rows of an element that hold on a date, by file and in their sequence; empty cells are not in them.

    A place stands from one publication to the next, whatever dates its row has.
    """
    found: dict[str, list[Cells]] = {}
    for name, cells in sorted(content):
        row = dict(cells)
        if name == "places.csv" or _holds(row, on):
            found.setdefault(name, []).append(row)
    for rows in found.values():
        rows.sort(key=lambda row: (row.get("collection_id", ""), int(row.get("sequence", "1"))))
    return found


def _holds(row: Cells, on: date) -> bool:
    return row.get("valid_from", "") <= on.isoformat() <= row.get("valid_to", "9999-12-31")
