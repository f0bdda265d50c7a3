"""What rows cannot say about themselves: unknown ids, overlapping and missing rates, fields that exclude each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from itertools import combinations, pairwise
from typing import Final

from parking.rules.calendar import EVE, HOLIDAY
from parking.rules.edges import (
    AtEdge,
    Combination,
    Cycle,
    Edges,
    LineType,
    MissingPolicy,
    OverMidnight,
    PartIncrement,
    TierClock,
    Uncovered,
    WindowBasis,
    WindowEdge,
)
from parking.rules.rate import DailyWindow, RateLineCollection, RateTable
from parking.rules.rows import Row

_ANY_DAY: Final = 101

# (file, column) names rows of (file, column).
FOREIGN: Final = (
    ("rate_line_collections.csv", "table_id", "rate_tables.csv", "table_id"),
    ("rate_lines.csv", "table_id", "rate_tables.csv", "table_id"),
    ("rate_caps.csv", "table_id", "rate_tables.csv", "table_id"),
    ("rate_taxes.csv", "table_id", "rate_tables.csv", "table_id"),
    ("rate_assignments.csv", "table_id", "rate_tables.csv", "table_id"),
    ("rate_assignments.csv", "place_id", "places.csv", "place_id"),
    ("rate_assignments.csv", "vehicle_class", "vehicle_classes.csv", "class_id"),
    ("gates.csv", "place_id", "places.csv", "place_id"),
    ("places.csv", "default_class", "vehicle_classes.csv", "class_id"),
    ("places.csv", "parent_id", "places.csv", "place_id"),
    ("rate_tables.csv", "calendar", "holidays.csv", "calendar"),
    ("right_specifications.csv", "place_id", "places.csv", "place_id"),
    ("right_specifications.csv", "vehicle_class", "vehicle_classes.csv", "class_id"),
    ("right_specifications.csv", "table_id", "rate_tables.csv", "table_id"),
)
_UNIQUE = (("places.csv", "place_id"), ("gates.csv", "gate_id"), ("vehicle_classes.csv", "class_id"))


def check_references(rows: Mapping[str, Sequence[Row]]) -> None:
    """Note each id that its file does not define, stands twice, or makes a place its own ancestor."""
    for file, name, target, key in FOREIGN:
        known = {row.text(key) for row in rows[target]}
        for row in rows[file]:
            if row.text(name) and row.text(name) not in known:
                row.wrong(name, f"“{row.text(name)}” is not in {target}")
    for file, name in _UNIQUE:
        seen: dict[str, int] = {}
        for row in rows[file]:
            before = seen.setdefault(row.text(name), row.number)
            if before != row.number:
                row.wrong(name, f"“{row.text(name)}” stands in row {before} already")
    named = {(row.text("table_id"), row.text("collection_id")) for row in rows["rate_line_collections.csv"]}
    for row in rows["rate_lines.csv"]:
        key_pair = (row.text("table_id"), row.text("collection_id"))
        if key_pair[1] and key_pair not in named:
            row.wrong("collection_id", f"“{key_pair[1]}” is not in rate_line_collections.csv")
    parents = {row.text("place_id"): row.text("parent_id") for row in rows["places.csv"]}
    for row in rows["places.csv"]:
        above, steps = row.text("parent_id"), 0
        while above and steps <= len(parents):
            above, steps = parents.get(above, ""), steps + 1
        if above:
            row.wrong("parent_id", "a place above is this place again")


def check_table(table: RateTable, head: Row, lines: Sequence[Row], on: date) -> None:
    """Note what is wrong with a table as compiled for a date, on its head row or on a line's."""
    edges = table.edges
    if not table.ordinary:
        head.wrong("table_id", f"has no line that holds on {on}")
        return
    if edges.at_edge is AtEdge.NEXT and edges.part_increment is PartIncrement.PRO_RATA:
        head.wrong("at_edge", "a price by the minute has no edge: use previous")
    if edges.window_edge is WindowEdge.CARRY and edges.part_increment is PartIncrement.PRO_RATA:
        windows = [each for each in table.ordinary if each.window is not None]
        if windows:
            head.wrong("window_edge", "a price by the minute is cut at a window's edge: use cut")
    if table.overstay is not None and not edges.max_stay_min:
        head.wrong("max_stay_min", "an overstay collection needs it")
    for name, policy in (("missing_entry", edges.missing_entry), ("missing_exit", edges.missing_exit)):
        if table.lost_ticket is None and policy is MissingPolicy.LOST_TICKET:
            head.wrong(name, "lost_ticket needs a collection of role lostTicket")
    for role in filter(None, [table.no_show, table.lost_ticket]):
        if role.timed or role.units or not role.flats:
            head.wrong(
                "table_id", f"collection “{role.collection_id}” takes flatRate lines: no time decides it"
            )
    _check_pause(table, head)
    _check_fine_prices(table, lines)
    if edges.combination is Combination.CHEAPEST:
        _check_combination(table, head)
        return
    for each in (*table.ordinary, *table.packages, *filter(None, [table.overstay])):
        _check_lines(table, each, head, lines)
    _check_windows(table, head, on)


