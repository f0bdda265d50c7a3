"""`price_day`: the bill of one account and service day as a pure function of its facts.

The same facts in any order, with any duplicates, make the same bill; nothing here reads a clock or a table.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fare.rules.adjust import Passes, best_discount, categories_of, discounted, find_waiver
from fare.rules.bill import ENGINE_VERSION, RIDER_FUNDER, Bill, BillLine, Closed, Component, Ride, Unpriced
from fare.rules.caps import Caps
from fare.rules.carried import EMPTY, Carried, TransferRun
from fare.rules.debts import Debts
from fare.rules.facts import DayFacts, Entitlement, FareTap, HeldPass, in_card_order
from fare.rules.habits import Habits
from fare.rules.join import join_legs
from fare.rules.journey import Builder
from fare.rules.leg import Leg
from fare.rules.park_ride import NotParked, ParkedOff, ParkRide
from fare.rules.quote import Quote
from fare.rules.ride_quote import areas_of, capped_ride, length_of, note_habit, quote_ride_of
from fare.rules.shares import Journeys, share_lines
from fare.rules.tariff import TariffBook
from fare.rules.trace import Standing, Trace
from fare.rules.transfer import Charge, PricedLeg, chain_legs
from fare.rules.windows import Granted, WindowLeg, Windows
from kernel.clock import micros
from kernel.ids import OperatorId
from kernel.money import Money
from kernel.wire.cardinfo import Concession

__all__ = [
    "EMPTY", "ENGINE_VERSION", "Bill", "BillLine", "Carried", "Closed", "Component", "DayFacts", "Entitlement",
    "FareTap", "HeldPass", "Ride", "Trace", "Unpriced", "price_day", "trace_day",
]  # fmt: skip


def price_day(facts: DayFacts, book: TariffBook, carried: Carried = EMPTY) -> Bill:
    """Return the bill of a day: lines, rides, what stayed unpriced, and what the next day takes over.

    `carried` is the day before's `carried_out`. What the tariff does not price is listed in `unpriced`
    with a reason and stays out of the lines: unknown is never zero. Never refuses.
    """
    return _cheapest(facts, book, carried, None)


def trace_day(facts: DayFacts, book: TariffBook, carried: Carried = EMPTY) -> tuple[Bill, tuple[Trace, ...]]:
    """Return the same bill as `price_day`, with how each leg came to its charge."""
    traces: list[Trace] = []
    bill = _cheapest(facts, book, carried, traces)
    return bill, tuple(traces)


_Priced = tuple[Leg, Quote, tuple[int, ...]]
_ALONE: Final = (int(Concession.NORMAL),)  # a companion: the card's rights are its holder's
_NOTHING: Final = Granted(0)


def _cheapest(facts: DayFacts, book: TariffBook, carried: Carried, traces: list[Trace] | None) -> Bill:
    """Price a day; where its passes and its caps would cost more together than the caps alone, without the passes."""
    bill = _price(facts, book, carried, traces)
    if not facts.passes or not book.on(facts.service_day).caps:
        return bill
    if not {Component.CHARGED, Component.PASS_COVERED} <= {line.component for line in bill.lines}:
        return bill
    others: list[Trace] | None = None if traces is None else []
    without = _price(replace(facts, passes=()), book, carried, others)
    if _charged(without) >= _charged(bill):
        return bill
    if traces is not None and others is not None:
        traces[:] = others
    return without


def _charged(bill: Bill) -> int:
    return sum(line.amount.minor for line in bill.lines if line.component is Component.CHARGED)


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
    priced: list[_Priced] = []
    legs = join_legs(built.legs) if any(tariff.joins for tariff in builder.tariffs) else built.legs
    remembers = any(tariff.remembers_days for tariff in builder.tariffs)
    habits = Habits(carried.habits, day.toordinal()) if remembers else None
    for leg in legs:
        if leg.closed is Closed.OPEN:
            rides.append(_ride(leg, zero, ""))
            continue
        categories: tuple[int, ...] = _ALONE
        if not leg.companion:
            at = builder.date_of(leg.tap.tapped_at)
            categories = categories_of(leg.tap.concession, facts.entitlements, at)
        quote = quote_ride_of(leg, categories, habits)
        if habits is not None:
            note_habit(leg, habits)
        if quote.offers:
            priced.append((leg, quote, categories))
        else:
            unpriced.append(Unpriced(leg.tap.tap_id, quote.reason))
    charges, run = _chain(priced, carried.run)
    windows = Windows(carried.windows) if carried.windows else None
    passes = Passes(book, facts.passes, carried.passes, day) if facts.passes else None
    folds = any(tariff.folds_purse for tariff in builder.tariffs)
    debts = Debts(facts.in_debt, facts.purse, carried.purse) if folds else None
    caps = Caps(carried.caps, day)
    park: ParkRide | None = None
    journeys = Journeys() if any(tariff.shares for tariff in builder.tariffs) else None
    for (leg, quote, rights), charge in zip(priced, charges, strict=True):
        tariff, tap, route = leg.tariff, leg.tap, leg.route
        operator = tap.operator_id or route.operator_id
        face, rule, granted = charge.minor, charge.rule, _NOTHING
        before = None if traces is None else _standing(windows, caps)
        if tariff.windows and not leg.companion:
            windows = windows or Windows(())
            granted = windows.charge(
                _window_leg(leg, operator, rights), face, _free if debts is None else debts.held
            )
            face = granted.minor
            rule = f"transfer_windows:{granted.window_id}" if granted.window_id else rule
        left = face
        amounts: list[tuple[Component, str, int, str]] = []
        waived = cut = covered = cap_before = 0
        off: ParkedOff | None = None
        unearned: NotParked = ()
        waiver_name = discount_name = pass_name = cap_name = ""
        if left > 0:
            if tariff.waivers:
                waiver = find_waiver(tariff.waivers, leg.networks, *areas_of(leg))
                if waiver is not None:
                    waived, waiver_name = left, waiver.waiver_id
                    amounts.append((Component.WAIVED, waiver.funder, left, f"waivers:{waiver_name}"))
                    left = 0
            if left and tariff.discounts:
                discount = best_discount(tariff.discounts, rights, leg.networks, operator)
                if discount is not None:
                    cut = discounted(left, discount.percent, discount.rounding, tariff, tap.medium)
                    discount_name = discount.concession_id
                    if cut:
                        amounts.append(
                            (Component.DISCOUNTED, discount.funder, cut, f"concessions:{discount_name}")
                        )
                    left -= cut
            if left and passes is not None and not leg.companion:
                product = passes.covering(
                    route, leg.networks, operator, tap.tapped_at, builder.date_of(tap.tapped_at)
                )
                if product is not None:
                    covered, pass_name = left, product.product_id
                    amounts.append((Component.PASS_COVERED, RIDER_FUNDER, left, f"passes:{pass_name}"))
                    left = 0
            if left and tariff.park_benefits and not leg.companion:
                park = park or ParkRide(facts.parked, *book.day_bounds(day)[:2])
                off, unearned = park.take(tariff, left, leg.networks, operator, tap)
                if off is not None:
                    rule_name = f"park_and_ride:{off.benefit.benefit_id}"
                    amounts.append((Component.DISCOUNTED, off.benefit.funder, off.minor, rule_name))
                    left -= off.minor
            if left and tariff.caps and quote.counts and not leg.companion:
                owed, cap_name, cap_before = caps.charge(tariff, left, capped_ride(leg, operator, rights))
                if owed != left:
                    amounts.append((Component.CAP_COVERED, RIDER_FUNDER, left - owed, f"caps:{cap_name}"))
                    left = owed
        elif left < 0 and tariff.caps and not leg.companion:
            caps.give_back(tariff, -left, capped_ride(leg, operator, rights))
        if left:
            amounts.insert(0, (Component.CHARGED, RIDER_FUNDER, left, rule))
            if debts is not None:
                debts.pay(left)
        for component, funder, minor, why in amounts:
            lines.append(
                BillLine(tap.tap_id, component, operator, funder, Money(minor, currency), route.route_id, why)
            )
        rides.append(_ride(leg, Money(face, currency), rule))
        rides.extend(_ride(joined, zero, f"fare_leg_join_rules:{tap.tap_id}") for joined in leg.joined)
        if journeys is not None:
            journeys.add(leg, quote, rights, charge, granted)
        if traces is not None and before is not None:
            capped = face - waived - cut - covered - left - (0 if off is None else off.minor)
            traces.append(
                Trace(leg, quote, charge, face, waived, waiver_name, cut, discount_name, covered, pass_name, capped,
                      cap_name, cap_before, left, granted, rights, before, _standing(windows, caps),
                      parked=off, not_parked=unearned)
            )  # fmt: skip
    if journeys is not None:
        lines, told = share_lines(lines, journeys.legs)
        if traces is not None:
            traces[:] = [replace(one, share=told.get(one.leg.tap.tap_id)) for one in traces]
    return Bill(
        fare_account_id=facts.fare_account_id,
        service_day=day,
        tariff_version=book.version,
        engine_version=ENGINE_VERSION,
        lines=tuple(lines),
        rides=tuple(rides),
        unpriced=tuple(unpriced),
        carried_out=_carry(builder, run, windows, passes, caps, habits, debts, carried),
    )


def _standing(windows: Windows | None, caps: Caps) -> Standing:
    return Standing(() if windows is None else windows.standing(), caps.standing())


def _chain(priced: Sequence[_Priced], run: TransferRun | None) -> tuple[Sequence[Charge], TransferRun | None]:
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
        departed_us=micros(leg.tap.tapped_at),
        arrived_us=None if leg.arrived is None else micros(leg.arrived),
        medium=leg.tap.medium,
        categories=categories,
    )


def _window_leg(leg: Leg, operator: OperatorId, categories: tuple[int, ...]) -> WindowLeg:
    return WindowLeg(
        tariff=leg.tariff,
        networks=leg.networks,
        operator=operator,
        route_id=leg.route.route_id,
        departed_us=micros(leg.tap.tapped_at),
        arrived_us=None if leg.arrived is None else micros(leg.arrived),
        metres=length_of(leg) if leg.tariff.windows_by_distance else None,
        medium=leg.tap.medium,
        categories=categories,
    )


def _free(_at_us: int, _ends_us: int) -> bool:
    return False


def _ride(leg: Leg, face: Money, rule: str) -> Ride:
    tap, off = leg.tap, leg.off
    return Ride(
        tap.tap_id,
        off.tap_id if off is not None and leg.on is not None else None,
        tap.operator_id or leg.route.operator_id,
        leg.route.route_id,
        leg.completed if leg.on is None else tap.stop_id,
        (leg.completed or leg.end_stop) if off is None else off.stop_id,
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
    habits: Habits | None,
    debts: Debts | None,
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
        () if habits is None else habits.carry(builder.day.toordinal() - tariff.remembers_days),
        None if debts is None else debts.carry(),
    )
    return Carried(*kept) if any(kept) else EMPTY
