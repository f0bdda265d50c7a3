"""From face value to what the rider pays: waiver, concession, pass, cap (`fare.rules.caps`), in this order.

Each takes its part of what the one before left, so the parts always sum to the face value.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from fare.rules.carried import PassStart
from fare.rules.distance import rounded
from fare.rules.facts import Entitlement, HeldPass
from fare.rules.tariff import Tariff, TariffBook
from fare.rules.terms import Discount, PassProduct, Route, Waiver
from kernel.clock import from_micros, micros
from kernel.ids import OperatorId
from kernel.money import Money, Rounding
from kernel.service_day import day_window

_DAY: Final = timedelta(days=1)
WAITS_FOREVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_EVERYWHERE: Final = "everywhere"


def categories_of(concession: int, entitlements: Iterable[Entitlement], day: date) -> tuple[int, ...]:
    """Return the rider's categories on a local date: the card's, and every proven entitlement's."""
    own = {int(concession), *(int(one.concession) for one in entitlements if one.holds_on(day))}
    return tuple(sorted(own))


def find_waiver(
    waivers: Iterable[Waiver], networks: frozenset[str], start: frozenset[str], end: frozenset[str]
) -> Waiver | None:
    """Return the waiver that frees a ride, or None.

    A geographic waiver asks that both ends lie in its areas (`within`) or one of them (`touches`); an
    empty area list frees nothing, for an unknown boundary is not a guess.
    """
    for waiver in waivers:
        if waiver.networks and not networks & waiver.networks:
            continue
        if waiver.area_rule == _EVERYWHERE:
            return waiver
        inside = (bool(start & waiver.areas), bool(end & waiver.areas))
        if all(inside) if waiver.area_rule == "within" else any(inside):
            return waiver
    return None


def best_discount(
    discounts: Mapping[int, tuple[Discount, ...]],
    categories: tuple[int, ...],
    networks: frozenset[str],
    operator: OperatorId,
) -> Discount | None:
    """Return the concession with the largest share for this ride, or None."""
    found: Discount | None = None
    for category in categories:
        for one in discounts.get(category, ()):
            fits = (not one.networks or networks & one.networks) and (
                not one.operators or operator in one.operators
            )
            if fits and (found is None or one.percent > found.percent):
                found = one
    return found


class Relief(NamedTuple):
    """What somebody else pays of a face value, in minor units: by a waiver, or by a concession; never both."""

    waived: int = 0
    waiver: Waiver | None = None
    discounted: int = 0
    discount: Discount | None = None


NO_RELIEF: Final = Relief()


def find_relief(
    tariff: Tariff,
    minor: int,
    *,
    networks: frozenset[str],
    ends: tuple[frozenset[str], frozenset[str]],
    operator: OperatorId,
    categories: tuple[int, ...],
    medium: str,
) -> Relief:
    """Return what is taken off a face value above zero, of a ride between these areas."""
    key = (minor, networks, ends, operator, categories, medium)
    found = tariff.memo.get(key)
    if found is None:
        found = tariff.remember(key, _relief(tariff, minor, networks, ends, operator, categories, medium))
    assert isinstance(found, Relief), "what is remembered by an amount is a relief"
    return found


def _relief(
    tariff: Tariff, minor: int, networks: frozenset[str], ends: tuple[frozenset[str], frozenset[str]],
    operator: OperatorId, categories: tuple[int, ...], medium: str,
) -> Relief:  # fmt: skip
    waiver = find_waiver(tariff.waivers, networks, *ends)
    if waiver is not None:
        return Relief(waived=minor, waiver=waiver)
    best = best_discount(tariff.discounts, categories, networks, operator)
    if best is None:
        return NO_RELIEF
    part = discounted(minor, best.percent, best.rounding, tariff, medium)
    return Relief(discounted=part, discount=best)


