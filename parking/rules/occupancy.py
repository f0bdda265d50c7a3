"""How full a place is: counted by hand or sensor, carried on by the gates since, and honest about its age."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Count:
    """Vehicles counted in a place at an instant."""

    at: datetime
    vehicles: int


@dataclass(frozen=True, slots=True)
class Pass:
    """A gate's pass: +1 in, -1 out."""

    at: datetime
    change: int


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Vehicles in a place.

    `age` is the time since they were last counted (None: never), and `drift` the passes that could not be
    (out of an empty place, or into one beyond its capacity): how far gates and counts disagree.
    """

    vehicles: int
    age: timedelta | None
    drift: int


def occupancy(
    counts: Iterable[Count], passes: Iterable[Pass], *, capacity: int | None, at: datetime
) -> Occupancy:
    """Return how many vehicles are in a place at an instant, in whatever order the facts came.

    The last count at or before `at` stands; passes after it carry it on, never below 0 or above the capacity.
    """
    last = max((each for each in counts if each.at <= at), key=lambda each: each.at, default=None)
    vehicles, drift = (last.vehicles if last else 0), 0
    later = (each for each in passes if each.at <= at and (last is None or each.at > last.at))
    # At one instant those who leave make room for those who come.
    for each in sorted(later, key=lambda each: (each.at, each.change)):
        moved = vehicles + each.change
        kept = max(0, moved if capacity is None else min(moved, capacity))
        drift += abs(moved - kept)
        vehicles = kept
    return Occupancy(vehicles, at - last.at if last else None, drift)
