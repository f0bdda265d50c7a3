"""Places after the APDS hierarchy, their gates, and what may stand in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from enum import Enum
from fractions import Fraction
from math import cos, isqrt, radians
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from kernel.ids import OperatorId

_METRES_A_DEGREE: Final = 111_320
_MILLION: Final = 1_000_000


class PlaceKind(Enum):
    """APDS hierarchy elements, widest first."""

    CAMPUS = "campus"
    PLACE = "place"
    AREA = "identifiedArea"
    SUBPLACE = "subplaceElement"
    SPACE = "space"


class Position(NamedTuple):
    """A point of the earth (WGS 84) in millionths of a degree."""

    latitude: int
    longitude: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a vehicle may stand. `capacity` None: not known, so never full. `day_starts`: its operating day.

    `default_class` is what parks where gates do not tell classes apart. It opens daily in `[opens, closes)`, over
    midnight where that is not after it; None is always. `ev_bays` and `disabled_bays` are among the capacity.
    """

    place_id: str
    parent_id: str
    kind: PlaceKind
    name: str
    operator_id: OperatorId
    zone: ZoneInfo
    capacity: int | None
    day_starts: time = time(0)
    default_class: str = ""
    position: Position | None = None
    opens: time | None = None
    closes: time | None = None
    ev_bays: int = 0
    disabled_bays: int = 0

    def is_open(self, at: datetime) -> bool:
        """Return whether the place is open at an instant, by its own clock."""
        if self.opens is None or self.closes is None:
            return True
        now = at.astimezone(self.zone).time()
        if self.opens < self.closes:
            return self.opens <= now < self.closes
        return now >= self.opens or now < self.closes


def distance_m(one: Position, other: Position) -> int:
    """Return metres between two points at most some tens of kilometres apart (equirectangular, within 0.5 %).

    Source: a degree of latitude is 111,320 m; of longitude that times the cosine of the latitude.
    """
    middle = radians(Fraction(one.latitude + other.latitude, 2 * _MILLION))
    north = abs(one.latitude - other.latitude) * _METRES_A_DEGREE // _MILLION
    east = abs(one.longitude - other.longitude) * round(cos(middle) * _METRES_A_DEGREE) // _MILLION
    return isqrt(north * north + east * east)


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleClass:
    """A class that tariffs tell apart, in both languages."""

    class_id: str
    name_vi: str
    name_en: str
