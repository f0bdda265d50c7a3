"""Which operator a charge belongs to, where one journey was carried by several (revenue_shares.txt).

Parts always sum to the whole; without a rule every operator keeps what its own legs were charged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from fare.rules.bill import BillLine, Component
from fare.rules.carried import Tail
from fare.rules.leg import Leg
from fare.rules.open_journeys import Apart, Carrier, OpenJourney
from fare.rules.shared_journeys import Journeys, SharedLeg, paid_of, summed
from fare.rules.terms import Basis, ShareRule
from kernel.ids import OperatorId, TapId
from kernel.money import Currency, Money


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


def parted_lines(journeys: Journeys, currency: Currency) -> list[BillLine]:
    """Return lines, summing to nothing, that give back what a leg and a journey had of each other before they parted."""
    if not journeys.parted:
        return []
    leg = journeys.legs[0]  # the longer one
    rule = _rule(leg.rules, journeys.parted_from)
    why = "revenue_shares" if rule is None else f"revenue_shares:{rule.share_id}"
    return [
        BillLine(
            TapId(leg.tap_id), Component(component), OperatorId(operator), funder, Money(minor, currency), route, why
        )
        for component, funder, operator, route, minor in journeys.parted
    ]  # fmt: skip


def tail_apart(
    journeys: Journeys, lines: Iterable[BillLine], leg: Leg, tail: Tail, currency: Currency
) -> Apart | None:
    """Return the day's last leg and the journeys before it each alone, from its lines before they were shared.

    None where no journey came before it: longer, it is the same one.
    """
    ordered, tap_id = list(lines), leg.told.tap_id
    paid = paid_of(line for line in ordered if line.tap_id == tap_id)
    if leg.tail is not None:
        earlier = journeys.lengthened
        return None if earlier is None else replace(earlier, paid=summed(earlier.paid, paid))
    before, number = journeys.before_last(), journeys.legs[-1].journey
    shared, _ = share_lines((line for line in ordered if line.tap_id != tap_id), before, currency)
    going = before.carry(
        shared,
        last=tail.run is not None or before.last == number,
        windows={one.window_id for one in tail.windows} | before.windows_of(number),
        riding=None,
    )
    if not going:
        return None
    into = list(going).index(number) if number in going else None
    return Apart(tuple(going.values()), into, paid)


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
