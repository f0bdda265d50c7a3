"""parking.quote: quotes of Đống Đa's car rate against a function written by hand for that one rate.

Finding the table that holds at the entry is part of a quote; its proof is there but not rendered. One core.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from bench.measure import Result, Stage, Work, also_fast, compare
from kernel.money import VND, Money
from parking.rate_dir import HANOI, load_rate_dir
from parking.rules.quote import quote_between

PLACE: Final = "dong-da"
CLASS: Final = "car_le9"
STAYS: Final = 4_000
SLOWER: Final = 12
A_SECOND: Final = 20_000

_OPENING: Final = datetime(2026, 11, 17, 22, 0, tzinfo=UTC)
_SINCE: Final = datetime(2017, 12, 31, 17, 0, tzinfo=UTC)
_HOUR_S: Final = 3_600
_MINUTE: Final = timedelta(minutes=1)
_STEPS: Final = ((2, 25_000), (2, 35_000), (sys.maxsize, 45_000))


class _Line(NamedTuple):
    from_min: int
    to_min: int
    units: int
    unit_price: int
    amount: int


class _Quoted(NamedTuple):
    minutes: int
    total: int
    proof: tuple[_Line, ...]


def _by_hand(entered: datetime, left: datetime) -> _Quoted:
    """Return the price and its proof, a line a step: full minutes count, a begun hour whole."""
    if entered < _SINCE or left < entered:
        raise ValueError("no rate")
    minutes = (left - entered) // _MINUTE
    hours = max(1, -(-minutes // 60))
    proof, total, start = [], 0, 0
    for most, price in _STEPS:
        units = min(hours, most)
        if not units:
            break
        end = min(start + units * 60, minutes)
        proof.append(_Line(start, end, units, price, units * price))
        total += units * price
        hours -= units
        start = end
    return _Quoted(minutes, total, tuple(proof))


def run(stage: Stage) -> list[Result]:
    """Measure quotes of stays of up to ten hours, on one core."""
    book = load_rate_dir(HANOI)
    chance = random.Random(20180103)
    stays = []
    for _ in range(STAYS):
        entered = _OPENING + timedelta(seconds=chance.randrange(12 * _HOUR_S))
        stays.append((entered, entered + timedelta(seconds=chance.randrange(1, 10 * _HOUR_S))))
    for entered, left in stays:
        found = quote_between(book.table_for(PLACE, CLASS, entered), entered, left)
        hand = _by_hand(entered, left)
        ours_proof = [(line.units, line.unit_price) for line in found.lines()]
        hand_proof = [(line.units, Money(line.unit_price, VND)) for line in hand.proof]
        assert (found.total.minor, ours_proof) == (hand.total, hand_proof), "both sides price a stay alike"

    def ours() -> Work:
        def work() -> int:
            for entered, left in stays:
                quote_between(book.table_for(PLACE, CLASS, entered), entered, left)
            return len(stays)

        return work

    def baseline() -> Work:
        def work() -> int:
            for entered, left in stays:
                _by_hand(entered, left)
            return len(stays)

        return work

    result = compare("parking.quote", "quotes/s", ours, baseline, at_least=1 / SLOWER, rounds=stage.rounds)
    return [also_fast(result, A_SECOND, f"<= {SLOWER}x")]
