"""Places: what an operator sees of its own, and what drivers find near them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field

from parking.places import PlaceNow, list_near, list_places
from parking.rules.place import Position
from service.api import parking_place_documents as shown
from service.auth import public, requires, scope
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("parking_places", __name__, tag="Parking", url_prefix="/v1/parking/places")
_MILLION: Final = 1_000_000


class NearAsked(BaseModel):
    """A point in degrees (WGS 84), how far to look, for which class and for how long."""

    model_config = ConfigDict(extra="forbid")

    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]
    radius_m: Annotated[int, Field(ge=1, le=50_000)] = 1_000
    vehicle_class: Annotated[str, Field(min_length=1, max_length=80)] = "car_le9"
    minutes: Annotated[int, Field(ge=1, le=10_080)] = 120
    free_only: bool = False
    ev: bool = False
    disabled: bool = False


@blueprint.get("")
@requires(Role.PARKING_OPERATOR, Role.AUDITOR)
@blueprint.output(shown.OwnPlacesBody)
def get_places() -> dict[str, Any]:
    """Return the places that the caller may see, each with the spaces taken in it and the spaces free."""
    running = services()
    with running.database.read() as tx:
        found = list_places(tx, now=running.clock.now(), operators=scope())
    return {"places": [{**_shown(each), "drift": each.drift} for each in found]}


@blueprint.get("/near")
@public("where one may park, and for how much, is public")
@blueprint.input(NearAsked, location="query")
@blueprint.output(shown.NearPlacesBody)
def get_near(query_data: NearAsked) -> dict[str, Any]:
    """Return open places near a point, the nearest first (at most 50), with free spaces and the price of a stay."""
    running = services()
    point = Position(round(query_data.lat * _MILLION), round(query_data.lon * _MILLION))
    with running.database.read() as tx:
        found = list_near(
            tx,
            point,
            radius_m=query_data.radius_m,
            vehicle_class=query_data.vehicle_class,
            stay=timedelta(minutes=query_data.minutes),
            now=running.clock.now(),
            wanted=lambda place: (
                (bool(place.ev_bays) or not query_data.ev)
                and (bool(place.disabled_bays) or not query_data.disabled)
            ),
            free_only=query_data.free_only,
        )
    return {
        "places": [
            {
                **_shown(each.now),
                "distance_m": each.distance_m,
                "price": each.price.to_json() if each.price is not None else None,
            }
            for each in found
        ]
    }


def _shown(each: PlaceNow) -> dict[str, Any]:
    place = each.place
    return {
        "place_id": place.place_id,
        "name": place.name,
        "operator_id": place.operator_id,
        "capacity": place.capacity,
        "occupied": each.occupied,
        "free": each.free,
        "derived_at": each.derived_at.isoformat(),
        "counted_at": each.counted_at.isoformat() if each.counted_at else None,
        "opens": place.opens.isoformat("minutes") if place.opens else None,
        "closes": place.closes.isoformat("minutes") if place.closes else None,
        "ev_bays": place.ev_bays,
        "disabled_bays": place.disabled_bays,
    }
