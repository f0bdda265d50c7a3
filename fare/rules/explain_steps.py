"""The steps of an explanation: each with the numbers that its amount follows from."""

from typing import Final

from fare.rules.bill import Closed
from fare.rules.considered import Step
from fare.rules.park_ride import ParkedOff
from fare.rules.quote import price_of
from fare.rules.ride_quote import length_of
from fare.rules.shares import Share
from fare.rules.tariff import Tariff
from fare.rules.terms import Discount, Settled, TransferRule
from fare.rules.trace import Trace

_CLOSED_BY_RULE: Final = frozenset({Closed.MISSING_OFF, Closed.MISSING_ON, Closed.OVER_LONG})


def price_step(trace: Trace) -> Step:
    leg, offer = trace.leg, trace.charge.offer
    step: Step = {
        "op": "price",
        "minor": offer.minor,
        "product": offer.product_id,
        "rule": offer.rule,
        "route": leg.route.route_id,
        "closed": leg.closed.value,
        "by_closing_rule": not leg.completed
        and leg.closed in _CLOSED_BY_RULE
        and leg.route.rule.settled is Settled.RIDE,
    }
    tariff = leg.tariff
    formula = next(
        (one for name in leg.networks for one in tariff.formulas.get(name, ()) if one.rule == offer.rule),
        None,
    )
    metres = None if formula is None or leg.joined else length_of(leg)
    if formula is not None and metres is not None:
        cash_step, cash_rounding = tariff.rounding.get(leg.tap.medium, (1, formula.rounding))
        step["distance"] = {
            "metres": metres, "base_minor": formula.base_minor, "per_km_minor": formula.per_km_minor,
            "per_km_parts": formula.per_km_parts, "step_m": formula.step_m, "rounding": formula.rounding.value, "min_minor": formula.min_minor,
            "max_minor": formula.max_minor, "cash_step": cash_step, "cash_rounding": cash_rounding.value,
        }  # fmt: skip
    return step


def transfer_step(trace: Trace, so_far: int, *, further: bool) -> Step:
    """Return the transfer's step: `own` is the leg's own price, `so_far` what the legs before came to together.

    `further` says that a transfer came before this one: then AB alone replaces nothing.
    """
    leg, charge = trace.leg, trace.charge
    step: Step = {"op": "transfer", "minor": charge.minor, "rule": charge.rule}
    rule = _rule_named(leg.tariff, charge.rule)
    if rule is not None:
        price = (
            price_of(leg.tariff, rule.product_id, leg.tap.medium, trace.categories) if rule.product_id else 0
        )
        step |= {
            "kind": rule.kind,
            "own_minor": charge.offer.minor,
            "transfer_minor": price,
            "so_far_minor": so_far,
            "further": further,
        }
    return step


def _rule_named(tariff: Tariff, name: str) -> TransferRule | None:
    return next((rule for rules in tariff.transfers.values() for rule in rules if rule.rule == name), None)


def window_step(trace: Trace) -> Step:
    step: Step = {
        "op": "window",
        "minor": trace.window.minor,
        "rule": trace.window.window_id,
        "own_minor": trace.charge.minor,
    }
    name = trace.window.window_id
    window = next((one for one in trace.leg.tariff.windows if one.window_id == name), None)
    use = next((one for one in trace.before.windows if one.window_id == name), None)
    if window is not None and use is not None:
        step |= {
            "dearer": window.dearer.value, "through_minor": trace.window.through, "paid_before_minor": use.paid_minor,
            "restarted": trace.window.restarted,
        }  # fmt: skip
    return step


def discount_step(trace: Trace, found: Discount, left: int) -> Step:
    return {
        **_coin(trace),
        "op": "discount", "minor": trace.relief.discounted, "rule": found.concession_id, "percent": found.percent,
        "rounding": found.rounding.value, "of_minor": left, "funder": found.funder,
    }  # fmt: skip


def _coin(trace: Trace) -> Step:
    """Return how what is left is rounded where the medium pays in coins."""
    found = trace.leg.tariff.rounding.get(trace.leg.tap.medium)
    return {} if found is None else {"cash_step": found[0], "cash_rounding": found[1].value}


def park_step(trace: Trace, parked: ParkedOff, left: int) -> Step:
    """Return the step of park and ride: which stay or right earned it, and what it took of `left`."""
    benefit, ground = parked.benefit, parked.ground
    return {
        **_coin(trace),
        "op": "park_and_ride", "minor": parked.minor, "rule": benefit.benefit_id, "percent": benefit.percent,
        "amount_minor": benefit.minor, "rounding": benefit.rounding.value, "of_minor": left, "funder": benefit.funder,
        "parked_by": ground.kind.value, "parked_ref": str(ground.ref), "parked_at": sorted(ground.words),
        "parked_since": ground.since.isoformat(), "rides_before": parked.used, "max_rides": benefit.max_rides,
    }  # fmt: skip


def join_step(trace: Trace, before: int) -> Step:
    """Return the step of a ride that goes on with one of the day before, which cost `before` already."""
    return {"op": "join", "minor": trace.face, "before_minor": before, "rule": trace.rule}


def share_step(share: Share, charged: int) -> Step:
    return {
        "op": "share", "minor": charged, "rule": share.share_id, "basis": share.basis.value,
        "parts": [
            {
                "operator": one.operator, "route": one.route_id, "weight": one.weight, "minor": one.minor,
                "before_minor": one.before,
            }
            for one in share.parts
        ],
    }  # fmt: skip
