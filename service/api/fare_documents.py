"""Routes and fares of the published tariff, as the API's description shows them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import Field

from fare.gtfs.columns import STATUSES
from fare.gtfs.compile import MODES
from service.api.bodies import Body, Instant
from service.api.ledger_documents import MoneyBody

Known = Literal["published", "inferred", "placeholder", "unknown"]
assert get_args(Known) == STATUSES, "the words of data_notes.txt"
Mode = Literal[
    "tram", "metro", "rail", "bus", "ferry", "cable_tram", "aerial_lift", "funicular", "trolleybus", "monorail", "other",
]  # fmt: skip
assert get_args(Mode) == (*MODES.values(), "other"), "the words of route types"


class DataNoteBody(Body):
    """What the tariff says of its own data."""

    about: str
    status: Known
    vi: str
    en: str


class DataQualityBody(Body):
    """When the data was last known to be true, what it lacks, and what was inferred."""

    last_true_on: date | None
    missing: list[DataNoteBody]
    inferred: list[DataNoteBody]


class RouteStopBody(Body):
    """A stop of a route; the name is empty where the tariff has none."""

    stop_id: str
    name: str


class RouteBody(Body):
    """A route; its stops in order where the tariff knows them."""

    route_id: str
    name: str
    operator: str
    mode: Mode
    networks: list[str]
    stops: list[RouteStopBody]


class RoutesBody(Body):
    """Routes of the tariff in force, and what it says of its own data."""

    tariff_version: str
    true_on: date | None
    routes: list[RouteBody]
    data_quality: DataQualityBody
    data_notes: list[DataNoteBody]


class FareBody(Body):
    """What a ride costs, by which rule, and why in words."""

    route_id: str
    start: Annotated[str, Field(alias="from")]
    to: str
    face_value: MoneyBody
    charged: MoneyBody
    rule: str
    vi: list[str]
    en: list[str]


class FaresBody(Body):
    """What rides cost at a time; none where the tariff knows no such ride or fare."""

    tariff_version: str
    at: Instant
    fares: list[FareBody]
