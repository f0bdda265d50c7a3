"""The offers of a ride as it ended: both taps, boarding alone, or by the tariff's rule where an end is missing."""

from dataclasses import replace
from typing import Final

from fare.rules.bill import Closed
from fare.rules.caps import CappedRide
from fare.rules.distance import metres_between
from fare.rules.habits import Habits
from fare.rules.leg import Leg
from fare.rules.match import NO_AREAS
from fare.rules.quote import Quote, quote_closing, quote_leg
from fare.rules.terms import Closing, Settled
from kernel.clock import micros
from kernel.ids import OperatorId

_NO_ENDS: Final = (NO_AREAS, NO_AREAS)


def quote_ride_of(leg: Leg, categories: tuple[int, ...], habits: Habits | None) -> Quote:
    """Return the offers of a leg; `habits` completes it where the tariff allows (then `leg.completed` is set)."""
    tap, route, rule = leg.tap, leg.route, leg.route.rule
    if leg.on is None:
        closing = rule.missing_on
    elif rule.settled is Settled.BOARDING and not leg.joined:
        return quote_leg(
            leg.tariff, route, from_stop=tap.stop_id, to_stop="", networks=route.networks, departed=tap.tapped_at,
            arrived=None, medium=tap.medium, categories=categories,
        )  # fmt: skip
    elif leg.closed is Closed.MISSING_OFF:
        closing = rule.missing_off
    elif leg.closed is Closed.OVER_LONG:
        closing = rule.over_long or rule.missing_off
    else:
        closing = _same_station(leg)
        if closing is None:
            return quote_leg(
                leg.tariff, route, from_stop=tap.stop_id, to_stop=leg.end_stop, networks=leg.networks,
                departed=tap.tapped_at, arrived=leg.arrived, medium=tap.medium, categories=categories,
            )  # fmt: skip
    if closing is None:
        return Quote((), f"no_rule_for_{leg.closed.value}")
    if closing.history_rides and habits is not None and not leg.companion:
        completed = _complete(leg, closing, categories, habits)
        if completed is not None:
            return completed
    found = quote_closing(
        leg.tariff, route, closing, stop=tap.stop_id, departed=tap.tapped_at, medium=tap.medium, categories=categories,
        ends_here=leg.on is None,
    )  # fmt: skip
    return found if closing.counts else replace(found, counts=False)


def _where_it_began(leg: Leg) -> bool:
    """Whether a ride ended where it began: at the same stop, or at another platform of its station."""
    station = leg.tariff.station
    return station(leg.end_stop) == station(leg.tap.stop_id) != ""


def _same_station(leg: Leg) -> Closing | None:
    """Return the rule for an exit where the ride began so many seconds ago; None where it is a ride like any other."""
    bands = leg.route.rule.same_station
    if not bands or leg.joined or not _where_it_began(leg):
        return None
    assert leg.arrived is not None, "an exit has its time"
    stayed = micros(leg.arrived) - micros(leg.tap.tapped_at)
    return next(
        (band.closing for band in bands if band.from_us <= stayed and (band.to_us is None or stayed < band.to_us)),
        None,
    )  # fmt: skip


def _complete(leg: Leg, closing: Closing, categories: tuple[int, ...], habits: Habits) -> Quote | None:
    """Return the offers of the ride this card usually makes from here (or to here), or None."""
    tap, network = leg.tap, min(leg.networks, default="")
    begins = leg.on is not None
    found = habits.complete(
        network, closing, from_stop=tap.stop_id if begins else "", to_stop="" if begins else tap.stop_id
    )
    if not found:
        return None
    start, end = (tap.stop_id, found) if begins else (found, tap.stop_id)
    quote = quote_leg(
        leg.tariff, leg.route, from_stop=start, to_stop=end, networks=leg.networks, departed=tap.tapped_at,
        arrived=None, medium=tap.medium, categories=categories,
    )  # fmt: skip
    if not quote.offers:
        return None
    leg.completed = found
    return quote


def ends_of(leg: Leg) -> tuple[str, str]:
    """Return a leg's first and last stop, a completed end included; empty where it is not known."""
    start = leg.completed if leg.on is None else leg.tap.stop_id
    return start, leg.end_stop or (leg.completed if leg.on is not None else "")


def areas_of(leg: Leg) -> tuple[frozenset[str], frozenset[str]]:
    """Return the areas of a leg's first and last stop."""
    areas = leg.tariff.areas_of_stop
    if not areas:
        return _NO_ENDS
    start, end = ends_of(leg)
    return areas.get(start, NO_AREAS), areas.get(end, NO_AREAS)


def capped_ride(leg: Leg, operator: OperatorId, categories: tuple[int, ...]) -> CappedRide:
    """Return a leg as caps see it."""
    tariff, tap = leg.tariff, leg.tap
    at_us = micros(tap.tapped_at)
    if not tariff.caps_by_place_or_time:
        return CappedRide(leg.networks, operator, categories, at_us, tap.medium, leg.resumed)
    frames = tariff.frames_at(tap.tapped_at, tap.stop_id)
    return CappedRide(
        leg.networks, operator, categories, at_us, tap.medium, leg.resumed, *areas_of(leg), frames
    )


def length_of(leg: Leg) -> int | None:
    """Return a leg's length in metres, or None where the tariff does not know it; joined rides add up."""
    end = leg.off.stop_id if leg.joined and leg.off is not None else ends_of(leg)[1]
    total = metres_between(leg.tariff, leg.route.networks, leg.route.route_id, ends_of(leg)[0], end)
    for one in leg.joined:
        more = length_of(one)
        total = None if total is None or more is None else total + more
    return total


def note_habit(leg: Leg, habits: Habits) -> None:
    """Remember a ride that was tapped at both its ends, where the tariff completes rides from history."""
    rule = leg.route.rule
    most = max(
        (one.history_rides for one in (rule.missing_off, rule.missing_on) if one is not None), default=0
    )
    if most and leg.closed is Closed.TAPPED and not leg.companion and not _where_it_began(leg):
        habits.note(min(leg.networks, default=""), leg.tap.stop_id, leg.end_stop, most)