def _check_pause(table: RateTable, head: Row) -> None:
    if table.edges.tier_clock is not TierClock.PRICED:
        return
    if table.edges.uncovered is not Uncovered.FREE:
        head.wrong("uncovered", "tier_clock priced stops in hours without a price, so uncovered is free")
    if table.edges.window_basis is not WindowBasis.SPLIT:
        head.wrong("window_basis", "tier_clock priced needs each part priced by its own window: split")


def _check_fine_prices(table: RateTable, lines: Sequence[Row]) -> None:
    """A part of a minor unit can be charged where increments are charged in parts, and nowhere else."""
    edges = table.edges
    if edges.part_increment is PartIncrement.PRO_RATA and edges.combination is not Combination.CHEAPEST:
        return
    for each in (*table.ordinary, *table.packages, *filter(None, [table.overstay])):
        fine = {line.sequence for line in each.timed if line.per > 1}
        for row in lines:
            if row.text("collection_id") == each.collection_id and row.whole("sequence", 1) in fine:
                unit = f"{table.currency.exponent} decimals in {table.currency.code}"
                row.wrong("value", f"more than {unit} needs part_increment pro_rata")


def _check_combination(table: RateTable, head: Row) -> None:
    if table.always is None or table.edges.cycle is not Cycle.NONE:
        head.wrong("combination", "cheapest needs one collection without window, and no cycle")
        return
    timed = table.always.timed
    whole = all(
        line.line_type is LineType.INCREMENT and not line.start_s and line.end_s is None for line in timed
    )
    if not timed or not whole:
        head.wrong("combination", "cheapest takes incrementingRate lines without start_min and end_min")


def _check_lines(table: RateTable, each: RateLineCollection, head: Row, lines: Sequence[Row]) -> None:
    where = f"collection “{each.collection_id}”" if each.collection_id else "the table"
    numbers = {
        row.whole("sequence", 1): row for row in lines if row.text("collection_id") == each.collection_id
    }
    if not each.timed and not each.flats:
        if not each.units:
            head.wrong("table_id", f"{where} has no lines")
        return
    if not each.timed:
        return
    refuse = table.edges.uncovered is Uncovered.REFUSE
    first = numbers[each.timed[0].sequence]
    if (
        each.timed[0].start_s
        and refuse
        and (each.window is None or table.edges.tier_clock is TierClock.WINDOW)
    ):
        first.wrong("start_min", f"nothing prices the first minutes of {where}")
    for earlier, later in pairwise(each.timed):
        row = numbers[later.sequence]
        if earlier.end_s is None or earlier.end_s > later.start_s:
            row.wrong("start_min", f"overlaps the line before it in {where}")
        elif earlier.end_s < later.start_s and refuse:
            row.wrong("start_min", f"nothing prices the minutes before it in {where}")


_Part = tuple[int, int, int]  # day type, from minute, to minute


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


def _is_over_midnight(window: DailyWindow) -> bool:
    return window.ends <= window.starts


