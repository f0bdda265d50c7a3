"""What rights take off a stay: passes cover hours; coupons and rides take minutes, a percentage, another table's price."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from kernel.money import Money
from kernel.service_day import local_date
from parking.rules.book import RateBook
from parking.rules.place import Place
from parking.rules.quote import Quote, price
from parking.rules.right import AssignedRight, RightKind, RightSpecification

_PASSES = frozenset({RightKind.SEASON_PASS, RightKind.PERMIT, RightKind.EVENT})
_CUTS = frozenset({RightKind.COUPON, RightKind.PARK_AND_RIDE})
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """An amount off the face value: `covered` by a pass sold before, else paid by `funder`.

    `left` is what was to be paid before it; `right` is what gave it.
    """

    covered: bool
    funder: str
    amount: Money
    rule: str
    left: Money
    right: AssignedRight


def discounts(
    quote: Quote, rates: RateBook, place: Place, vehicle_class: str, rights: Iterable[AssignedRight]
) -> tuple[Discount, ...]:
    """Return what these rights take off: passes first, then what rides earned, then coupons by when they were assigned.

    Each takes its part of what the earlier ones left. The part of a stay that no pass covers is priced piece by
    piece, each as a stay of its own; a pass never makes a stay dearer than it is without one.
    """
    held = sorted(
        (each for each in rights if _fits(each, rates, place, vehicle_class)),
        key=lambda each: (
            each.spec.kind not in _PASSES,
            each.spec.kind is RightKind.COUPON,
            each.spec.spec_id if each.ride else "",
            each.assigned_at,
            each.right_id.bytes,
        ),
    )
    found: list[Discount] = []
    left = quote.total
    passes = [each for each in held if each.spec.kind in _PASSES]
    pieces = [(quote.entered_at, quote.left_at)]
    for each in passes:
        pieces = _uncovered(each, pieces, place)
    if passes:
        rest = sum((price(quote.table, *piece) for piece in pieces), Money.zero(left.currency))
        covered = left - min(rest, left)
        if covered:
            found.append(
                Discount(
                    covered=True, funder="", amount=covered, rule=_rule(passes[0]), left=left, right=passes[0]
                )
            )
            left -= covered
    for each in held:
        if each.spec.kind in _CUTS and left:
            amount = reduction(each.spec, quote, left, rates, place)
            if amount:
                found.append(
                    Discount(
                        covered=False,
                        funder=each.spec.funder,
                        amount=amount,
                        rule=_rule(each),
                        left=left,
                        right=each,
                    )
                )
                left -= amount
    return tuple(found)


def _rule(right: AssignedRight) -> str:
    return f"{right.spec.spec_id} ({right.spec.decision})" if right.spec.decision else right.spec.spec_id


def _fits(right: AssignedRight, rates: RateBook, place: Place, vehicle_class: str) -> bool:
    if right.spec.vehicle_class not in {"", vehicle_class}:
        return False
    above: Place | None = place
    while above is not None:
        if above.place_id == right.spec.place_id:
            return True
        above = rates.places.get(above.parent_id)
    return False


def _uncovered(
    right: AssignedRight, pieces: list[tuple[datetime, datetime]], place: Place
) -> list[tuple[datetime, datetime]]:
    found: list[tuple[datetime, datetime]] = []
    for start, end in pieces:
        at = start
        for opens, closes in _hours(right, start, end, place):
            if closes <= at or opens >= end:
                continue
            if opens > at:
                found.append((at, opens))
            at = max(at, closes)
        if at < end:
            found.append((at, end))
    return found


def _hours(
    right: AssignedRight, start: datetime, end: datetime, place: Place
) -> list[tuple[datetime, datetime]]:
    """Return the stretches in which the pass covers, clipped to its validity."""
    if right.spec.hours_from is None or right.spec.hours_to is None:
        return [(right.valid_from, right.valid_to)]
    day, last = local_date(start, place.zone) - timedelta(days=1), local_date(end, place.zone)
    found: list[tuple[datetime, datetime]] = []
    while day <= last:
        over = right.spec.hours_to <= right.spec.hours_from
        opens = _at(day, right.spec.hours_from, place)
        closes = _at(day + timedelta(days=1) if over else day, right.spec.hours_to, place)
        opens, closes = max(opens, right.valid_from), min(closes, right.valid_to)
        if opens < closes:
            found.append((opens, closes))
        day += timedelta(days=1)
    return found


def _at(day: date, at: time, place: Place) -> datetime:
    return datetime.combine(day, at, place.zone)


def reduction(spec: RightSpecification, quote: Quote, left: Money, rates: RateBook, place: Place) -> Money:
    """Return what one product takes off what is left, judged on the whole stay; never more than is left."""
    return min(_reduction(spec, quote, left, rates, place), left)


def _reduction(spec: RightSpecification, quote: Quote, left: Money, rates: RateBook, place: Place) -> Money:
    table = quote.table
    if spec.table_id:
        other = rates.table(spec.table_id, zone=place.zone, on=local_date(quote.entered_at, place.zone))
        if other is None or other.currency != table.currency:
            return Money.zero(left.currency)
        return max(left - price(other, quote.entered_at, quote.left_at), Money.zero(left.currency))
    if spec.minutes:
        shorter = quote.left_at - timedelta(minutes=spec.minutes)
        if shorter <= quote.entered_at:
            return left
        return quote.total - price(table, quote.entered_at, shorter)
    return left.share(min(spec.percent_millionths, _MILLION), _MILLION, table.edges.rounding)
