"""Which operator a charge belongs to, where one journey was carried by several (revenue_shares.txt).

Parts always sum to the whole; without a rule every operator keeps what its own legs were charged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from fare.rules.bill import BillLine, Component
from fare.rules.carried import Carrier, OpenJourney
from fare.rules.distance import metres_between
from fare.rules.leg import Leg
from fare.rules.quote import Quote, quote_leg
from fare.rules.ride_quote import length_of
from fare.rules.terms import Basis, ShareRule
from fare.rules.transfer import Charge
from fare.rules.windows import Granted, counts
from kernel.ids import OperatorId, TapId
from kernel.money import Currency, Money


@dataclass(frozen=True, slots=True)
class SharedLeg:
    """A priced leg with the rides it is made of; legs of one journey have one number."""

    tap_id: UUID
    journey: int
    carriers: tuple[Carrier, ...]
    rules: tuple[ShareRule, ...]


class Journeys:
    """A day's priced legs, numbered by journey: a transfer, a window or a join takes a leg to the one before.

    Journeys that began on an earlier day have the first numbers (`begun`).
    """

    __slots__ = ("_in_window", "_last", "_next", "begun", "ended", "legs")

    def __init__(self, begun: Sequence[OpenJourney]) -> None:
        self.begun = tuple(begun)
        self.ended: SharedLeg | None = (
            None  # the tap-off of a ride that the day before billed, now of known length
        )
        self.legs: list[SharedLeg] = []
        self._in_window = {name: number for number, one in enumerate(begun) for name in one.windows}
        self._last = next((number for number, one in enumerate(begun) if one.last), None)
        self._next = len(begun)

    def add(
        self, leg: Leg, quote: Quote, categories: tuple[int, ...], charge: Charge, granted: Granted
    ) -> None:
        goes_on = charge.transferred or leg.tail is not None
        before = self._last if goes_on else None
        if before is None and granted.window_id:
            before = self._in_window.get(granted.window_id)
        if before is None:
            before, self._next = self._next, self._next + 1
        operator = leg.first.tap.operator_id or leg.first.route.operator_id
        for window in leg.tariff.windows:
            if not leg.companion and counts(window, leg.networks, operator):
                self._in_window[window.window_id] = before
        self._last = before
        carriers = _carriers(leg, quote, categories)
        self.legs.append(
            SharedLeg(leg.told.tap_id, before, carriers[len(carriers) - len(leg.rides) :], leg.tariff.shares)
        )

    def end(self, leg: Leg) -> None:
        """Take in how long the ride was that was under way when the day began, if it is a journey's."""
        assert leg.off is not None, "only a ride that ended"
        number = next((number for number, one in enumerate(self.begun) if one.riding), None)
        metres = length_of(leg)
        if number is None or metres is None:
            return
        journey = self.begun[number]
        *earlier, last = journey.carriers
        known = replace(journey, carriers=(*earlier, replace(last, metres=metres)))
        self.begun = (*self.begun[:number], known, *self.begun[number + 1 :])
        self.ended = SharedLeg(leg.off.tap_id, number, (), leg.tariff.shares)

    def members(self) -> dict[int, list[SharedLeg]]:
        """Return the day's legs by journey, and the tap-off by which a journey without one is shared anew."""
        found: dict[int, list[SharedLeg]] = {}
        for leg in self.legs:
            found.setdefault(leg.journey, []).append(leg)
        if self.ended is not None and self.ended.journey not in found:
            found[self.ended.journey] = [self.ended]
        return found

    def carriers(self, journey: int) -> list[Carrier]:
        """Return all that carried a journey so far, earlier days first."""
        earlier = self.begun[journey].carriers if journey < len(self.begun) else ()
        return [*earlier, *(one for leg in self.legs if leg.journey == journey for one in leg.carriers)]

    def carry(
        self,
        lines: Iterable[BillLine],
        *,
        last: bool,
        windows: frozenset[str] | set[str],
        riding: UUID | None,
    ) -> tuple[OpenJourney, ...]:
        """Return the journeys that may go on: by the day's last leg (`last`), or inside a window still open.

        And the one whose ride is under way (`riding`, its tap-on): how long it is is still to be known.
        """
        journey_of = {leg.tap_id: leg.journey for leg in (*self.legs, *((self.ended,) if self.ended else ()))}
        open_windows = {name: number for name, number in sorted(self._in_window.items()) if name in windows}
        going = {*open_windows.values(), *((self._last,) if last and self._last is not None else ())}
        under_way = None if riding is None else journey_of.get(riding)
        if under_way is not None:
            going.add(under_way)
        paid: dict[int, dict[tuple[str, str, str, str], int]] = {
            number: {row[:4]: row[4] for row in (self.begun[number].paid if number < len(self.begun) else ())}
            for number in going
        }
        for line in lines:
            amounts = paid.get(journey_of.get(line.tap_id, -1))
            if amounts is not None:
                key = line.component.value, line.funder, str(line.operator_id), line.route_id
                amounts[key] = amounts.get(key, 0) + line.amount.minor
        return tuple(
            OpenJourney(
                last and number == self._last,
                tuple(name for name, at in open_windows.items() if at == number),
                tuple(self.carriers(number)),
                tuple((*key, minor) for key, minor in sorted(paid[number].items()) if minor),
                number == under_way,
            )
            for number in sorted(going)
        )


