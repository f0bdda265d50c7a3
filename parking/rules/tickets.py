"""Paper tickets by series: issued = collected + voided + open, and the numbers nobody can account for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise


class TicketEnd(Enum):
    """How a ticket ends."""

    COLLECTED = "collected"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class Ticket:
    """One printed number; `end` None while the vehicle is in."""

    number: int
    end: TicketEnd | None = None


@dataclass(frozen=True, slots=True)
class SeriesAccount:
    """A series accounted for. `gaps` are runs of numbers (first, last) inside it that nobody issued."""

    series: str
    first: int
    last: int
    collected: int
    voided: int
    open: int
    gaps: tuple[tuple[int, int], ...]

    @property
    def issued(self) -> int:
        """Return all numbers issued: each is collected, voided or open."""
        return self.collected + self.voided + self.open

    @property
    def missing(self) -> int:
        """Return how many numbers nobody issued."""
        return sum(last - first + 1 for first, last in self.gaps)


def account_series(series: str, tickets: Iterable[Ticket]) -> SeriesAccount | None:
    """Return the account of a series from its tickets, in any order; None where none was issued.

    A number issued twice is a programmer's error: the store keeps each once.
    """
    found = sorted(tickets, key=lambda each: each.number)
    if not found:
        return None
    numbers = [each.number for each in found]
    assert len(set(numbers)) == len(numbers), "each number is issued once"
    return SeriesAccount(
        series=series,
        first=numbers[0],
        last=numbers[-1],
        collected=sum(each.end is TicketEnd.COLLECTED for each in found),
        voided=sum(each.end is TicketEnd.VOIDED for each in found),
        open=sum(each.end is None for each in found),
        gaps=tuple((one + 1, other - 1) for one, other in pairwise(numbers) if other - one > 1),
    )
