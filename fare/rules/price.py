"""`price_day`: the bill of one account and service day as a pure function of its facts.

The same facts in any order, with any duplicates, make the same bill; nothing here reads a clock or a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fare.rules.adjust import Caps, Passes, best_discount, categories_of, discounted, find_waiver
from fare.rules.bill import ENGINE_VERSION, RIDER_FUNDER, Bill, BillLine, Closed, Component, Ride, Unpriced
from fare.rules.carried import EMPTY, CapUse, Carried, TransferRun, WindowUse
from fare.rules.facts import DayFacts, Entitlement, FareTap, HeldPass, in_card_order
from fare.rules.join import join_legs
from fare.rules.journey import Builder, Leg
from fare.rules.quote import NO_AREAS, Quote, quote_closing, quote_leg
from fare.rules.tariff import Tariff, TariffBook
from fare.rules.terms import Settled
from fare.rules.transfer import Charge, PricedLeg, Windows, chain_legs
from kernel.clock import micros
from kernel.money import Money

__all__ = [
    "EMPTY", "ENGINE_VERSION", "Bill", "BillLine", "Carried", "Closed", "Component", "DayFacts", "Entitlement",
    "FareTap", "HeldPass", "Ride", "Standing", "Trace", "Unpriced", "price_day", "trace_day",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trace:
    """How one leg came to its charge, for explanations: every number the bill used, in order."""

    leg: Leg
    quote: Quote
    charge: Charge
    face: int
    waived: int
    waiver: str
    discounted: int
    discount: str
    covered: int
    pass_product: str
    capped: int
    cap: str
    cap_before: int
    charged: int
    window: str
    categories: tuple[int, ...]
    before: "Standing"
    after: "Standing"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is under way at one moment of the day: open transfer windows, and what counts towards caps."""

    windows: tuple[WindowUse, ...]
    caps: tuple[CapUse, ...]


def price_day(facts: DayFacts, book: TariffBook, carried: Carried = EMPTY) -> Bill:
    """Return the bill of a day: lines, rides, what stayed unpriced, and what the next day takes over.

    `carried` is the day before's `carried_out`. What the tariff does not price is listed in `unpriced`
    with a reason and stays out of the lines: unknown is never zero. Never refuses.
    """
    return _price(facts, book, carried, None)


def trace_day(facts: DayFacts, book: TariffBook, carried: Carried = EMPTY) -> tuple[Bill, tuple[Trace, ...]]:
    """Return the same bill as `price_day`, with how each leg came to its charge."""
    traces: list[Trace] = []
    return _price(facts, book, carried, traces), tuple(traces)


