"""When the money of a pass is earned: over its time, or by the rides it covers; all that was kept, at its end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from fare.rules.sales import EarnedBy
from kernel.money import Money


@dataclass(frozen=True, slots=True)
class PassMoney:
    """A sold pass as its earning needs it; amounts in minor units, both days inclusive.

    `covered_minor` is what its rides would have cost so far; `refunded_minor` is set once it was given back.
    """

    price_minor: int
    first_day: date
    last_day: date
    earned_by: EarnedBy
    covered_minor: int = 0
    refunded_minor: int | None = None


Route = tuple[str, str]
"""An operator and a route of its."""


@dataclass(frozen=True, slots=True)
class Shares:
    """A day's earnings of one product: each route's part with its weight, and what was earned while nobody rode."""

    parts: tuple[tuple[Route, int, Money], ...]
    unridden: Money

    @property
    def by_operator(self) -> dict[str, Money]:
        """Return each operator's part."""
        sums: dict[str, Money] = {}
        for (operator, _), _, part in self.parts:
            sums[operator] = sums[operator] + part if operator in sums else part
        return sums


def earned_minor(sold: PassMoney, day: date) -> int:
    """Return what of a pass is earned through a service day, from 0 to what was kept of its price.

    Never falls from one day to the next unless the pass is given back. Whole minor units, rounded down until
    the last day, on which the rest is earned.
    """
    if sold.refunded_minor is not None:
        return sold.price_minor - sold.refunded_minor
    if day >= sold.last_day:
        return sold.price_minor
    if day < sold.first_day:
        return 0
    if sold.earned_by is EarnedBy.RIDES:
        return min(sold.price_minor, max(0, sold.covered_minor))
    days = (sold.last_day - sold.first_day).days + 1
    return sold.price_minor * ((day - sold.first_day).days + 1) // days


def earned_in_all(sold: Iterable[PassMoney], day: date) -> int:
    """Return what these passes have earned together through a service day."""
    return sum(earned_minor(one, day) for one in sold)


def share_out(earned: Money, carried: Mapping[Route, int]) -> Shares:
    """Return who gets a day's earnings: routes by the weight of what they carried, else nobody yet.

    What is taken back (a refund of what was earned before) is not taken from operators.
    """
    weights = {route: weight for route, weight in sorted(carried.items()) if weight > 0}
    if not weights or earned.minor <= 0:
        return Shares((), earned)
    parts = earned.split(list(weights.values()))
    return Shares(
        tuple(
            (route, weight, part)
            for (route, weight), part in zip(weights.items(), parts, strict=True)
            if part
        ),
        Money.zero(earned.currency),
    )
