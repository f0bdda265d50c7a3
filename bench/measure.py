"""Measurements: what they are, how rounds are interleaved, what becomes of them.

A bench is a function that takes a `Stage` and returns results. Ours and the baseline run in turn within each
round and the ratio is taken within the round, because the machine's speed varies up to threefold (LIBRARIES.md).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Protocol

from service.launcher import Servers

ROUNDS: Final = 7


class Work(Protocol):
    """One timed run; returns how many units it did."""

    def __call__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    `ratio` is the median, over the rounds, of ours / baseline within the round (for a cost: baseline's speed /
    ours); None without a baseline. `ours` is None when it could not be measured; `note` then says why.
    """

    name: str
    unit: str
    ours: float | None
    baseline: float | None
    ratio: float | None
    goal: str
    holds: bool | None
    note: str = ""

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


def race(contestants: Mapping[str, Callable[[], Work]], *, rounds: int) -> dict[str, list[float]]:
    """Return the speeds of each contestant, in units a second, round by round.

    A contestant prepares one round's work (not timed) and returns it; then all run in turn. Who begins changes
    with the round, so that nobody always runs on a warm cache. The first round warms up and is not kept.
    """
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        prepared = [(name, prepare()) for name, prepare in contestants.items()]
        turn = number % len(prepared)
        for name, work in prepared[turn:] + prepared[:turn]:
            speed = per_second(work)
            if number:
                speeds[name].append(speed)
    return speeds


def judged(
    name: str,
    unit: str,
    mine: Sequence[float],
    theirs: Sequence[float],
    *,
    at_least: float | None = None,
    cost_at_most: float | None = None,
    note: str = "",
) -> Result:
    """Return two contestants' speeds as a result with its goal: a ratio of speeds, or of costs, or none."""
    if cost_at_most is None:
        ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
        goal = "" if at_least is None else f"ratio >= {at_least:g}"
        holds = None if at_least is None else ratio >= at_least
    else:
        ratio = statistics.median(b / a for a, b in zip(mine, theirs, strict=True))
        goal, holds = f"cost ratio <= {cost_at_most:g}", ratio <= cost_at_most
    return Result(name, unit, statistics.median(mine), statistics.median(theirs), ratio, goal, holds, note)


def compare(
    name: str,
    unit: str,
    ours: Callable[[], Work],
    baseline: Callable[[], Work],
    *,
    at_least: float | None,
    rounds: int = ROUNDS,
) -> Result:
    """Return ours against a baseline in units a second; `at_least` is the goal for the ratio."""
    speeds = race({"ours": ours, "baseline": baseline}, rounds=rounds)
    return judged(name, unit, speeds["ours"], speeds["baseline"], at_least=at_least)


def not_measured(name: str, unit: str, goal: str, why: str) -> Result:
    """Return a line of the table that says why there is no number."""
    return Result(name, unit, None, None, None, goal, None, f"not measured: {why}")


def also_fast(result: Result, a_second: float, ratio_goal: str) -> Result:
    """Return the result with a second goal, an absolute speed; it holds when both do."""
    return replace(
        result,
        goal=f"{ratio_goal}, >= {a_second:,.0f}/s",
        holds=bool(result.holds) and result.ours is not None and result.ours >= a_second,
    )