def _carriers(leg: Leg, quote: Quote, categories: tuple[int, ...]) -> tuple[Carrier, ...]:
    if not leg.joined:
        return (_carrier(leg, length_of(leg), quote.offers[0].minor),)
    found = []
    for one in (leg, *leg.joined):
        end = "" if one.off is None else one.off.stop_id
        alone = quote_leg(
            one.tariff, one.route, from_stop=one.tap.stop_id, to_stop=end, networks=one.route.networks,
            departed=one.tap.tapped_at, arrived=None if one.off is None else one.off.tapped_at,
            medium=one.tap.medium, categories=categories,
        ).offers  # fmt: skip
        metres = metres_between(one.tariff, one.route.networks, one.route.route_id, one.tap.stop_id, end)
        found.append(_carrier(one, metres, alone[0].minor if alone else 0))
    return tuple(found)


def _carrier(leg: Leg, metres: int | None, alone_minor: int) -> Carrier:
    operator = leg.tap.operator_id or leg.route.operator_id
    return Carrier(operator, leg.route.route_id, leg.route.networks, metres, alone_minor)


@dataclass(frozen=True, slots=True)
class Part:
    """What one operator gets of a tap's charge, and what it had of its journey's on earlier days, in minor units."""

    operator: OperatorId
    route_id: str
    weight: int
    minor: int
    before: int


@dataclass(frozen=True, slots=True)
class Share:
    """How a tap's charge was shared."""

    share_id: str
    basis: Basis
    parts: tuple[Part, ...]


def share_lines(
    lines: Iterable[BillLine], journeys: Journeys, currency: Currency
) -> tuple[list[BillLine], dict[UUID, Share]]:
    """Return the lines with every amount of a shared journey split, and how each tap's charge was shared.

    A journey that began on an earlier day is shared as a whole: its first line of today evens out what that day,
    which did not know this one, gave to whom; where there is no such line, one that sums to nothing is added.
    """
    found: dict[UUID, tuple[ShareRule, dict[tuple[OperatorId, str], int]]] = {}
    owed: dict[UUID, dict[tuple[str, str], dict[tuple[OperatorId, str], int]]] = {}
    ordered = list(lines)
    for number, members in journeys.members().items():
        carriers = journeys.carriers(number)
        rule = _rule(members[0].rules, carriers)
        if rule is None or len({one.operator for one in carriers}) <= 1:
            continue
        weights = _weights(rule.basis, carriers)
        for leg in members:
            found[leg.tap_id] = rule, weights
        if number < len(journeys.begun):
            ordered = _evened(ordered, members, journeys.begun[number], rule, owed, currency)
    shared: list[BillLine] = []
    told: dict[UUID, Share] = {}
    for line in ordered:
        known = found.get(line.tap_id)
        if known is None:
            shared.append(line)
            continue
        rule, weights = known
        before = owed.get(line.tap_id, {}).pop((line.component.value, line.funder), {})
        places = {**weights, **{place: 0 for place in before if place not in weights}}
        whole = line.amount + Money(sum(before.values()), line.amount.currency)
        parts = [
            Part(operator, route, weight, part.minor - before.get((operator, route), 0), before.get((operator, route), 0))
            for ((operator, route), weight), part in zip(
                places.items(), whole.split(list(places.values())), strict=True
            )
        ]  # fmt: skip
        if line.component is Component.CHARGED:
            told[line.tap_id] = Share(rule.share_id, rule.basis, tuple(parts))
        shared.extend(
            line._replace(operator_id=part.operator, route_id=part.route_id, amount=Money(part.minor, whole.currency))
            for part in parts
            if part.minor
        )  # fmt: skip
    return shared, told


def _evened(
    lines: list[BillLine],
    members: Sequence[SharedLeg],
    begun: OpenJourney,
    rule: ShareRule,
    owed: dict[UUID, dict[tuple[str, str], dict[tuple[OperatorId, str], int]]],
    currency: Currency,
) -> list[BillLine]:
    """Put down in `owed` which of today's lines evens out what each operator had of a journey; return all lines."""
    taps = {leg.tap_id for leg in members}
    amounts: dict[tuple[str, str], dict[tuple[OperatorId, str], int]] = {}
    for component, funder, operator, route, minor in begun.paid:
        amounts.setdefault((component, funder), {})[OperatorId(operator), route] = minor
    for (component, funder), had in amounts.items():
        line = next(
            (one for one in lines if one.tap_id in taps and (one.component.value, one.funder) == (component, funder)),
            None,
        )  # fmt: skip
        if line is None:
            carrier = (members[0].carriers or begun.carriers)[0]
            line = BillLine(
                TapId(members[0].tap_id), Component(component), carrier.operator, funder, Money.zero(currency),
                carrier.route_id, f"revenue_shares:{rule.share_id}",
            )  # fmt: skip
            lines = [*lines, line]
        owed.setdefault(line.tap_id, {})[component, funder] = had
    return lines


def _rule(rules: Iterable[ShareRule], carriers: Sequence[Carrier]) -> ShareRule | None:
    networks = frozenset().union(*(one.networks for one in carriers))
    return next(
        (rule for rule in rules if not rule.networks or (networks and networks <= rule.networks)), None
    )


def _weights(basis: Basis, carriers: Sequence[Carrier]) -> dict[tuple[OperatorId, str], int]:
    """Return the weights by operator and route; where a length or a price is missing, every leg weighs one."""
    each = [1] * len(carriers)
    if basis is Basis.DISTANCE:
        metres = [one.metres for one in carriers]
        each = [length or 0 for length in metres] if None not in metres and any(metres) else each
    elif basis is Basis.PROPORTIONAL and any(one.alone_minor > 0 for one in carriers):
        each = [max(0, one.alone_minor) for one in carriers]
    weights: dict[tuple[OperatorId, str], int] = {}
    for one, weight in zip(carriers, each, strict=True):
        place = one.operator, one.route_id
        weights[place] = weights.get(place, 0) + weight
    return weights
