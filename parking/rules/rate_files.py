"""From CSV rows to typed, dated parts of rate tables. What columns a file has is the table FILES."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Final, Generic, TypeVar
from zoneinfo import ZoneInfo

from kernel.money import VND, Currency, UnknownCurrencyError, currency
from parking.rules.edges import CapPer, Edges, LineType, Role
from parking.rules.rate import DAY_S, Cap, RateLine, RateLineCollection, Tax
from parking.rules.rate_windows import package, weekday, window
from parking.rules.right import RIDE_FIELDS
from parking.rules.rows import Dates, Row

EDGE_FIELDS: Final = tuple(Edges.__dataclass_fields__)
FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "places.csv": (
        "place_id",
        "parent_id",
        "kind",
        "name",
        "operator_id",
        "zone",
        "day_starts",
        "default_class",
        "capacity",
        "latitude",
        "longitude",
        "opens",
        "closes",
        "ev_bays",
        "disabled_bays",
    ),
    "gates.csv": ("gate_id", "place_id"),
    "vehicle_classes.csv": ("class_id", "name_vi", "name_en"),
    "rate_assignments.csv": ("place_id", "vehicle_class", "user", "table_id"),
    "rate_tables.csv": ("table_id", "name", "currency", "calendar", *EDGE_FIELDS),
    "rate_line_collections.csv": (
        *("table_id", "collection_id", "sequence", "role", "days", "from", "to", "first_on", "last_on"),
        *("priority", "min_value", "max_value"),
        *("enter_from", "enter_to", "leave_from", "leave_to", "leave_days", "longest_min", "choose"),
        "outlasted",
    ),
    "rate_lines.csv": (
        *("table_id", "collection_id", "sequence", "line_type", "start_min", "end_min", "increment_min"),
        *("value", "max_value", "unit", "description"),
    ),
    "rate_caps.csv": (
        *("table_id", "cap_id", "sequence", "per", "length_min", "starts", "week_starts"),
        *("start_min", "end_min", "value"),
    ),
    "rate_taxes.csv": (
        *("table_id", "tax_id", "sequence", "applies_to", "percent", "included", "compound"),
        *("round_per", "rounding"),
    ),
    "holidays.csv": ("date", "name", "calendar", "kind"),
    "right_specifications.csv": (
        *("spec_id", "kind", "name", "place_id", "vehicle_class", "price", "currency"),
        *("hours_from", "hours_to", "minutes", "percent", "table_id", "funder"),
        *RIDE_FIELDS,
    ),
}
REQUIRED: Final = ("places.csv", "vehicle_classes.csv", "rate_tables.csv", "rate_lines.csv")
# A table has one of each, and no window of theirs is ever asked for.
SINGLE_ROLES: Final = frozenset({Role.OVERSTAY.value, Role.NO_SHOW.value, Role.LOST_TICKET.value})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """A value with the dates it holds on and the row it stands in."""

    dates: Dates
    value: T
    row: Row


def percent(row: Row, name: str) -> int:
    """Return millionths of a percentage such as "8.25" (82,500), from 0 to 1,000."""
    found = row.text(name)
    if not found:
        return 0
    whole, _, part = found.partition(".")
    digits = whole + part
    if not (digits.isascii() and digits.isdigit()) or not whole or len(part) > 4 or int(whole) > 1_000:
        row.wrong(name, f"“{found}” is not a percentage with up to four decimals")
        return 0
    return int(whole + part.ljust(4, "0"))


def zone_of(row: Row) -> ZoneInfo:
    """Return the zone the row names (Asia/Ho_Chi_Minh where it names none)."""
    name = row.text("zone", "Asia/Ho_Chi_Minh")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        row.wrong("zone", f"“{name}” is not a time zone")
        return ZoneInfo("Asia/Ho_Chi_Minh")


def currency_of(row: Row) -> Currency:
    """Return the currency the row names (VND where it names none)."""
    try:
        return currency(row.text("currency", "VND"))
    except UnknownCurrencyError:
        row.wrong("currency", f"“{row.text('currency')}” is no ISO 4217 currency")
        return VND


def edges(row: Row, money: Currency) -> Edges:
    """Return a table row's edge fields; an empty cell is the documented default."""
    standard, found = Edges(), dict[str, object]()
    for name in EDGE_FIELDS:
        default = getattr(standard, name)
        if name == "min_value" or (name == "round_to" and row.text(name)):
            found[name] = row.money(name, money)
        elif isinstance(default, time):
            found[name] = row.clock(name) or default
        elif isinstance(default, int):
            found[name] = row.whole(name, default, least=1 if name in {"cycle_min", "round_to"} else 0)
        else:
            found[name] = row.choice(name, default)
    if not found["round_to"]:
        row.wrong("round_to", "a step of nothing")
        found["round_to"] = 1
    return Edges(**found)  # type: ignore[arg-type]  # read field by field from the class itself


