"""Measurements: what they are, how rounds are interleaved, what becomes of them.

A bench is a function that takes a `Stage` and returns results. Ours and the baseline run in turn within each
round and the ratio is taken within the round, because the machine's speed varies up to threefold (LIBRARIES.md).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Final, Protocol

from service.launcher import Servers

ROUNDS: Final = 7


class Work(Protocol):
    """One timed run; returns how many units it did."""

    def __call__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table. `ratio` is the median of ours / baseline within each round; None without a goal."""

    name: str
    unit: str
    ours: float
    baseline: float | None
    ratio: float | None
    goal: str
    holds: bool | None

    def to_json(self) -> dict[str, object]:
        """Return what results.json keeps."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a bench gets: durable servers of this run, migrated, and a scratch folder's path."""

    servers: Servers
    folder: str
    rounds: int = ROUNDS


Bench = Callable[[Stage], list[Result]]


def per_second(work: Work) -> float:
    """Return units a second of one run."""
    started = time.perf_counter()
    units = work()
    return units / (time.perf_counter() - started)


def compare(
    name: str,
    unit: str,
    ours: Callable[[], Work],
    baseline: Callable[[], Work],
    *,
    at_least: float | None,
    rounds: int = ROUNDS,
) -> Result:
    """Return ours against a baseline in units a second, each round measuring both after preparing both.

    `ours` and `baseline` prepare one round's work (not timed) and return it. The order alternates, so that
    neither always runs on a warm cache. `at_least` is the goal for the ratio.
    """
    mine: list[float] = []
    theirs: list[float] = []
    for number in range(rounds + 1):
        prepared = [(mine, ours()), (theirs, baseline())]
        for kept, work in prepared if number % 2 else prepared[::-1]:
            speed = per_second(work)
            if number:  # the first round warms up
                kept.append(speed)
    ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
    return Result(
        name,
        unit,
        statistics.median(mine),
        statistics.median(theirs),
        ratio,
        "" if at_least is None else f"ratio >= {at_least:g}",
        None if at_least is None else ratio >= at_least,
    )


def also_fast(result: Result, a_second: float, ratio_goal: str) -> Result:
    """Return the result with a second goal, an absolute speed; it holds when both do."""
    return replace(
        result,
        goal=f"{ratio_goal}, >= {a_second:,.0f}/s",
        holds=bool(result.holds) and result.ours >= a_second,
    )
