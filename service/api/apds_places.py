"""Places, rate tables and right specifications as APDS v4 objects, read. Changes are in apds_changes.py."""

from __future__ import annotations

from typing import Any, Final

from apiflask import APIBlueprint
from flask import Response
from pydantic import Field, model_validator
from sqlalchemy import Connection

from parking.apds import encode
from parking.apds.editions import ElementKind
from parking.apds.encode import Taken
from parking.apds.shapes import Json, page
from parking.elements import Elements, UnknownElementError, elements_in_force
from parking.places import list_places as places_now
from parking.rules.place import Position, distance_m
from service.api import apds_element_documents as shown
from service.api.apds_words import Filter, Version, answer, check_known, sliced
from service.auth import require_operator, requires, scope
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("apds_places", __name__, tag="APDS", url_prefix="/v1/apds")
READERS: Final = (Role.PARKING_OPERATOR, Role.AUDITOR)
_ELEMENTS: Final = (*READERS, Role.FINANCE_MAKER, Role.FINANCE_CHECKER)
_MILLION: Final = 1_000_000


class PlaceFilter(Filter):
    """Which places to list; with a point, those within `radius` metres of it that have a known position."""

    latitude: float | None = Field(None, ge=-90, le=90)
    longitude: float | None = Field(None, ge=-180, le=180)
    radius: int | None = Field(None, ge=0, le=100_000)

    @model_validator(mode="after")
    def _whole_point(self) -> PlaceFilter:
        given = [each is not None for each in (self.latitude, self.longitude, self.radius)]
        if any(given) and not all(given):
            raise ValueError("latitude, longitude and radius go together")
        return self


def elements(tx: Connection) -> Elements:
    """Return what is in force, as far as the caller may see it."""
    return elements_in_force(tx, now=services().clock.now(), operators=scope())


@blueprint.get("/places")
@requires(*_ELEMENTS)
@blueprint.input(PlaceFilter, location="query", arg_name="asked")
@blueprint.output(shown.ApdsPlacesBody)
def list_places(asked: PlaceFilter) -> Response:
    """Return the caller's places with what hierarchy, right specifications and live occupancy they have."""
    with services().database.read() as tx:
        seen = elements(tx)
        found = [
            each
            for each in _places(tx, seen)
            if _is_wanted(ElementKind.PLACE, each, seen, asked) and _is_near(each["id"], seen, asked)
        ]
    return answer(page(sliced(found, asked), offset=asked.offset, total=len(found), at=seen.at))


@blueprint.get("/places/<place_id>")
@requires(*_ELEMENTS)
@blueprint.input(Version, location="query", arg_name="asked")
@blueprint.output(shown.ApdsPlaceBody)
def get_place(place_id: str, asked: Version) -> Response:
    """Return one place."""
    with services().database.read() as tx:
        seen = elements(tx)
        one = seen.book.places.get(place_id)
        if one is None:
            raise UnknownElementError(kind=ElementKind.PLACE.value, id=place_id)
        require_operator(one.operator_id)
        found = next(each for each in _places(tx, seen) if each["id"] == place_id)
    check_known(ElementKind.PLACE.value, place_id, found["version"], asked.version)
    return answer(found)


@blueprint.get("/rates")
@requires(*_ELEMENTS)
@blueprint.input(Filter, location="query", arg_name="asked")
@blueprint.output(shown.ApdsRatesBody)
def list_rates(asked: Filter) -> Response:
    """Return the rate tables that price any of the caller's places."""
    with services().database.read() as tx:
        seen = elements(tx)
    wanted = asked.places()
    tables = {
        each.table_id for each in seen.casuals if wanted is None or _within(each.place_id, wanted, seen)
    }
    found = [
        encode.rate_table(each, seen.editions, seen.rows(ElementKind.RATE_TABLE, each.table_id))
        for each in seen.tables
        if each.table_id in tables
        and seen.editions[ElementKind.RATE_TABLE, each.table_id].since >= asked.since()
    ]
    return answer(page(sliced(found, asked), offset=asked.offset, total=len(found), at=seen.at))


