"""Rows that hold prices, distances and caps, compiled to minor units and metres."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from fare.gtfs.compile_rules import category_of
from fare.gtfs.table import Row
from fare.rules.park_terms import ParkBenefit, ParkedBy, ParkTiming
from fare.rules.terms import (
    Cap,
    DistanceBand,
    DistanceFare,
    MatrixPrice,
    Offer,
    Period,
    Product,
)
from kernel.currencies import EXPONENTS
from kernel.ids import OperatorId
from kernel.money import Currency, Rounding
from kernel.wire.cardinfo import Concession

_US: Final = 1_000_000
_OWN: Final = 256  # the card's categories are one byte; the tariff's own are counted from here


def category_numbers(rows: Iterable[Row]) -> dict[str, int]:
    """Return a number for every rider category of the tariff: the card category it names, else one of its own."""
    named = {row.text("rider_category_id"): row.text("card_category") for row in rows}
    return {
        name: Concession[named[name]].value if named[name] else _OWN + place
        for place, name in enumerate(sorted(named))
    }


def positions(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        found[row.text("route_id")][row.text("stop_id")] = _metres(row.decimal("position_km"))
    return dict(found)


def distances(rows: Iterable[Row]) -> dict[str, dict[tuple[str, str], int]]:
    found: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for row in rows:
        for ends in _ends(row):
            found[row.text("network_id")][ends] = _metres(row.decimal("distance_km"))
    return dict(found)


def _metres(km: Decimal | None) -> int:
    return int((km or Decimal(0)) * 1000)


def _ends(row: Row) -> tuple[tuple[str, str], ...]:
    pair = row.text("from_stop_id"), row.text("to_stop_id")
    return (pair, pair[::-1]) if row.whole("both_ways") else (pair,)


@dataclass(frozen=True, slots=True)
class Prices:
    """Compiles the amounts of one currency."""

    money: Currency

    def minor(self, amount: Decimal | None) -> int:
        """Return an amount in minor units; the reader has checked its decimals."""
        return int((amount or Decimal(0)).scaleb(EXPONENTS[self.money.code]))

    def _maybe(self, amount: Decimal | None) -> int | None:
        return None if amount is None else self.minor(amount)

    def _offer(self, row: Row) -> Offer:
        minor = self.minor(row.decimal("amount"))
        return Offer(row.text("leg_group_id"), row.text("fare_product_id"), minor, row.where)

    def products(self, rows: Iterable[Row]) -> dict[str, tuple[Product, ...]]:
        found: dict[str, list[Product]] = defaultdict(list)
        for row in rows:
            found[row.text("fare_product_id")].append(
                Product(
                    row.text("rider_category_id"),
                    row.text("fare_media_id"),
                    self.minor(row.decimal("amount")),
                    row.where,
                )
            )
        return {name: tuple(ones) for name, ones in found.items()}

    def matrix(self, rows: Iterable[Row]) -> dict[str, dict[tuple[str, str], tuple[MatrixPrice, ...]]]:
        found: dict[str, dict[tuple[str, str], list[MatrixPrice]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            price = MatrixPrice(
                row.text("rider_category_id"),
                row.text("fare_media_id"),
                row.text("timeframe_group_id"),
                self._offer(row),
            )
            for ends in _ends(row):
                found[row.text("network_id")][ends].append(price)
        return {
            network: {ends: tuple(prices) for ends, prices in pairs.items()}
            for network, pairs in found.items()
        }

    def bands(self, rows: Iterable[Row]) -> dict[str, tuple[DistanceBand, ...]]:
        found: dict[str, list[DistanceBand]] = defaultdict(list)
        for row in rows:
            up_to = row.decimal("up_to_km")
            found[row.text("network_id")].append(
                DistanceBand(
                    None if up_to is None else _metres(up_to),
                    row.text("rider_category_id"),
                    row.text("fare_media_id"),
                    row.text("timeframe_group_id"),
                    self._offer(row),
                )
            )
        return {network: tuple(ones) for network, ones in found.items()}

    def formulas(self, rows: Iterable[Row]) -> dict[str, tuple[DistanceFare, ...]]:
        """Return the formulas of each network, those of a timeframe first."""
        found: dict[str, list[DistanceFare]] = defaultdict(list)
        for row in sorted(rows, key=lambda one: not one.text("timeframe_group_id")):
            found[row.text("network_id")].append(
                DistanceFare(
                    row.text("leg_group_id"),
                    row.text("fare_product_id"),
                    self.minor(row.decimal("base_amount")),
                    *self._rate(row.decimal("per_km_amount")),
                    max(1, _metres(row.decimal("step_km"))),
                    Rounding(row.text("step_rounding") or "half_up"),
                    self._maybe(row.decimal("min_amount")),
                    self._maybe(row.decimal("max_amount")),
                    row.text("timeframe_group_id"),
                    row.where,
                )
            )
        return {network: tuple(ones) for network, ones in found.items()}

    def _rate(self, amount: Decimal | None) -> tuple[int, int]:
        """Return what a kilometre costs as so many parts of a minor unit, and how many parts a unit has."""
        minor = Fraction(amount or 0) * 10 ** EXPONENTS[self.money.code]
        return minor.numerator, minor.denominator

    def park_benefits(self, rows: Iterable[Row]) -> tuple[ParkBenefit, ...]:
        return tuple(
            ParkBenefit(
                row.text("benefit_id"),
                frozenset(row.ids("place_ids")),
                frozenset(row.ids("network_ids")),
                frozenset(OperatorId(one) for one in row.ids("operator_ids")),
                ParkedBy(row.text("parked_by") or "stay"),
                ParkTiming(row.text("timing") or "same_day"),
                row.text("card") != "account",
                row.whole("share_percent"),
                self._maybe(row.decimal("amount")) or 0,
                Rounding(row.text("rounding") or "up"),
                row.whole("max_rides"),
                row.text("funder"),
            )
            for row in rows
        )

    def caps(self, rows: Iterable[Row], numbers: Mapping[str, int]) -> tuple[Cap, ...]:
        return tuple(
            Cap(
                row.text("cap_id"),
                Period(row.text("period")),
                (row.whole("period_days") or 0) * 24 * 3600 * _US,
                self._maybe(row.decimal("amount")),
                row.whole("rides"),
                frozenset(row.ids("network_ids")),
                frozenset(row.ids("operator_ids")),
                category_of(row, numbers),
                frozenset(row.ids("area_ids")),
                row.text("timeframe_group_id"),
                frozenset(row.ids("fare_media_ids")),
            )
            for row in rows
        )
