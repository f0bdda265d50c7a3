"""The walk over a stay's stretches: which line each increment begins in, and what it is charged.

Pure integer arithmetic on minor units and epoch seconds. APDS: charging happens at the start of an increment.
"""

from __future__ import annotations

from enum import Enum
from fractions import Fraction
from typing import Final, NamedTuple

from kernel.money import Money
from parking.rules.calendar import instant
from parking.rules.edges import LineType, PartIncrement, TierClock, TierMode, Uncovered, WindowEdge
from parking.rules.errors import UncoveredTimeError
from parking.rules.rate import RateLine, RateLineCollection, RateTable, Stretch

_FOREVER: Final = 1 << 62
_NO_PARTS: Final = (Fraction(0), 0)


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

    __slots__ = (
        *("_charges", "_edges", "_firsts", "_limited", "_origin", "_parts", "_replaced", "_table", "_tiers"),
        "_timed",
    )

    def __init__(self, table: RateTable, origin: int) -> None:
        self._table, self._edges, self._origin = table, table.edges, origin
        self._charges: list[Charge] = []
        self._firsts: dict[tuple[str, int], int] = {}
        self._limited: dict[tuple[str, int], tuple[RateLineCollection, int, int, int]] = {}
        self._tiers: set[tuple[int, int]] = set()
        # Where tiers replace: the places of what each clock has charged so far, and of all that stands no more.
        self._timed: dict[int, list[int]] = {}
        self._replaced: set[int] = set()
        self._parts = _NO_PARTS

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
        return self._standing()

    def _standing(self, begin: int = 0) -> list[Charge]:
        """Return the charges taken from a place on, without those that a replacing tier stands for."""
        if not self._replaced:
            return self._charges[begin:] if begin else self._charges
        return [
            each for place, each in enumerate(self._charges) if place >= begin and place not in self._replaced
        ]

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
            total = sum([charge.amount for charge in self._standing(begin)])
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
        begin = len(self._charges)
        if line.line_type is LineType.TIER:
            self._take_tier(each, line, base, at, until, stop)
        else:
            until = self._take_increments(each, line, at, until, line_end, stop)
        if self._edges.tier_mode is TierMode.REPLACE:
            self._timed.setdefault(base, []).extend(range(begin, len(self._charges)))
        return until

    def _take_tier(
        self, each: RateLineCollection, line: RateLine, base: int, at: int, until: int, stop: int
    ) -> None:
        used = until - base - line.start_s
        if line.start_s and until == stop and used <= self._edges.tolerance_min * 60:
            return
        first, replaces = at, self._edges.tier_mode is TierMode.REPLACE
        if not replaces and (base, line.start_s) in self._tiers:
            return  # a window edge inside a tier does not charge it twice
        if replaces:
            # It stands for all that its clock has charged: the tiers before it, and the increments between them.
            before = self._timed.pop(base, [])
            first = min([at, *(self._charges[place].start for place in before)])
            self._replaced.update(before)
        self._tiers.add((base, line.start_s))
        self._charges.append(Charge(Kind.LINE, each.collection_id, first, until, 1, line.value, line))

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
                    part = self._part(line, rest)
        units = whole + 1 if part and part == line.value else whole
        is_parted = bool(part) and units == whole
        if units:
            ends = at + whole * size if is_parted else next_at
            self._take(line, Charge(Kind.LINE, each.collection_id, at, ends, units, units * line.value, line))
        if is_parted:
            self._take(line, Charge(Kind.LINE, each.collection_id, at + whole * size, next_at, 0, part, line))
        return next_at

    def _part(self, line: RateLine, rest: int) -> int:
        """Return what `rest` seconds of an increment add: all parts of a stay together are rounded once."""
        exact, taken = self._parts
        exact += Fraction(line.value * rest, line.increment_s)
        whole = Money(exact.numerator, self._table.currency)
        rounded = whole.share(1, exact.denominator, self._edges.rounding).minor
        self._parts = exact, rounded
        return rounded - taken

    def _take(self, line: RateLine, charge: Charge) -> None:
        self._charges.append(charge)
        if line.max_value is not None:
            taken = sum([old.amount for old in self._standing() if old.line is line])
            if taken > line.max_value:
                self._charges.append(
                    charge._replace(kind=Kind.LINE_CAP, units=1, amount=line.max_value - taken)
                )