def _price(facts: DayFacts, book: TariffBook, carried: Carried, traces: list[Trace] | None) -> Bill:
    day = facts.service_day
    builder = Builder(book, day, carried.last_tap)
    if facts.corrections:
        builder.said = {one.tap_id: one for one in facts.corrections}
    if carried.open_ride is not None:
        builder.resume(carried.open_ride)
    builder.walk(in_card_order(facts.taps))
    built = builder.end(facts.as_of)
    currency = book.currency
    zero = Money.zero(currency)
    unpriced = [Unpriced(tap.tap_id, reason) for tap, reason in built.unknown]
    rides = [_note(tap, closed, zero) for tap, closed in built.noted]
    lines: list[BillLine] = []
    priced: list[tuple[Leg, Quote, tuple[int, ...]]] = []
    legs = join_legs(built.legs) if any(tariff.joins for tariff in builder.tariffs) else built.legs
    for leg in legs:
        if leg.closed is Closed.OPEN:
            rides.append(_ride(leg, zero, ""))
            continue
        categories = categories_of(leg.tap.concession, facts.entitlements, builder.date_of(leg.tap.tapped_at))
        quote = _quote(leg, categories)
        if quote.offers:
            priced.append((leg, quote, categories))
        else:
            unpriced.append(Unpriced(leg.tap.tap_id, quote.reason))
    charges, run = _chain(priced, carried.run)
    windows = Windows(carried.windows) if carried.windows else None
    passes = Passes(book, facts.passes, carried.passes, day) if facts.passes else None
    caps = Caps(carried.caps, day)
    for (leg, quote, categories), charge in zip(priced, charges, strict=True):
        tariff, tap, route = leg.tariff, leg.tap, leg.route
        before = None if traces is None else _standing(windows, caps)
        operator = tap.operator_id or route.operator_id
        face, rule, window = charge.minor, charge.rule, ""
        if tariff.windows and not leg.companion:
            windows = windows or Windows(())
            plain = _plain_leg(leg, quote, categories)
            face, window = windows.charge(plain, face, facts.in_debt)
            rule = f"transfer_windows:{window}" if window else rule
        left = face
        amounts: list[tuple[Component, str, int, str]] = []
        waived = cut = covered = cap_before = 0
        waiver_name = discount_name = pass_name = cap_name = ""
        if left > 0:
            if tariff.waivers:
                start, end = _areas(tariff, leg)
                waiver = find_waiver(tariff.waivers, leg.networks, start, end)
                if waiver is not None:
                    waived, waiver_name = left, waiver.waiver_id
                    amounts.append((Component.WAIVED, waiver.funder, left, f"waivers:{waiver_name}"))
                    left = 0
            if left and tariff.discounts:
                discount = best_discount(tariff.discounts, categories, leg.networks, operator)
                if discount is not None:
                    cut, discount_name = discounted(left, discount, tariff), discount.concession_id
                    if cut:
                        amounts.append(
                            (Component.DISCOUNTED, discount.funder, cut, f"concessions:{discount_name}")
                        )
                    left -= cut
            if left and passes is not None:
                product = passes.covering(route, leg.networks, tap.tapped_at, builder.date_of(tap.tapped_at))
                if product is not None:
                    covered, pass_name = left, product.product_id
                    amounts.append((Component.PASS_COVERED, RIDER_FUNDER, left, f"passes:{pass_name}"))
                    left = 0
            if left and tariff.caps and not leg.companion:
                owed, cap_name, cap_before = caps.charge(
                    tariff, left, networks=leg.networks, operator=operator, categories=categories,
                    at_us=micros(tap.tapped_at),
                )  # fmt: skip
                if owed != left:
                    amounts.append((Component.CAP_COVERED, RIDER_FUNDER, left - owed, f"caps:{cap_name}"))
                    left = owed
        if left:
            amounts.insert(0, (Component.CHARGED, RIDER_FUNDER, left, rule))
        for component, funder, minor, why in amounts:
            lines.append(
                BillLine(tap.tap_id, component, operator, funder, Money(minor, currency), route.route_id, why)
            )
        rides.append(_ride(leg, Money(face, currency), rule))
        rides.extend(_ride(joined, zero, f"fare_leg_join_rules:{tap.tap_id}") for joined in leg.joined)
        if traces is not None and before is not None:
            capped = face - waived - cut - covered - left
            traces.append(
                Trace(leg, quote, charge, face, waived, waiver_name, cut, discount_name, covered, pass_name, capped,
                      cap_name, cap_before, left, window, categories, before, _standing(windows, caps))
            )  # fmt: skip
    return Bill(
        fare_account_id=facts.fare_account_id,
        service_day=day,
        tariff_version=book.version,
        engine_version=ENGINE_VERSION,
        lines=tuple(lines),
        rides=tuple(rides),
        unpriced=tuple(unpriced),
        carried_out=_carry(builder, run, windows, passes, caps, carried),
    )


def _standing(windows: Windows | None, caps: Caps) -> Standing:
    return Standing(() if windows is None else windows.standing(), caps.standing())


