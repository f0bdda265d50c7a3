"""Why a ride cost what it cost: built on demand from the same facts, as numbers and as sentences.

An explanation alone recomputes to its charge: `fare.rules.recompute` does so without the pricing code.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fare.rules.bill import Bill, BillLine, Component
from fare.rules.caps import counts
from fare.rules.carried import EMPTY, CapUse, Carried, WindowUse
from fare.rules.considered import Step, considered
from fare.rules.explain_steps import (
    discount_step,
    join_step,
    park_step,
    price_step,
    share_step,
    transfer_step,
    window_step,
)
from fare.rules.explain_text import sentences
from fare.rules.facts import DayFacts
from fare.rules.price import trace_day
from fare.rules.ride_quote import capped_ride
from fare.rules.tariff import TariffBook
from fare.rules.terms import Cap
from fare.rules.trace import Trace
from fare.rules.windows import counts as in_window
from kernel.clock import from_micros


@dataclass(frozen=True, slots=True)
class TapExplanation:
    """One tap: its steps in order (JSON values, amounts in minor units), what was considered, and the words.

    `parts` are the face value and what it is made of; `shares` say which operator is owed each part by whom;
    `caps` and `windows` are those that the ride counts for, before and after it.
    """

    tap_id: str
    closed: str
    charged_minor: int
    parts: dict[str, int]
    shares: tuple[Step, ...]
    steps: tuple[Step, ...]
    considered: tuple[Step, ...]
    caps: tuple[Step, ...]
    windows: tuple[Step, ...]
    vi: tuple[str, ...]
    en: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "tap_id": self.tap_id,
            "closed": self.closed,
            "charged_minor": self.charged_minor,
            "parts": dict(self.parts),
            "shares": list(self.shares),
            "steps": list(self.steps),
            "considered": list(self.considered),
            "caps": list(self.caps),
            "windows": list(self.windows),
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
    so_far, further = (
        (0, False) if carried.run is None else (carried.run.total_minor, carried.run.transferred)
    )
    explained: list[TapExplanation] = []
    for trace in traces:
        moved, tail = trace.charge.transferred, trace.leg.tail
        if tail is not None:
            so_far, further = (0, False) if tail.run is None else (tail.run.total_minor, tail.run.transferred)
        explained.append(_leg(trace, book, facts, bill.lines, so_far, further=further))
        if not trace.leg.companion:
            so_far, further = trace.charge.minor + (so_far if moved else 0), moved
    known = {one.tap_id for one in explained}
    explained += [
        _other(
            str(ride.tap_id),
            ride.closed.value,
            book,
            lines=(line for line in bill.lines if line.tap_id == ride.tap_id),
        )
        for ride in bill.rides
        if str(ride.tap_id) not in known
    ]
    explained += [_other(str(one.tap_id), "unpriced", book, one.reason) for one in bill.unpriced]
    return Explanation(bill.tariff_version, bill.engine_version, book.currency.code, tuple(explained))


def _leg(
    trace: Trace, book: TariffBook, facts: DayFacts, lines: Iterable[BillLine], so_far: int, *, further: bool
) -> TapExplanation:
    leg, tariff = trace.leg, trace.leg.tariff
    steps: list[Step] = [price_step(trace)]
    if leg.completed:
        name = tariff.stop_names.get(leg.completed) or leg.completed
        steps.insert(0, {"op": "complete", "minor": 0, "stop": leg.completed, "name": name})
    if trace.charge.transferred:
        steps.append(transfer_step(trace, so_far, further=further))
    if trace.window.window_id:
        steps.append(window_step(trace))
    elif trace.window.withheld:
        steps.append({"op": "withheld", "minor": trace.charge.minor, "rule": trace.window.withheld})
    if leg.tail is not None:
        steps.append(join_step(trace, leg.tail.face_minor))
    left = trace.face
    if trace.relief.waiver:
        one = trace.relief.waiver
        steps.append(
            {"op": "waive", "minor": trace.relief.waived, "rule": one.waiver_id, "funder": one.funder}
        )
    left -= trace.relief.waived
    if trace.relief.discount is not None:
        steps.append(discount_step(trace, trace.relief.discount, left))
    if trace.pass_product:
        steps.append({"op": "pass", "minor": trace.covered, "rule": trace.pass_product})
    left -= trace.relief.discounted + trace.covered
    if trace.parked is not None:
        steps.append(park_step(trace, trace.parked, left))
        left -= trace.parked.minor
    if trace.cap:
        cap = next(one for one in tariff.caps if one.cap_id == trace.cap)
        steps.append({
            "op": "cap", "minor": trace.capped, "rule": trace.cap, "limit_minor": cap.minor, "limit_rides": cap.rides,
            "used_before": trace.cap_before, "owed_before": left,
        })  # fmt: skip
    if trace.saved:
        steps.append({"op": "best", "minor": trace.saved})
    steps.append({"op": "charge", "minor": trace.charged})
    if trace.share is not None:
        steps.append(share_step(trace.share, trace.charged))
    parts = {
        "face_value": trace.face,
        Component.WAIVED.value: trace.relief.waived,
        Component.DISCOUNTED.value: trace.relief.discounted
        + (0 if trace.parked is None else trace.parked.minor),
        Component.PASS_COVERED.value: trace.covered,
        Component.CAP_COVERED.value: trace.capped + trace.saved,
        Component.CHARGED.value: trace.charged,
    }
    caps = _caps(trace)
    vi, en = sentences(steps, book.currency, leg.closed.value, caps=caps)
    return TapExplanation(
        tap_id=str(leg.told.tap_id),
        closed=leg.closed.value,
        charged_minor=trace.charged,
        parts=parts,
        shares=_shares(line for line in lines if line.tap_id == leg.told.tap_id),
        steps=tuple(steps),
        considered=considered(trace, book, facts.passes),
        caps=caps,
        windows=_windows(trace),
        vi=vi,
        en=en,
    )


def _shares(lines: Iterable[BillLine]) -> tuple[Step, ...]:
    return tuple(
        {
            "component": line.component.value,
            "operator": line.operator_id,
            "funder": line.funder,
            "minor": line.amount.minor,
            "rule": line.rule,
        }
        for line in lines
    )


def _caps(trace: Trace) -> tuple[Step, ...]:
    """Return the caps that this ride counts towards, with their use before and after it."""
    leg = trace.leg
    if leg.companion or not trace.quote.counts:
        return ()
    ride = capped_ride(leg, trace.operator, trace.categories)
    before = {one.cap_id: one for one in trace.before.caps}
    after = {one.cap_id: one for one in trace.after.caps}
    found: list[Step] = []
    for cap in leg.tariff.caps:
        now = after.get(cap.cap_id)
        if now is None or not counts(cap, ride):
            continue
        earlier = before.get(cap.cap_id)
        if earlier is None or earlier.period != now.period:
            earlier = CapUse(cap.cap_id, now.period, 0, 0)
        found.append({
            "cap_id": cap.cap_id, "period": cap.period.value, "limit_minor": cap.minor, "limit_rides": cap.rides,
            "before": {"minor": earlier.minor, "rides": earlier.rides},
            "after": {"minor": now.minor, "rides": now.rides},
        })  # fmt: skip
        if _passed_over(cap, earlier, trace):
            found[-1]["left_unused"] = True
    return tuple(found)


def _passed_over(cap: Cap, before: CapUse, trace: Trace) -> bool:
    """Whether more was paid than the cap asks, because over all rides together that is cheaper."""
    paid = trace.charged + trace.saved
    if cap.minor is None:
        return paid > 0 and cap.rides is not None and before.rides >= cap.rides
    return paid > max(0, cap.minor - before.minor)


def _windows(trace: Trace) -> tuple[Step, ...]:
    """Return the transfer windows that this ride counts for, before and after it."""
    before = {one.window_id: one for one in trace.before.windows}
    after = {one.window_id: one for one in trace.after.windows}
    return tuple(
        {
            "window_id": window.window_id,
            "minutes": window.duration_us // 60_000_000,
            "before": _use(before.get(window.window_id)),
            "after": _use(after.get(window.window_id)),
        }
        for window in trace.leg.tariff.windows
        if not trace.leg.companion and in_window(window, trace.leg.networks, trace.operator)
    )


def _use(use: WindowUse | None) -> Step | None:
    if use is None:
        return None
    began = from_micros(use.started_us).isoformat()
    return {"started_at": began, "used": use.used, "paid_minor": use.paid_minor}


def _other(
    tap_id: str, closed: str, book: TariffBook, reason: str = "", lines: Iterable[BillLine] = ()
) -> TapExplanation:
    steps: list[Step] = [] if closed == "unpriced" else [{"op": "charge", "minor": 0}]
    vi, en = sentences([], book.currency, closed, reason)
    return TapExplanation(tap_id, closed, 0, {}, _shares(lines), tuple(steps), (), (), (), vi, en)


__all__ = ["Bill", "Explanation", "TapExplanation", "explain"]
