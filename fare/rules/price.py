"""`price_day`: the bill of one account and service day as a pure function of its facts.

The same facts in any order, with any duplicates, make the same bill; nothing here reads a clock or a table.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fare.rules.adjust import Passes, categories_of
from fare.rules.bill import ENGINE_VERSION, RIDER_FUNDER, Bill, BillLine, Closed, Component, Ride, Unpriced
from fare.rules.caps import Caps
from fare.rules.carried import (
    EMPTY,
    CapUse,
    Carried,
    OtherWay,
    PassStart,
    PurseState,
    TransferRun,
    WindowUse,
)
from fare.rules.debts import Debts
from fare.rules.facts import DayFacts, Entitlement, FareTap, HeldPass, in_card_order
from fare.rules.habits import Habits
from fare.rules.join import join_legs, tail_of
from fare.rules.journey import Builder
from fare.rules.leg import Leg
from fare.rules.park_ride import ParkRide
from fare.rules.ride_quote import note_habit, quote_ride_of
from fare.rules.search import cheapest_ways, never_cheaper, save
from fare.rules.shared_journeys import Journeys
from fare.rules.shares import parted_lines, share_lines, tail_apart
from fare.rules.tariff import TariffBook
from fare.rules.trace import Trace
from fare.rules.transfer import arrived
from fare.rules.way import How, Priced, Way
from fare.rules.windows import Windows, left
from kernel.clock import micros
from kernel.money import Money
from kernel.wire.cardinfo import Concession

__all__ = [
    "EMPTY", "ENGINE_VERSION", "Bill", "BillLine", "Carried", "Closed", "Component", "DayFacts", "Entitlement",
    "FareTap", "HeldPass", "Ride", "Trace", "Unpriced", "price_day", "trace_day",
]  # fmt: skip

_ALONE: Final[tuple[int, ...]] = (int(Concession.NORMAL),)  # a companion: the card's rights are its holder's


def price_day(facts: DayFacts, book: TariffBook, carried: Carried = EMPTY) -> Bill:
    """Return the bill of a day: lines, rides, what stayed unpriced, and what the next day takes over.

    `carried` is the day before's `carried_out`. What the tariff does not price is listed in `unpriced`
    with a reason and stays out of the lines: unknown is never zero. Never refuses.
    """
    return _price(facts, book, carried, told=False)[0]


def trace_day(facts: DayFacts, book: TariffBook, carried: Carried = EMPTY) -> tuple[Bill, tuple[Trace, ...]]:
    """Return the same bill as `price_day`, with how each leg came to its charge."""
    return _price(facts, book, carried, told=True)


def _price(
    facts: DayFacts, book: TariffBook, carried: Carried, *, told: bool
) -> tuple[Bill, tuple[Trace, ...]]:
    day = facts.service_day
    builder = Builder(book, day, carried.last_tap)
    if facts.corrections:
        builder.said = {one.tap_id: one for one in facts.corrections}
    if carried.open_ride is not None:
        builder.resume(carried.open_ride)
    resumed = builder.open_leg
    builder.walk(in_card_order(facts.taps))
    built = builder.end(facts.as_of)
    currency, zero = book.currency, book.zero
    unpriced = [Unpriced(tap.tap_id, reason) for tap, reason in built.unknown]
    rides = [_note(tap, closed, zero) for tap, closed in built.noted]
    billed_before = None if resumed is None or resumed.off is None or not resumed.priced_before else resumed
    if billed_before is not None and billed_before.off is not None:
        rides.append(_note(billed_before.off, Closed.ALIGHTED, zero))
    priced: list[Priced] = []
    evening, morning = builder.tariffs  # of the day's own date and of the one it ends on, mostly the same
    legs = built.legs
    if evening.joins or morning.joins:
        legs = join_legs(legs, builder, carried.tail)
    remembers = evening.remembers_days or morning.remembers_days
    habits = Habits(carried.habits, day.toordinal()) if remembers else None
    for leg in legs:
        if leg.closed is Closed.OPEN:
            rides.append(_ride(leg, zero, ""))
            continue
        categories = _ALONE if leg.companion else (int(leg.tap.concession),)
        if facts.entitlements and not leg.companion:
            on = builder.date_of(leg.tap.tapped_at)
            categories = categories_of(leg.tap.concession, facts.entitlements, on)
        quote = quote_ride_of(leg, categories, habits)
        if habits is not None:
            note_habit(leg, habits)
        if quote.offers:
            priced.append((leg, quote, categories))
        else:
            unpriced.extend(Unpriced(one.tap.tap_id, quote.reason) for one in leg.rides)
    begun = _begun(facts, book, builder, carried, billed_before)
    ways = cheapest_ways(priced, begun, How(builder, _wide(builder, priced, begun), told))
    cheapest = shown = ways[0]
    if cheapest.strange:
        # Until now another way was cheaper, and paid by it: the legs are paid by that way, less what is saved.
        shown = next(way for way in ways if not way.strange)
        save(shown.legs, shown.spent - cheapest.spent)
    traces = shown.legs
    lines: list[BillLine] = []
    for trace in traces:
        first, face = trace.leg.first, Money(trace.face, currency)
        _add_lines(lines, trace, first, face)
        rides.append(_ride(first, face, trace.rule))
        if trace.leg.joined:
            name = f"fare_leg_join_rules:{first.tap.tap_id}"
            rides.extend(_ride(one, zero, name) for one in trace.leg.rides[1:])
    own, parted = lines, []
    journeys = Journeys(carried.journeys) if evening.shares or morning.shares else None
    if journeys is not None:
        if billed_before is not None:
            journeys.end(billed_before)
        for trace in traces:
            journeys.add(trace.leg, trace.quote, trace.categories, trace.charge, trace.window)
        lines, shared = share_lines(own, journeys, currency)
        parted = parted_lines(journeys, currency)
        for trace in traces:
            trace.share = shared.get(trace.leg.told.tap_id)
    bill = Bill(
        fare_account_id=facts.fare_account_id,
        service_day=day,
        tariff_version=book.version,
        engine_version=ENGINE_VERSION,
        lines=(*lines, *parted),
        rides=tuple(rides),
        unpriced=tuple(unpriced),
        carried_out=_carry(builder, ways, habits, carried, legs, journeys, own, lines),
    )
    return bill, tuple(traces)


def _begun(
    facts: DayFacts, book: TariffBook, builder: Builder, carried: Carried, ended: Leg | None
) -> list[Way]:
    """Return the ways that the day begins with: the cheapest up to now, and those that may yet be.

    `ended` is the ride that the day before billed, ended now.
    """
    folds = builder.tariffs[0].folds_purse or builder.tariffs[1].folds_purse
    parks = builder.tariffs[0].park_benefits or builder.tariffs[1].park_benefits

    def way(one: Carried | OtherWay, dearer: int, *, strange: bool) -> Way:
        passes = park = debts = None
        run, windows = one.run, one.windows
        if ended is not None and ended.arrived is not None:
            on_us, off_us = micros(ended.tap.tapped_at), micros(ended.arrived)
            run = arrived(run, on_us, off_us)
            windows = left(windows, on_us, ended.route.route_id, off_us)
        if parks:
            park = ParkRide(facts.parked, *book.day_bounds(facts.service_day)[:2])
        if facts.passes:
            passes = Passes(book, facts.passes, one.passes, facts.service_day)
        if folds:
            spent = 0 if carried.purse is None else carried.purse.spent_minor
            debts = Debts(facts.in_debt, facts.purse, PurseState(spent + dearer))
        return Way(
            dearer, Windows(windows), passes, park, Caps(one.caps, facts.service_day), debts, run, strange=strange
        )  # fmt: skip

    return [
        way(carried, 0, strange=False),
        *(way(one, one.dearer_minor, strange=True) for one in carried.others),
    ]


def _wide(builder: Builder, priced: Sequence[Priced], begun: Sequence[Way]) -> bool:
    """Whether a pass, a cap or a cheaper fare might cost more than it saves, so that leaving it unused is weighed."""
    passes = begun[0].passes
    if len(begun) > 1 or (passes is not None and passes.may_start > 1):
        return True
    evening, morning = builder.tariffs
    if evening.caps_tangled or morning.caps_tangled:
        return True
    if evening.caps_plain and morning.caps_plain:
        return False
    return passes is not None or any(len(quote.offers) > 1 for _, quote, _ in priced)


def _add_lines(lines: list[BillLine], trace: Trace, first: Leg, face: Money) -> None:
    parts = [(Component.CHARGED, RIDER_FUNDER, trace.charged, trace.rule)]
    relief = trace.relief
    if relief.waiver is not None:
        name = f"waivers:{relief.waiver.waiver_id}"
        parts.append((Component.WAIVED, relief.waiver.funder, relief.waived, name))
    if relief.discount is not None:
        name = f"concessions:{relief.discount.concession_id}"
        parts.append((Component.DISCOUNTED, relief.discount.funder, relief.discounted, name))
    if trace.parked is not None:
        benefit = trace.parked.benefit
        name = f"park_and_ride:{benefit.benefit_id}"
        parts.append((Component.DISCOUNTED, benefit.funder, trace.parked.minor, name))
    if trace.covered:
        parts.append((Component.PASS_COVERED, RIDER_FUNDER, trace.covered, f"passes:{trace.pass_product}"))
    if trace.capped:
        parts.append((Component.CAP_COVERED, RIDER_FUNDER, trace.capped, f"caps:{trace.cap}"))
    if trace.saved:
        parts.append((Component.CAP_COVERED, RIDER_FUNDER, trace.saved, "best_fare"))
    for component, funder, minor, why in parts:
        if minor:
            amount = face if minor == face.minor else Money(minor, face.currency)
            lines.append(
                BillLine(
                    first.tap.tap_id, component, trace.operator, funder, amount, first.route.route_id, why
                )
            )


def _ride(leg: Leg, face: Money, rule: str) -> Ride:
    tap, off = leg.tap, leg.off
    return Ride(
        tap.tap_id,
        off.tap_id if off is not None and leg.on is not None else None,
        leg.operator,
        leg.route.route_id,
        leg.completed if leg.on is None else tap.stop_id,
        (leg.completed or leg.end_stop) if off is None else off.stop_id,
        tap.tapped_at,
        leg.arrived,
        face,
        leg.closed,
        rule,
        leg.companion,
    )


def _note(tap: FareTap, closed: Closed, zero: Money) -> Ride:
    at = tap.tapped_at
    return Ride(tap.tap_id, None, tap.operator_id, tap.route_id, tap.stop_id, "", at, at, zero, closed, "")


def _carry(
    builder: Builder, ways: Sequence[Way], habits: Habits | None, carried: Carried, legs: Sequence[Leg],
    journeys: Journeys | None, own: Sequence[BillLine], lines: Sequence[BillLine],
) -> Carried:  # fmt: skip
    cheapest, *others = ways
    state = _state(builder, cheapest, carried)
    tail = None
    ended = (
        [leg for leg in legs if leg.closed is not Closed.OPEN] if builder.last_tariff.joins_reach_us else ()
    )
    if ended and cheapest.legs and cheapest.legs[-1].leg is ended[-1]:
        tail = tail_of(ended[-1], builder, cheapest.legs[-1].face, *cheapest.prior)
        if tail is not None and journeys is not None:
            apart = tail_apart(journeys, own, ended[-1], tail, builder.last_tariff.currency)
            tail = replace(tail, apart=apart)
    kept = (
        builder.built.still_open,
        *state,
        builder.built.last,
        () if habits is None else habits.carry(builder.day.toordinal() - builder.last_tariff.remembers_days),
        None if cheapest.debts is None else cheapest.debts.carry(),
        _others(builder, cheapest, others, carried) if others else (),
        tail,
        ()
        if journeys is None
        else tuple(
            journeys.carry(
                lines,
                last=tail is not None or state[0] is not None,
                windows={one.window_id for one in state[1]},
                riding=builder.built.under_way,
            ).values()
        ),
    )
    return Carried(*kept) if any(kept) else EMPTY


def _state(
    builder: Builder, way: Way, carried: Carried
) -> tuple[TransferRun | None, tuple[WindowUse, ...], tuple[CapUse, ...], tuple[PassStart, ...]]:
    """Return what of a way's state the next day takes over."""
    tariff, run, end_us = builder.last_tariff, way.run, builder.hands_on_us
    under_way = builder.built.under_way is not None and run is not None and run.first_arrived_us is None
    if run is not None and not (builder.built.to_be_priced or under_way):
        begun_us = max(run.first_departed_us, run.first_arrived_us or 0)
        run = run if begun_us + tariff.longest_reach_us >= end_us else None
    return (
        run,
        way.windows.carry(tariff, end_us),
        way.caps.carry(tariff, end_us, days=builder.built.to_be_priced) if tariff.caps else (),
        carried.passes if way.passes is None else way.passes.carry(),
    )


def _others(builder: Builder, cheapest: Way, others: Sequence[Way], carried: Carried) -> tuple[OtherWay, ...]:
    """Return the ways that were dearer up to now, each state once, without those that can never be cheaper again.

    When a pass that is over began no longer matters: all say of it what the cheapest says.
    """
    end = builder.ends_at
    over = frozenset() if cheapest.passes is None else cheapest.passes.over(end)
    began = {one.pass_id: one for one in _state(builder, cheapest, carried)[3]}
    kept: list[OtherWay] = []
    for way in (cheapest, *others):
        run, windows, caps, passes = _state(builder, way, carried)
        both = over if way.passes is None else over & way.passes.over(end)
        passes = tuple(began[one.pass_id] if one.pass_id in both else one for one in passes)
        one = OtherWay(way.spent - cheapest.spent, run, windows, caps, passes)
        if not any(never_cheaper(one, than, builder.last_tariff.caps) for than in kept):
            kept.append(one)
    return tuple(kept[1:])
