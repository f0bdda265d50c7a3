"""A change of rate files told as a notice: which rows are new, gone or otherwise, cell by cell. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from parking.apds.editions import FILES_OF, Cells
from parking.apds.shapes import Json
from parking.rules.rate_files import FILES
from parking.rules.rows import DATED

# What tells the rows of one element apart, in each file.
TELLS_APART: Final[Mapping[str, tuple[str, ...]]] = {
    "places.csv": (),
    "rate_assignments.csv": ("vehicle_class", "user"),
    "rate_tables.csv": (),
    "rate_line_collections.csv": ("collection_id",),
    "rate_lines.csv": ("collection_id", "sequence"),
    "rate_caps.csv": ("cap_id",),
    "rate_taxes.csv": ("tax_id",),
    "right_specifications.csv": (),
}
assert TELLS_APART.keys() == {name for files in FILES_OF.values() for name in files}, (
    "every file of an element"
)
_FROM_THE_BEGIN: Final = ("start_min", "0")  # an empty cell says the same
_NAMES_IT: Final = {name: column for files in FILES_OF.values() for name, column in files.items()}


class Sort(Enum):
    """What happens to a row."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell before and after; "" where there is nothing."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """A row that is new, gone or otherwise: what it is called among its element's rows, and its cells."""

    file: str
    called: tuple[tuple[str, str], ...]
    sort: Sort
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """What changes, in the order of the files, and on whose word; rows that only begin anew are counted alone."""

    changes: tuple[Change, ...]
    anew: int
    decisions: tuple[str, ...]
    sources: tuple[str, ...]


def notice(gone: Iterable[Json], come: Iterable[Json]) -> Notice:
    """Return the rows that go and those that come as a notice: what is the same row, by its name, is told once."""
    before, after = _by_name(gone), _by_name(come)
    changes: list[Change] = []
    anew = 0
    for key in sorted(before.keys() | after.keys(), key=_place):
        change = _change(key, before.get(key), after.get(key))
        if change.cells:
            changes.append(change)
        else:
            anew += 1
    return Notice(
        tuple(changes),
        anew,
        *(tuple(dict.fromkeys(row[name] for row in after.values() if row.get(name))) for name in DATED[2:]),
    )


_Key = tuple[str, tuple[str, ...]]


def _by_name(rows: Iterable[Json]) -> dict[_Key, Cells]:
    return {
        (row["file"], tuple(row["cells"].get(name, "") for name in TELLS_APART[row["file"]])): {
            name: text for name, text in row["cells"].items() if (name, text) != _FROM_THE_BEGIN
        }
        for row in rows
    }


def _place(key: _Key) -> tuple[int, tuple[tuple[bool, int, str], ...]]:
    """Return where a row stands: numbers among names by their size."""
    name, called = key
    return list(TELLS_APART).index(name), tuple(
        (not each.isdecimal(), int(each) if each.isdecimal() else 0, each) for each in called
    )


def _change(key: _Key, before: Cells | None, after: Cells | None) -> Change:
    name, values = key
    called = tuple(zip(TELLS_APART[name], values, strict=True))
    sort = Sort.CHANGED if before and after else Sort.ADDED if after else Sort.REMOVED
    old, new = before or {}, after or {}
    left_out = {_NAMES_IT[name], *TELLS_APART[name], "valid_from", "decision", "source"}
    cells = tuple(
        Cell(each, old.get(each, ""), new.get(each, ""))
        for each in (*FILES[name], *DATED)
        if each not in left_out and old.get(each, "") != new.get(each, "")
    )
    return Change(name, called, sort, cells)
