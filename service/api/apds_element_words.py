"""What an APDS client sends to change a place, rate table or right specification: the attributes that change.

What APDS has no word for stands under `lienthong`, by the column names of rate files (docs/parking-rates.md).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from parking.apds.editions import ElementKind
from service.api.apds_words import Name

# Bounded, for "1E+999999999" is a number of a thousand million digits.
Number = Annotated[Decimal, Field(max_digits=18, decimal_places=6)]
Cell = Annotated[str, Field(max_length=500)] | int | Number | None
Cells = dict[str, Cell]
MANY: Final = 1_000


class Change(BaseModel):
    """Attributes that we do not know are let in here and refused by name: what is not kept is never taken in silence."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel)

    def attributes(self) -> dict[str, Any]:
        """Return what was sent, as JSON has it."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class Words(Change):
    """A text in one language."""

    language: Annotated[str, Field(pattern="^[a-z]{2}$")]
    string: Annotated[str, Field(min_length=1, max_length=200)]


Text = Annotated[list[Words], Field(min_length=1, max_length=20)]


class ElementReference(Change):
    """A reference to an element."""

    id: Name


class Ours(BaseModel):
    """What APDS has no word for. `effective_at` is when the change begins; when it is approved, without it."""

    model_config = ConfigDict(extra="allow")

    effective_at: AwareDatetime | None = None
    decision: Annotated[str, Field(max_length=200)] | None = None
    source: Annotated[str, Field(max_length=500)] | None = None


class OurPlace(Ours):
    """Cells of `places.csv`, and the place's rows of `rate_assignments.csv`."""

    operator_id: Cell = None
    opens: Cell = None
    closes: Cell = None
    day_starts: Cell = None
    default_class: Cell = None
    disabled_bays: Cell = None
    assignments: Annotated[list[Cells], Field(max_length=MANY)] = Field(default_factory=list)


class OurTable(Ours):
    """Cells of `rate_tables.csv` (`edges`), caps and taxes, of lines that count units, and of windows without others."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    calendar: Cell = None
    edges: Cells = Field(default_factory=dict)
    caps: Annotated[list[Cells], Field(max_length=MANY)] = Field(default_factory=list)
    taxes: Annotated[list[Cells], Field(max_length=MANY)] = Field(default_factory=list)
    units: Annotated[list[Cells], Field(max_length=MANY)] = Field(default_factory=list)
    collections: Annotated[list[Cells], Field(max_length=MANY)] = Field(default_factory=list)


class Price(Change):
    """An amount in a currency."""

    currency_type: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    currency_value: Number


class OurSpecification(Ours):
    """Cells of `right_specifications.csv` that APDS has no word for."""

    kind: Cell = None
    price: Price | None = None


class Spaces(Change):
    """How many spaces a place has."""

    spaces_total: Annotated[int, Field(ge=0)] | None = None
    ev_charging_points: Annotated[int, Field(ge=0)] | None = None


class Coordinates(Change):
    """A point of WGS 84: x is the longitude, y the latitude."""

    x: Number
    y: Number


class PlacePoint(Change):
    """Where a place is."""

    point_coordinates: Coordinates


class Element(Change):
    """An element's id, and the version that was read."""

    id: Name
    version: Annotated[int, Field(ge=0)]

    def begins_at(self, now: datetime) -> datetime | None:  # noqa: ARG002 a rate table says it in APDS's words, too
        """Return when the change begins; None is when it is approved."""
        ours: Ours | None = getattr(self, "lienthong", None)
        return ours.effective_at if ours else None


class PlaceChange(Element):
    """A hierarchy element."""

    name: Text | None = None
    type: Name | None = None
    parent_id: ElementReference | None = None
    time_zone: Name | None = None
    characteristics: Annotated[list[Spaces], Field(max_length=1)] | None = None
    indicative_place_point_location: Annotated[list[PlacePoint], Field(max_length=1)] | None = None
    lienthong: OurPlace | None = None


class RateLineChange(Change):
    """One price of a collection."""

    sequence: Annotated[int, Field(ge=0)]
    rate_line_type: Name
    value: Number
    max_value: Number | None = None
    duration_start: Name | None = None
    duration_end: Name | None = None
    increment_period: Name | None = None
    description: Annotated[str, Field(max_length=200)] | None = None


class CollectionChange(Change):
    """Lines that hold together."""

    applicable_currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    min_value_collection: Number | None = None
    max_value_collection: Number | None = None
    rate_lines: Annotated[list[RateLineChange], Field(max_length=MANY)] = Field(default_factory=list)
    lienthong: Cells = Field(default_factory=dict)


class RateTableChange(Element):
    """A rate table. A `validityStart` to come is when the change begins."""

    rate_table_name: Text | None = None
    validity_start: AwareDatetime | None = None
    rate_line_collections: Annotated[list[CollectionChange], Field(max_length=MANY)] | None = None
    lienthong: OurTable | None = None

    def begins_at(self, now: datetime) -> datetime | None:
        """Return when the change begins; None is when it is approved."""
        named = super().begins_at(now)
        if named is None and self.validity_start is not None and self.validity_start > now:
            return self.validity_start
        return named


class EnteredValue(Change):
    """A vehicle type by our own word for it."""

    entry_defined_value: Name


class VehicleType(Change):
    """Which vehicles."""

    vehicle_type: EnteredValue


class Qualification(Change):
    """Whom a right is for."""

    vehicle_types: Annotated[list[VehicleType], Field(max_length=1)] = Field(default_factory=list)


class EligibilityChange(Change):
    """Whom a rate is for."""

    qualifications: Annotated[list[Qualification], Field(max_length=1)] = Field(default_factory=list)


class RateDiscount(Change):
    """What a right takes off a price, in per cent."""

    discount_rate: Number


class RateEligibility(Change):
    """Which rate holds for whom."""

    eligibility: EligibilityChange | None = None
    rate_discount: RateDiscount | None = None
    rate_table: ElementReference | None = None


class SpecificationChange(Element):
    """A product that is sold or given."""

    description: Text | None = None
    hierarchy_elements: Annotated[list[ElementReference], Field(min_length=1, max_length=1)] | None = None
    rate_eligibility: Annotated[list[RateEligibility], Field(max_length=1)] | None = None
    lienthong: OurSpecification | None = None


# What a new element cannot be without, by the name it has in APDS.
NEEDED: Final = {
    ElementKind.PLACE: ("name", "type"),
    ElementKind.RATE_TABLE: ("rateTableName",),
    ElementKind.RIGHT_SPECIFICATION: ("description", "hierarchyElements"),
}
