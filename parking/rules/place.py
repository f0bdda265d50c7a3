"""Places after the APDS hierarchy, their gates, and what may stand in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from enum import Enum
from zoneinfo import ZoneInfo

from kernel.ids import OperatorId


class PlaceKind(Enum):
    """APDS hierarchy elements, widest first."""

    CAMPUS = "campus"
    PLACE = "place"
    AREA = "identifiedArea"
    SUBPLACE = "subplaceElement"
    SPACE = "space"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a vehicle may stand. `capacity` None: not known, so never full. `day_starts`: its operating day.

    `default_class` is what parks where gates do not tell classes apart.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleClass:
    """A class that tariffs tell apart, in both languages."""

    class_id: str
    name_vi: str
    name_en: str
