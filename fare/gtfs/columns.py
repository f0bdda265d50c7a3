"""Kinds of cells and columns, from which the files of a tariff are described (`fare.gtfs.schema`)."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    ID = "id"
    TEXT = "text"
    WHOLE = "whole"
    DECIMAL = "decimal"
    AMOUNT = "amount"
    CURRENCY = "currency"
    DATE = "date"  # YYYYMMDD, the standard's
    ISO_DATE = "iso_date"  # YYYY-MM-DD, ours
    TIME = "time"  # H:MM:SS to seconds
    WORD = "word"  # one of `choices`
    IDS = "ids"  # a;b;c
    PAIRS = "pairs"  # a>b;b>c
    ZONE = "zone"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind = Kind.TEXT
    required: bool = False
    refers: tuple[tuple[str, str], ...] = ()
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class FileSpec:
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    standard: bool = True


def id_cell(name: str, *, required: bool = False, refers: str = "") -> Column:
    targets = tuple(
        (pair.split(".txt.")[0] + ".txt", pair.split(".txt.")[1]) for pair in refers.split() if pair
    )
    return Column(name, Kind.ID, required=required, refers=targets)


def ids_cell(name: str, refers: str = "") -> Column:
    targets = tuple(
        (pair.split(".txt.")[0] + ".txt", pair.split(".txt.")[1]) for pair in refers.split() if pair
    )
    return Column(name, Kind.IDS, refers=targets)


def word_cell(name: str, *choices: str, required: bool = True) -> Column:
    return Column(name, Kind.WORD, required=required, choices=choices)


def whole_cell(name: str, low: int | None = 0, high: int | None = None, *, required: bool = False) -> Column:
    return Column(name, Kind.WHOLE, required=required, low=low, high=high)


AMOUNT: Final = (
    Column("amount", Kind.AMOUNT, required=True),
    Column("currency", Kind.CURRENCY, required=True),
)
NETWORK: Final = "networks.txt.network_id routes.txt.network_id"
CATEGORIES: Final = (
    "NORMAL", "PRIORITY", "FREE_MERIT", "FREE_SENIOR", "FREE_CHILD", "FREE_DISABLED", "FREE_POOR", "GROUP",
)  # fmt: skip
STATUSES: Final = ("published", "inferred", "placeholder", "unknown")
STATUS: Final = word_cell("status", *STATUSES, required=False)

COMMON: Final = (
    Column("valid_from", Kind.ISO_DATE),
    Column("valid_to", Kind.ISO_DATE),
    Column("decision"),
    Column("source"),
    Column("note"),
)