def _heads(window: DailyWindow) -> list[_Part]:
    """Return the parts of a window on the days that it names."""
    end = 1440 if _is_over_midnight(window) else _minutes(window.ends)
    return [(day, _minutes(window.starts), end) for day in window.days]


def _tails(window: DailyWindow, edges: Edges) -> list[_Part]:
    """Return the hours after midnight of a window, on each type of day that they may fall on."""
    if not _is_over_midnight(window) or window.ends == time(0):
        return []
    if edges.over_midnight is OverMidnight.OWN_DAY:
        return [(day, 0, _minutes(window.ends)) for day in window.days]
    # Monday's night runs into Tuesday, a holiday or an eve; a holiday's or an eve's into a day of any type.
    return [
        (follower, 0, _minutes(window.ends))
        for day in window.days
        for follower in (range(9) if day >= HOLIDAY else ((day + 1) % 7, HOLIDAY, EVE))
    ]


def _check_windows(table: RateTable, head: Row, on: date) -> None:
    windowed = [each for each in table.ordinary if each.window is not None]
    bare = [each for each in table.ordinary if each.window is None]
    if len(bare) > 1:
        head.wrong("table_id", f"two collections hold at all times on {on}: {_names(bare)}")
    for one, other in combinations(windowed, 2):
        assert one.window is not None, "windowed"
        assert other.window is not None, "windowed"
        if one.priority == other.priority and _meet(one.window, other.window, table.edges):
            head.wrong("table_id", f"collections {_names([one, other])} overlap with equal priority on {on}")
    if bare or table.edges.uncovered is Uncovered.FREE:
        return
    for season in _samples([each.window for each in windowed if each.window is not None]):
        for day in [*range(7), *sorted(table.tells)]:
            covered = sorted(
                (start, end)
                for each in windowed
                if each.window is not None
                and each.window.first_on is None
                and each.window.last_on is None
                and each.window.is_in_season(season)
                for kind, start, end in [*_heads(each.window), *_tails(each.window, table.edges)]
                if kind == day
            )
            reached = 0
            for start, end in covered:
                if start > reached:
                    break
                reached = max(reached, end)
            if reached < 1440:
                at = time(reached // 60, reached % 60)
                when = f"on {on}" if season == _ANY_DAY else f"on {season // 100:02}-{season % 100:02}"
                head.wrong("table_id", f"no collection prices {_day_name(day)} from {at:%H:%M} ({when})")


def _samples(windows: Sequence[DailyWindow]) -> list[int]:
    """Return one day of the year within each stretch in which the same seasons hold."""
    seasons = [each.season for each in windows if each.season is not None]
    # In a leap year, for 29 February is a day of the year too.
    after = [date(2024, *divmod(last, 100)) + timedelta(days=1) for _, last in seasons]
    return sorted({*(first for first, _ in seasons), *(day.month * 100 + day.day for day in after)}) or [
        _ANY_DAY
    ]


def _day_name(day: int) -> str:
    if day >= HOLIDAY:
        return "holiday" if day == HOLIDAY else "eve"
    return date(2024, 1, day + 1).strftime("%A")


def _names(each: Sequence[RateLineCollection]) -> str:
    return ", ".join(f"“{one.collection_id}”" for one in each)


def _meet(one: DailyWindow, other: DailyWindow, edges: Edges) -> bool:
    """Return whether both may hold at one time. Two nights never meet after midnight unless they do before it."""
    if one.last_on is not None and other.first_on is not None and one.last_on < other.first_on:
        return False
    if other.last_on is not None and one.first_on is not None and other.last_on < one.first_on:
        return False
    if one.season is not None and other.season is not None:
        firsts = (one.is_in_season(other.season[0]), other.is_in_season(one.season[0]))
        if not any(firsts):
            return False
    heads = _heads(one), _heads(other)
    return any(
        day == same and start < last and first < end
        for parts, others in (heads, (heads[0], _tails(other, edges)), (_tails(one, edges), heads[1]))
        for day, start, end in parts
        for same, first, last in others
    )
