"""The only place that reads a clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from kernel.errors import DomainError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class MalformedClockError(DomainError):
    """A clock setting is none of "system", "fixed:ISO" and "scaled;ISO;real epoch seconds;rate"."""

    detail = "“{text}” names no clock: system, fixed:INSTANT or scaled;INSTANT;EPOCH_SECONDS;RATE."


def micros(at: datetime) -> int:
    """Return the whole microseconds since 1970 of an aware instant."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(count: int) -> datetime:
    """Return the aware UTC instant `count` microseconds after 1970; OverflowError past year 9999."""
    return _EPOCH + timedelta(microseconds=count)


def stopwatch() -> float:
    """Return seconds of this machine's monotonic clock, never scaled: for latencies and time-outs only."""
    return time.perf_counter()


class Clock(Protocol):
    """What everything else is given instead of the machine's clock."""

    def now(self) -> datetime:
        """Return the instant, aware, in UTC."""
        ...

    def monotonic_ms(self) -> int:
        """Return milliseconds that never run backwards while the process lives."""
        ...

    def sleep_until(self, at: datetime) -> None:
        """Return once `now()` has reached `at`; at once when it has already."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the machine's instant in UTC."""
        return datetime.now(UTC)

    def monotonic_ms(self) -> int:
        """Return the machine's monotonic milliseconds."""
        return time.monotonic_ns() // 1_000_000

    def sleep_until(self, at: datetime) -> None:
        """Sleep for as long as `at` is ahead."""
        time.sleep(max(0.0, (at - self.now()).total_seconds()))


@dataclass(slots=True)
class FixedClock:
    """Stands still until told otherwise, for tests and reproducible runs."""

    at: datetime
    _elapsed_ms: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        assert self.at.tzinfo is not None, "an instant knows its zone"
        self.at = self.at.astimezone(UTC)

    def now(self) -> datetime:
        """Return the set instant."""
        return self.at

    def monotonic_ms(self) -> int:
        """Return the milliseconds the clock was moved forward so far."""
        return self._elapsed_ms

    def advance(self, by: timedelta) -> None:
        """Move the clock forward."""
        assert by >= timedelta(0), "a clock is set back by making a new one"
        self.at += by
        self._elapsed_ms += by // timedelta(milliseconds=1)

    def sleep_until(self, at: datetime) -> None:
        """Move to `at` without waiting."""
        self.advance(max(timedelta(0), at - self.at))


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """World time that runs `rate` times as fast as the machine's, from a shared pair of instants.

    `real_start` is in seconds of the machine's epoch time. All processes given the same three numbers agree.
    """

    world_start: datetime
    real_start: float
    rate: float

    def __post_init__(self) -> None:
        assert self.world_start.tzinfo is not None, "an instant knows its zone"
        assert self.rate > 0, "world time runs forward"

    def now(self) -> datetime:
        """Return the world's instant in UTC."""
        elapsed = timedelta(seconds=(time.time() - self.real_start) * self.rate)
        return self.world_start.astimezone(UTC) + elapsed

    def monotonic_ms(self) -> int:
        """Return monotonic milliseconds of world time."""
        return int(time.monotonic_ns() * self.rate) // 1_000_000

    def sleep_until(self, at: datetime) -> None:
        """Sleep the machine's share of the world's wait."""
        time.sleep(max(0.0, (at - self.now()).total_seconds() / self.rate))


def clock_from(text: str) -> Clock:
    """Return the clock a setting names: "system", "fixed:INSTANT", "scaled;INSTANT;EPOCH_SECONDS;RATE".

    Instants are ISO 8601 with an offset, e.g. "scaled;2026-11-18T04:30:00+07:00;1763000000.5;600".
    Anything else is a MalformedClockError.
    """
    try:
        if text == "system":
            return SystemClock()
        if text.startswith("fixed:"):
            return FixedClock(_instant(text.removeprefix("fixed:")))
        kind, world, real, rate = text.split(";")
        if kind == "scaled" and float(rate) > 0:
            return ScaledClock(_instant(world), float(real), float(rate))
    except ValueError:
        pass
    raise MalformedClockError(text=text)


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("an instant knows its zone")
    return at
