"""Places, rate tables and right specifications after APDS as the API's description shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from parking.rules.edges import LineType, Role
from parking.rules.right import RightKind
from service.api.apds_documents import (
    Absent,
    ApdsBody,
    ClassedBody,
    Duration,
    LanguageBody,
    Number,
    OursBody,
    PageMetaBody,
    PriceBody,
    Row,
    VersionedBody,
)
from service.api.bodies import Instant


class RecordBody(ApdsBody):
    """When something was first published, and by whom."""

    creation_time: Instant
    creator: VersionedBody


class CharacteristicsBody(ApdsBody):
    """A place's spaces."""

    spaces_total: int
    ev_charging_points: int
    disabled_access: bool


class CoordinatesBody(ApdsBody):
    """A point: x is the longitude, y the latitude."""

    epsg_code: Literal["EPSG:4326"]
    x: Number
    y: Number


class PlacePointBody(ApdsBody):
    """Where a place is."""

    point_coordinates: CoordinatesBody


class DemandTypeBody(ApdsBody):
    """How many spaces are taken, and how that is known."""

    count: int
    occupancy_calculation: Literal["counted", "derived"]
    record_date_time: Instant


class DemandBody(ApdsBody):
    """What is taken at an instant."""

    timestamp: Instant
    demand_type: list[DemandTypeBody]


class SupplyBody(ApdsBody):
    """How many vehicles there is room for."""

    supply_view_type: Literal["vehicleView"]
    supply_quantity: int


class OccupancyBody(ApdsBody):
    """What of a place is taken; `supply` where its capacity is known."""

    element_id: VersionedBody
    demand_table: list[DemandBody]
    supply: list[SupplyBody] | Absent = None


class OurPlaceBody(OursBody):
    """Cells of `places.csv`, and the place's rows of `rate_assignments.csv`; only what its publication has."""

    operator_id: str | None
    opens: str | None
    closes: str | None
    day_starts: str | Absent = None
    default_class: str | Absent = None
    disabled_bays: str | Absent = None
    capacity: str | Absent = None
    ev_bays: str | Absent = None
    latitude: str | Absent = None
    longitude: str | Absent = None
    assignments: list[Row]


class ApdsPlaceBody(ApdsBody):
    """A place with what hierarchy, right specifications and live occupancy it has."""

    id: str
    version: int
    name: list[LanguageBody]
    layer: int
    type: Literal["campus", "parkingPlace", "identifiedArea", "subplaceElement", "space"]
    child_ids: list[VersionedBody]
    hierarchy_element_record: RecordBody
    right_specifications: list[VersionedBody]
    time_zone: str
    parent_id: VersionedBody | Absent = None
    space_id: ClassedBody | Absent = None
    characteristics: list[CharacteristicsBody] | Absent = None
    indicative_place_point_location: list[PlacePointBody] | Absent = None
    hierarchy_element_reference: OccupancyBody | Absent = None
    lienthong: OurPlaceBody


class RateLineBody(ApdsBody):
    """One price of a collection."""

    rate_line_type: LineType
    sequence: int
    value: Number
    duration_start: Duration
    description: str | Absent = None
    duration_end: Duration | Absent = None
    increment_period: Duration | Absent = None
    max_value: Number | Absent = None


class OurCollectionBody(BaseModel):
    """Its name and what it prices, and the other cells of its row of `rate_line_collections.csv`."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": {"type": "string"}})

    collection_id: str
    role: Role


class RateCollectionBody(ApdsBody):
    """Lines that hold together."""

    applicable_currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    collection_sequence: int
    min_time: Duration
    max_time: Duration
    relative_times: Literal[False]
    reset_time: Annotated[str, Field(pattern=r"^\d{2}:\d{2}$")]
    tax_included: bool
    valid_start: Instant
    rate_lines: list[RateLineBody]
    tax_rate: Number | Absent = None
    min_value_collection: Number | Absent = None
    max_value_collection: Number | Absent = None
    lienthong: OurCollectionBody


class OurTableBody(OursBody):
    """Cells of `rate_tables.csv` (`edges`), caps and taxes, of lines that count units, and of windows without lines."""

    rates_version: str
    decision: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    calendar: str | None
    edges: Row
    caps: list[Row]
    taxes: list[Row]
    units: list[Row]
    collections: list[Row]


class ApdsRateBody(ApdsBody):
    """A rate table as it stands."""

    id: str
    version: int
    rate_table_name: list[LanguageBody]
    validity_start: Instant
    active_times: list[Literal["PT24H"]]
    availability: Literal["public"]
    rate_responsible_party: VersionedBody
    rate_line_collections: list[RateCollectionBody]
    lienthong: OurTableBody


class EnteredBody(ApdsBody):
    """Our own word for it."""

    entry_defined_value: str


class VehicleTypeBody(ApdsBody):
    """Which vehicles."""

    vehicle_type: EnteredBody


class UserGroupBody(ApdsBody):
    """Which kind of user."""

    user_group: EnteredBody


class QualificationBody(ApdsBody):
    """Whom a rate is for; kinds of users for casual parking only."""

    vehicle_types: list[VehicleTypeBody]
    user_qualifications: list[UserGroupBody] | Absent = None


class EligibilityBody(ApdsBody):
    """Whom a rate is for; without qualifications, everybody."""

    id: str
    version: int
    qualifications: list[QualificationBody] | Absent = None


class DiscountBody(ApdsBody):
    """What a right takes off a price, in per cent."""

    discount_rate: Number


class RateEligibilityBody(ApdsBody):
    """Which rate holds for whom."""

    id: str
    version: int
    eligibility: EligibilityBody
    rate_discount: DiscountBody | Absent = None
    rate_table: VersionedBody | Absent = None


class OurSpecificationBody(OursBody):
    """Cells of `right_specifications.csv` that APDS has no word for; the ride's where a ride earns it."""

    kind: RightKind
    price: PriceBody
    hours_from: str | None
    hours_to: str | None
    minutes: int
    funder: str | None
    ride_networks: str | Absent = None
    ride_operators: str | Absent = None
    ride_routes: str | Absent = None
    ride_stops: str | Absent = None
    ride_timing: str | Absent = None
    ride_card: str | Absent = None


class ApdsSpecificationBody(ApdsBody):
    """A right that holds in a place: what is sold, or (without `lienthong`) casual parking of a class."""

    id: str
    version: int
    description: list[LanguageBody]
    issuer: VersionedBody
    transferable: Literal[False]
    type: Literal["permitParking", "oneTimeUseParking"]
    hierarchy_elements: list[VersionedBody]
    rate_eligibility: list[RateEligibilityBody]
    lienthong: OurSpecificationBody | Absent = None


class ApdsPlacesBody(ApdsBody):
    """A page of places."""

    meta: PageMetaBody
    data: list[ApdsPlaceBody]


class ApdsRatesBody(ApdsBody):
    """A page of rate tables."""

    meta: PageMetaBody
    data: list[ApdsRateBody]


class ApdsSpecificationsBody(ApdsBody):
    """A page of right specifications."""

    meta: PageMetaBody
    data: list[ApdsSpecificationBody]
