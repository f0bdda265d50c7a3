"""What a bundle says of prices, for cards that pay from their purse: fares by route, by ride, and car parks' rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from kernel.wire.cardinfo import Concession
from kernel.wire.trips import AT_SIZE, mark
from parking.rules.book import RateBook, load_rates

_LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RideFares:
    """Fares of one route and concession whose rides are settled at their end.

    `within` is what a ride may begin and end in (its network), `most` is taken ahead, `fares` are by the mark of the
    stop where it began and the stop where it ends.
    """

    within: str
    most: int
    fares: Mapping[tuple[bytes, str], int]
    starts: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PurseTerms:
    """Flat fares and fares by ride, in đồng, by route and concession; how long a ride of a route may take; rates."""

    flat: Mapping[tuple[str, Concession], int] = field(default_factory=dict)
    rides: Mapping[tuple[str, Concession], RideFares] = field(default_factory=dict)
    limits: Mapping[str, timedelta] = field(default_factory=dict)
    rates: RateBook | None = None


NO_TERMS: Final = PurseTerms()


def purse_terms(document: Mapping[str, Any]) -> PurseTerms:
    """Return the terms of a bundle's document; ValueError, KeyError or TypeError for what is none.

    A word that this reader does not know, such as a later server's concession, is passed over.
    """
    files = document.get("purse_rates")
    return PurseTerms(
        flat={
            (name(route), concession): count(amount)
            for route, row in document.get("purse_fares", {}).items()
            for concession, amount in _by_concession(row)
        },
        rides={
            (name(route), concession): _ride_fares(row)
            for route, rows in document.get("purse_rides", {}).items()
            for concession, row in _by_concession(rows)
        },
        limits={
            name(route): timedelta(seconds=count(limit))
            for route, limit in document.get("purse_limits", {}).items()
        },
        rates=load_rates({each: text.encode() for each, text in files.items()}) if files else None,
    )


def name(value: object) -> str:
    """Return a name; ValueError for what does not fit into a record, whose size the server limits."""
    if not isinstance(value, str) or len(value.encode()) > _LONGEST_NAME or "\x00" in value:
        raise ValueError(f"not a name of at most {_LONGEST_NAME} bytes")
    return value


def count(value: object) -> int:
    """Return a whole number from 0; ValueError for anything else."""
    if type(value) is not int or value < 0:
        raise ValueError(f"not a count: {value!r}")
    return value


def _by_concession(row: Mapping[str, Any]) -> list[tuple[Concession, Any]]:
    return [(Concession[each], value) for each, value in row.items() if each in Concession.__members__]


def _ride_fares(row: Mapping[str, Any]) -> RideFares:
    pairs = {
        (name(start), name(end)): count(amount)
        for start, ends in row["fares"].items()
        for end, amount in ends.items()
    }
    most = count(row["most"])
    if any(amount > most for amount in pairs.values()):
        raise ValueError("a ride costs more than what is taken ahead for it")
    return RideFares(
        within=name(row["within"]),
        most=most,
        fares={(mark(start, AT_SIZE), end): amount for (start, end), amount in pairs.items()},
        starts=frozenset(start for start, _ in pairs),
    )
