"""From checked rows to compiled tariffs: one per stretch of dates on which nothing changes."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fare.gtfs.compile_prices import Prices, category_numbers, distances, positions
from fare.gtfs.compile_rides import closings, needing_end, ride_rule
from fare.gtfs.compile_rules import (
    areas,
    discounts,
    joins,
    only_route,
    shares,
    stations,
    stop_zones,
    timeframes,
    transfers,
    windows,
)
from fare.gtfs.compile_sales import sale_rules
from fare.gtfs.schema import CATEGORIES
from fare.gtfs.table import EPOCH, FOREVER, Feed, Row
from fare.rules.match import LegIndex, LegRule
from fare.rules.tariff import DataNote, Tariff, TariffBook, TariffNames
from fare.rules.terms import PassProduct, Route, Waiver
from kernel.ids import OperatorId
from kernel.money import Currency, Money, Rounding, currency
from kernel.wire.cardinfo import Concession

_DAY: Final = timedelta(days=1)
_Of = Callable[[str], list[Row]]
# GTFS basic route types; a service is called by its mode in settlements and open data.
MODES: Final = {
    0: "tram", 1: "metro", 2: "rail", 3: "bus", 4: "ferry", 5: "cable_tram", 6: "aerial_lift", 7: "funicular",
    11: "trolleybus", 12: "monorail",
}  # fmt: skip
# Passes are looked up over all dates, notes and the tariff's own row have none to honour.
_UNDATED: Final = frozenset(
    {
        "tariff.txt", "passes.txt", "pass_terms.txt", "ride_corrections.txt", "data_notes.txt", "route_lengths.txt",
        "length_bands.txt",
    }
)  # fmt: skip

# Files of ours whose rows may hold in a timeframe alone.
_TIMED: Final = ("caps.txt", "fare_matrix.txt", "distance_bands.txt", "distance_fares.txt")


def compile_book(feed: Feed, sha256: str) -> TariffBook:
    """Return the book of a feed that has no errors; intervals are built when first asked for."""
    head = feed.of("tariff.txt")[0]
    zone, money = ZoneInfo(head.text("zone")), currency(head.text("currency"))
    starts_s = head.whole("day_starts") or 0
    compiler = _Compiler(feed, zone, money, category_numbers(feed.of("rider_categories.txt")))
    return TariffBook(
        version=head.text("tariff_version"),
        sha256=sha256,
        zone=zone,
        day_starts=time(starts_s // 3600, starts_s % 3600 // 60, starts_s % 60),
        currency=money,
        names=TariffNames(
            head.text("tariff_name"),
            head.text("tariff_name_en") or head.text("tariff_name"),
            head.day("true_on"),
        ),
        notes=tuple(
            DataNote(row.text("about"), row.text("status"), row.text("text"), row.text("text_en"))
            for row in feed.of("data_notes.txt")
        ),
        passes=compiler.passes(),
        sales=sale_rules(feed, money, Prices(money).minor),
        rider_categories=compiler.numbers,
        folds_purse=any(row.text("in_debt") == "withhold" for row in feed.of("transfer_windows.txt")),
        operators=frozenset(row.text("agency_id") for row in feed.of("agency.txt")),
        media=frozenset(row.text("fare_media_id") for row in feed.of("fare_media.txt")),
        starts=_starts(feed),
        build=compiler.build,
    )


def _starts(feed: Feed) -> tuple[date, ...]:
    """Return the first dates of the stretches between which some row starts or ends."""
    starts = {EPOCH}
    for name, rows in feed.rows.items():
        if name in _UNDATED:
            continue
        for row in rows:
            starts.add(row.valid_from)
            if row.valid_to != FOREVER:
                starts.add(row.valid_to + _DAY)
    return tuple(sorted(starts))


@dataclass(slots=True)
class _Compiler:
    feed: Feed
    zone: ZoneInfo
    money: Currency
    numbers: dict[str, int]

    def build(self, start: date, end: date) -> Tariff:
        """Return what is in force from `start` to `end`, dates between which no row changes."""

        def of(name: str) -> list[Row]:
            return [row for row in self.feed.of(name) if row.holds_on(start)]

        networks = self._networks(of)
        listed = of("ride_rules.txt")
        odd = closings(of("incomplete_rides.txt"), of("same_station_exits.txt"))
        ends = needing_end(of)
        rules = {
            name: ride_rule(listed, odd, name, needs_end="" in ends or name in ends)
            for name in {"", *networks.values()}
        }
        # Equal rules are one object, so a thousand routes touch no more memory than one.
        shared = {rule: rule for rule in rules.values()}
        agencies = of("agency.txt")
        only = agencies[0].text("agency_id") if len(agencies) == 1 else ""
        routes = {
            row.text("route_id"): Route(
                row.text("route_id"),
                OperatorId(row.text("agency_id") or only),
                frozenset({networks[row.text("route_id")]} if row.text("route_id") in networks else ()),
                shared[rules[networks.get(row.text("route_id"), "")]],
                row.text("route_long_name") or row.text("route_short_name"),
                MODES.get(row.whole("route_type") or 0, "other"),
            )
            for row in of("routes.txt")
        }
        legs = [
            LegRule(
                row.text("leg_group_id"),
                row.text("network_id"),
                row.text("from_area_id"),
                row.text("to_area_id"),
                row.text("from_timeframe_group_id"),
                row.text("to_timeframe_group_id"),
                row.text("fare_product_id"),
                row.whole("rule_priority") or 0,
                f"{row.where} {row.text('fare_product_id')}",
            )
            for row in of("fare_leg_rules.txt")
        ]
        waivers = of("waivers.txt")
        with_areas = any(leg.from_area or leg.to_area for leg in legs) or any(
            row.ids("area_ids") for row in (*waivers, *of("caps.txt"))
        )
        placed = positions(of("station_positions.txt"))
        prices, parents = Prices(self.money), stations(of("stops.txt"))
        return Tariff(
            valid_from=start,
            valid_to=end,
            currency=self.money,
            routes=routes,
            route_of_stop=only_route(placed),
            station_of=parents,
            zone_of_stop=stop_zones(of("stops.txt"), parents, self.zone),
            stop_names={row.text("stop_id"): row.text("stop_name") for row in of("stops.txt")},
            areas_of_stop=areas(of("stops.txt"), of("stop_areas.txt")) if with_areas else {},
            legs=LegIndex(legs, by_priority=self.feed.has_column("fare_leg_rules.txt", "rule_priority")),
            timeframes=timeframes(
                of("calendar.txt"),
                of("calendar_dates.txt"),
                of("timeframes.txt"),
                self.zone,
                used=any(leg.from_frame or leg.to_frame for leg in legs)
                or any(row.text("timeframe_group_id") for name in _TIMED for row in of(name)),
            ),
            products=prices.products(of("fare_products.txt")),
            category_ids={
                self.numbers[row.text("rider_category_id")]: row.text("rider_category_id")
                for row in of("rider_categories.txt")
            },
            default_category=next(
                (
                    row.text("rider_category_id")
                    for row in of("rider_categories.txt")
                    if row.whole("is_default_fare_category")
                ),
                "",
            ),
            matrix=prices.matrix(of("fare_matrix.txt")),
            bands=prices.bands(of("distance_bands.txt")),
            formulas=prices.formulas(of("distance_fares.txt")),
            positions_m=placed,
            distances_m=distances(of("stop_distances.txt")),
            rounding={
                row.text("fare_media_id"): (
                    prices.minor(row.decimal("step_amount")),
                    Rounding(row.text("rounding")),
                )
                for row in of("cash_rounding.txt")
            },
            transfers=transfers(of("fare_transfer_rules.txt")),
            joins=joins(of("fare_leg_join_rules.txt")),
            windows=windows(of("transfer_windows.txt")),
            caps=prices.caps(of("caps.txt"), self.numbers),
            waivers=tuple(
                Waiver(
                    row.text("waiver_id"),
                    frozenset(row.ids("network_ids")),
                    frozenset(row.ids("area_ids")),
                    row.text("area_rule"),
                    row.text("funder"),
                )
                for row in waivers
            ),
            discounts=discounts(of("concessions.txt"), self.numbers),
            shares=shares(of("revenue_shares.txt")),
            park_benefits=prices.park_benefits(of("park_and_ride.txt")),
        )

    def _networks(self, of: _Of) -> dict[str, str]:
        if self.feed.has_column("routes.txt", "network_id"):
            return {
                row.text("route_id"): row.text("network_id")
                for row in of("routes.txt")
                if row.text("network_id")
            }
        return {row.text("route_id"): row.text("network_id") for row in of("route_networks.txt")}

    def passes(self) -> dict[str, tuple[PassProduct, ...]]:
        """Return every pass's rows by product, oldest first, whatever their dates."""
        prices = Prices(self.money)
        found: dict[str, list[PassProduct]] = defaultdict(list)
        for row in sorted(self.feed.of("passes.txt"), key=lambda one: one.valid_from):
            found[row.text("pass_product_id")].append(
                PassProduct(
                    row.text("pass_product_id"),
                    row.text("pass_name"),
                    row.text("pass_name_en") or row.text("pass_name"),
                    row.text("scope"),
                    frozenset(row.ids("network_ids")),
                    frozenset(row.ids("operator_ids")),
                    Concession[row.text("card_category")]
                    if row.text("card_category") in CATEGORIES
                    else None,
                    row.text("validity"),
                    row.whole("validity_count") or 1,
                    row.text("activation") == "first_tap",
                    row.whole("start_within_days"),
                    Money(prices.minor(row.decimal("amount")), self.money),
                    row.valid_from,
                    row.valid_to,
                    row.text("decision"),
                )
            )
        return {name: tuple(rows) for name, rows in found.items()}
