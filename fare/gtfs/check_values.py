"""Values that each fit their column and make no sense together, or none at all."""

from collections.abc import Iterator
from typing import Final

from fare.gtfs.table import Feed, Notice, Row, Severity

_MEASURED: Final = ("fare_matrix.txt", "distance_fares.txt", "distance_bands.txt")
# The second of two cells lies not before the first, or, where it says so, after it.
_ORDERED: Final = (
    ("calendar.txt", "start_date", "end_date", False),
    ("same_station_exits.txt", "from_s", "to_s", True),
    ("length_bands.txt", "from_km", "to_km", True),
    ("distance_fares.txt", "min_amount", "max_amount", False),
)
# The least that a cell holds: nothing, or more than nothing.
_LEAST: Final = (
    ("caps.txt", "amount", False),
    ("passes.txt", "amount", False),
    ("pass_terms.txt", "fee_amount", False),
    ("park_and_ride.txt", "amount", True),
    ("cash_rounding.txt", "step_amount", True),
    ("distance_fares.txt", "step_km", True),
)


def in_order(feed: Feed) -> Iterator[Notice]:
    """Yield ranges that end before they start, and steps and limits below what they can be."""
    for file, start, end, strictly in _ORDERED:
        for row in feed.of(file):
            first, last = _value(row, start), _value(row, end)
            if first is not None and last is not None and (last < first or (strictly and last == first)):
                order = "equal" if last == first else "out_of_order"
                detail = f"{end} is not after {start}" if strictly else f"{end} is before {start}"
                yield Notice(file, row.number, end, f"start_and_end_range_{order}", detail)
    for file, field, strictly in _LEAST:
        for row in feed.of(file):
            value = row.decimal(field)
            if value is not None and (value < 0 or (strictly and value == 0)):
                least = "more than nothing" if strictly else "not below nothing"
                yield Notice(file, row.number, field, "number_out_of_range", f"“{value}” must be {least}")
    for row in feed.of("ride_rules.txt"):
        if (row.whole("companions") or 1) > 1 and not row.whole("passback_s"):
            detail = "companions tap within the passback interval, and there is none"
            yield Notice(row.file, row.number, "passback_s", "missing_required_field", detail)


def _value(row: Row, field: str) -> int | None:
    """Return a cell as a whole number that sorts as it does: a date's ordinal, billionths of a decimal."""
    day, amount = row.day(field), row.decimal(field)
    if day is not None:
        return day.toordinal()
    return row.whole(field) if amount is None else int(amount.scaleb(9))


def same_place_once(feed: Feed) -> Iterator[Notice]:
    """Yield what is said twice of one thing: the way back of a pair of stops, a time that two exit bands hold."""
    for file in ("fare_matrix.txt", "stop_distances.txt"):
        seen: dict[tuple[str, ...], list[Row]] = {}
        others = ("network_id", "fare_media_id", "rider_category_id", "timeframe_group_id")
        for row in feed.of(file):
            stops = row.text("from_stop_id"), row.text("to_stop_id")
            key = tuple(row.text(name) for name in others)
            back = seen.get((*key, *stops[::-1]), ())
            for other in back:
                if (row.whole("both_ways") or other.whole("both_ways")) and row.overlaps(other):
                    detail = f"row {other.number} has the same stops the other way, and one of them holds both ways"
                    yield Notice(file, row.number, "from_stop_id", "duplicate_key", detail)
            seen.setdefault((*key, *stops), []).append(row)
    bands: dict[str, list[Row]] = {}
    for row in feed.of("same_station_exits.txt"):
        first, last = row.whole("from_s") or 0, row.whole("to_s")
        for other in bands.setdefault(row.text("network_id"), []):
            start, end = other.whole("from_s") or 0, other.whole("to_s")
            apart = (end is not None and end <= first) or (last is not None and last <= start)
            if not apart and row.overlaps(other) and first != start:
                detail = f"row {other.number} holds for part of the same time"
                yield Notice(row.file, row.number, "from_s", "exit_band_overlap", detail)
        bands[row.text("network_id")].append(row)


def ends_are_known(feed: Feed) -> Iterator[Notice]:
    """Warn of networks that boarding settles although each of their fares asks where, or when, the ride ends."""
    rules = {row.text("network_id"): row for row in feed.of("ride_rules.txt")}
    networks = {
        row.text("network_id") for file in ("networks.txt", "routes.txt") for row in feed.of(file)
    } - {""}
    told = set()
    for network in sorted(networks):
        rule = rules.get(network) or rules.get("")
        if rule is None or rule.text("settled_by") != "boarding" or rule.number in told:
            continue
        fares = [row for row in feed.of("fare_leg_rules.txt") if row.text("network_id") in {"", network}]
        measured = any(row.text("network_id") == network for file in _MEASURED for row in feed.of(file))
        if (fares or measured) and all(
            row.text("to_area_id") or row.text("to_timeframe_group_id") for row in fares
        ):
            told.add(rule.number)
            detail = f"every fare of network {network} asks for the ride's end, which boarding does not know: “ride”?"
            yield Notice(
                rule.file, rule.number, "settled_by", "boarding_knows_no_end", detail, Severity.WARNING.value
            )
