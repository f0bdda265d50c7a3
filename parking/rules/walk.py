"""The walk over a stay's stretches: which line each increment begins in, and what it is charged.

Pure integer arithmetic on minor units and epoch seconds. APDS: charging happens at the start of an increment.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from kernel.money import Money
from parking.rules.calendar import instant
from parking.rules.edges import LineType, PartIncrement, TierClock, TierMode, Uncovered, WindowEdge
from parking.rules.errors import UncoveredTimeError
from parking.rules.rate import RateLine, RateLineCollection, RateTable, Stretch

_FOREVER: Final = 1 << 62


class Kind(Enum):
    """Why an amount stands in a proof."""

    FREE = "free"
    LINE = "line"
    LINE_CAP = "line_cap"
    COLLECTION_CAP = "collection_cap"
    COLLECTION_MINIMUM = "collection_minimum"
    CAP = "cap"
    MINIMUM = "minimum"
    PACKAGE = "package"
    OVERSTAY = "overstay"
    UNIT = "unit"
    LOST_TICKET = "lost_ticket"
    NO_SHOW = "no_show"
    TAX = "tax"
    TAX_INCLUDED = "tax_included"
    ROUNDING = "rounding"


class Charge(NamedTuple):
    """`units` times a line's value for epoch seconds `[start, end)`; a cap's or minimum's amount has no line.

    A part of an increment charged by the minute has 0 units.
    """

    kind: Kind
    ref: str
    start: int
    end: int
    units: int
    amount: int
    line: RateLine | None = None


class Walk:
    """One pass over the stretches of one cycle; `origin` is where the tiers count from."""

    __slots__ = ("_charges", "_edges", "_firsts", "_limited", "_origin", "_table", "_tiers")

    def __init__(self, table: RateTable, origin: int) -> None:
        self._table, self._edges, self._origin = table, table.edges, origin
        self._charges: list[Charge] = []
        self._firsts: dict[tuple[str, int], int] = {}
        self._limited: dict[tuple[str, int], tuple[RateLineCollection, int, int, int]] = {}
        self._tiers: dict[tuple[int, int], int] = {}

    def over(self, stretches: list[Stretch], start: int, stop: int) -> list[Charge]:
        """Return the charges of `[start, stop)`; UncoveredTimeError where the table refuses a hole."""
        at = start
        for stretch in stretches:
            end = min(stretch.end, stop)
            if at >= end:
                continue
            if stretch.collection is None:
                self._refuse_hole(at, "no window covers it")
                at = end
            else:
                at = self._collection(stretch.collection, stretch.opened, at, end, stop)
        for each, first, until, total in self._limited.values():
            if each.max_value is not None and total > each.max_value:
                excess = each.max_value - total
                self._charges.append(Charge(Kind.COLLECTION_CAP, each.collection_id, first, until, 1, excess))
            elif total < each.min_value:
                missing = each.min_value - total
                self._charges.append(
                    Charge(Kind.COLLECTION_MINIMUM, each.collection_id, first, until, 1, missing)
                )
        return self._charges

    def _refuse_hole(self, at: int, reason: str) -> None:
        if self._edges.uncovered is Uncovered.REFUSE:
            local = instant(at).astimezone(self._table.zone)
            raise UncoveredTimeError(table_id=self._table.table_id, at=local.isoformat(), reason=reason)

    def _collection(self, each: RateLineCollection, opened: int, at: int, end: int, stop: int) -> int:
        key = (each.collection_id, opened)
        first = self._firsts.setdefault(key, at)
        begin, began_at = len(self._charges), at
        if first == at:
            for line in each.flats:
                self._charges.append(Charge(Kind.LINE, each.collection_id, at, end, 1, line.value, line))
        if not each.timed:
            at = end
        base = first if self._edges.tier_clock is TierClock.WINDOW else self._origin
        while at < end:
            at = self._line(each, base, at, end, stop)
        if each.max_value is not None or each.min_value:
            total = sum([charge.amount for charge in self._charges[begin:]])
            if key in self._limited:
                _, began_at, _, before = self._limited[key]
                total += before
            self._limited[key] = (each, began_at, min(at, stop), total)
        return at

    def _line(self, each: RateLineCollection, base: int, at: int, end: int, stop: int) -> int:
        elapsed = at - base
        for line in each.timed:
            if line.start_s <= elapsed and (line.end_s is None or elapsed < line.end_s):
                break
        else:
            self._refuse_hole(at, "its lines end before the stay does")
            return min([end, *(base + line.start_s for line in each.timed if line.start_s > elapsed)])
        line_end = _FOREVER if line.end_s is None else base + line.end_s
        until = min(line_end, end)
        if line.line_type is LineType.TIER:
            self._take_tier(each, line, base, at, until)
            return until
        return self._take_increments(each, line, at, until, line_end, stop)

    def _take_tier(self, each: RateLineCollection, line: RateLine, base: int, at: int, until: int) -> None:
        replaces = self._edges.tier_mode is TierMode.REPLACE
        # A window edge inside a tier does not charge the tier twice; a replacing tier takes the last one's place.
        key = (base, -1 if replaces else line.start_s)
        charge = Charge(Kind.LINE, each.collection_id, at, until, 1, line.value, line)
        place = self._tiers.get(key)
        if place is None:
            self._tiers[key] = len(self._charges)
            self._charges.append(charge)
        elif replaces:
            self._charges[place] = charge._replace(start=self._charges[place].start)

    def _take_increments(
        self, each: RateLineCollection, line: RateLine, at: int, until: int, line_end: int, stop: int
    ) -> int:
        size, edges = line.increment_s, self._edges
        whole, rest = divmod(until - at, size)
        next_at = until
        if rest and until < stop and until != line_end and edges.window_edge is WindowEdge.CARRY:
            # The increment that runs over the window's edge was begun before it, and is charged there.
            next_at = at + (whole + 1) * size
            if next_at <= stop:
                whole, rest = whole + 1, 0
            else:
                rest = stop - (next_at - size)
        part = 0
        if rest:
            match edges.part_increment:
                case PartIncrement.UP:
                    first = whole == 0 and at == self._origin
                    part = line.value if first or rest > edges.tolerance_min * 60 else 0
                case PartIncrement.DOWN:
                    part = 0
                case PartIncrement.HALF_UP:
                    part = line.value if 2 * rest >= size else 0
                case PartIncrement.PRO_RATA:
                    whole_price = Money(line.value, self._table.currency)
                    part = whole_price.share(rest, size, edges.rounding).minor
        units = whole + 1 if part and part == line.value else whole
        if units:
            self._take(
                line, Charge(Kind.LINE, each.collection_id, at, next_at, units, units * line.value, line)
            )
        if part and units == whole:
            self._take(line, Charge(Kind.LINE, each.collection_id, at + whole * size, next_at, 0, part, line))
        return next_at

    def _take(self, line: RateLine, charge: Charge) -> None:
        self._charges.append(charge)
        if line.max_value is not None:
            taken = sum([old.amount for old in self._charges if old.line is line])
            if taken > line.max_value:
                self._charges.append(
                    charge._replace(kind=Kind.LINE_CAP, units=1, amount=line.max_value - taken)
                )
