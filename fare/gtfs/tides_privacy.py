"""What of the taps may be published: cells of many cards, and no pair of cells that few cards share.

A cell is everything a published row says. A card's part in a cell is published only where at least k cards are in
the cell, and at least k cards are in every two cells that the card is published in: whoever knows two of a person's
rides then finds no fewer than k people who made both. What does not pass is left out, part by part.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import combinations
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from fare.gtfs.tides import MEDIUM, Transaction, amount_text, instant_text, pattern_id
from kernel.money import Money

LEAST_K: Final = 5
LEAST_MINUTES: Final = 15
_DAY_MIN: Final = 24 * 60


class Cell(NamedTuple):
    """What one published row says, but for its count and sum."""

    service_day: date
    begins: datetime
    pattern_id: str
    stop_id: str
    action: str
    capped: bool
    currency: str


@dataclass(frozen=True, slots=True)
class Published:
    """A cell's published row: how many rides and what they were charged; `cards` stays with us."""

    cell: Cell
    riders: int
    amount: Money
    cards: int


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What an export shows and what it holds back; `smallest_pair` is 0 where no two cells share a card."""

    k: int
    minutes: int
    transactions: int
    published: int
    cells: int
    cells_published: int
    smallest_cell: int
    pairs: int
    smallest_pair: int

    @property
    def holds(self) -> bool:
        """Return whether every cell, and every pair of cells with a card in both, has at least k cards."""
        return (not self.cells_published or self.smallest_cell >= self.k) and (
            not self.pairs or self.smallest_pair >= self.k
        )


def cell_of(one: Transaction, *, minutes: int, zone: ZoneInfo) -> Cell:
    """Return the cell of a transaction: its local time down to a band of so many minutes, its route, at a station its stop."""
    local = one.at.astimezone(zone)
    minute = (local.hour * 60 + local.minute) // minutes * minutes
    begins = datetime.combine(local.date(), time(minute // 60, minute % 60), zone)
    return Cell(
        one.service_day,
        begins,
        pattern_id(one),
        one.stop_id if one.at_station else "",
        one.action.value,
        one.capped,
        one.amount.currency.code,
    )


def publishable(
    transactions: Iterable[Transaction], *, k: int, minutes: int, zone: ZoneInfo
) -> tuple[tuple[Published, ...], Disclosure]:
    """Return the rows that may be published, in order, and what they disclose.

    `minutes` divides a day and is at least 15, `k` at least 5. The same transactions in any order give the same rows.
    """
    assert k >= LEAST_K, "fewer people than that are no crowd"
    assert minutes >= LEAST_MINUTES, "finer times are no coarse times"
    assert _DAY_MIN % minutes == 0, "bands begin at midnight"
    parts: dict[UUID, dict[Cell, list[Transaction]]] = defaultdict(lambda: defaultdict(list))
    total = 0
    for one in transactions:
        parts[one.card_id][cell_of(one, minutes=minutes, zone=zone)].append(one)
        total += 1
    every = {cell for cells in parts.values() for cell in cells}
    kept = suppress({card: frozenset(cells) for card, cells in parts.items()}, k)
    rides: dict[Cell, list[Transaction]] = defaultdict(list)
    for card, cells in kept.items():
        for cell in cells:
            rides[cell] += parts[card][cell]
    counts, pairs = _count(kept)
    rows = tuple(
        Published(
            cell,
            len(found),
            sum((one.amount for one in found), Money.zero(found[0].amount.currency)),
            counts[cell],
        )
        for cell, found in sorted(rides.items())
    )
    return rows, Disclosure(
        k=k,
        minutes=minutes,
        transactions=total,
        published=sum(row.riders for row in rows),
        cells=len(every),
        cells_published=len(rows),
        smallest_cell=min(counts.values(), default=0),
        pairs=len(pairs),
        smallest_pair=min(pairs.values(), default=0),
    )


def suppress(cards: Mapping[UUID, frozenset[Cell]], k: int) -> dict[UUID, frozenset[Cell]]:
    """Return each card's cells that may be published: every cell and every pair of cells left has at least k cards.

    Of a pair that too few share, a card gives up the cell that is in most of its such pairs, the rarer one of two;
    what that leaves is judged again until nothing changes.
    """
    kept = dict(cards)
    while True:
        counts, pairs = _count(kept)
        changed = False
        after: dict[UUID, frozenset[Cell]] = {}
        for card, cells in kept.items():
            left = frozenset(cell for cell in cells if counts[cell] >= k)
            while True:
                rare = [pair for pair in combinations(sorted(left), 2) if pairs[pair] < k]
                if not rare:
                    break
                blame = Counter(cell for pair in rare for cell in pair)
                left -= {min(blame, key=lambda cell: (-blame[cell], counts[cell], cell))}
            changed = changed or left != cells
            if left:
                after[card] = left
        kept = after
        if not changed:
            return kept


def _count(cards: Mapping[UUID, frozenset[Cell]]) -> tuple[Counter[Cell], Counter[tuple[Cell, Cell]]]:
    counts: Counter[Cell] = Counter()
    pairs: Counter[tuple[Cell, Cell]] = Counter()
    for cells in cards.values():
        counts.update(cells)
        pairs.update(combinations(sorted(cells), 2))
    return counts, pairs


def public_rows(published: Iterable[Published]) -> Iterable[dict[str, str]]:
    """Return the rows of the public fare_transactions.csv: numbered, with no token, vehicle or device."""
    for number, row in enumerate(published, 1):
        cell = row.cell
        yield {
            "transaction_id": f"{cell.service_day:%Y%m%d}-{number:06}",
            "service_date": cell.service_day.isoformat(),
            "event_timestamp": instant_text(cell.begins),
            "amount": amount_text(row.amount),
            "currency_type": cell.currency,
            "fare_action": cell.action,
            "pattern_id": cell.pattern_id,
            "stop_id": cell.stop_id,
            "num_riders": str(row.riders),
            "fare_media_id": MEDIUM,
            "fare_capped": str(cell.capped).lower(),
        }


def report(found: Disclosure, *, first: date, last: date) -> dict[str, object]:
    """Return the disclosure report as JSON has it: the rule, what is published, and what is held back."""
    held = found.transactions - found.published
    return {
        "mode": "public",
        "from": first.isoformat(),
        "to": last.isoformat(),
        "k": found.k,
        "band_minutes": found.minutes,
        "transactions": found.transactions,
        "transactions_published": found.published,
        "transactions_held_back": held,
        "held_back_percent": -(-held * 100 // found.transactions) if found.transactions else 0,
        "cells": found.cells,
        "cells_published": found.cells_published,
        "smallest_cell_cards": found.smallest_cell,
        "cell_pairs_that_share_cards": found.pairs,
        "smallest_pair_cards": found.smallest_pair,
        "holds": found.holds,
        "rules": [
            "no token, card, device, vehicle or trip in any row",
            "times are the beginning of a band; stops only where the gate stands at one",
            "a row sums the rides of at least k cards",
            "any two rows share no card or at least k cards; what breaks that is left out",
            "counts and sums are therefore lower bounds; publish a range of days once",
        ],
    }


def band_fits(minutes: int) -> bool:
    """Return whether bands of so many minutes are coarse enough and begin at midnight."""
    return minutes >= LEAST_MINUTES and _DAY_MIN % minutes == 0
