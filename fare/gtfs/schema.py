"""Which files a tariff may hold, and what stands in their columns.

The standard ones are GTFS-Fares v2 and the GTFS files it refers to; the others are our extension files,
in the same CSV style (docs/tariff-authors.md explains each with an example). Every file may carry the
columns in COMMON: the dates on which a row is in force, the decision that made it and where it was read.
"""

from typing import Final

from fare.gtfs.columns import (
    AMOUNT,
    CATEGORIES,
    COMMON,
    NETWORK,
    Column,
    FileSpec,
    Kind,
    id_cell,
    whole_cell,
    word_cell,
)
from fare.gtfs.extensions import EXTENSIONS

__all__ = [
    "BYSTANDERS",
    "CATEGORIES",
    "COMMON",
    "FILES",
    "OURS",
    "REQUIRED_FILES",
    "Column",
    "FileSpec",
    "Kind",
]

_STANDARD: Final = (
    FileSpec("agency.txt", (id_cell("agency_id"), Column("agency_name", required=True),
                            Column("agency_timezone", Kind.ZONE, required=True)), ("agency_id",)),
    FileSpec("stops.txt", (id_cell("stop_id", required=True), Column("stop_name"), whole_cell("location_type", 0, 4),
                           id_cell("parent_station", refers="stops.txt.stop_id"),
                           Column("stop_timezone", Kind.ZONE)), ("stop_id",)),
    FileSpec("routes.txt", (id_cell("route_id", required=True), id_cell("agency_id", refers="agency.txt.agency_id"),
                            Column("route_short_name"), Column("route_long_name"),
                            whole_cell("route_type", 0, 1702, required=True), id_cell("network_id")), ("route_id",)),
    FileSpec("networks.txt", (id_cell("network_id", required=True), Column("network_name")), ("network_id",)),
    FileSpec("route_networks.txt", (id_cell("network_id", required=True, refers="networks.txt.network_id"),
                                    id_cell("route_id", required=True, refers="routes.txt.route_id")), ("route_id",)),
    FileSpec("areas.txt", (id_cell("area_id", required=True), Column("area_name")), ("area_id",)),
    FileSpec("stop_areas.txt", (id_cell("area_id", required=True, refers="areas.txt.area_id"),
                                id_cell("stop_id", required=True, refers="stops.txt.stop_id")), ("area_id", "stop_id")),
    FileSpec("calendar.txt", (id_cell("service_id", required=True),
                              *(whole_cell(day, 0, 1, required=True) for day in (
                                  "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")),
                              Column("start_date", Kind.DATE, required=True),
                              Column("end_date", Kind.DATE, required=True)), ("service_id",)),
    FileSpec("calendar_dates.txt", (id_cell("service_id", required=True), Column("date", Kind.DATE, required=True),
                                    whole_cell("exception_type", 1, 2, required=True)), ("service_id", "date")),
    FileSpec("timeframes.txt", (id_cell("timeframe_group_id", required=True), Column("start_time", Kind.TIME),
                                Column("end_time", Kind.TIME),
                                id_cell("service_id", required=True,
                                    refers="calendar.txt.service_id calendar_dates.txt.service_id")),
             ("timeframe_group_id", "start_time", "end_time", "service_id")),
    FileSpec("rider_categories.txt", (id_cell("rider_category_id", required=True), Column("rider_category_name"),
                                      whole_cell("is_default_fare_category", 0, 1), Column("eligibility_url"),
                                      word_cell("card_category", *CATEGORIES, required=False)), ("rider_category_id",)),
    FileSpec("fare_media.txt", (id_cell("fare_media_id", required=True), Column("fare_media_name"),
                                whole_cell("fare_media_type", 0, 4, required=True)), ("fare_media_id",)),
    FileSpec("fare_products.txt", (id_cell("fare_product_id", required=True), Column("fare_product_name"),
                                   id_cell("rider_category_id", refers="rider_categories.txt.rider_category_id"),
                                   id_cell("fare_media_id", refers="fare_media.txt.fare_media_id"), *AMOUNT),
             ("fare_product_id", "rider_category_id", "fare_media_id")),
    FileSpec("fare_leg_rules.txt", (id_cell("leg_group_id"), id_cell("network_id", refers=NETWORK),
                                    id_cell("from_area_id", refers="areas.txt.area_id"),
                                    id_cell("to_area_id", refers="areas.txt.area_id"),
                                    id_cell("from_timeframe_group_id", refers="timeframes.txt.timeframe_group_id"),
                                    id_cell("to_timeframe_group_id", refers="timeframes.txt.timeframe_group_id"),
                                    id_cell("fare_product_id", required=True, refers="fare_products.txt.fare_product_id"),
                                    whole_cell("rule_priority")),
             ("network_id", "from_area_id", "to_area_id", "from_timeframe_group_id", "to_timeframe_group_id",
              "fare_product_id")),
    FileSpec("fare_leg_join_rules.txt", (id_cell("from_network_id", required=True, refers=NETWORK),
                                         id_cell("to_network_id", required=True, refers=NETWORK),
                                         id_cell("from_stop_id", refers="stops.txt.stop_id"),
                                         id_cell("to_stop_id", refers="stops.txt.stop_id"), whole_cell("within_s")),
             ("from_network_id", "to_network_id", "from_stop_id", "to_stop_id")),
    FileSpec("fare_transfer_rules.txt", (id_cell("from_leg_group_id"), id_cell("to_leg_group_id"),
                                         whole_cell("transfer_count", None), whole_cell("duration_limit", 1),
                                         whole_cell("duration_limit_type", 0, 3),
                                         whole_cell("fare_transfer_type", 0, 2, required=True),
                                         id_cell("fare_product_id", refers="fare_products.txt.fare_product_id"),
                                         word_cell("edge", "inclusive", "exclusive", required=False)),
             ("from_leg_group_id", "to_leg_group_id", "fare_product_id", "transfer_count", "duration_limit")),
)  # fmt: skip

FILES: Final[dict[str, FileSpec]] = {
    spec.name: spec
    for spec in (
        *_STANDARD,
        *(FileSpec(one.name, one.columns, one.key, standard=False) for one in EXTENSIONS),
    )
}
# Columns of ours in files of the standard; a plain export leaves them out.
OURS: Final = frozenset({
    ("rider_categories.txt", "card_category"),
    ("fare_transfer_rules.txt", "edge"),
    ("fare_leg_join_rules.txt", "within_s"),
})  # fmt: skip
REQUIRED_FILES: Final = ("agency.txt", "routes.txt", "fare_products.txt")
# Files of a whole GTFS feed that fares do not need; read by nobody here, and no reason for a notice.
BYSTANDERS: Final = frozenset({
    "trips.txt", "stop_times.txt", "shapes.txt", "frequencies.txt", "transfers.txt", "pathways.txt", "levels.txt",
    "feed_info.txt", "translations.txt", "attributions.txt", "fare_attributes.txt", "fare_rules.txt",
    "booking_rules.txt", "location_groups.txt", "location_group_stops.txt",
})  # fmt: skip
