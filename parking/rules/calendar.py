"""Which collection prices which seconds, and where cycles and cap periods begin. Local time enters only here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from kernel.clock import micros
from parking.rules.edges import CapPer, Cycle, Edges, OverMidnight
from parking.rules.rate import DAY_S, Cap, DailyWindow, RateLineCollection, RateTable, Stretch

HOLIDAY: Final = 7
EVE: Final = 8
_DAY: Final = timedelta(days=1)
_MEMO_DAYS: Final = 4_000  # eleven years of one table; then the memo starts over


def epoch(day: date, at: time, zone: ZoneInfo) -> int:
    """Return the epoch second of a local time of a date."""
    return micros(datetime.combine(day, at, zone)) // 1_000_000


def local(at: int, zone: ZoneInfo) -> datetime:
    """Return the local date and time of an epoch second."""
    return datetime.fromtimestamp(at, zone)


def instant(at: int) -> datetime:
    """Return the aware UTC instant of an epoch second."""
    return datetime.fromtimestamp(at, UTC)


def day_type(table: RateTable, day: date) -> int:
    """Return 0 (Monday) to 6, or HOLIDAY or EVE where the table has a window that tells such dates apart."""
    if HOLIDAY in table.tells and day in table.holidays:
        return HOLIDAY
    return EVE if EVE in table.tells and day in table.eves else day.weekday()


def holds_on(window: DailyWindow, day: date, day_type: int) -> bool:
    """Return whether a window opens on a date of that type."""
    if day_type not in window.days or (window.first_on is not None and day < window.first_on):
        return False
    if window.last_on is not None and day > window.last_on:
        return False
    return window.is_in_season(day.month * 100 + day.day)


def _occurrences(
    table: RateTable, window: DailyWindow, day: date, types: dict[date, int]
) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, opened) of the window's occurrences that may touch `day`."""
    zone, before = table.zone, day - _DAY
    midnight = epoch(day, time(0), zone)
    over = window.ends <= window.starts
    if holds_on(window, day, types[day]):
        ends_on = day + _DAY if over else day
        opened = epoch(day, window.starts, zone)
        yield opened, epoch(ends_on, window.ends, zone), opened
    if not over:
        return
    began = holds_on(window, before, types[before])
    judged = before if table.edges.over_midnight is OverMidnight.START_DAY else day
    if holds_on(window, judged, types[judged]):
        opened = epoch(before, window.starts, zone) if began else midnight
        yield midnight, epoch(day, window.ends, zone), opened


def _day_stretches(table: RateTable, day: date) -> tuple[Stretch, ...]:
    types = {each: day_type(table, each) for each in (day - _DAY, day)}
    first, last = epoch(day, time(0), table.zone), epoch(day + _DAY, time(0), table.zone)
    layers: list[tuple[int, int, int, int, int, RateLineCollection]] = []
    for each in table.ordinary:
        if each.window is None:
            # Without a window a collection lies under all others, as one occurrence for ever.
            layers.append((-1, -each.sequence, first, last, 0, each))
            continue
        for start, end, opened in _occurrences(table, each.window, day, types):
            if start < last and end > first:
                layers.append(
                    (each.priority, -each.sequence, max(start, first), min(end, last), opened, each)
                )
    edges = sorted({first, last, *(layer[2] for layer in layers), *(layer[3] for layer in layers)})
    found: list[Stretch] = []
    for start, end in pairwise(edges):
        over = [layer for layer in layers if layer[2] <= start and layer[3] >= end]
        top = max(over, key=lambda layer: layer[:2], default=None)
        collection, opened = (top[5], top[4]) if top else (None, start)
        if found and found[-1].collection is collection and found[-1].opened == opened:
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(Stretch(start, end, collection, opened))
    return tuple(found)


def stretches_over(table: RateTable, start: int, stop: int) -> list[Stretch]:
    """Return the stretches of `[start, stop)` in order, without holes; one of no price has collection None.

    A window that runs over midnight is one stretch. Never refuses.
    """
    if table.always is not None:
        return [Stretch(start, stop, table.always, 0)]
    memo = table.stretches
    day, found = local(start, table.zone).date(), list[Stretch]()
    while not found or found[-1].end < stop:
        stretches = memo.get(day)
        if stretches is None:
            if len(memo) >= _MEMO_DAYS:
                memo.clear()
            stretches = memo[day] = _day_stretches(table, day)
        for each in stretches:
            if each.end <= start or each.start >= stop:
                continue
            if found and found[-1].collection is each.collection and found[-1].opened == each.opened:
                found[-1] = found[-1]._replace(end=each.end)
            else:
                found.append(each)
        day += _DAY
    return found


def cycles(edges: Edges, zone: ZoneInfo, start: int, stop: int) -> list[tuple[int, int]]:
    """Return `[start, stop)` cut where the tiers start again: nowhere, every cycle_min, or at a local time."""
    match edges.cycle:
        case Cycle.NONE:
            return [(start, stop)]
        case Cycle.ROLLING:
            length = edges.cycle_min * 60
            return [(at, min(at + length, stop)) for at in range(start, stop, length)]
        case Cycle.CALENDAR:
            day = local(start, zone).date()
            bounds = [start]
            while bounds[-1] < stop:
                at = epoch(day, edges.cycle_starts, zone)
                if at > start:
                    bounds.append(min(at, stop))
                day += _DAY
            return list(pairwise(bounds))


def cap_period(cap: Cap, zone: ZoneInfo, entered: int, at: int) -> tuple[int, int]:
    """Return the period `[start, end)` of the cap that an instant of a stay begun at `entered` falls in."""
    match cap.per:
        case CapPer.STAY:
            return entered, entered + 366 * DAY_S * 100
        case CapPer.ROLLING:
            start = at - (at - entered - cap.start_s) % cap.length_s
            return start, start + cap.length_s
        case CapPer.DAY:
            day = local(at, zone).date()
            if at < epoch(day, cap.starts, zone):
                day -= _DAY
            return epoch(day, cap.starts, zone), epoch(day + _DAY, cap.starts, zone)
        case CapPer.WEEK:
            day = local(at, zone).date()
            day -= timedelta(days=(day.weekday() - cap.week_starts) % 7)
            if at < epoch(day, cap.starts, zone):
                day -= timedelta(days=7)
            return epoch(day, cap.starts, zone), epoch(day + timedelta(days=7), cap.starts, zone)
        case CapPer.MONTH:
            day = local(at, zone).date().replace(day=1)
            if at < epoch(day, cap.starts, zone):
                day = (day - _DAY).replace(day=1)
            after = (day + timedelta(days=31)).replace(day=1)
            return epoch(day, cap.starts, zone), epoch(after, cap.starts, zone)
