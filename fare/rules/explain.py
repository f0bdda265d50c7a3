"""Why a ride cost what it cost: built on demand from the same facts, as numbers and as sentences.

The steps alone recompute to the charge; `fare.rules.recompute` does so without the pricing code.
"""

from dataclasses import dataclass
from typing import Final

from fare.rules.carried import EMPTY, Carried
from fare.rules.explain_text import sentences
from fare.rules.facts import DayFacts
from fare.rules.price import Bill, Closed, Trace, trace_day
from fare.rules.quote import NO_AREAS
from fare.rules.tariff import Tariff, TariffBook
from fare.rules.terms import Settled

Step = dict[str, object]
_CLOSED_BY_RULE: Final = frozenset({Closed.MISSING_OFF, Closed.MISSING_ON, Closed.OVER_LONG})


@dataclass(frozen=True, slots=True)
class TapExplanation:
    """One tap: its steps in order (JSON values, amounts in minor units), what was considered, and the words."""

    tap_id: str
    closed: str
    charged_minor: int
    steps: tuple[Step, ...]
    considered: tuple[Step, ...]
    vi: tuple[str, ...]
    en: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "tap_id": self.tap_id,
            "closed": self.closed,
            "charged_minor": self.charged_minor,
            "steps": list(self.steps),
            "considered": list(self.considered),
            "vi": list(self.vi),
            "en": list(self.en),
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """A day's explanations, under the tariff and engine that priced it."""

    tariff_version: str
    engine_version: str
    currency: str
    taps: tuple[TapExplanation, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "tariff_version": self.tariff_version,
            "engine_version": self.engine_version,
            "currency": self.currency,
            "taps": [one.to_json() for one in self.taps],
        }


def explain(facts: DayFacts, book: TariffBook, carried: Carried = EMPTY) -> Explanation:
    """Return why every tap of the day was charged as it was; the amounts are those of `price_day`."""
    bill, traces = trace_day(facts, book, carried)
    explained = [_leg(trace, book) for trace in traces]
    known = {one.tap_id for one in explained}
    explained += [
        _other(str(ride.tap_id), ride.closed.value, book)
        for ride in bill.rides
        if str(ride.tap_id) not in known
    ]
    explained += [_other(str(one.tap_id), "unpriced", book, one.reason) for one in bill.unpriced]
    return Explanation(bill.tariff_version, bill.engine_version, book.currency.code, tuple(explained))


def _leg(trace: Trace, book: TariffBook) -> TapExplanation:
    leg, tariff = trace.leg, trace.leg.tariff
    steps: list[Step] = [
        {
            "op": "price",
            "minor": trace.charge.offer.minor,
            "product": trace.charge.offer.product_id,
            "rule": trace.charge.offer.rule,
            "route": leg.route.route_id,
            "closed": leg.closed.value,
            "by_closing_rule": leg.closed in _CLOSED_BY_RULE and leg.route.rule.settled is Settled.RIDE,
        }
    ]
    if trace.charge.rule != trace.charge.offer.rule:
        steps.append({"op": "transfer", "minor": trace.charge.minor, "rule": trace.charge.rule})
    if trace.window:
        steps.append({"op": "window", "minor": trace.face, "rule": trace.window})
    left = trace.face
    if trace.waiver:
        funder = next((one.funder for one in tariff.waivers if one.waiver_id == trace.waiver), "")
        steps.append({"op": "waive", "minor": trace.waived, "rule": trace.waiver, "funder": funder})
    left -= trace.waived
    if trace.discount:
        steps.append(_discount(trace, tariff, left))
    if trace.pass_product:
        steps.append({"op": "pass", "minor": trace.covered, "rule": trace.pass_product})
    left -= trace.discounted + trace.covered
    if trace.cap:
        cap = next(one for one in tariff.caps if one.cap_id == trace.cap)
        steps.append({
            "op": "cap", "minor": trace.capped, "rule": trace.cap, "limit_minor": cap.minor, "limit_rides": cap.rides,
            "used_before": trace.cap_before, "owed_before": left,
        })  # fmt: skip
    steps.append({"op": "charge", "minor": trace.charged})
    vi, en = sentences(steps, book.currency, leg.closed.value)
    return TapExplanation(
        str(leg.tap.tap_id), leg.closed.value, trace.charged, tuple(steps), _considered(trace), vi, en
    )


def _discount(trace: Trace, tariff: Tariff, left: int) -> Step:
    found = next(
        one
        for category in trace.categories
        for one in tariff.discounts.get(category, ())
        if one.concession_id == trace.discount
    )
    return {
        "op": "discount", "minor": trace.discounted, "rule": trace.discount, "percent": found.percent,
        "rounding": found.rounding.value, "of_minor": left, "funder": found.funder,
    }  # fmt: skip


def _considered(trace: Trace) -> tuple[Step, ...]:
    """Return the leg rules that stood for this leg and were not used, with why not."""
    leg, tariff = trace.leg, trace.leg.tariff
    settled = leg.route.rule.settled is Settled.BOARDING
    matched = tariff.legs.match(
        leg.networks,
        tariff.areas_of_stop.get(leg.tap.stop_id, NO_AREAS),
        NO_AREAS if settled else tariff.areas_of_stop.get(leg.end_stop, NO_AREAS),
        tariff.timeframes.at(leg.tap.tapped_at),
        tariff.timeframes.at(None if settled else leg.arrived),
    )
    lost: list[Step] = [
        {"rule": rule.rule, "product": rule.product_id, "why": why} for rule, why in matched.lost
    ]
    lost += [
        {"rule": offer.rule, "product": offer.product_id, "minor": offer.minor, "why": "dearer"}
        for offer in trace.quote.offers
        if offer != trace.charge.offer
    ]
    return tuple(lost)


def _other(tap_id: str, closed: str, book: TariffBook, reason: str = "") -> TapExplanation:
    steps: list[Step] = [] if closed == "unpriced" else [{"op": "charge", "minor": 0}]
    vi, en = sentences([], book.currency, closed, reason)
    return TapExplanation(tap_id, closed, 0, tuple(steps), (), vi, en)


__all__ = ["Bill", "Explanation", "TapExplanation", "explain"]
