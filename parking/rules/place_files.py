"""Rows of places.csv and vehicle_classes.csv as values."""

from __future__ import annotations

import re
from datetime import time
from typing import Final

from kernel.ids import OperatorId
from parking.rules.place import Place, PlaceKind, Position, VehicleClass
from parking.rules.rate_files import zone_of
from parking.rules.rows import Row

_DEGREES: Final = re.compile(r"(-?)(\d{1,3})(?:\.(\d{1,6}))?", re.ASCII)
_MILLION: Final = 1_000_000


def place(row: Row) -> Place:
    """Return the place of a row of places.csv."""
    opens, closes = row.clock("opens"), row.clock("closes")
    if (opens is None) != (closes is None):
        row.wrong("closes", "a place that opens also closes: give both or neither")
        opens = closes = None
    return Place(
        place_id=row.needed("place_id"),
        parent_id=row.text("parent_id"),
        kind=row.choice("kind", PlaceKind.PLACE),
        name=row.needed("name"),
        operator_id=OperatorId(row.text("operator_id")),
        zone=zone_of(row),
        capacity=row.maybe_whole("capacity"),
        day_starts=row.clock("day_starts") or time(0),
        default_class=row.text("default_class"),
        position=_position(row),
        opens=opens,
        closes=closes,
        ev_bays=row.whole("ev_bays", 0),
        disabled_bays=row.whole("disabled_bays", 0),
    )


def vehicle_class(row: Row) -> VehicleClass:
    """Return the class of a row of vehicle_classes.csv."""
    return VehicleClass(
        class_id=row.needed("class_id"), name_vi=row.needed("name_vi"), name_en=row.needed("name_en")
    )


def _position(row: Row) -> Position | None:
    if not row.text("latitude") and not row.text("longitude"):
        return None
    latitude, longitude = _degrees(row, "latitude", 90), _degrees(row, "longitude", 180)
    return None if latitude is None or longitude is None else Position(latitude, longitude)


def _degrees(row: Row, name: str, most: int) -> int | None:
    """Return millionths of a degree."""
    found = _DEGREES.fullmatch(row.text(name))
    micro = 0 if found is None else int(found[2]) * _MILLION + int((found[3] or "").ljust(6, "0"))
    if found is None or micro > most * _MILLION:
        row.wrong(name, f"“{row.text(name)}” is not degrees from -{most} to {most} with up to six decimals")
        return None
    return -micro if found[1] else micro
