"""Park and ride, the fares' side: what a ride costs less because its card parked on the same service day (DESIGN §8.16).

Only that somebody parked counts, where and when; what it cost is not among its facts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from fare.rules.adjust import discounted
from fare.rules.facts import FareTap
from fare.rules.park_terms import ParkBenefit, ParkedBy, ParkTiming
from fare.rules.tariff import Tariff
from kernel.ground import Ground
from kernel.ids import OperatorId


class Missed(Enum):
    """Why a benefit that is meant for a ride gave nothing; the values are codes of explanations."""

    NOT_EARNED = "not_earned"
    USED_UP = "used_up"
    SMALLER = "smaller"


@dataclass(frozen=True, slots=True)
class ParkedOff:
    """What park and ride took off one ride, in minor units, by which ground; `used` are the day's rides before it."""

    benefit: ParkBenefit
    minor: int
    ground: Ground
    used: int


NotParked = tuple[tuple[ParkBenefit, Missed], ...]


class ParkRide:
    """The benefits of one account's service day: its grounds, and how many rides each benefit has helped."""

    __slots__ = ("_ends", "_grounds", "_starts", "_used")

    def __init__(self, grounds: Iterable[Ground], starts: datetime, ends: datetime) -> None:
        self._starts, self._ends = starts, ends
        self._grounds = sorted(grounds, key=lambda each: (each.since, each.ref.bytes))
        self._used: dict[str, int] = {}

    def copy(self) -> ParkRide:
        other = ParkRide((), self._starts, self._ends)
        other._grounds, other._used = self._grounds, dict(self._used)
        return other

    @property
    def used(self) -> tuple[tuple[str, int], ...]:
        """Return how many rides of the day each benefit has helped."""
        return tuple(sorted(self._used.items()))

    def take(
        self,
        tariff: Tariff,
        left: int,
        networks: frozenset[str],
        operator: OperatorId,
        tap: FareTap,
    ) -> tuple[ParkedOff | None, NotParked]:
        """Return what is taken off `left` minor units of a ride that begins with `tap`, and what was meant but was not.

        Of several benefits the largest counts, among equal ones the first of the files. A ride that is helped uses
        one of the benefit's rides of the day.
        """
        found: list[ParkedOff] = []
        missed: list[tuple[ParkBenefit, Missed]] = []
        for benefit in tariff.park_benefits:
            if benefit.networks and not networks & benefit.networks:
                continue
            if benefit.operators and operator not in benefit.operators:
                continue
            ground = next((each for each in self._grounds if self._earns(benefit, each, tap)), None)
            used = self._used.get(benefit.benefit_id, 0)
            if ground is None:
                missed.append((benefit, Missed.NOT_EARNED))
            elif benefit.max_rides is not None and used >= benefit.max_rides:
                missed.append((benefit, Missed.USED_UP))
            else:
                minor = benefit.minor
                if benefit.percent is not None:
                    minor = discounted(left, benefit.percent, benefit.rounding, tariff, tap.medium)
                found.append(ParkedOff(benefit, min(left, minor), ground, used))
        best = max(found, key=lambda each: each.minor, default=None)
        if best is None or not best.minor:
            return None, tuple(missed)
        self._used[best.benefit.benefit_id] = best.used + 1
        missed += [(each.benefit, Missed.SMALLER) for each in found if each is not best]
        return best, tuple(missed)

    def _earns(self, benefit: ParkBenefit, ground: Ground, tap: FareTap) -> bool:
        if not ground.touches(self._starts, self._ends):
            return False
        if benefit.parked_by is not ParkedBy.EITHER and ground.kind.value != benefit.parked_by.value:
            return False
        if benefit.same_card and not ground.is_by(tap.card_id):
            return False
        if benefit.places and not ground.words & benefit.places:
            return False
        return benefit.timing is ParkTiming.SAME_DAY or ground.holds_at(tap.tapped_at)
