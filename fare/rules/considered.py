"""What stood for a ride and was not used, each with why not: leg rules, offers, waivers, concessions, passes, caps."""

from collections.abc import Iterable
from typing import Final

from fare.rules.adjust import covers, find_waiver, product_on
from fare.rules.caps import counts
from fare.rules.facts import HeldPass
from fare.rules.match import NO_AREAS
from fare.rules.ride_quote import areas_of, capped_ride
from fare.rules.tariff import TariffBook
from fare.rules.terms import Cap, PassProduct, Settled
from fare.rules.trace import Trace

Step = dict[str, object]

WHY: Final[dict[str, tuple[str, str]]] = {
    "not_exact": ("một dòng khác khớp đủ cả ba cột", "another row matches all three columns"),
    "lower_priority": ("độ ưu tiên thấp hơn", "its priority is lower"),
    "value_listed_elsewhere": ("ô trống, mà giá trị này có dòng riêng", "its empty cell leaves this value to a row of its own"),
    "dearer": ("đắt hơn", "it costs more"),
    "other_place": ("chuyến đi nằm ngoài phạm vi", "the ride lies outside it"),
    "smaller": ("mức giảm nhỏ hơn", "its share is smaller"),
    "not_valid_then": ("vé không có hiệu lực lúc đó", "the pass was not valid then"),
    "not_reached": ("chưa đạt mức trần", "the cap was not reached"),
    "not_earned": ("không có lượt gửi xe phù hợp trong ngày", "no parking of the day earns it"),
    "used_up": ("đã dùng hết số lượt trong ngày", "its rides of the day are used up"),
    "not_cheapest": ("tính chung các chuyến thì không dùng sẽ rẻ hơn", "over all rides together it is cheaper left unused"),
    "nothing_left": ("không còn gì phải trả", "nothing was left to pay"),
}  # fmt: skip


def considered(trace: Trace, book: TariffBook, held: Iterable[HeldPass]) -> tuple[Step, ...]:
    """Return each rule that stood for the leg and was not used; `why` is a code, `vi` and `en` its words."""
    found = [
        *_leg_rules(trace),
        *_waivers(trace),
        *_discounts(trace),
        *_passes(trace, book, held),
        *_park_and_ride(trace),
        *_caps(trace),
    ]
    return tuple({**step, "vi": WHY[str(step["why"])][0], "en": WHY[str(step["why"])][1]} for step in found)


def _leg_rules(trace: Trace) -> list[Step]:
    leg, tariff = trace.leg, trace.leg.tariff
    settled = leg.route.rule.settled is Settled.BOARDING and not leg.joined
    start, end = areas_of(leg)
    matched = tariff.legs.match(
        leg.networks,
        start,
        NO_AREAS if settled else end,
        tariff.frames_at(leg.tap.tapped_at, leg.tap.stop_id),
        tariff.frames_at(None if settled else leg.arrived, leg.end_stop),
    )
    lost: list[Step] = [
        {"rule": rule.rule, "product": rule.product_id, "why": why} for rule, why in matched.lost
    ]
    lost += [
        {"rule": offer.rule, "product": offer.product_id, "minor": offer.minor, "why": "dearer"}
        for offer in trace.quote.offers
        if offer != trace.charge.offer
    ]
    return lost


def _waivers(trace: Trace) -> list[Step]:
    tariff, leg = trace.leg.tariff, trace.leg
    start, end = areas_of(leg)
    found: list[Step] = []
    for one in tariff.waivers:
        if one is trace.relief.waiver:
            continue
        fits = find_waiver((one,), leg.networks, start, end) is not None
        found.append({"rule": f"waivers:{one.waiver_id}", "why": "nothing_left" if fits else "other_place"})
    return found


def _discounts(trace: Trace) -> list[Step]:
    return [
        {
            "rule": f"concessions:{one.concession_id}",
            "percent": one.percent,
            "why": "smaller"
            if trace.relief.discount is not None
            else "nothing_left"
            if trace.relief.waived
            else "other_place",
        }
        for category in trace.categories
        for one in trace.leg.tariff.discounts.get(category, ())
        if one is not trace.relief.discount
    ]


def _passes(trace: Trace, book: TariffBook, held: Iterable[HeldPass]) -> list[Step]:
    found: list[Step] = []
    for one in held:
        if one.product_id == trace.pass_product:
            continue
        product = product_on(book.passes.get(one.product_id, ()), book.local_date(trace.leg.tap.tapped_at))
        if product is not None:
            found.append({"rule": f"passes:{one.product_id}", "why": _why_not(trace, one, product)})
    return found


def _why_not(trace: Trace, held: HeldPass, product: PassProduct) -> str:
    if not covers(product, held.scope, trace.leg.route, trace.leg.networks, trace.operator):
        return "other_place"
    if f"passes:{held.product_id}" in trace.unused:
        return "not_cheapest"
    left = trace.face - trace.relief.waived - trace.relief.discounted
    return "not_valid_then" if left and not trace.pass_product else "nothing_left"


def _park_and_ride(trace: Trace) -> list[Step]:
    return [
        {"rule": f"park_and_ride:{benefit.benefit_id}", "why": missed.value}
        for benefit, missed in trace.not_parked
    ]


def _caps(trace: Trace) -> list[Step]:
    leg = trace.leg
    if leg.companion or not trace.quote.counts:
        return []
    ride = capped_ride(leg, trace.operator, trace.categories)
    return [
        {"rule": f"caps:{cap.cap_id}", "why": _why_no_cap(trace, cap)}
        for cap in leg.tariff.caps
        if cap.cap_id != trace.cap and counts(cap, ride)
    ]


def _why_no_cap(trace: Trace, cap: Cap) -> str:
    if f"caps:{cap.cap_id}" in trace.unused:
        return "not_cheapest"
    return "not_reached" if trace.charged or trace.cap else "nothing_left"
