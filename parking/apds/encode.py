"""Places, rate tables, rights, sessions, observations and quotes as APDS v4 objects. Pure.

What APDS has no word for stands under `lienthong`, which its document allows beside its own properties.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from kernel.money import Money
from parking.apds.editions import Cells, Edition, ElementKind, Key, Rows
from parking.apds.shapes import Json, amount, decimal, duration, organisation, reference, text, versioned
from parking.rules.book import RateBook
from parking.rules.edges import LineType
from parking.rules.place import Place, PlaceKind
from parking.rules.rate import RateLine, RateLineCollection, RateTable
from parking.rules.rate_files import EDGE_FIELDS
from parking.rules.right import RIDE_FIELDS, RightKind, RightSpecification
from parking.rules.rows import DATED

TYPES: Final = {PlaceKind.PLACE: "parkingPlace"}
_LONGEST_MIN: Final = 400 * 1440
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Taken:
    """How many spaces of a place are taken, by a count or derived from sessions, and as of when."""

    count: int
    counted: bool
    at: datetime


def refer(kind: ElementKind, element_id: str, known: Mapping[Key, Edition]) -> Json:
    """Return the reference to the version in force of a place, rate table or right specification."""
    edition = known.get((kind, element_id))
    return versioned(kind.value, element_id, edition.version if edition else 1)


def place(
    one: Place,
    book: RateBook,
    known: Mapping[Key, Edition],
    specs: Iterable[str],
    taken: Taken | None,
    *,
    rows: Rows,
) -> Json:
    """Return a hierarchy element; `specs` are the right specifications that hold in it, `rows` its published rows."""
    edition = known[ElementKind.PLACE, one.place_id]
    children = [each.place_id for each in book.places.values() if each.parent_id == one.place_id]
    found: Json = {
        "id": one.place_id,
        "version": edition.version,
        "name": text(one.name),
        "layer": _layer(one, book),
        "type": TYPES.get(one.kind, one.kind.value),
        "childIds": [refer(ElementKind.PLACE, each, known) for each in children],
        "hierarchyElementRecord": {
            "creationTime": edition.created_at.isoformat(),
            "creator": organisation(""),
        },
        "rightSpecifications": [refer(ElementKind.RIGHT_SPECIFICATION, each, known) for each in specs],
        "timeZone": one.zone.key,
    }
    if one.parent_id:
        found["parentId"] = refer(ElementKind.PLACE, one.parent_id, known)
    if one.kind is PlaceKind.SPACE:
        found["spaceId"] = reference("Space", one.place_id)
    if one.kind in {PlaceKind.PLACE, PlaceKind.SUBPLACE} and one.capacity is not None:
        found["characteristics"] = [
            {
                "spacesTotal": one.capacity,
                "evChargingPoints": one.ev_bays,
                "disabledAccess": one.disabled_bays > 0,
            }
        ]
    if one.kind is PlaceKind.PLACE and one.position is not None:
        x, y = (Decimal(each).scaleb(-6) for each in (one.position.longitude, one.position.latitude))
        found["indicativePlacePointLocation"] = [
            {"pointCoordinates": {"epsgCode": "EPSG:4326", "x": x, "y": y}}
        ]
    if taken is not None:
        found["hierarchyElementReference"] = _demand(one, known, taken)
    unsaid = [*_PLACE_CELLS]
    unsaid += [] if "characteristics" in found else ["capacity", "ev_bays"]
    unsaid += [] if "indicativePlacePointLocation" in found else ["latitude", "longitude"]
    row = _first(rows, "places.csv")
    found["lienthong"] = {
        "operator_id": None,
        "opens": None,
        "closes": None,
        **_only(row, unsaid),
        "assignments": [_without(each, "place_id") for each in rows.get("rate_assignments.csv", ())],
    }
    return found


_PLACE_CELLS: Final = ("operator_id", "opens", "closes", "day_starts", "default_class", "disabled_bays")


def _first(rows: Rows, name: str) -> Cells:
    return next(iter(rows.get(name, ())), {})


def _only(cells: Cells, names: Iterable[str]) -> Json:
    return {name: cells[name] for name in names if name in cells}


def _without(cells: Cells, *names: str) -> Json:
    return {name: value for name, value in cells.items() if name not in {*names, *DATED}}


def _layer(one: Place, book: RateBook) -> int:
    above = book.places.get(one.parent_id)
    return 0 if above is None else 1 + _layer(above, book)


def _demand(one: Place, known: Mapping[Key, Edition], taken: Taken) -> Json:
    demand = {
        "count": taken.count,
        "occupancyCalculation": "counted" if taken.counted else "derived",
        "recordDateTime": taken.at.isoformat(),
    }
    found: Json = {
        "elementId": refer(ElementKind.PLACE, one.place_id, known),
        "demandTable": [{"timestamp": taken.at.isoformat(), "demandType": [demand]}],
    }
    if one.capacity is not None:
        found["supply"] = [{"supplyViewType": "vehicleView", "supplyQuantity": one.capacity}]
    return found


def rate_table(table: RateTable, known: Mapping[Key, Edition], rows: Rows) -> Json:
    """Return a rate table as it stands; what APDS has no word for are the cells of its `rows` under `lienthong`."""
    edition = known[ElementKind.RATE_TABLE, table.table_id]
    collections = (
        *table.ordinary,
        *table.packages,
        *filter(None, [table.overstay, table.no_show, table.lost_ticket]),
    )
    lined = [each for each in collections if each.flats or each.timed]
    head = _first(rows, "rate_tables.csv")
    windows = {each["collection_id"]: each for each in rows.get("rate_line_collections.csv", ())}
    named = {each.collection_id for each in lined}
    return {
        "id": table.table_id,
        "version": edition.version,
        "rateTableName": text(table.name),
        "validityStart": edition.since.isoformat(),
        "activeTimes": ["PT24H"],
        "availability": "public",
        "rateResponsibleParty": organisation(""),
        "rateLineCollections": [
            _collection(each, number, table, edition, windows.get(each.collection_id, {}))
            for number, each in enumerate(lined, 1)
        ],
        "lienthong": {
            "rates_version": table.version,
            "decision": table.decision,
            "currency": table.currency.code,
            "calendar": head.get("calendar"),
            "edges": _only(head, EDGE_FIELDS),
            "caps": [_without(each, "table_id") for each in rows.get("rate_caps.csv", ())],
            "taxes": [_without(each, "table_id") for each in rows.get("rate_taxes.csv", ())],
            "units": [
                _without(each, "table_id", "line_type")
                for each in rows.get("rate_lines.csv", ())
                if each.get("line_type") == LineType.PER_UNIT.value
            ],
            "collections": [
                _without(each, "table_id")
                for each in rows.get("rate_line_collections.csv", ())
                if each["collection_id"] not in named
            ],
        },
    }


def _collection(
    each: RateLineCollection, number: int, table: RateTable, edition: Edition, row: Cells
) -> Json:
    edges, money = table.edges, table.currency
    found: Json = {
        "applicableCurrency": money.code,
        "collectionSequence": number,
        "minTime": "PT0S",
        "maxTime": duration((edges.max_stay_min or _LONGEST_MIN) * 60),
        "relativeTimes": False,
        "resetTime": edges.cycle_starts.isoformat("minutes"),
        "taxIncluded": all(tax.included for tax in table.taxes),
        "validStart": edition.since.isoformat(),
        "rateLines": [_line(line, table) for line in (*each.flats, *each.timed)],
    }
    general = [tax for tax in table.taxes if tax.applies_to in {"parking", "total"}]
    if len(general) == 1:
        found["taxRate"] = Decimal(general[0].millionths).scaleb(-4).normalize()
    if each.min_value:
        found["minValueCollection"] = decimal(Money(each.min_value, money))
    if each.max_value is not None:
        found["maxValueCollection"] = decimal(Money(each.max_value, money))
    found["lienthong"] = {
        "collection_id": each.collection_id,
        "role": each.role.value,
        **_without(row, "table_id", "min_value", "max_value"),
    }
    return found


def _line(line: RateLine, table: RateTable) -> Json:
    found: Json = {
        "rateLineType": line.line_type.value,
        "sequence": line.sequence,
        "value": decimal(Money(line.value, table.currency)).scaleb(1 - len(str(line.per))),  # a power of ten
        "durationStart": duration(line.start_s),
    }
    if line.description:
        found["description"] = line.description
    if line.end_s is not None:
        found["durationEnd"] = duration(line.end_s)
    if line.increment_s:
        found["incrementPeriod"] = duration(line.increment_s // line.per)
    if line.max_value is not None:
        found["maxValue"] = decimal(Money(line.max_value, table.currency))
    return found


@dataclass(frozen=True, slots=True)
class Casual:
    """The right that everybody has who pays: to park in a place, by the rate table of a class and kind of user."""

    place_id: str
    vehicle_class: str
    user: str
    table_id: str

    @property
    def spec_id(self) -> str:
        """Return what the right specification is called."""
        return f"casual:{self.place_id}:{self.vehicle_class}:{self.user}"


def casual(one: Casual, book: RateBook, known: Mapping[Key, Edition]) -> Json:
    """Return the right specification of casual parking; it is published with its place, and has its version."""
    version = known[ElementKind.PLACE, one.place_id].version
    qualification = {
        "vehicleTypes": [{"vehicleType": {"entryDefinedValue": one.vehicle_class}}],
        "userQualifications": [{"userGroup": {"entryDefinedValue": one.user}}],
    }
    return {
        "id": one.spec_id,
        "version": version,
        "description": text(f"{book.places[one.place_id].name}: {book.classes[one.vehicle_class].name_vi}"),
        "issuer": organisation(book.places[one.place_id].operator_id),
        "transferable": False,
        "type": "oneTimeUseParking",
        "hierarchyElements": [refer(ElementKind.PLACE, one.place_id, known)],
        "rateEligibility": [
            {
                "id": one.spec_id,
                "version": version,
                "eligibility": {"id": one.spec_id, "version": version, "qualifications": [qualification]},
                "rateTable": refer(ElementKind.RATE_TABLE, one.table_id, known),
            }
        ],
    }


def right_specification(
    spec: RightSpecification, book: RateBook, known: Mapping[Key, Edition], rows: Rows
) -> Json:
    """Return a product that is sold or given."""
    edition = known[ElementKind.RIGHT_SPECIFICATION, spec.spec_id]
    lasting = spec.kind in {RightKind.SEASON_PASS, RightKind.PERMIT}
    eligibility: Json = {"id": spec.spec_id, "version": edition.version}
    if spec.vehicle_class:
        kind = {"vehicleType": {"entryDefinedValue": spec.vehicle_class}}
        eligibility["qualifications"] = [{"vehicleTypes": [kind]}]
    rate: Json = {"id": spec.spec_id, "version": edition.version, "eligibility": eligibility}
    if spec.percent_millionths:
        rate["rateDiscount"] = {"discountRate": Decimal(spec.percent_millionths).scaleb(-4).normalize()}
    if spec.table_id:
        rate["rateTable"] = refer(ElementKind.RATE_TABLE, spec.table_id, known)
    row = _first(rows, "right_specifications.csv")
    return {
        "id": spec.spec_id,
        "version": edition.version,
        "description": text(spec.name),
        "issuer": organisation(book.places[spec.place_id].operator_id),
        "transferable": False,
        "type": "permitParking" if lasting else "oneTimeUseParking",
        "hierarchyElements": [refer(ElementKind.PLACE, spec.place_id, known)],
        "rateEligibility": [rate],
        "lienthong": {
            "kind": spec.kind.value,
            "price": amount(spec.price),
            "hours_from": spec.hours_from.isoformat("minutes") if spec.hours_from else None,
            "hours_to": spec.hours_to.isoformat("minutes") if spec.hours_to else None,
            "minutes": spec.minutes,
            "funder": spec.funder or None,
            **_only(row, RIDE_FIELDS),
        },
    }