def _quote(leg: Leg, categories: tuple[int, ...]) -> Quote:
    """Return the offers of a leg as it ended: by its rule where an end is missing or the ride was odd."""
    tap, route, rule = leg.tap, leg.route, leg.route.rule
    if leg.closed is Closed.MISSING_ON:
        closing = rule.missing_on
    elif rule.settled is Settled.BOARDING:
        return quote_leg(
            leg.tariff, route, from_stop=tap.stop_id, to_stop="", networks=route.networks, departed=tap.tapped_at,
            arrived=None, medium=tap.medium, categories=categories,
        )  # fmt: skip
    elif leg.closed is Closed.MISSING_OFF:
        closing = rule.missing_off
    elif leg.closed is Closed.OVER_LONG:
        closing = rule.over_long or rule.missing_off
    else:
        assert leg.arrived is not None, "a ride between two taps has its end"
        if not (rule.same_station and leg.end_stop == tap.stop_id):
            return quote_leg(
                leg.tariff, route, from_stop=tap.stop_id, to_stop=leg.end_stop, networks=leg.networks,
                departed=tap.tapped_at, arrived=leg.arrived, medium=tap.medium, categories=categories,
            )  # fmt: skip
        stayed = micros(leg.arrived) - micros(tap.tapped_at)
        closing = next(
            (
                band.closing
                for band in rule.same_station
                if band.from_us <= stayed and (band.to_us is None or stayed < band.to_us)
            ),
            None,
        )
    if closing is None:
        return Quote((), f"no_rule_for_{leg.closed.value}")
    return quote_closing(
        leg.tariff,
        route,
        closing,
        stop=tap.stop_id,
        departed=tap.tapped_at,
        medium=tap.medium,
        categories=categories,
    )


def _chain(
    priced: Sequence[tuple[Leg, Quote, tuple[int, ...]]], run: TransferRun | None
) -> tuple[Sequence[Charge], TransferRun | None]:
    if not any(leg.tariff.transfers for leg, _, _ in priced):
        return [
            Charge(quote.offers[0], quote.offers[0].minor, quote.offers[0].rule) for _, quote, _ in priced
        ], None
    chained = [one for one in priced if not one[0].companion]
    charges, after = chain_legs([_plain_leg(*one) for one in chained], run)
    found = iter(charges)
    return [
        Charge(quote.offers[0], quote.offers[0].minor, quote.offers[0].rule) if leg.companion else next(found)
        for leg, quote, _ in priced
    ], after


def _plain_leg(leg: Leg, quote: Quote, categories: tuple[int, ...]) -> PricedLeg:
    return PricedLeg(
        tariff=leg.tariff,
        offers=quote.offers,
        networks=leg.networks,
        departed_us=micros(leg.tap.tapped_at),
        arrived_us=None if leg.arrived is None else micros(leg.arrived),
        medium=leg.tap.medium,
        categories=categories,
    )


def _areas(tariff: Tariff, leg: Leg) -> tuple[frozenset[str], frozenset[str]]:
    start = tariff.areas_of_stop.get(leg.tap.stop_id, NO_AREAS)
    return start, tariff.areas_of_stop.get(leg.end_stop, NO_AREAS)


def _ride(leg: Leg, face: Money, rule: str) -> Ride:
    tap, off = leg.tap, leg.off
    return Ride(
        tap.tap_id,
        off.tap_id if off is not None and leg.on is not None else None,
        tap.operator_id or leg.route.operator_id,
        leg.route.route_id,
        "" if leg.on is None else tap.stop_id,
        leg.end_stop if off is None else off.stop_id,
        tap.tapped_at,
        leg.arrived,
        face,
        leg.closed,
        rule,
    )


def _note(tap: FareTap, closed: Closed, zero: Money) -> Ride:
    at = tap.tapped_at
    return Ride(tap.tap_id, None, tap.operator_id, tap.route_id, tap.stop_id, "", at, at, zero, closed, "")


def _carry(
    builder: Builder,
    run: TransferRun | None,
    windows: Windows | None,
    passes: Passes | None,
    caps: Caps,
    carried: Carried,
) -> Carried:
    built, tariff, end_us = builder.built, builder.last_tariff, micros(builder.ends_at)
    if run is not None:
        # A rule without a limit reaches to the end of its service day, one with a limit past it.
        begun_us = max(run.first_departed_us, run.first_arrived_us or 0)
        run = run if begun_us + tariff.longest_reach_us >= end_us else None
    kept = (
        built.still_open,
        run,
        () if windows is None else windows.carry(tariff, end_us),
        caps.carry(tariff, end_us) if tariff.caps else (),
        carried.passes if passes is None else passes.carry(),
        built.last,
    )
    return Carried(*kept) if any(kept) else EMPTY
