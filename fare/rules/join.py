"""Join rules: consecutive rides that count as one leg (STANDARDS.md 5)."""

from typing import Final

from fare.rules.bill import Closed
from fare.rules.leg import Leg
from kernel.clock import micros

_ENDED: Final = frozenset({Closed.TAPPED, Closed.BOARDED})


def join_legs(legs: list[Leg]) -> list[Leg]:
    """Return the day's effective legs: consecutive rides that a join rule makes one, chains collapsed.

    The effective leg has the first ride's start and the last one's end, and all their networks; the others
    hang in its `joined` and cost nothing of their own.
    """
    effective: list[Leg] = []
    for leg in legs:
        first = effective[-1] if effective else None
        before = first.joined[-1] if first is not None and first.joined else first
        if first is not None and before is not None and _joins(before, leg):
            first.joined.append(leg)
            first.arrived, first.end_stop, first.closed = leg.arrived, leg.end_stop, leg.closed
            first.networks = first.networks | leg.networks
            continue
        effective.append(leg)
    return effective


def _joins(before: Leg, after: Leg) -> bool:
    if before.closed not in _ENDED or after.on is None or before.companion or after.companion:
        return False
    left = before.tap.tapped_at if before.arrived is None else before.arrived
    gap_us = micros(after.tap.tapped_at) - micros(left)
    tariff = after.tariff
    left_at, met_at = tariff.station(before.end_stop), tariff.station(after.tap.stop_id)
    return any(
        (
            stops.from_stop in {before.end_stop, left_at} and stops.to_stop in {after.tap.stop_id, met_at}
            if stops.from_stop
            else left_at == met_at != ""  # without stops of its own a rule joins at one station
        )
        and (stops.within_us is None or gap_us <= stops.within_us)
        for start in before.networks
        for end in after.networks
        for stops in tariff.joins.get((start, end), ())
    )