class Passes:
    """The passes an account holds, with the starts of those that begin at their first tap."""

    __slots__ = ("_book", "_held", "_service_day", "_starts")

    def __init__(
        self, book: TariffBook, held: Iterable[HeldPass], starts: Iterable[PassStart], service_day: date
    ) -> None:
        self._book = book
        self._held = tuple(sorted(held, key=lambda one: (one.valid_from, one.pass_id)))
        self._starts = {one.pass_id: one.started_us for one in starts}
        self._service_day = service_day

    def copy(self) -> "Passes":
        other = Passes(self._book, (), (), self._service_day)
        other._held, other._starts = self._held, dict(self._starts)
        return other

    def covering(
        self, route: Route, networks: frozenset[str], operator: OperatorId, at: datetime, day: date
    ) -> list[tuple[HeldPass, PassProduct]]:
        """Return the passes by which a ride beginning at `at` may be covered: one under way, else each that may start.

        The first is the one to take where nothing is weighed; nothing starts here (see `start`).
        """
        waiting: list[tuple[HeldPass, PassProduct]] = []
        for held in self._held:
            product = product_on(self._book.passes.get(held.product_id, ()), day)
            if product is None or not covers(product, held.scope, route, networks, operator):
                continue
            if held.ended_at is not None and at >= held.ended_at:
                continue
            if not product.from_first_tap:
                if held.valid_from <= at < held.valid_until:
                    return [(held, product)]
                continue
            started = self._starts.get(held.pass_id)
            if started is None:
                if held.valid_from <= at < held.valid_until:
                    waiting.append((held, product))
            elif micros(at) >= started and at < pass_end(product, from_micros(started), self._book):
                return [(held, product)]
        return waiting

    def start(self, held: HeldPass, product: PassProduct, at: datetime) -> None:
        """Begin a pass that begins at its first tap, unless it has begun."""
        if product.from_first_tap:
            self._starts.setdefault(held.pass_id, micros(at))

    @property
    def may_start(self) -> int:
        """How many of them are still to begin at their first tap."""
        return sum(
            one.pass_id not in self._starts and any(row.from_first_tap for row in self._book.passes.get(one.product_id, ()))
            for one in self._held
        )  # fmt: skip

    def carry(self) -> tuple[PassStart, ...]:
        held = {one.pass_id for one in self._held}
        return tuple(PassStart(name, at) for name, at in sorted(self._starts.items()) if name in held)

    def over(self, end: datetime) -> frozenset[UUID]:
        """Return the passes that began at a tap and cover nothing from `end` on."""
        rows = {held.pass_id: self._book.passes.get(held.product_id, ()) for held in self._held}
        return frozenset(
            one.pass_id
            for one in self.carry()
            if all(pass_end(row, from_micros(one.started_us), self._book) <= end for row in rows[one.pass_id])
        )


def pass_end(product: PassProduct, started: datetime, book: TariffBook) -> datetime:
    """Return the instant up to which a pass that starts at `started` is valid (half-open).

    `days` counts 24 hours each; all others end with their last service day: a calendar week or month with that of the
    ISO week or month it began in, or of so many.
    """
    if product.validity == "days":
        return started + _DAY * product.validity_count
    first = book.local_date(started)
    if started < day_window(first, book.day_starts, book.zone).start:
        first -= _DAY
    return day_window(
        _last_day(product.validity, product.validity_count, first), book.day_starts, book.zone
    ).end


def usable_until(product: PassProduct, starts_at: datetime, book: TariffBook) -> datetime:
    """Return up to when a pass that is held from `starts_at` covers rides, or may begin at its first tap (half-open)."""
    if not product.from_first_tap:
        return pass_end(product, starts_at, book)
    if product.start_within_days is None:
        return WAITS_FOREVER
    return starts_at + _DAY * product.start_within_days


def _last_day(validity: str, count: int, first: date) -> date:
    match validity:
        case "day":
            return first + timedelta(days=count - 1)
        case "week":
            return first + timedelta(days=7 * count - 1)
        case "calendar_week":
            return first + timedelta(days=7 * count - 1 - first.weekday())
        case "calendar_month":
            return _month_on(first.replace(day=1), count) - _DAY
        case _:
            return _month_on(first, count) - _DAY


def _month_on(day: date, months: int) -> date:
    """Return the same day `months` later, or the first of the month after where there is none."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    try:
        return date(year, month + 1, day.day)
    except ValueError:
        year, month = divmod(year * 12 + month + 1, 12)
        return date(year, month + 1, 1)


def product_on(rows: tuple[PassProduct, ...], day: date) -> PassProduct | None:
    """Return the pass's row of a date; a withdrawn pass keeps covering by its latest row."""
    for row in rows:
        if row.valid_from <= day <= row.valid_to:
            return row
    return rows[-1] if rows else None


def covers(
    product: PassProduct, scope: str, route: Route, networks: frozenset[str], operator: OperatorId
) -> bool:
    """Return whether a pass of this product and scope is for a ride of this route and operator, whenever it is."""
    if product.networks and not (networks and networks <= product.networks):
        return False
    if product.operators and operator not in product.operators:
        return False
    if product.scope == "route":
        return scope == route.route_id
    return product.scope != "network" or scope in networks


def discounted(minor: int, percent: int, rounding: Rounding, tariff: Tariff, medium: str) -> int:
    """Return a percentage of an amount that somebody else pays, in minor units, rounded as its row says.

    What is left to pay is rounded as the medium can pay it, and never above the amount itself.
    """
    if percent == 100:
        return minor
    part = Money(minor, tariff.currency).share(percent, 100, rounding).minor
    return minor - min(minor, rounded(tariff, minor - part, medium))
