"""From a table and the measured seconds of a stay to its charges, one per line used.

There is one path: a price is the sum of the charges that its proof shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time, timedelta
from math import gcd

from kernel.money import Money
from parking.rules.calendar import cap_period, cycles, day_type, epoch, holds_on, local, stretches_over
from parking.rules.edges import (
    AtEdge,
    Choose,
    Combination,
    FreeClock,
    FreeEdge,
    FreeMode,
    LineType,
    Outlasted,
    OverstayCaps,
    OverstayMode,
    PartIncrement,
    TierClock,
    WindowBasis,
)
from parking.rules.pause import with_pauses, without_pauses
from parking.rules.rate import Cap, PackageRule, RateLine, RateLineCollection, RateTable, Stretch
from parking.rules.walk import Charge, Kind, Walk


def charges_for(table: RateTable, entered: int, length: int) -> list[Charge]:
    """Return what `length` measured seconds from epoch second `entered` are charged, before taxes.

    A stay always begins its first increment, however short, unless the free minutes cover it. Raises
    UncoveredTimeError where the table has no line (and charges nothing there if its `uncovered` says so).
    """
    edges = table.edges
    free = edges.free_min * 60
    counted = _counted_s(table, entered, length) if free else length
    if free and (counted < free or (counted == free and edges.free_edge is FreeEdge.INCLUSIVE)):
        return [Charge(Kind.FREE, "free_min", entered, entered + length, 1, 0)]
    stop = entered + max(length, 1)
    if length and edges.at_edge is AtEdge.NEXT:
        stop += 1
    start = origin = entered
    found: list[Charge] = []
    if free and edges.free_mode is FreeMode.DEDUCTION:
        start = min(_after_s(table, entered, stop, free), stop)
        origin = entered if edges.free_clock is FreeClock.KEEP else start
        found.append(Charge(Kind.FREE, "free_min", entered, start, 1, 0))
    until, over_at = stop, stop
    if table.overstay is not None:
        over_at = min(stop, _after_s(table, entered, stop, edges.max_stay_min * 60))
        until = min(stop, over_at) if edges.overstay is OverstayMode.INSTEAD else stop
    if until > start:
        found += _ordinary(table, origin, start, until)
    if table.overstay is not None and over_at < stop:
        extra = _walk(table, _overstayed(table, over_at, stop), over_at, over_at, stop)
        found += [charge._replace(kind=Kind.OVERSTAY) for charge in extra]
    if table.caps:
        found = _with_caps(table, found, entered)
    if table.packages:
        found = _with_packages(table, found, entered, entered + length)
    missing = edges.min_value - total_of(found) if edges.min_value else 0
    if missing > 0 and start < stop and _is_priced(table, start, stop):
        found.append(Charge(Kind.MINIMUM, "min_value", entered, stop, 1, missing))
    return found


def _ordinary(table: RateTable, origin: int, start: int, stop: int) -> list[Charge]:
    """Return the charges of `[start, stop)` before caps, its tiers counted from `origin`."""
    if table.edges.combination is Combination.CHEAPEST:
        return _cover(table, start, stop)
    return _span(table, origin, start, stop)


def _counted_s(table: RateTable, entered: int, length: int) -> int:
    """Return how much of a stay the free minutes look at: all, or what is priced where only that is counted."""
    if table.edges.tier_clock is not TierClock.PRICED or not length:
        return length
    left = entered + length
    return sum(
        min(each.end, left) - max(each.start, entered)
        for each in stretches_over(table, entered, left)
        if each.collection is not None
    )


def _is_priced(table: RateTable, start: int, stop: int) -> bool:
    return any(each.collection is not None for each in stretches_over(table, start, stop))


def total_of(charges: Iterable[Charge]) -> int:
    """Return the sum of the amounts."""
    return sum([charge.amount for charge in charges])


def _span(table: RateTable, origin: int, start: int, stop: int) -> list[Charge]:
    """Return the charges of `[start, stop)`, cycle by cycle, by the windows that the table's basis names."""
    basis, found = table.edges.window_basis, list[Charge]()
    for first, last in cycles(table.edges, table.zone, start, stop):
        clock = origin if first == start else first
        stretches = stretches_over(table, first, last)
        if basis is WindowBasis.SPLIT or table.always is not None:
            found += _walk(table, stretches, clock, first, last)
            continue
        if basis is WindowBasis.ENTRY:
            stretches = stretches[:1]
        elif basis is WindowBasis.EXIT:
            stretches = stretches[-1:]
        ways = [
            Walk(table, clock).over([each._replace(start=first, end=last)], first, last) for each in stretches
        ]
        choose = min if basis is WindowBasis.CHEAPEST else max
        found += choose(ways, key=total_of)
    return found


