"""Rows that compile without the tariff's currency: calendars, areas, transfers, joins, concessions."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from fare.gtfs.table import EPOCH, FOREVER, Row
from fare.rules.match import NO_AREAS
from fare.rules.terms import (
    Basis,
    Dearer,
    Discount,
    JoinStops,
    Restart,
    ShareRule,
    TransferRule,
    TransferWindow,
)
from fare.rules.timeframe import Frame, Service, Timeframes
from kernel.money import Rounding
from kernel.wire.cardinfo import Concession

_US: Final = 1_000_000
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def only_route(positions: dict[str, dict[str, int]]) -> dict[str, str]:
    found: dict[str, set[str]] = defaultdict(set)
    for route, stops in positions.items():
        for stop in stops:
            found[stop].add(route)
    return {stop: next(iter(routes)) for stop, routes in found.items() if len(routes) == 1}


def areas(stops: Iterable[Row], stop_areas: Iterable[Row]) -> dict[str, frozenset[str]]:
    """Return each stop's areas, mostly none; a station's flow to its platforms unless a platform has its own."""
    own: dict[str, set[str]] = defaultdict(set)
    for row in stop_areas:
        own[row.text("stop_id")].add(row.text("area_id"))
    found = {stop: frozenset(areas) for stop, areas in own.items()}
    for row in stops:
        stop, parent = row.text("stop_id"), row.text("parent_station")
        if stop not in found:
            found[stop] = frozenset(own[parent]) if parent in own else NO_AREAS
    return found


def stations(stops: Iterable[Row]) -> dict[str, str]:
    """Return the station of every platform; a stop that stands alone is left out."""
    return {row.text("stop_id"): row.text("parent_station") for row in stops if row.text("parent_station")}


def stop_zones(stops: Iterable[Row], parents: Mapping[str, str], zone: ZoneInfo) -> dict[str, ZoneInfo]:
    """Return the time zones of stops that lie in another one than the tariff; a platform has its station's."""
    own = {row.text("stop_id"): row.text("stop_timezone") for row in stops}
    found = {stop: own.get(parents.get(stop, ""), "") or name for stop, name in own.items()}
    return {stop: ZoneInfo(name) for stop, name in found.items() if name and name != zone.key}


def transfers(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[TransferRule, ...]]:
    found: dict[tuple[str, str], list[TransferRule]] = defaultdict(list)
    for row in rows:
        limit = row.whole("duration_limit")
        found[row.text("from_leg_group_id"), row.text("to_leg_group_id")].append(
            TransferRule(
                row.whole("fare_transfer_type") or 0,
                row.whole("transfer_count"),
                None if limit is None else limit * _US,
                row.whole("duration_limit_type") or 0,
                row.text("edge") != "exclusive",
                row.text("fare_product_id"),
                row.where,
            )
        )
    return {pair: tuple(rules) for pair, rules in found.items()}


def joins(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[JoinStops, ...]]:
    found: dict[tuple[str, str], list[JoinStops]] = defaultdict(list)
    for row in rows:
        within_s = row.whole("within_s")
        found[row.text("from_network_id"), row.text("to_network_id")].append(
            JoinStops(
                row.text("from_stop_id"), row.text("to_stop_id"), None if within_s is None else within_s * _US
            )
        )
    return {pair: tuple(stops) for pair, stops in found.items()}


def windows(rows: Iterable[Row]) -> tuple[TransferWindow, ...]:
    return tuple(
        TransferWindow(
            row.text("window_id"),
            frozenset(row.ids("network_ids")),
            (row.whole("duration_s") or 0) * _US,
            row.text("edge") == "inclusive",
            row.whole("max_uses"),
            Dearer(row.text("dearer") or "free"),
            row.text("in_debt") == "withhold",
            frozenset(row.ids("operator_ids")),
            None if row.whole("gap_s") is None else (row.whole("gap_s") or 0) * _US,
            frozenset((start, end) for start, _, end in (pair.partition(">") for pair in row.ids("pairs"))),
            row.text("same_route") != "refuse",
            Restart(row.text("restart") or "never"),
        )
        for row in rows
    )


def shares(rows: Iterable[Row]) -> tuple[ShareRule, ...]:
    return tuple(
        ShareRule(row.text("share_id"), frozenset(row.ids("network_ids")), Basis(row.text("basis")))
        for row in rows
    )


def category_of(row: Row, numbers: Mapping[str, int]) -> int | None:
    """Return the number of the category a row is for: the card's, or one of the tariff's own; None for everybody."""
    if row.text("card_category"):
        return Concession[row.text("card_category")].value
    own = row.text("rider_category_id")
    return numbers[own] if own else None


def discounts(rows: Iterable[Row], numbers: Mapping[str, int]) -> dict[int, tuple[Discount, ...]]:
    found: dict[int, list[Discount]] = defaultdict(list)
    for row in rows:
        category = category_of(row, numbers)
        assert category is not None, "a checked concession names its category"
        found[category].append(
            Discount(
                row.text("concession_id"),
                frozenset(row.ids("network_ids")),
                frozenset(row.ids("operator_ids")),
                row.whole("share_percent") or 0,
                Rounding(row.text("rounding") or "up"),
                row.text("funder"),
            )
        )
    return {category: tuple(ones) for category, ones in found.items()}


def timeframes(
    calendars: Iterable[Row], dates: Iterable[Row], rows: Iterable[Row], zone: ZoneInfo, *, used: bool
) -> Timeframes:
    """Return the timeframes with the calendars they run on; a service may stand in calendar_dates.txt alone."""
    changes: dict[str, tuple[set[date], set[date]]] = defaultdict(lambda: (set(), set()))
    for row in dates:
        day = row.day("date")
        if day is not None:
            changes[row.text("service_id")][(row.whole("exception_type") or 1) - 1].add(day)
    services: dict[str, Service] = {}
    calendar = {row.text("service_id"): row for row in calendars}
    for name in sorted({*calendar, *changes}):
        found = calendar.get(name)
        added, removed = changes[name]
        services[name] = Service(
            tuple(bool(found and found.whole(weekday)) for weekday in _WEEKDAYS),
            (found.day("start_date") if found else None) or FOREVER,
            (found.day("end_date") if found else None) or EPOCH,
            frozenset(added),
            frozenset(removed),
        )
    frames = tuple(
        Frame(
            row.text("timeframe_group_id"),
            row.whole("start_time") or 0,
            24 * 3600 if row.whole("end_time") is None else row.whole("end_time") or 0,
            row.text("service_id"),
        )
        for row in rows
    )
    return Timeframes(zone, frames, services, any_used=used)
