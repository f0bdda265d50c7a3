"""Join rules: consecutive rides that count as one leg (STANDARDS.md 5), over the start of a service day too."""

from datetime import datetime
from typing import Final

from fare.rules.bill import Closed
from fare.rules.carried import Tail, TransferRun, WindowUse
from fare.rules.journey import Builder
from fare.rules.leg import Leg
from kernel.clock import micros

_ENDED: Final = frozenset({Closed.TAPPED, Closed.BOARDED})


def join_legs(legs: list[Leg], builder: Builder, tail: Tail | None) -> list[Leg]:
    """Return the day's effective legs: consecutive rides that a join rule makes one, chains collapsed.

    The effective leg has the first ride's start and the last one's end, and all their networks; the others
    hang in its `joined` and cost nothing of their own. One that goes on with the last leg of the day before has it
    as its `tail`, and costs what it is dearer than that.
    """
    effective: list[Leg] = []
    before = None if tail is None else _again(tail, builder)
    for leg in legs:
        first = effective[-1] if effective else before
        last = first.joined[-1] if first is not None and first.joined else first
        if (
            first is not None
            and last is not None
            and _joins(last, leg, overnight=first is before and not effective)
        ):
            if not effective:
                effective.append(first)
            first.joined.append(leg)
            first.arrived, first.end_stop, first.closed = leg.arrived, leg.end_stop, leg.closed
            first.networks = first.networks | leg.networks
            continue
        before = None
        effective.append(leg)
    return effective


def tail_of(
    leg: Leg, builder: Builder, face_minor: int, run: TransferRun | None, windows: tuple[WindowUse, ...]
) -> Tail | None:
    """Return a day's last leg where a join rule may go on with it on the next day, else None."""
    last = leg.joined[-1] if leg.joined else leg
    reach_us = builder.last_tariff.joins_reach_us
    if last.closed not in _ENDED or leg.companion or _ended_us(last) + reach_us < builder.hands_on_us:
        return None
    earlier = () if leg.tail is None else leg.tail.rides
    rides = (*earlier, *((one.tap, one.off) for one in leg.rides))
    if leg.tail is not None:
        face_minor, run, windows = face_minor + leg.tail.face_minor, leg.tail.run, leg.tail.windows
    return Tail(rides, face_minor, run, windows)


def _again(tail: Tail, builder: Builder) -> Leg | None:
    found: list[Leg] = []
    for on, off in tail.rides:
        tariff = builder.tariff_at(on.tapped_at)
        route = tariff.route_for(on.route_id, on.stop_id)
        if route is None:
            return None  # only a re-published tariff can take the route away
        leg = Leg(on, route, tariff, on=on)
        if off is not None:
            leg.off, leg.arrived, leg.end_stop, leg.closed = off, off.tapped_at, off.stop_id, Closed.TAPPED
            ended = tariff.route_for(off.route_id, off.stop_id)
            leg.networks = route.networks if ended is None else route.networks | ended.networks
        found.append(leg)
    first, *joined = found
    first.tail, first.joined = tail, joined
    for leg in joined:
        first.networks = first.networks | leg.networks
    return first


def _left(leg: Leg) -> datetime:
    return leg.tap.tapped_at if leg.arrived is None else leg.arrived


def _ended_us(leg: Leg) -> int:
    return micros(_left(leg))


def _joins(before: Leg, after: Leg, *, overnight: bool) -> bool:
    if before.closed not in _ENDED or after.on is None or before.companion or after.companion:
        return False
    if after.closed is Closed.OPEN:
        return False  # once it has ended
    gap_us = micros(after.tap.tapped_at) - _ended_us(before)
    tariff = after.tariff
    left_at, met_at = tariff.station(before.end_stop), tariff.station(after.tap.stop_id)
    return any(
        (
            stops.from_stop in {before.end_stop, left_at} and stops.to_stop in {after.tap.stop_id, met_at}
            if stops.from_stop
            else left_at == met_at != ""  # without stops of its own a rule joins at one station
        )
        and (not overnight if stops.within_us is None else gap_us <= stops.within_us)
        for start in before.networks
        for end in after.networks
        for stops in tariff.joins.get((start, end), ())
    )