def _overstayed(table: RateTable, start: int, stop: int) -> list[Stretch]:
    """Return what is parked past the longest stay: one stretch, but for hours that stop the clock."""
    if table.edges.tier_clock is not TierClock.PRICED:
        return [Stretch(start, stop, table.overstay, 0)]
    return [
        each if each.collection is None else each._replace(collection=table.overstay, opened=0)
        for each in stretches_over(table, start, stop)
    ]


def _after_s(table: RateTable, entered: int, stop: int, length: int) -> int:
    """Return when `length` seconds of a stay are over by the table's clock, or `stop` when they never are."""
    if table.edges.tier_clock is not TierClock.PRICED:
        return entered + length
    for each in stretches_over(table, entered, stop):
        begin = max(each.start, entered)
        if each.collection is None:
            continue
        if begin + length < each.end:
            return begin + length
        length -= each.end - begin
    return stop


def _walk(table: RateTable, stretches: list[Stretch], clock: int, start: int, stop: int) -> list[Charge]:
    """Return the charges of `[start, stop)`, its tiers counted from `clock`."""
    if table.edges.tier_clock is not TierClock.PRICED:
        return Walk(table, clock).over(stretches, start, stop)
    inside = [each._replace(end=min(each.end, stop)) for each in stretches]
    moved, pauses = without_pauses(inside, start)
    until = stop - sum(pause.length for pause in pauses)
    return with_pauses(Walk(table, clock).over(moved, start, until), pauses)