def line(row: Row, money: Currency) -> RateLine:
    """Return the line of a row of rate_lines.csv."""
    kind = row.choice("line_type", LineType.INCREMENT)
    start, end = row.whole("start_min", 0) * 60, row.maybe_whole("end_min")
    end_s = None if end is None else end * 60
    if not row.text("value"):
        row.wrong("value", "is missing")
    if end_s is not None and end_s <= start:
        row.wrong("end_min", "is not after start_min")
    size = row.whole("increment_min", 0) * 60
    if kind is LineType.INCREMENT and not size:
        row.wrong("increment_min", "an incrementingRate names how long an increment is")
        size = 60
    if kind is LineType.PER_UNIT and not row.text("unit"):
        row.wrong("unit", "a perUnit line names its unit")
    if kind in {LineType.FLAT, LineType.PER_UNIT} and (start or end_s is not None or size):
        row.wrong("line_type", f"a {kind.value} line has no start_min, end_min or increment_min")
    is_fine = kind in {LineType.INCREMENT, LineType.PER_UNIT}
    value, per = row.price("value", money) if is_fine else (row.money("value", money), 1)
    return RateLine(
        sequence=row.whole("sequence", 1),
        line_type=kind,
        start_s=start,
        end_s=end_s,
        increment_s=size * per,
        value=value,
        per=per,
        max_value=row.maybe_money("max_value", money),
        unit=row.text("unit"),
        description=row.text("description") or (f"{row.text('value')} {money.code}" if per > 1 else ""),
        decision=row.text("decision"),
        source=row.text("source"),
    )


def collection(
    row: Row | None, money: Currency, lines: Sequence[RateLine], collection_id: str
) -> RateLineCollection:
    """Return a collection with its lines; without a row it is the unnamed one that holds at all times."""
    timed = sorted(
        (each for each in lines if each.line_type in {LineType.TIER, LineType.INCREMENT}),
        key=lambda each: each.start_s,
    )
    flats = tuple(each for each in lines if each.line_type is LineType.FLAT)
    units = tuple(each for each in lines if each.line_type is LineType.PER_UNIT)
    if row is None:
        return RateLineCollection(
            collection_id=collection_id, sequence=0, flats=flats, timed=tuple(timed), units=units
        )
    for name in ("days", "from", "to", "first_on", "last_on", "priority"):
        if row.text("role") in SINGLE_ROLES and row.text(name):
            row.wrong(name, f"a collection of role {row.text('role')} holds whenever its role is asked for")
    return RateLineCollection(
        collection_id=collection_id,
        sequence=row.whole("sequence", 1),
        role=row.choice("role", Role.ORDINARY),
        window=window(row),
        priority=row.whole("priority", 0),
        min_value=row.money("min_value", money),
        max_value=row.maybe_money("max_value", money),
        package=package(row),
        flats=flats,
        timed=tuple(timed),
        units=units,
    )


def cap(row: Row, money: Currency) -> Cap:
    """Return the cap of a row of rate_caps.csv."""
    end = row.maybe_whole("end_min")
    if end is not None and end <= row.whole("start_min", 0):
        row.wrong("end_min", "is not after start_min")
    if not row.text("value"):
        row.wrong("value", "is missing")
    return Cap(
        cap_id=row.needed("cap_id"),
        sequence=row.whole("sequence", 1),
        per=row.choice("per", CapPer.ROLLING),
        value=row.money("value", money),
        length_s=row.whole("length_min", DAY_S // 60, least=1) * 60,
        starts=row.clock("starts") or time(0),
        week_starts=weekday(row),
        start_s=row.whole("start_min", 0) * 60,
        end_s=None if end is None else end * 60,
        decision=row.text("decision"),
    )


def tax(row: Row) -> Tax:
    """Return the tax of a row of rate_taxes.csv."""
    standard = Tax(tax_id="", sequence=0, applies_to="", millionths=0)
    return Tax(
        tax_id=row.needed("tax_id"),
        sequence=row.whole("sequence", 1),
        applies_to=row.text("applies_to", "parking"),
        millionths=percent(row, "percent"),
        included=row.yes("included"),
        compound=row.yes("compound"),
        round_per=row.choice("round_per", standard.round_per),
        rounding=row.choice("rounding", standard.rounding),
        decision=row.text("decision"),
    )


def holiday(row: Row) -> date | None:
    """Return the date of a row of holidays.csv."""
    found = row.day("date")
    if found is None and not row.text("date"):
        row.wrong("date", "is missing")
    return found
