"""From places, rate tables and right specifications as APDS v4 objects back to rows of rate files. Pure.

The inverse of `encode`: decoded, published and encoded again, an object says the same. `unkept` finds what would not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from kernel.errors import DomainError
from parking.apds.editions import Cells, ElementKind, Rows
from parking.apds.encode import TYPES
from parking.apds.shapes import Json
from parking.rules.edges import LineType
from parking.rules.place import PlaceKind
from parking.rules.rate_files import EDGE_FIELDS, FILES
from parking.rules.right import RIDE_FIELDS

_KINDS: Final = {TYPES.get(kind, kind.value): kind.value for kind in PlaceKind}
_DURATION: Final = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?", re.ASCII
)
# A version is what the next publication makes it; when it begins and who decided it are words about the change.
_NOT_COMPARED: Final = frozenset(
    {"version", "validityStart", "effective_at", "decision", "source", "rates_version"}
)


class ElementInvalidError(DomainError):
    """An attribute of an APDS object says what rate files cannot say."""

    detail = "{at} cannot be {given}: {reason}."


class AttributesNotKeptError(DomainError):
    """An APDS object says what we do not keep; nothing is taken, so that nothing is lost unseen."""

    detail = "Nothing was changed, because these attributes would not be kept as given: {attributes}."


def rows_of(kind: ElementKind, element: Json) -> Rows:
    """Return the rows, by file, that say of an element what its APDS object says; ElementInvalidError.

    Neither its id nor dates are in them. That they are right is for `load_rates` to say.
    """
    match kind:
        case ElementKind.PLACE:
            return _place(element)
        case ElementKind.RATE_TABLE:
            return _table(element)
        case ElementKind.RIGHT_SPECIFICATION:
            return _specification(element)


def merged(standing: Json, changes: Json) -> Json:
    """Return an element with its changed attributes: each is given whole, and null takes it away."""
    ours = {**standing.get("lienthong", {}), **(changes.get("lienthong") or {})}
    found = {**standing, **changes, "lienthong": ours}
    return {name: value for name, value in found.items() if value is not None}


def unkept(asked: Json, made: Json) -> tuple[str, ...]:
    """Return the paths of what was asked for and is not so in what was made of it; () where all of it is kept."""
    return tuple(_differences(asked, made, ""))


def _differences(asked: Any, made: Any, at: str) -> Iterator[str]:
    if isinstance(asked, dict) and isinstance(made, dict):
        for name, value in asked.items():
            if name not in _NOT_COMPARED:
                yield from _differences(value, made.get(name), f"{at}.{name}" if at else name)
    elif isinstance(asked, list) and isinstance(made, list) and len(asked) == len(made):
        for number, (one, other) in enumerate(zip(asked, made, strict=True)):
            yield from _differences(one, other, f"{at}[{number}]")
    elif _plain(asked) != _plain(made):
        yield at


def _plain(value: Any) -> Any:
    """Return a value so that two ways to write it are equal; nothing, and a default left out, are one."""
    if value in (None, "", [], {}):
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return Decimal(value).normalize()
    if isinstance(value, str) and value[:1] == "P" and _DURATION.fullmatch(value):
        return _seconds(value)
    if isinstance(value, str) and value.isascii() and value.replace(".", "", 1).isdigit():
        return Decimal(value).normalize()  # a cell may be given as a number
    return value


def _seconds(duration: str) -> int:
    found = _DURATION.fullmatch(duration)
    assert found is not None, "callers asked whether it is one"
    units = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
    return sum(int(found[name] or 0) * size for name, size in units.items())


def _minutes(duration: str, at: str) -> str:
    if not _DURATION.fullmatch(duration) or duration in {"P", "PT"}:
        raise ElementInvalidError(
            at=at, given=duration, reason="it is no ISO 8601 duration of days to seconds"
        )
    minutes, rest = divmod(_seconds(duration), 60)
    if rest:
        raise ElementInvalidError(at=at, given=duration, reason="rates count whole minutes")
    return str(minutes)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def _cells(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: text for name, value in given.items() if (text := _cell(value))}


def _name(texts: Sequence[Json]) -> str:
    return str(next((each["string"] for each in texts if each["language"] == "vi"), texts[0]["string"]))


def _decided(ours: Json, cells: Mapping[str, Any]) -> Cells:
    return _cells({**cells, "decision": ours.get("decision"), "source": ours.get("source")})


def _place(element: Json) -> Rows:
    ours = element["lienthong"]
    row = {name: ours.get(name) for name in FILES["places.csv"] if name in ours}
    kind = element.get("type", "")
    if kind not in _KINDS:
        raise ElementInvalidError(at="type", given=kind, reason=f"known are {', '.join(_KINDS)}")
    row |= {
        "parent_id": element.get("parentId", {}).get("id"),
        "kind": _KINDS[kind],
        "name": _name(element["name"]),
        "zone": element.get("timeZone"),
    }
    for spaces in element.get("characteristics", [])[:1]:
        row |= {"capacity": spaces.get("spacesTotal"), "ev_bays": spaces.get("evChargingPoints")}
    for point in element.get("indicativePlacePointLocation", [])[:1]:
        row |= {"latitude": point["pointCoordinates"]["y"], "longitude": point["pointCoordinates"]["x"]}
    return {
        "places.csv": (_decided(ours, row),),
        "rate_assignments.csv": tuple(_decided(ours, each) for each in ours.get("assignments", [])),
    }


def _table(element: Json) -> Rows:
    ours, collections = element["lienthong"], element.get("rateLineCollections", [])
    currency = ours.get("currency") or next(
        (each["applicableCurrency"] for each in collections if each.get("applicableCurrency")), None
    )
    head = {"name": _name(element["rateTableName"]), "currency": currency, "calendar": ours.get("calendar")}
    head |= {name: value for name, value in ours.get("edges", {}).items() if name in EDGE_FIELDS}
    lines: list[Cells] = []
    windows: list[Cells] = []
    for number, each in enumerate(collections):
        at = f"rateLineCollections[{number}]"
        if each.get("applicableCurrency", currency) != currency:
            reason = f"the table's currency is lienthong.currency, {currency}"
            raise ElementInvalidError(
                at=f"{at}.applicableCurrency", given=each["applicableCurrency"], reason=reason
            )
        cells = {name: value for name, value in each.get("lienthong", {}).items() if value is not None}
        called = cells.get("collection_id", "")
        cells |= {"min_value": each.get("minValueCollection"), "max_value": each.get("maxValueCollection")}
        if called:
            windows.append(_decided(ours, cells))
        elif any(value for name, value in cells.items() if name != "role"):
            raise ElementInvalidError(
                at=f"{at}.lienthong.collection_id",
                given="empty",
                reason="only lines that hold at all times need no collection; hours, roles and limits have one",
            )
        lines += (
            _decided(ours, {"collection_id": called, **_line(line, f"{at}.rateLines[{index}]")})
            for index, line in enumerate(each.get("rateLines", []))
        )
    lines += (
        _decided(ours, {**each, "line_type": LineType.PER_UNIT.value}) for each in ours.get("units", [])
    )
    windows += (_decided(ours, each) for each in ours.get("collections", []))
    return {
        "rate_tables.csv": (_decided(ours, head),),
        "rate_line_collections.csv": tuple(windows),
        "rate_lines.csv": tuple(lines),
        "rate_caps.csv": tuple(_decided(ours, each) for each in ours.get("caps", [])),
        "rate_taxes.csv": tuple(_decided(ours, each) for each in ours.get("taxes", [])),
    }


def _line(line: Json, at: str) -> Json:
    kind = line["rateLineType"]
    found = {
        "sequence": line["sequence"],
        "line_type": kind,
        "value": line.get("value"),
        "max_value": line.get("maxValue"),
        "description": line.get("description"),
    }
    for name, column in (
        ("durationStart", "start_min"),
        ("durationEnd", "end_min"),
        ("incrementPeriod", "increment_min"),
    ):
        if line.get(name) is not None:
            found[column] = _minutes(line[name], f"{at}.{name}")
    if found.get("start_min") == "0":
        del found["start_min"]
    return found


def _specification(element: Json) -> Rows:
    ours = element["lienthong"]
    price = ours.get("price") or {}
    row = {
        "kind": ours.get("kind"),
        "name": _name(element["description"]),
        "place_id": element["hierarchyElements"][0]["id"],
        "price": price.get("currencyValue"),
        "currency": price.get("currencyType"),
        **{name: ours.get(name) for name in ("hours_from", "hours_to", "minutes", "funder", *RIDE_FIELDS)},
    }
    for rate in element.get("rateEligibility", [])[:1]:
        row["table_id"] = rate.get("rateTable", {}).get("id")
        row["percent"] = rate.get("rateDiscount", {}).get("discountRate")
        for qualification in rate.get("eligibility", {}).get("qualifications", [])[:1]:
            for vehicle in qualification.get("vehicleTypes", [])[:1]:
                row["vehicle_class"] = vehicle["vehicleType"]["entryDefinedValue"]
    return {"right_specifications.csv": (_decided(ours, row),)}
