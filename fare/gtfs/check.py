"""What must hold between rows of a tariff, with MobilityData's notice names where it has one."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches
from itertools import combinations

from fare.gtfs.check_values import ends_are_known, in_order, same_place_once
from fare.gtfs.schema import FILES, Column, Kind
from fare.gtfs.table import Feed, Notice, Row, Severity

_MIDNIGHT_S = 24 * 3600


def check_feed(feed: Feed) -> list[Notice]:
    """Return what is wrong between the rows of a feed; an empty list is a sound tariff."""
    notices: list[Notice] = []
    for check in (
        _foreign_keys,
        _networks,
        _timeframes,
        _categories,
        _media,
        _transfers,
        _joins,
        _extensions,
        _bands,
        _one,
        ends_are_known,
        in_order,
        same_place_once,
    ):
        notices.extend(check(feed))
    return notices


def _foreign_keys(feed: Feed) -> Iterator[Notice]:
    known: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for file, field in sorted(
        {pair for spec in FILES.values() for column in spec.columns for pair in column.refers}
    ):
        found: dict[str, list[Row]] = defaultdict(list)
        for row in feed.of(file):
            if row.text(field):
                found[row.text(field)].append(row)
        known[file, field] = found
    for name, spec in FILES.items():
        for column in (one for one in spec.columns if one.refers):
            for row in feed.of(name):
                for value in _referred(row, column):
                    if not value:
                        continue
                    targets = [one for pair in column.refers for one in known[pair].get(value, ())]
                    place = " or ".join(f"{file} {field}" for file, field in column.refers)
                    if not targets:
                        near = get_close_matches(
                            value, {one for pair in column.refers for one in known[pair]}, 1
                        )
                        meant = f" (there is “{near[0]}”)" if near else ""
                        detail = f"“{value}” is not in {place}{meant}"
                        yield Notice(name, row.number, column.name, "foreign_key_violation", detail)
                    elif not any(row.overlaps(target) for target in targets):
                        detail = f"“{value}” is in {place}, but not on the dates of this row"
                        yield Notice(name, row.number, column.name, "foreign_key_violation", detail)


def _referred(row: Row, column: Column) -> Iterator[str]:
    for value in row.ids(column.name) or (row.text(column.name),):
        yield from value.split(">") if column.kind is Kind.PAIRS else (value,)


def _networks(feed: Feed) -> Iterator[Notice]:
    if not feed.has_column("routes.txt", "network_id"):
        return
    for file in ("networks.txt", "route_networks.txt"):
        if file in feed.columns:
            detail = "routes.txt has a network_id column, so this file must not be there"
            yield Notice(file, 0, "network_id", "route_networks_specified_in_more_than_one_file", detail)


def _timeframes(feed: Feed) -> Iterator[Notice]:
    groups: dict[tuple[str, str], list[tuple[int, int, Row]]] = defaultdict(list)
    for row in feed.of("timeframes.txt"):
        start, end = row.whole("start_time"), row.whole("end_time")
        if (start is None) != (end is None):
            field = "start_time" if start is None else "end_time"
            detail = "both times or neither"
            yield Notice(row.file, row.number, field, "timeframe_only_start_or_end_time_specified", detail)
            continue
        first, last = start or 0, _MIDNIGHT_S if end is None else end
        for field, value in (("start_time", first), ("end_time", last)):
            if value > _MIDNIGHT_S:
                code = "timeframe_start_or_end_time_greater_than_twenty_four_hours"
                yield Notice(row.file, row.number, field, code, "24:00:00 is the latest")
        if first >= last:
            order = "equal" if first == last else "out_of_order"
            detail = "it ends as it starts" if first == last else "it ends before it starts"
            yield Notice(row.file, row.number, "end_time", f"start_and_end_range_{order}", detail)
        group = groups[row.text("timeframe_group_id"), row.text("service_id")]
        for other_first, other_last, other in group:
            if first < other_last and other_first < last and row.overlaps(other):
                detail = f"row {other.number} covers part of the same time"
                yield Notice(row.file, row.number, "start_time", "timeframe_overlap", detail)
        group.append((first, last, row))


def _categories(feed: Feed) -> Iterator[Notice]:
    default = {
        row.text("rider_category_id")
        for row in feed.of("rider_categories.txt")
        if row.whole("is_default_fare_category")
    }
    products: dict[str, list[Row]] = defaultdict(list)
    for row in feed.of("fare_products.txt"):
        products[row.text("fare_product_id")].append(row)
    for product, rows in products.items():
        for row, other in combinations(rows, 2):
            one, two = row.text("rider_category_id"), other.text("rider_category_id")
            if one != two and one in default and two in default and row.overlaps(other):
                code = "fare_product_with_multiple_default_rider_categories"
                detail = f"“{product}” has the default categories {one} and {two}"
                yield Notice(other.file, other.number, "rider_category_id", code, detail)
        named = [row for row in rows if row.text("rider_category_id")]
        if len({row.text("rider_category_id") for row in named}) > 1 and not any(
            row.text("rider_category_id") in default for row in named
        ):
            detail = f"“{product}” is for several rider categories, of which none is the default"
            yield Notice(
                named[0].file, named[0].number, "rider_category_id", "fare_product_without_default", detail
            )


def _media(feed: Feed) -> Iterator[Notice]:
    seen: list[Row] = []
    for row in feed.of("fare_media.txt"):
        for other in seen:
            same = (row.text("fare_media_name"), row.whole("fare_media_type")) == (
                other.text("fare_media_name"),
                other.whole("fare_media_type"),
            )
            if same and row.text("fare_media_name") and row.overlaps(other):
                detail = f"row {other.number} has the same name and type"
                yield Notice(row.file, row.number, "fare_media_id", "duplicate_fare_media", detail)
        seen.append(row)


def _transfers(feed: Feed) -> Iterator[Notice]:
    groups = {
        row.text("leg_group_id")
        for file in ("fare_leg_rules.txt", "distance_fares.txt", "distance_bands.txt", "fare_matrix.txt")
        for row in feed.of(file)
    }
    for row in feed.of("fare_transfer_rules.txt"):
        limited, kind = row.whole("duration_limit"), row.whole("duration_limit_type")
        at = (row.file, row.number)
        if limited is not None and kind is None:
            code = "fare_transfer_rule_duration_limit_without_type"
            yield Notice(*at, "duration_limit_type", code, "a limit needs its type")
        if limited is None and kind is not None:
            code = "fare_transfer_rule_duration_limit_type_without_duration_limit"
            yield Notice(*at, "duration_limit", code, "a type needs its limit")
        start, end, count = (
            row.text("from_leg_group_id"),
            row.text("to_leg_group_id"),
            row.whole("transfer_count"),
        )
        if start and start == end:
            if count is None:
                code = "fare_transfer_rule_without_transfer_count"
                yield Notice(*at, "transfer_count", code, "required within one leg group")
            elif count == 0 or count < -1:
                code = "fare_transfer_rule_invalid_transfer_count"
                yield Notice(*at, "transfer_count", code, f"{count} is neither -1 nor at least 1")
        elif count is not None:
            code = "fare_transfer_rule_with_forbidden_transfer_count"
            yield Notice(*at, "transfer_count", code, "only between legs of one group")
        for field, group in (("from_leg_group_id", start), ("to_leg_group_id", end)):
            if group and group not in groups:
                detail = f"“{group}” is no leg group of fare_leg_rules.txt"
                yield Notice(*at, field, "foreign_key_violation", detail)


def _joins(feed: Feed) -> Iterator[Notice]:
    for row in feed.of("fare_leg_join_rules.txt"):
        missing = [field for field in ("from_stop_id", "to_stop_id") if not row.text(field)]
        if len(missing) == 1:
            yield Notice(row.file, row.number, missing[0], "missing_required_field", "both stops or neither")


def _extensions(feed: Feed) -> Iterator[Notice]:
    for row in feed.of("caps.txt"):
        if (row.decimal("amount") is None) == (row.whole("rides") is None):
            yield Notice(
                row.file,
                row.number,
                "amount",
                "cap_needs_amount_or_rides",
                "a cap has exactly one of the two",
            )
        if row.decimal("amount") is not None and not row.text("currency"):
            yield Notice(
                row.file, row.number, "currency", "missing_required_field", "an amount needs its currency"
            )
        if (row.text("period") == "rolling") != (row.whole("period_days") is not None):
            yield Notice(
                row.file, row.number, "period_days", "cap_period_days", "for rolling caps, and only for them"
            )
    for file in ("caps.txt", "concessions.txt"):
        for row in feed.of(file):
            named = [name for name in ("card_category", "rider_category_id") if row.text(name)]
            if len(named) > 1 or (file == "concessions.txt" and not named):
                detail = "the card's category or one of the tariff's own, not both" if named else "whose?"
                yield Notice(file, row.number, "card_category", "one_category", detail)
    for row in feed.of("incomplete_rides.txt"):
        if row.text("action") == "apart" and row.text("case") != "over_long":
            yield Notice(row.file, row.number, "action", "action_for_case", "“apart” is for over_long only")
        if row.whole("history_days") is not None and row.whole("history_rides") is None:
            detail = "how many rides make a habit?"
            yield Notice(row.file, row.number, "history_rides", "missing_required_field", detail)
    for row in feed.of("passes.txt"):
        if row.text("validity") == "days" and row.whole("validity_count") is None:
            yield Notice(row.file, row.number, "validity_count", "missing_required_field", "how many days?")
    for row in feed.of("pass_terms.txt"):
        if row.decimal("fee_amount") is not None and not row.text("currency"):
            yield Notice(
                row.file, row.number, "currency", "missing_required_field", "an amount needs its currency"
            )
    for file in ("incomplete_rides.txt", "same_station_exits.txt"):
        for row in feed.of(file):
            if (row.text("action") == "product") != bool(row.text("fare_product_id")):
                detail = "with the action “product”, and only with it"
                yield Notice(file, row.number, "fare_product_id", "product_with_action", detail)
    for row in feed.of("park_and_ride.txt"):
        if (row.whole("share_percent") is None) == (row.decimal("amount") is None):
            detail = "a share of the fare or an amount, exactly one of the two"
            yield Notice(row.file, row.number, "share_percent", "park_and_ride_needs_share_or_amount", detail)
        if row.decimal("amount") is not None and not row.text("currency"):
            yield Notice(
                row.file, row.number, "currency", "missing_required_field", "an amount needs its currency"
            )
    for row in feed.of("waivers.txt"):
        if row.text("area_rule") != "everywhere" and not row.ids("area_ids"):
            detail = "no area is listed, so this waiver waives nothing yet"
            unknown = row.text("status") == "unknown"
            severity = Severity.WARNING if unknown else Severity.ERROR
            yield Notice(row.file, row.number, "area_ids", "waiver_without_area", detail, severity.value)


def _bands(feed: Feed) -> Iterator[Notice]:
    bands = feed.of("length_bands.txt")
    if not bands:
        return
    networks: dict[str, list[Row]] = defaultdict(list)
    for row in feed.of("route_networks.txt"):
        networks[row.text("route_id")].append(row)
    for row in feed.of("route_lengths.txt"):
        length = row.decimal("length_km")
        if length is None:
            continue
        for placed in networks[row.text("route_id")]:
            for band in bands:
                low, high = band.decimal("from_km"), band.decimal("to_km")
                inside = low is not None and low <= length and (high is None or length < high)
                named = band.text("network_id") == placed.text("network_id")
                if inside != named and row.overlaps(placed) and row.overlaps(band) and placed.overlaps(band):
                    detail = f"{length} km and network {placed.text('network_id')} disagree on the band {band.where}"
                    yield Notice(
                        placed.file, placed.number, "network_id", "network_disagrees_with_length", detail
                    )
                    break


def _one(feed: Feed) -> Iterator[Notice]:
    rows = feed.of("tariff.txt")
    for row in rows[1:]:
        yield Notice(row.file, row.number, "tariff_version", "more_than_one_entity", "one tariff, one row")
    code = rows[0].text("currency") if rows else ""
    for spec in FILES.values():
        for row in feed.of(spec.name):
            if code and row.text("currency") not in {"", code}:
                detail = f"{row.text('currency')} in a tariff of {code}"
                yield Notice(spec.name, row.number, "currency", "currency_mismatch", detail)
    for row in rows:
        starts = row.whole("day_starts")
        if starts is not None and starts >= timedelta(days=1).total_seconds():
            yield Notice(
                row.file, row.number, "day_starts", "number_out_of_range", "a day starts before 24:00"
            )
