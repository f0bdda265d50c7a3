"""Operating days: where they start is tariff data (Hanoi: 04:00 local), never a constant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of time, `[start, end)`, between two aware instants."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        assert self.start.tzinfo is not None, "an instant knows its zone"
        assert self.end.tzinfo is not None, "an instant knows its zone"

    def contains(self, at: datetime) -> bool:
        """Return whether `at` lies in the window; the end does not."""
        return self.start <= at < self.end


@lru_cache(maxsize=4096)
def _first_instant(day: date, starts: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, starts, zone).astimezone(UTC)


def service_day(at: datetime, starts: time, zone: ZoneInfo) -> date:
    """Return the operating day that the instant belongs to: the one whose `day_window` contains it."""
    day = at.astimezone(zone).date()
    # Judged by instants, not by wall time: where clocks go back over `starts`, wall time passes it twice.
    if at < _first_instant(day, starts, zone):
        return day - _DAY
    if at >= _first_instant(day + _DAY, starts, zone):
        return day + _DAY
    return day


def day_window(day: date, starts: time, zone: ZoneInfo) -> Window:
    """Return the operating day as instants in UTC; consecutive days share no instant and leave none out."""
    return Window(_first_instant(day, starts, zone), _first_instant(day + _DAY, starts, zone))


def local_date(at: datetime, zone: ZoneInfo) -> date:
    """Return the calendar date of the instant where the zone's clocks hang."""
    return at.astimezone(zone).date()
