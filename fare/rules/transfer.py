"""Transfers: what each leg of a day adds by fare_transfer_rules.txt.

A sub-journey is a run of legs joined by transfer rules. Its total S replaces the earlier leg's product at
every further transfer, and limits are measured from its first leg (STANDARDS.md 8 and 9).
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from fare.rules.carried import TransferRun
from fare.rules.quote import price_of
from fare.rules.tariff import Tariff
from fare.rules.terms import Offer, TransferRule


@dataclass(frozen=True, slots=True)
class PricedLeg:
    """A leg ready to be chained; times are µs, `arrived_us` None without a tap-off."""

    tariff: Tariff
    departed_us: int
    arrived_us: int | None
    medium: str
    categories: tuple[int, ...]


class Charge(NamedTuple):
    """What one leg adds: the offer it was matched by, the amount after transfers, and the rule."""

    offer: Offer
    minor: int
    rule: str
    transferred: bool = False


def ways_on(leg: PricedLeg, offer: Offer, run: TransferRun | None) -> list[tuple[Charge, TransferRun]]:
    """Return the ways a leg may follow a run by one of its offers: its own price, or the transfer where a rule allows one.

    Where a rule matches it applies; several that do are all offers (`fare.rules.search` weighs them).
    """
    transferred = [] if run is None else _transfers(leg, offer, run)
    if transferred:
        return transferred
    fresh = TransferRun(
        first_leg_group=offer.leg_group,
        last_leg_group=offer.leg_group,
        first_departed_us=leg.departed_us,
        first_arrived_us=leg.arrived_us,
        count=0,
        total_minor=offer.minor,
        transferred=False,
    )
    return [(Charge(offer, offer.minor, offer.rule), fresh)]


def arrived(run: TransferRun | None, departed_us: int, arrived_us: int) -> TransferRun | None:
    """Return the run, its first leg's end known where it is the ride that ended after the day that billed it."""
    if run is None or run.first_arrived_us is not None or run.first_departed_us != departed_us:
        return run
    return replace(run, first_arrived_us=arrived_us)


def _transfers(leg: PricedLeg, offer: Offer, run: TransferRun) -> list[tuple[Charge, TransferRun]]:
    """Return the transfers that the rules of the smallest fitting count allow; several rows are all offers."""
    rules = find_rules(leg.tariff, run.last_leg_group, offer.leg_group)
    same = run.last_leg_group == offer.leg_group
    count = run.count + 1 if same else 1
    fitting = [
        rule
        for rule in rules
        if (rule.count is None or rule.count == -1 or count <= rule.count) and _within(rule, leg, run)
    ]
    if not fitting:
        return []
    # Among several rows the smallest count that still reaches; any number comes last.
    least = min(map(_reach, fitting))
    found: list[tuple[Charge, TransferRun]] = []
    for rule in fitting:
        if _reach(rule) != least:
            continue
        price = 0
        if rule.product_id:
            priced = price_of(leg.tariff, rule.product_id, leg.medium, leg.categories)
            if priced is None:
                continue
            price = priced
        # What A of the formula is: the first leg's product, at every further transfer the total so far, which
        # AB alone replaces only where it is the first.
        kept = 0 if rule.kind == 2 and not run.transferred else run.total_minor
        total = kept + price + (offer.minor if rule.kind == 1 else 0)
        after = replace(
            run,
            last_leg_group=offer.leg_group,
            count=count if same else 0,
            total_minor=total,
            transferred=True,
        )
        found.append((Charge(offer, total - run.total_minor, rule.rule, transferred=True), after))
    return found


def _reach(rule: TransferRule) -> tuple[bool, int]:
    return rule.count == -1, rule.count or 0


def find_rules(tariff: Tariff, start: str, end: str) -> tuple[TransferRule, ...]:
    """Return the transfer rows from one leg group to another: exact ones, else by empty cells.

    An empty cell stands for every group that its column does not list.
    """
    exact = tariff.transfers.get((start, end), ())
    if exact and start and end:
        return exact
    from_any, to_any = start not in tariff.from_listed, end not in tariff.to_listed
    found: list[TransferRule] = []
    if end and from_any:
        found += tariff.transfers.get(("", end), ())
    if start and to_any:
        found += tariff.transfers.get((start, ""), ())
    if from_any and to_any:
        found += tariff.transfers.get(("", ""), ())
    return tuple(found)


def _within(rule: TransferRule, leg: PricedLeg, run: TransferRun) -> bool:
    if rule.limit_us is None:
        return True
    # Where an end was not tapped, the start of that leg stands for it.
    first_arrived = run.first_departed_us if run.first_arrived_us is None else run.first_arrived_us
    arrived = leg.departed_us if leg.arrived_us is None else leg.arrived_us
    start = run.first_departed_us if rule.limit_type in {0, 1} else first_arrived
    end = arrived if rule.limit_type in {0, 3} else leg.departed_us
    taken = end - start
    return taken <= rule.limit_us if rule.inclusive else taken < rule.limit_us
