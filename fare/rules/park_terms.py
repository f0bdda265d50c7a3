"""The terms of park and ride, compiled from one row each of park_and_ride.txt (docs/tariff-authors.md has the rows)."""

from dataclasses import dataclass
from enum import Enum

from kernel.ids import OperatorId
from kernel.money import Rounding


class ParkedBy(Enum):
    """What earns park and ride: a stay, a right to park that is held, or either; the first two as grounds are stored."""

    STAY = "stay"
    RIGHT = "right"
    EITHER = "either"


class ParkTiming(Enum):
    """When the stay or right must hold: at some time of the ride's service day, or as the ride begins."""

    SAME_DAY = "same_day"
    WHILE_PARKED = "while_parked"


@dataclass(frozen=True, slots=True)
class ParkBenefit:
    """A ride costs `percent` or `minor` less, paid by `funder`, because somebody parked; empty sets cover everything."""

    benefit_id: str
    places: frozenset[str]
    networks: frozenset[str]
    operators: frozenset[OperatorId]
    parked_by: ParkedBy
    timing: ParkTiming
    same_card: bool
    percent: int | None
    minor: int
    rounding: Rounding
    max_rides: int | None
    funder: str
