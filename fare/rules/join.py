"""Join rules: consecutive rides that count as one leg (STANDARDS.md 5)."""

from fare.rules.journey import Leg


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
    if before.off is None or after.on is None or before.companion or after.companion:
        return False
    return any(
        start_stop in {"", before.off.stop_id} and end_stop in {"", after.on.stop_id}
        for start in before.networks
        for end in after.networks
        for start_stop, end_stop in after.tariff.joins.get((start, end), ())
    )
