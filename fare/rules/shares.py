"""Which operator a charge belongs to, where one journey was carried by several (revenue_shares.txt).

Parts always sum to the whole; without a rule every operator keeps what its own legs were charged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from fare.rules.bill import BillLine, Component
from fare.rules.distance import metres_between
from fare.rules.leg import Leg
from fare.rules.quote import Quote, quote_leg
from fare.rules.ride_quote import length_of
from fare.rules.terms import Basis, ShareRule
from fare.rules.transfer import Charge
from fare.rules.windows import Granted
from kernel.ids import OperatorId


@dataclass(frozen=True, slots=True)
class Carrier:
    """One ride of a journey: who carried it how far, and what it would have cost alone."""

    operator: OperatorId
    route_id: str
    networks: frozenset[str]
    metres: int | None
    alone_minor: int


@dataclass(frozen=True, slots=True)
class SharedLeg:
    """A priced leg with the rides it is made of; legs of one journey have one number."""

    tap_id: UUID
    journey: int
    carriers: tuple[Carrier, ...]
    rules: tuple[ShareRule, ...]


class Journeys:
    """Collects a day's priced legs and numbers them by journey: a transfer or a window joins a leg to the one before."""

    __slots__ = ("_in_window", "_next", "legs")

    def __init__(self) -> None:
        self.legs: list[SharedLeg] = []
        self._in_window: dict[str, int] = {}
        self._next = 0

    def add(
        self, leg: Leg, quote: Quote, categories: tuple[int, ...], charge: Charge, granted: Granted
    ) -> None:
        before = self.legs[-1].journey if charge.transferred and self.legs else None
        if before is None and granted.window_id:
            before = self._in_window.get(granted.window_id)
        if before is None:
            before, self._next = self._next, self._next + 1
        for window in leg.tariff.windows:
            if not leg.companion and (not window.networks or leg.networks & window.networks):
                self._in_window[window.window_id] = before
        self.legs.append(
            SharedLeg(leg.tap.tap_id, before, _carriers(leg, quote, categories), leg.tariff.shares)
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
class Share:
    """How a tap's charge was shared: each operator's weight and part, in minor units."""

    share_id: str
    basis: Basis
    parts: tuple[tuple[OperatorId, str, int, int], ...]


def share_lines(
    lines: Iterable[BillLine], legs: Sequence[SharedLeg]
) -> tuple[list[BillLine], dict[UUID, Share]]:
    """Return the lines with every amount of a shared journey split, and how each tap's charge was shared."""
    journeys: dict[int, list[SharedLeg]] = {}
    for leg in legs:
        journeys.setdefault(leg.journey, []).append(leg)
    found: dict[UUID, tuple[ShareRule, dict[tuple[OperatorId, str], int]]] = {}
    for members in journeys.values():
        carriers = [one for leg in members for one in leg.carriers]
        rule = _rule(members[0].rules, carriers)
        if rule is not None and len({one.operator for one in carriers}) > 1:
            weights = _weights(rule.basis, carriers)
            for leg in members:
                found[leg.tap_id] = rule, weights
    shared: list[BillLine] = []
    told: dict[UUID, Share] = {}
    for line in lines:
        known = found.get(line.tap_id)
        if known is None:
            shared.append(line)
            continue
        rule, weights = known
        parts = line.amount.split(list(weights.values()))
        if line.component is Component.CHARGED:
            told[line.tap_id] = Share(
                rule.share_id,
                rule.basis,
                tuple(
                    (operator, route, weight, part.minor)
                    for ((operator, route), weight), part in zip(weights.items(), parts, strict=True)
                ),
            )
        shared.extend(
            replace(line, operator_id=operator, route_id=route, amount=part)
            for (operator, route), part in zip(weights, parts, strict=True)
            if part
        )
    return shared, told


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
