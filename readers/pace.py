"""How quick the reader is: what its latest taps took, what their writes took, and whether that is slow.

A tap is slow that took longer from the card in the field to the light than `reader.tap_warn_ms` (300 ms, READERS.md's
budget). The reader is slow once at least two of a window's taps were, and at least one in a hundred: then the window's
99th percentile is beyond the limit. One tap alone may be a card held at the field's edge. It is well again when fewer
than half as many are left in the window, so that a reader at the limit does not flicker.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

WINDOW_S: Final = 900.0
WINDOW_TAPS: Final = 1_000
_WRITES: Final = 20
_FEWEST_SLOW: Final = 2


class Took(NamedTuple):
    """One green tap: when it was shown (`stopwatch`), and the milliseconds of the whole and of our part."""

    at: float
    whole_ms: float
    own_ms: float


def percentile(ordered: list[float], percent: int) -> float:
    """Return the value below which so many in a hundred of the ascending values lie; there must be one."""
    return ordered[len(ordered) * percent // 100]


class Pace:
    """The green taps of the last quarter of an hour, a thousand at most, and the last twenty writes.

    `took`, `wrote`, `probed` and `is_slow` belong to the tap thread, `spreads` to any.
    """

    def __init__(self, *, warn_ms: float) -> None:
        self._warn_ms = warn_ms
        self._taps: deque[Took] = deque(maxlen=WINDOW_TAPS)
        self._writes: deque[float] = deque(maxlen=_WRITES)
        self._slow = False

    def took(self, whole_ms: float, own_ms: float, *, at: float) -> None:
        """Take one green tap into account; the others end early."""
        self._taps.append(Took(at, whole_ms, own_ms))

    def probed(self, ms: float) -> None:
        """Take the self-test's word for the disk: it stands until as many writes of taps say otherwise."""
        self._writes.extend([ms] * _WRITES)

    def wrote(self, ms: float) -> None:
        """Take one durable write of a tap into account."""
        self._writes.append(ms)

    def write_ms(self) -> float:
        """Return the median of the last writes, 0 before there was one: a disk may tire, or was busy only at the start."""
        return percentile(sorted(self._writes), 50) if self._writes else 0.0

    def is_slow(self, now: float) -> bool:
        """Return whether the reader is slow at `now`, which is remembered until it is well again."""
        while self._taps and now - self._taps[0].at > WINDOW_S:
            self._taps.popleft()
        slow = sum(tap.whole_ms > self._warn_ms for tap in self._taps)
        allowed = max(_FEWEST_SLOW, -(-len(self._taps) // 100))
        self._slow = slow * 2 >= allowed if self._slow else slow >= allowed
        return self._slow

    def spreads(self, now: float) -> dict[str, dict[str, float]]:
        """Return the window's medians and 99th percentiles of our part and of the whole, empty where nobody tapped."""
        taps = [tap for tap in self._taps.copy() if now - tap.at <= WINDOW_S]
        return {
            "own_ms": _spread([tap.own_ms for tap in taps]),
            "total_ms": _spread([tap.whole_ms for tap in taps]),
        }


def _spread(times: list[float]) -> dict[str, float]:
    if not times:
        return {}
    times.sort()
    return {"p50": round(percentile(times, 50), 2), "p99": round(percentile(times, 99), 2)}
