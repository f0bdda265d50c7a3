"""Transfers: what each leg of a day adds, by fare_transfer_rules.txt and by our transfer windows.

A sub-journey is a run of legs joined by transfer rules. Its total S replaces the earlier leg's product at
every further transfer, and limits are measured from its first leg (STANDARDS.md 8 and 9).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from fare.rules.carried import TransferRun, WindowUse
from fare.rules.quote import price_of
from fare.rules.tariff import Tariff
from fare.rules.terms import Offer, TransferRule
from kernel.clock import micros

_MOST_STATES: Final = 64  # different offers a day's legs may be weighed by; more never change a real bill


@dataclass(frozen=True, slots=True)
class PricedLeg:
    """A leg with its offers, ready to be chained; times are µs, `arrived_us` None without a tap-off."""

    tariff: Tariff
    offers: tuple[Offer, ...]
    networks: frozenset[str]
    departed_us: int
    arrived_us: int | None
    medium: str
    categories: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Charge:
    """What one leg adds: the offer it was matched by, the amount after transfers, and the rule."""

    offer: Offer
    minor: int
    rule: str


@dataclass(frozen=True, slots=True)
class _Path:
    total: int
    charges: tuple[Charge, ...]
    run: TransferRun | None


def chain_legs(
    legs: Sequence[PricedLeg], run: TransferRun | None
) -> tuple[tuple[Charge, ...], TransferRun | None]:
    """Return what each leg adds, for the offers that make the day cheapest, and the run under way.

    Every combination of offers is weighed, keeping the cheapest way into each state; a leg with one offer
    costs one step.
    """
    paths = [_Path(0, (), run)]
    for leg in legs:
        best: dict[TransferRun | None, _Path] = {}
        for path in paths:
            for offer in leg.offers:
                for charge, after in _step(leg, offer, path.run):
                    total = path.total + charge.minor
                    known = best.get(after)
                    if known is None or total < known.total:
                        best[after] = _Path(total, (*path.charges, charge), after)
        paths = sorted(best.values(), key=lambda one: one.total)[:_MOST_STATES]
    cheapest = paths[0]
    return cheapest.charges, cheapest.run


def _step(leg: PricedLeg, offer: Offer, run: TransferRun | None) -> list[tuple[Charge, TransferRun]]:
    """Return the ways a leg may follow a run: its own price, or the transfer where a rule allows one."""
    transferred = None if run is None else _transfer(leg, offer, run)
    if transferred is not None:
        return [transferred]
    fresh = TransferRun(
        first_leg_group=offer.leg_group,
        last_leg_group=offer.leg_group,
        first_departed_us=leg.departed_us,
        first_arrived_us=leg.arrived_us,
        count=0,
        last_minor=offer.minor,
        total_minor=offer.minor,
        product_minor=offer.minor,
    )
    return [(Charge(offer, offer.minor, offer.rule), fresh)]


def _transfer(leg: PricedLeg, offer: Offer, run: TransferRun) -> tuple[Charge, TransferRun] | None:
    rules = find_rules(leg.tariff, run.last_leg_group, offer.leg_group)
    same = run.last_leg_group == offer.leg_group
    count = run.count + 1 if same else 1
    fitting = [
        rule
        for rule in rules
        if (rule.count is None or rule.count == -1 or count <= rule.count) and _within(rule, leg, run)
    ]
    if not fitting:
        return None
    # Among several rows the smallest count that still reaches; any number comes last.
    rule = min(fitting, key=lambda one: (one.count is not None and one.count == -1, one.count or 0, one.rule))
    price = 0
    if rule.product_id:
        found = price_of(leg.tariff, rule.product_id, leg.medium, leg.categories)
        if found is None:
            return None
        price = found
    total = {0: run.total_minor + price, 1: run.total_minor + price + offer.minor, 2: price}[rule.kind]
    after = replace(
        run,
        last_leg_group=offer.leg_group,
        count=count if same else 0,
        last_minor=offer.minor,
        total_minor=total,
        product_minor=price,
    )
    return Charge(offer, total - run.total_minor, rule.rule), after


def find_rules(tariff: Tariff, start: str, end: str) -> tuple[TransferRule, ...]:
    """Return the transfer rows from one leg group to another: exact ones, else by empty cells.

    An empty cell stands for every group that its column does not list.
    """
    exact = tariff.transfers.get((start, end), ())
    if exact and start and end:
        return exact
    found: list[TransferRule] = []
    if end:
        found += tariff.transfers.get(("", end), ()) if start not in tariff.from_listed else ()
    if start:
        found += tariff.transfers.get((start, ""), ()) if end not in tariff.to_listed else ()
    if start not in tariff.from_listed - {""} and end not in tariff.to_listed - {""}:
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


class Windows:
    """Transfer windows under way: rides of other networks in between leave them as they are."""

    __slots__ = ("_open",)

    def __init__(self, carried: tuple[WindowUse, ...]) -> None:
        self._open = {one.window_id: one for one in carried}

    def charge(
        self, leg: PricedLeg, minor: int, debts: Sequence[tuple[datetime, datetime]]
    ) -> tuple[int, str]:
        """Return what a leg of `minor` costs inside the windows it counts for, and the window's name if one did."""
        best, name = minor, ""
        for window in leg.tariff.windows:
            if window.networks and not leg.networks & window.networks:
                continue
            use = self._open.get(window.window_id)
            if use is not None and self._covers(use, leg, window.duration_us, inclusive=window.inclusive):
                spent = window.max_uses is not None and use.used >= window.max_uses
                ends_us = use.started_us + window.duration_us
                held = window.withhold_in_debt and any(
                    micros(start) <= leg.departed_us < micros(end) and micros(end) > ends_us
                    for start, end in debts
                )
                if not spent and not held:
                    due = max(0, minor - use.paid_minor) if window.pay_difference else 0
                    if due < best or not name:
                        best, name = min(best, due), window.window_id
                    paid = max(use.paid_minor, minor)
                    self._open[window.window_id] = replace(use, used=use.used + 1, paid_minor=paid)
                continue
            self._open[window.window_id] = WindowUse(window.window_id, leg.departed_us, 0, minor)
        return best, name

    @staticmethod
    def _covers(use: WindowUse, leg: PricedLeg, duration_us: int, *, inclusive: bool) -> bool:
        taken = leg.departed_us - use.started_us
        return taken <= duration_us if inclusive else taken < duration_us

    def standing(self) -> tuple[WindowUse, ...]:
        """Return the windows opened so far, in id order; some may be over."""
        return tuple(use for _, use in sorted(self._open.items()))

    def carry(self, tariff: Tariff, end_us: int) -> tuple[WindowUse, ...]:
        """Return the windows that reach past the day's end, in id order."""
        lengths = {window.window_id: window.duration_us for window in tariff.windows}
        return tuple(
            use for name, use in sorted(self._open.items()) if use.started_us + lengths.get(name, 0) >= end_us
        )
