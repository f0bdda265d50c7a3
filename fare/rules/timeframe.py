"""Timeframes: which groups an event lies in, by its local date and local time of day."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

NO_GROUPS: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Service:
    """A calendar: weekdays (Monday first) between two dates inclusive, with added and removed dates."""

    weekdays: tuple[bool, ...]
    start: date
    end: date
    added: frozenset[date]
    removed: frozenset[date]

    def runs_on(self, day: date) -> bool:
        if day in self.added:
            return True
        return day not in self.removed and self.start <= day <= self.end and self.weekdays[day.weekday()]


@dataclass(frozen=True, slots=True)
class Frame:
    """`[start_s, end_s)` of the local day, on the dates of a service."""

    group: str
    start_s: int
    end_s: int
    service_id: str


@dataclass(slots=True)
class Timeframes:
    """All timeframes in force; `any_used` is False where no leg rule names one."""

    zone: ZoneInfo
    frames: tuple[Frame, ...]
    services: Mapping[str, Service]
    any_used: bool
    _by_date: dict[date, tuple[Frame, ...]] = field(default_factory=dict)

    def at(self, instant: datetime | None, zone: ZoneInfo | None = None) -> frozenset[str]:
        """Return the groups the instant lies in: start inclusive, end exclusive, by local date and time.

        Local is the tariff's time zone where none is given.
        """
        if not self.any_used or instant is None:
            return NO_GROUPS
        local = instant.astimezone(zone or self.zone)
        day = local.date()
        frames = self._by_date.get(day)
        if frames is None:
            frames = self._by_date[day] = tuple(
                frame
                for frame in self.frames
                if frame.service_id in self.services and self.services[frame.service_id].runs_on(day)
            )
        second = local.hour * 3600 + local.minute * 60 + local.second
        return frozenset(frame.group for frame in frames if frame.start_s <= second < frame.end_s)