def _cover(table: RateTable, start: int, stop: int) -> list[Charge]:
    """Return the cheapest set of the collection's increments, each usable any number of times, that covers."""
    each = table.always
    assert each is not None, "rate files with a combination under windows are refused"
    step = gcd(*(line.increment_s for line in each.timed))
    sizes = [(line.increment_s // step, line) for line in each.timed]
    cells = -(-(stop - start) // step)
    cost, taken = [0], list[tuple[int, RateLine]]()
    for cell in range(1, cells + 1):
        way = min(sizes, key=lambda way: cost[max(0, cell - way[0])] + way[1].value)
        cost.append(cost[max(0, cell - way[0])] + way[1].value)
        taken.append(way)
    units: dict[int, int] = {}
    while cells > 0:
        size, line = taken[cells - 1]
        units[line.sequence] = units.get(line.sequence, 0) + 1
        cells -= size
    charges = [Charge(Kind.LINE, each.collection_id, start, stop, 1, line.value, line) for line in each.flats]
    for line in each.timed:
        count = units.get(line.sequence, 0)
        if count:
            charges.append(
                Charge(Kind.LINE, each.collection_id, start, stop, count, count * line.value, line)
            )
    return charges


def _with_caps(table: RateTable, charges: list[Charge], entered: int) -> list[Charge]:
    """Return the charges and, for each period in which a cap is exceeded, the negative amount that keeps it."""
    for cap in table.caps:
        sums: dict[tuple[int, int], int] = {}
        first, last = entered + cap.start_s, None if cap.end_s is None else entered + cap.end_s
        for charge in charges:
            if charge.kind is Kind.OVERSTAY and table.edges.overstay_caps is OverstayCaps.OUTSIDE:
                continue
            for at, amount in _begun(table, cap, entered, charge):
                if at < first or (last is not None and at >= last):
                    continue
                period = cap_period(cap, table.zone, entered, at)
                sums[period] = sums.get(period, 0) + amount
        charges = charges + [
            # Dated inside the stay, so that a wider cap finds it in the same wider period.
            Charge(Kind.CAP, cap.cap_id, max(start, first), end, 1, cap.value - total)
            for (start, end), total in sums.items()
            if total > cap.value
        ]
    return charges


def _begun(table: RateTable, cap: Cap, entered: int, charge: Charge) -> list[tuple[int, int]]:
    """Return (begin, amount) of each increment: a cap's period is the one in which an increment begins.

    A price by the minute belongs to its minutes: it is parted where one period ends and the next begins.
    """
    line = charge.line
    if line is None or line.line_type is not LineType.INCREMENT:
        return [(charge.start, charge.amount)]
    if table.edges.part_increment is not PartIncrement.PRO_RATA or charge.kind is Kind.LINE_CAP:
        if charge.units <= 1:
            return [(charge.start, charge.amount)]
        return [(charge.start + number * line.increment_s, line.value) for number in range(charge.units)]
    found, at, taken = list[tuple[int, int]](), charge.start, 0
    turns = [entered + edge for edge in (cap.start_s, cap.end_s) if edge is not None]
    while at < charge.end:
        turn = min(
            [cap_period(cap, table.zone, entered, at)[1], charge.end, *(each for each in turns if each > at)]
        )
        whole = Money(charge.amount, table.currency)
        until = whole.share(turn - charge.start, charge.end - charge.start, table.edges.rounding).minor
        found.append((at, until - taken))
        at, taken = turn, until
    return found


def _with_packages(table: RateTable, found: list[Charge], entered: int, left: int) -> list[Charge]:
    """Return the charges of the package that holds: the first that is always used, else the cheapest way."""
    for each in table.packages:
        way = _package(table, each, entered, left)
        if way is None:
            continue
        if each.package is not None and each.package.choose is Choose.ALWAYS:
            return way
        if total_of(way) < total_of(found):
            found = way
    return found


def _inside(at: time, lower: time | None, upper: time | None) -> bool:
    if lower is None or upper is None:
        return True
    return lower <= at < upper if lower < upper else (at >= lower or at < upper)


def _last_day(rule: PackageRule, day: date, at: time) -> date:
    """Return the first date on which the leaving hours end after the entry: two days are no early bird."""
    assert rule.leave_to is not None, "the package has leaving hours"
    if at >= rule.leave_to:
        day += timedelta(days=1)
    while rule.leave_days and day.weekday() not in rule.leave_days:
        day += timedelta(days=1)
    return day


def _package(table: RateTable, each: RateLineCollection, entered: int, left: int) -> list[Charge] | None:
    """Return a package's charges, or None where the stay does not meet its conditions."""
    rule = each.package
    assert rule is not None, "rate files give every package its rule"
    first, last = local(entered, table.zone), local(left, table.zone)
    if each.window is not None and not holds_on(each.window, first.date(), day_type(table, first.date())):
        return None
    if not _inside(first.time(), rule.enter_from, rule.enter_to):
        return None
    ends = [entered + rule.max_stay_min * 60] if rule.max_stay_min else []
    is_late = bool(ends) and left > ends[0]
    if rule.leave_to is not None:
        ends.append(epoch(_last_day(rule, first.date(), first.time()), rule.leave_to, table.zone))
        is_late = is_late or left >= ends[-1]
    if is_late:
        if rule.outlasted is Outlasted.REFUSED:
            return None
        return _package_until(table, each, entered, min(ends)) + _rest(table, min(ends), left)
    if rule.leave_to is not None and not _inside(last.time(), rule.leave_from, rule.leave_to):
        return None
    return _package_until(table, each, entered, max(left, entered + 1))


def _package_until(table: RateTable, each: RateLineCollection, entered: int, stop: int) -> list[Charge]:
    found = Walk(table, entered).over([Stretch(entered, stop, each, 0)], entered, stop)
    return [charge._replace(kind=Kind.PACKAGE) for charge in found]


def _rest(table: RateTable, start: int, left: int) -> list[Charge]:
    """Return what follows a package: a stay of its own, without free minutes, from where the package ends."""
    if left <= start:
        return []
    stop = left + 1 if table.edges.at_edge is AtEdge.NEXT else left
    return _with_caps(table, _ordinary(table, start, start, stop), start)