@blueprint.get("/rates/<table_id>")
@requires(*_ELEMENTS)
@blueprint.input(Version, location="query", arg_name="asked")
@blueprint.output(shown.ApdsRateBody)
def get_rate(table_id: str, asked: Version) -> Response:
    """Return one rate table."""
    with services().database.read() as tx:
        seen = elements(tx)
    found = next((each for each in seen.tables if each.table_id == table_id), None)
    if found is None:
        raise UnknownElementError(kind=ElementKind.RATE_TABLE.value, id=table_id)
    body = encode.rate_table(found, seen.editions, seen.rows(ElementKind.RATE_TABLE, table_id))
    check_known(ElementKind.RATE_TABLE.value, table_id, body["version"], asked.version)
    return answer(body)


@blueprint.get("/rights/specs")
@requires(*_ELEMENTS)
@blueprint.input(Filter, location="query", arg_name="asked")
@blueprint.output(shown.ApdsSpecificationsBody)
def list_specifications(asked: Filter) -> Response:
    """Return the rights that hold in any of the caller's places: casual parking by class, and what is sold."""
    with services().database.read() as tx:
        seen = elements(tx)
    found = [
        each
        for each in _specifications(seen)
        if _is_wanted(ElementKind.RIGHT_SPECIFICATION, each, seen, asked)
    ]
    return answer(page(sliced(found, asked), offset=asked.offset, total=len(found), at=seen.at))


@blueprint.get("/rights/specs/<spec_id>")
@requires(*_ELEMENTS)
@blueprint.input(Version, location="query", arg_name="asked")
@blueprint.output(shown.ApdsSpecificationBody)
def get_specification(spec_id: str, asked: Version) -> Response:
    """Return one right specification."""
    with services().database.read() as tx:
        seen = elements(tx)
    found = next((each for each in _specifications(seen) if each["id"] == spec_id), None)
    if found is None:
        raise UnknownElementError(kind=ElementKind.RIGHT_SPECIFICATION.value, id=spec_id)
    check_known(ElementKind.RIGHT_SPECIFICATION.value, spec_id, found["version"], asked.version)
    return answer(found)


def _places(tx: Connection, seen: Elements) -> list[Json]:
    taken = {
        each.place.place_id: Taken(
            each.occupied, each.counted_at is not None, each.counted_at or each.derived_at
        )
        for each in places_now(tx, now=seen.at, operators=seen.operators)
    }
    return [
        encode.place(
            each,
            seen.book,
            seen.editions,
            seen.of_place(each),
            taken.get(each.place_id),
            rows=seen.rows(ElementKind.PLACE, each.place_id),
        )
        for each in seen.places
    ]


def _specifications(seen: Elements) -> list[Json]:
    casual = [encode.casual(each, seen.book, seen.editions) for each in seen.casuals]
    sold = [
        encode.right_specification(
            each, seen.book, seen.editions, seen.rows(ElementKind.RIGHT_SPECIFICATION, each.spec_id)
        )
        for each in seen.specifications
    ]
    return casual + sold


def _is_wanted(kind: ElementKind, found: dict[str, Any], seen: Elements, asked: Filter) -> bool:
    places = (
        [found["id"]] if kind is ElementKind.PLACE else [each["id"] for each in found["hierarchyElements"]]
    )
    edition = seen.editions.get((kind, found["id"])) or seen.editions[ElementKind.PLACE, places[0]]
    wanted = asked.places()
    return edition.since >= asked.since() and (
        wanted is None or any(_within(each, wanted, seen) for each in places)
    )


def _within(place_id: str, wanted: list[str], seen: Elements) -> bool:
    return any(seen.book.is_within(each, place_id) or seen.book.is_within(place_id, each) for each in wanted)


def _is_near(place_id: str, seen: Elements, asked: PlaceFilter) -> bool:
    if asked.latitude is None or asked.longitude is None or asked.radius is None:
        return True
    position = seen.book.places[place_id].position
    point = Position(round(asked.latitude * _MILLION), round(asked.longitude * _MILLION))
    return position is not None and distance_m(position, point) <= asked.radius
