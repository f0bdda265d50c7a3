"""Which files a tariff may hold, and what stands in their columns.

The standard ones are GTFS-Fares v2 and the GTFS files it refers to; the others are our extension files,
in the same CSV style (docs/tariff-authors.md explains each with an example). Every file may carry the
columns in COMMON: the dates on which a row is in force, the decision that made it and where it was read.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    ID = "id"
    TEXT = "text"
    WHOLE = "whole"
    DECIMAL = "decimal"
    AMOUNT = "amount"
    CURRENCY = "currency"
    DATE = "date"  # YYYYMMDD, the standard's
    ISO_DATE = "iso_date"  # YYYY-MM-DD, ours
    TIME = "time"  # H:MM:SS to seconds
    WORD = "word"  # one of `choices`
    IDS = "ids"  # a;b;c
    ZONE = "zone"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind = Kind.TEXT
    required: bool = False
    refers: tuple[tuple[str, str], ...] = ()
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class FileSpec:
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    standard: bool = True


def _id(name: str, *, required: bool = False, refers: str = "") -> Column:
    targets = tuple(
        (pair.split(".txt.")[0] + ".txt", pair.split(".txt.")[1]) for pair in refers.split() if pair
    )
    return Column(name, Kind.ID, required=required, refers=targets)


def _ids(name: str, refers: str = "") -> Column:
    targets = tuple(
        (pair.split(".txt.")[0] + ".txt", pair.split(".txt.")[1]) for pair in refers.split() if pair
    )
    return Column(name, Kind.IDS, refers=targets)


def _word(name: str, *choices: str, required: bool = True) -> Column:
    return Column(name, Kind.WORD, required=required, choices=choices)


def _whole(name: str, low: int | None = 0, high: int | None = None, *, required: bool = False) -> Column:
    return Column(name, Kind.WHOLE, required=required, low=low, high=high)


_AMOUNT: Final = (
    Column("amount", Kind.AMOUNT, required=True),
    Column("currency", Kind.CURRENCY, required=True),
)
_NETWORK: Final = "networks.txt.network_id routes.txt.network_id"
CATEGORIES: Final = (
    "NORMAL", "PRIORITY", "FREE_MERIT", "FREE_SENIOR", "FREE_CHILD", "FREE_DISABLED", "FREE_POOR", "GROUP",
)  # fmt: skip
STATUSES: Final = ("published", "inferred", "placeholder", "unknown")
_STATUS: Final = _word("status", *STATUSES, required=False)

COMMON: Final = (
    Column("valid_from", Kind.ISO_DATE),
    Column("valid_to", Kind.ISO_DATE),
    Column("decision"),
    Column("source"),
    Column("note"),
)

_STANDARD: Final = (
    FileSpec("agency.txt", (_id("agency_id"), Column("agency_name", required=True),
                            Column("agency_timezone", Kind.ZONE, required=True)), ("agency_id",)),
    FileSpec("stops.txt", (_id("stop_id", required=True), Column("stop_name"), _whole("location_type", 0, 4),
                           _id("parent_station", refers="stops.txt.stop_id")), ("stop_id",)),
    FileSpec("routes.txt", (_id("route_id", required=True), _id("agency_id", refers="agency.txt.agency_id"),
                            Column("route_short_name"), Column("route_long_name"),
                            _whole("route_type", 0, 1702, required=True), _id("network_id")), ("route_id",)),
    FileSpec("networks.txt", (_id("network_id", required=True), Column("network_name")), ("network_id",)),
    FileSpec("route_networks.txt", (_id("network_id", required=True, refers="networks.txt.network_id"),
                                    _id("route_id", required=True, refers="routes.txt.route_id")), ("route_id",)),
    FileSpec("areas.txt", (_id("area_id", required=True), Column("area_name")), ("area_id",)),
    FileSpec("stop_areas.txt", (_id("area_id", required=True, refers="areas.txt.area_id"),
                                _id("stop_id", required=True, refers="stops.txt.stop_id")), ("area_id", "stop_id")),
    FileSpec("calendar.txt", (_id("service_id", required=True),
                              *(_whole(day, 0, 1, required=True) for day in (
                                  "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")),
                              Column("start_date", Kind.DATE, required=True),
                              Column("end_date", Kind.DATE, required=True)), ("service_id",)),
    FileSpec("calendar_dates.txt", (_id("service_id", required=True), Column("date", Kind.DATE, required=True),
                                    _whole("exception_type", 1, 2, required=True)), ("service_id", "date")),
    FileSpec("timeframes.txt", (_id("timeframe_group_id", required=True), Column("start_time", Kind.TIME),
                                Column("end_time", Kind.TIME),
                                _id("service_id", required=True,
                                    refers="calendar.txt.service_id calendar_dates.txt.service_id")),
             ("timeframe_group_id", "start_time", "end_time", "service_id")),
    FileSpec("rider_categories.txt", (_id("rider_category_id", required=True), Column("rider_category_name"),
                                      _whole("is_default_fare_category", 0, 1), Column("eligibility_url"),
                                      _word("card_category", *CATEGORIES, required=False)), ("rider_category_id",)),
    FileSpec("fare_media.txt", (_id("fare_media_id", required=True), Column("fare_media_name"),
                                _whole("fare_media_type", 0, 4, required=True)), ("fare_media_id",)),
    FileSpec("fare_products.txt", (_id("fare_product_id", required=True), Column("fare_product_name"),
                                   _id("rider_category_id", refers="rider_categories.txt.rider_category_id"),
                                   _id("fare_media_id", refers="fare_media.txt.fare_media_id"), *_AMOUNT),
             ("fare_product_id", "rider_category_id", "fare_media_id")),
    FileSpec("fare_leg_rules.txt", (_id("leg_group_id"), _id("network_id", refers=_NETWORK),
                                    _id("from_area_id", refers="areas.txt.area_id"),
                                    _id("to_area_id", refers="areas.txt.area_id"),
                                    _id("from_timeframe_group_id", refers="timeframes.txt.timeframe_group_id"),
                                    _id("to_timeframe_group_id", refers="timeframes.txt.timeframe_group_id"),
                                    _id("fare_product_id", required=True, refers="fare_products.txt.fare_product_id"),
                                    _whole("rule_priority")),
             ("network_id", "from_area_id", "to_area_id", "from_timeframe_group_id", "to_timeframe_group_id",
              "fare_product_id")),
    FileSpec("fare_leg_join_rules.txt", (_id("from_network_id", required=True, refers=_NETWORK),
                                         _id("to_network_id", required=True, refers=_NETWORK),
                                         _id("from_stop_id", refers="stops.txt.stop_id"),
                                         _id("to_stop_id", refers="stops.txt.stop_id")),
             ("from_network_id", "to_network_id", "from_stop_id", "to_stop_id")),
    FileSpec("fare_transfer_rules.txt", (_id("from_leg_group_id"), _id("to_leg_group_id"),
                                         _whole("transfer_count", None), _whole("duration_limit", 1),
                                         _whole("duration_limit_type", 0, 3),
                                         _whole("fare_transfer_type", 0, 2, required=True),
                                         _id("fare_product_id", refers="fare_products.txt.fare_product_id"),
                                         _word("edge", "inclusive", "exclusive", required=False)),
             ("from_leg_group_id", "to_leg_group_id", "fare_product_id", "transfer_count", "duration_limit")),
)  # fmt: skip

_SCOPE: Final = (
    _ids("network_ids", _NETWORK),
    _ids("operator_ids", "agency.txt.agency_id"),
    _word("card_category", *CATEGORIES, required=False),
)
_EXTENSIONS: Final = (
    FileSpec("tariff.txt", (Column("tariff_version", required=True), Column("tariff_name"),
                            Column("tariff_name_en"), Column("zone", Kind.ZONE, required=True),
                            Column("day_starts", Kind.TIME, required=True),
                            Column("currency", Kind.CURRENCY, required=True),
                            Column("true_on", Kind.ISO_DATE)), ("tariff_version",)),
    FileSpec("route_lengths.txt", (_id("route_id", required=True, refers="routes.txt.route_id"),
                                   Column("length_km", Kind.DECIMAL, required=True), _STATUS), ("route_id",)),
    FileSpec("length_bands.txt", (_id("network_id", required=True, refers="networks.txt.network_id"),
                                  Column("from_km", Kind.DECIMAL, required=True),
                                  Column("to_km", Kind.DECIMAL)), ("network_id",)),
    FileSpec("ride_rules.txt", (_id("network_id", refers=_NETWORK), _word("settled_by", "boarding", "ride"),
                                _whole("limit_min", 1), _whole("passback_s"), _whole("companions")), ("network_id",)),
    FileSpec("incomplete_rides.txt", (_id("network_id", refers=_NETWORK),
                                      _word("case", "missing_off", "missing_on", "over_long"),
                                      _word("action", "boarding", "maximum", "product", "free"),
                                      _id("fare_product_id", refers="fare_products.txt.fare_product_id")),
             ("network_id", "case")),
    FileSpec("same_station_exits.txt", (_id("network_id", refers=_NETWORK), _whole("from_s", required=True),
                                        _whole("to_s", 1), _word("action", "free", "cheapest", "maximum", "product"),
                                        _id("fare_product_id", refers="fare_products.txt.fare_product_id")),
             ("network_id", "from_s")),
    FileSpec("station_positions.txt", (_id("route_id", required=True, refers="routes.txt.route_id"),
                                       _id("stop_id", required=True, refers="stops.txt.stop_id"),
                                       Column("position_km", Kind.DECIMAL, required=True), _STATUS),
             ("route_id", "stop_id")),
    FileSpec("distance_fares.txt", (_id("network_id", required=True, refers=_NETWORK), _id("leg_group_id"),
                                    _id("fare_product_id", required=True),
                                    Column("base_amount", Kind.AMOUNT, required=True),
                                    Column("per_km_amount", Kind.AMOUNT, required=True),
                                    Column("currency", Kind.CURRENCY, required=True),
                                    Column("step_km", Kind.DECIMAL, required=True),
                                    _word("step_rounding", "up", "down", "half_up", required=False),
                                    Column("min_amount", Kind.AMOUNT), Column("max_amount", Kind.AMOUNT),
                                    _STATUS), ("network_id",)),
    FileSpec("fare_matrix.txt", (_id("network_id", required=True, refers=_NETWORK), _id("leg_group_id"),
                                 _id("fare_product_id", required=True),
                                 _id("from_stop_id", required=True, refers="stops.txt.stop_id"),
                                 _id("to_stop_id", required=True, refers="stops.txt.stop_id"),
                                 _id("fare_media_id", refers="fare_media.txt.fare_media_id"), *_AMOUNT,
                                 _whole("both_ways", 0, 1), _STATUS),
             ("network_id", "from_stop_id", "to_stop_id", "fare_media_id")),
    FileSpec("cash_rounding.txt", (_id("fare_media_id", required=True, refers="fare_media.txt.fare_media_id"),
                                   Column("step_amount", Kind.AMOUNT, required=True),
                                   Column("currency", Kind.CURRENCY, required=True),
                                   _word("rounding", "up", "down", "half_up", "half_even")), ("fare_media_id",)),
    FileSpec("transfer_windows.txt", (_id("window_id", required=True), _ids("network_ids", _NETWORK),
                                      _whole("duration_s", 1, required=True),
                                      _word("edge", "inclusive", "exclusive"), _whole("max_uses", 1),
                                      _word("dearer", "free", "difference", required=False),
                                      _word("in_debt", "grant", "withhold", required=False)), ("window_id",)),
    FileSpec("caps.txt", (_id("cap_id", required=True), Column("cap_name"), Column("cap_name_en"),
                          _word("period", "day", "week", "month", "rolling"), _whole("period_days", 1),
                          Column("amount", Kind.AMOUNT), Column("currency", Kind.CURRENCY), _whole("rides", 1),
                          *_SCOPE), ("cap_id",)),
    FileSpec("passes.txt", (_id("pass_product_id", required=True), Column("pass_name"), Column("pass_name_en"),
                            _word("scope", "all", "route", "network"), *_SCOPE,
                            _word("validity", "day", "week", "month", "days"), _whole("validity_count", 1),
                            _word("activation", "purchase", "first_tap"), *_AMOUNT), ("pass_product_id",)),
    FileSpec("pass_terms.txt", (_id("pass_product_id", required=True, refers="passes.txt.pass_product_id"),
                                _word("refund", "none", "unused", "days"), Column("fee_amount", Kind.AMOUNT),
                                Column("currency", Kind.CURRENCY),
                                _word("rounding", "up", "down", "half_up", "half_even", required=False),
                                _word("earned_by", "time", "rides"), _whole("group_least"), _STATUS),
             ("pass_product_id",)),
    FileSpec("ride_corrections.txt", (_id("network_id", refers=_NETWORK), _whole("per_month", required=True),
                                      _whole("window_days", required=True), _STATUS), ("network_id",)),
    FileSpec("waivers.txt", (_id("waiver_id", required=True), Column("waiver_name"), Column("waiver_name_en"),
                             _ids("network_ids", _NETWORK), _ids("area_ids", "areas.txt.area_id"),
                             _word("area_rule", "everywhere", "within", "touches"),
                             Column("funder", required=True), _STATUS), ("waiver_id",)),
    FileSpec("concessions.txt", (_id("concession_id", required=True), Column("concession_name"),
                                 Column("concession_name_en"), _word("card_category", *CATEGORIES),
                                 _ids("network_ids", _NETWORK), _ids("operator_ids", "agency.txt.agency_id"),
                                 _whole("share_percent", 1, 100, required=True),
                                 _word("rounding", "up", "down", "half_up", "half_even", required=False),
                                 Column("funder", required=True)), ("concession_id",)),
    FileSpec("data_notes.txt", (Column("about", required=True), _word("status", *STATUSES),
                                Column("text", required=True), Column("text_en", required=True)), ("about", "text")),
)  # fmt: skip

FILES: Final[dict[str, FileSpec]] = {
    spec.name: spec
    for spec in (
        *_STANDARD,
        *(FileSpec(one.name, one.columns, one.key, standard=False) for one in _EXTENSIONS),
    )
}
REQUIRED_FILES: Final = ("agency.txt", "routes.txt", "fare_products.txt", "tariff.txt")
# Files of a whole GTFS feed that fares do not need; read by nobody here, and no reason for a notice.
BYSTANDERS: Final = frozenset({
    "trips.txt", "stop_times.txt", "shapes.txt", "frequencies.txt", "transfers.txt", "pathways.txt", "levels.txt",
    "feed_info.txt", "translations.txt", "attributions.txt", "fare_attributes.txt", "fare_rules.txt",
    "booking_rules.txt", "location_groups.txt", "location_group_stops.txt",
})  # fmt: skip
