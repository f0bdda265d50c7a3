"""Rights to park after APDS: RightSpecification (what is sold) and AssignedRight (what somebody holds)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from enum import Enum
from typing import Final
from uuid import UUID

from kernel.ground import Ground
from kernel.money import Money

RIDE_FIELDS: Final = (
    "ride_networks",
    "ride_operators",
    "ride_routes",
    "ride_stops",
    "ride_timing",
    "ride_card",
)


class RightKind(Enum):
    """What a right does to a stay."""

    SEASON_PASS = "season_pass"  # noqa: S105 a product, not a secret
    PERMIT = "permit"
    COUPON = "coupon"
    RESERVATION = "reservation"
    EVENT = "event"
    PARK_AND_RIDE = "park_and_ride"  # nobody sells it: a ride on the same service day earns it


class RideTiming(Enum):
    """When a ride must begin to earn a benefit on a stay."""

    SAME_DAY = "same_day"
    WHILE_PARKED = "while_parked"


class RideCard(Enum):
    """Whose ride earns a benefit on a stay: the card's that parked, or any of its account's."""

    SAME = "same"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class RightSpecification:
    """One product. A pass covers whole local hours `[hours_from, hours_to)` (all day where they are None).

    A coupon takes `minutes` off the time, `percent_millionths` off the price, or prices by `table_id`;
    `funder` is who pays the operator what the rider then does not ("" is nobody: the operator gives it away).
    Park and ride does the same for a stay whose card made a ride that `ride_words` name (one of each sort).
    """

    spec_id: str
    kind: RightKind
    name: str
    place_id: str
    vehicle_class: str
    price: Money
    hours_from: time | None = None
    hours_to: time | None = None
    minutes: int = 0
    percent_millionths: int = 0
    table_id: str = ""
    funder: str = ""
    decision: str = ""
    source: str = ""
    ride_words: tuple[frozenset[str], ...] = ()
    ride_timing: RideTiming = RideTiming.SAME_DAY
    ride_card: RideCard = RideCard.SAME


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedRight:
    """A right somebody holds for `[valid_from, valid_to)`; `assigned_at` is when it became a fact.

    A coupon stamped on one stay names it in `stay_id`, and helps no other; so does park and ride, with the ride
    that earned it in `ride`.
    """

    right_id: UUID
    spec: RightSpecification
    valid_from: datetime
    valid_to: datetime
    assigned_at: datetime
    stay_id: UUID | None = None
    ride: Ground | None = None

    def touches(self, start: datetime, end: datetime) -> bool:
        """Return whether the right holds at some instant of `[start, end]`."""
        return self.valid_from <= end and start < self.valid_to
