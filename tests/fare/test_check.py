"""Every import error is refused with its file, row, field and MobilityData's notice name."""

import pytest

from fare.gtfs.load import bundle_digest, check_files, check_tariff, load_tariff, pack
from fare.gtfs.read import files_of
from fare.gtfs.table import TariffInvalidError
from tests.fare.cities import HANOI, HERE


def _with(name: str, **changed: str | None):
    """Check a test tariff with some files replaced (or, by None, taken away)."""
    files = dict(files_of(HERE / name))
    for stem, text in changed.items():
        if text is None:
            files.pop(f"{stem}.txt", None)
        else:
            files[f"{stem}.txt"] = text.encode()
    return check_files(files)


PRODUCTS = "fare_product_id,amount,currency\ncore,2.00,USD\n"
TRANSFERS = (
    "from_leg_group_id,to_leg_group_id,transfer_count,duration_limit,duration_limit_type,fare_transfer_type\n"
)
FRAMES = "timeframe_group_id,start_time,end_time,service_id\n"
CALENDAR = (
    "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
    "all,1,1,1,1,1,1,1,20200101,20301231\n"
)
CATEGORIES = "rider_category_id,is_default_fare_category\nadult,1\nchild,{}\n"


@pytest.mark.parametrize(
    ("changed", "code", "file", "row", "field"),
    [
        ({"fare_transfer_rules": TRANSFERS + "core,core,1,5400,,0\n"},
         "fare_transfer_rule_duration_limit_without_type", "fare_transfer_rules.txt", 2, "duration_limit_type"),
        ({"fare_transfer_rules": TRANSFERS + "core,core,1,,1,0\n"},
         "fare_transfer_rule_duration_limit_type_without_duration_limit", "fare_transfer_rules.txt", 2, "duration_limit"),
        ({"fare_transfer_rules": TRANSFERS + "core,core,0,,,0\n"},
         "fare_transfer_rule_invalid_transfer_count", "fare_transfer_rules.txt", 2, "transfer_count"),
        ({"fare_transfer_rules": TRANSFERS + "core,core,-1,,,0\ncore,core,-2,,,0\n"},
         "fare_transfer_rule_invalid_transfer_count", "fare_transfer_rules.txt", 3, "transfer_count"),
        ({"fare_transfer_rules": TRANSFERS + "core,core,,,,0\n"},
         "fare_transfer_rule_without_transfer_count", "fare_transfer_rules.txt", 2, "transfer_count"),
        ({"fare_transfer_rules": TRANSFERS + "core,,1,,,0\n"},
         "fare_transfer_rule_with_forbidden_transfer_count", "fare_transfer_rules.txt", 2, "transfer_count"),
        ({"fare_transfer_rules": TRANSFERS + "core,gone,,,,0\n"},
         "foreign_key_violation", "fare_transfer_rules.txt", 2, "to_leg_group_id"),
        ({"fare_transfer_rules": TRANSFERS + "core,core,1,,,3\n"},
         "unexpected_enum_value", "fare_transfer_rules.txt", 2, "fare_transfer_type"),
        ({"calendar": CALENDAR, "timeframes": FRAMES + "a,06:00:00,09:00:00,all\na,08:59:59,10:00:00,all\n"},
         "timeframe_overlap", "timeframes.txt", 3, "start_time"),
        ({"calendar": CALENDAR, "timeframes": FRAMES + "a,06:00:00,24:00:01,all\n"},
         "timeframe_start_or_end_time_greater_than_twenty_four_hours", "timeframes.txt", 2, "end_time"),
        ({"calendar": CALENDAR, "timeframes": FRAMES + "a,06:00:00,,all\n"},
         "timeframe_only_start_or_end_time_specified", "timeframes.txt", 2, "end_time"),
        ({"calendar": CALENDAR, "timeframes": FRAMES + "a,,06:00:00,all\n"},
         "timeframe_only_start_or_end_time_specified", "timeframes.txt", 2, "start_time"),
        ({"calendar": CALENDAR, "timeframes": FRAMES + "a,,,never\n"},
         "foreign_key_violation", "timeframes.txt", 2, "service_id"),
        ({"rider_categories": CATEGORIES.format(1),
          "fare_products": "fare_product_id,rider_category_id,amount,currency\ncore,adult,2.00,USD\ncore,child,1.00,USD\n"},
         "fare_product_with_multiple_default_rider_categories", "fare_products.txt", 3, "rider_category_id"),
        ({"rider_categories": "rider_category_id,is_default_fare_category\nadult,\nchild,\n",
          "fare_products": "fare_product_id,rider_category_id,amount,currency\ncore,adult,2.00,USD\ncore,child,1.00,USD\n"},
         "fare_product_without_default", "fare_products.txt", 2, "rider_category_id"),
        ({"fare_media": "fare_media_id,fare_media_name,fare_media_type\nx,Card,2\ny,Card,2\n"},
         "duplicate_fare_media", "fare_media.txt", 3, "fare_media_id"),
        ({"fare_media": "fare_media_id,fare_media_type\nx,2\nx,4\n"},
         "duplicate_fare_media", "fare_media.txt", 3, "fare_media_id"),
        ({"fare_leg_rules": "leg_group_id,network_id,fare_product_id\ncore,bus,core\ncore,tram,core\n"},
         "foreign_key_violation", "fare_leg_rules.txt", 3, "network_id"),
        ({"fare_leg_rules": "leg_group_id,network_id,fare_product_id\ncore,bus,none\n"},
         "foreign_key_violation", "fare_leg_rules.txt", 2, "fare_product_id"),
        ({"routes": "route_id,agency_id,route_type,network_id\nb1,a,3,bus\nb2,a,3,bus\n"},
         "route_networks_specified_in_more_than_one_file", "route_networks.txt", 0, "network_id"),
        ({"fare_products": None}, "missing_required_file", "fare_products.txt", 0, ""),
        ({"fare_products": "fare_product_id,amount\ncore,2.00\n"},
         "missing_required_column", "fare_products.txt", 1, "currency"),
        ({"fare_products": "fare_product_id,amount,currency\ncore,,USD\n"},
         "missing_required_field", "fare_products.txt", 2, "amount"),
        ({"fare_products": "fare_product_id,amount,currency\ncore,2.00,USS\n"},
         "invalid_currency", "fare_products.txt", 2, "currency"),
        ({"fare_products": "fare_product_id,amount,currency\ncore,2.0,USD\n"},
         "invalid_currency_amount", "fare_products.txt", 2, "amount"),
        ({"fare_products": "fare_product_id,amount,currency\ncore,1e2,USD\n"},
         "invalid_currency_amount", "fare_products.txt", 2, "amount"),
        ({"fare_products": "fare_product_id,amount,currency\ncore,2.00,EUR\n"},
         "currency_mismatch", "fare_products.txt", 2, "currency"),
        ({"fare_products": PRODUCTS + "core,3.00,USD\n"}, "duplicate_key", "fare_products.txt", 3, "fare_product_id"),
        ({"fare_products": PRODUCTS + "core,3.00\n"}, "invalid_row_length", "fare_products.txt", 3, ""),
        ({"fare_products": "fare_product_id,amount,currency,valid_from,valid_to\ncore,2.00,USD,2026-02-01,2026-01-31\n"},
         "start_and_end_range_out_of_order", "fare_products.txt", 2, "valid_to"),
        ({"fare_products": "fare_product_id,amount,currency,valid_from\ncore,2.00,USD,2026-02-30\n"},
         "invalid_date", "fare_products.txt", 2, "valid_from"),
        ({"tariff": "tariff_version,zone,day_starts,currency\nx,Mars/Olympus,03:00:00,USD\n"},
         "invalid_timezone", "tariff.txt", 2, "zone"),
        ({"tariff": "tariff_version,zone,day_starts,currency\nx,UTC,24:00:00,USD\n"},
         "number_out_of_range", "tariff.txt", 2, "day_starts"),
        ({"caps": "cap_id,period,amount,currency,rides\nday,day,4.00,USD,3\n"},
         "cap_needs_amount_or_rides", "caps.txt", 2, "amount"),
        ({"caps": "cap_id,period,rides\nlong,rolling,3\n"}, "cap_period_days", "caps.txt", 2, "period_days"),
        ({"caps": "cap_id,period,rides,netwrok_ids\nday,day,3,bus\n"}, "unknown_column", "caps.txt", 1, "netwrok_ids"),
        ({"incomplete_rides": "network_id,case,action\nbus,missing_off,product\n"},
         "product_with_action", "incomplete_rides.txt", 2, "fare_product_id"),
        ({"waivers": "waiver_id,area_rule,funder\nring,within,city\n"},
         "waiver_without_area", "waivers.txt", 2, "area_ids"),
    ],
)  # fmt: skip
def test_import_error_is_refused_where_it_stands(changed, code, file, row, field):
    checked = _with("mta", **changed)
    assert (code, file, row, field) in {(one.code, one.file, one.row, one.field) for one in checked.errors}
    assert checked.book is None


def test_route_network_that_contradicts_the_published_length_is_refused():
    files = dict(files_of(HERE / "hanoi_bands"))
    files["route_networks.txt"] = files["route_networks.txt"].replace(b"lt15,14.9", b"b15,14.9")
    (found,) = check_files(files).errors
    assert (found.code, found.file, found.row) == ("network_disagrees_with_length", "route_networks.txt", 2)


def test_undecodable_file_is_refused_and_not_guessed():
    checked = _with("mta")
    assert checked.book is not None
    files = dict(files_of(HERE / "mta")) | {"fare_products.txt": b"\xff\xfe\x00"}
    assert {one.code for one in check_files(files).errors} >= {"csv_parsing_failed"}


def test_row_may_refer_only_to_rows_that_hold_on_its_dates():
    checked = _with(
        "mta",
        fare_products="fare_product_id,amount,currency,valid_to\ncore,2.00,USD,2025-12-31\n",
        fare_leg_rules="leg_group_id,network_id,fare_product_id,valid_from\ncore,bus,core,2026-01-01\n",
    )
    assert [(one.code, one.field) for one in checked.errors] == [("foreign_key_violation", "fare_product_id")]


def test_same_key_may_come_again_on_other_dates():
    checked = _with(
        "mta",
        fare_products="fare_product_id,amount,currency,valid_from,valid_to\ncore,2.00,USD,,2025-12-31\ncore,3.00,USD,2026-01-01,\n",
    )
    assert not checked.errors
    assert checked.book is not None
    assert len(checked.book.intervals()) == 2


def test_unknown_file_only_warns_and_stays_out_of_the_bundle():
    checked = _with("mta", surprise="a\n1\n")
    assert [(one.code, one.severity) for one in checked.notices] == [("unknown_file", "warning")]
    assert checked.book is not None
    assert checked.book.sha256 == load_tariff(HERE / "mta").sha256


def test_load_refuses_with_every_error():
    with pytest.raises(TariffInvalidError) as caught:
        load_tariff(pack({"tariff.txt": b"tariff_version,zone,day_starts,currency\nx,UTC,25:99:00,USS\n"}))
    assert {one.code for one in caught.value.notices} >= {
        "invalid_time",
        "invalid_currency",
        "missing_required_file",
    }


def test_bundle_bytes_depend_on_content_alone():
    files = files_of(HERE / "mta")
    backwards = dict(sorted(files.items(), reverse=True))
    assert pack(files) == pack(backwards)
    assert bundle_digest(pack(files)) != bundle_digest(
        pack(files | {"agency.txt": files["agency.txt"] + b"\n"})
    )
    assert load_tariff(pack(files)).sha256 == load_tariff(HERE / "mta").sha256


def test_hanoi_has_no_error_and_says_what_it_does_not_know():
    checked = check_tariff(HANOI)
    assert [(one.code, one.file) for one in checked.notices] == [("waiver_without_area", "waivers.txt")]
    feed = checked.feed
    assert len([row for row in feed.of("routes.txt") if row.whole("route_type") == 3]) == 98
    assert {row.text("status") for row in feed.of("route_lengths.txt")} == {"inferred"}
    between = [row for row in feed.of("station_positions.txt") if "UNKNOWN" in row.text("note")]
    assert {row.text("status") for row in between} == {"placeholder"}
    assert len(between) == 9 + 5
    for file in ("fare_products.txt", "fare_matrix.txt", "passes.txt", "concessions.txt", "waivers.txt"):
        assert all(row.text("decision") and row.text("source") for row in feed.of(file)), file


def test_one_wrong_id_is_one_error_that_names_all_who_stumble_over_it():
    files = dict(files_of(HERE / "mta"))
    files["networks.txt"] = files["networks.txt"].replace(b"bus", b"buss")
    found = check_files(files).errors
    assert [one.code for one in found] == ["foreign_key_violation"]
    assert "“bus” is not in networks.txt" in found[0].detail
    assert "there is “buss”" in found[0].detail
    assert "; also " in found[0].detail


def test_a_wrong_currency_of_the_tariff_is_one_error():
    (found,) = _with(
        "mta", tariff="tariff_version,zone,day_starts,currency\nx,America/New_York,03:00:00,EUR\n"
    ).errors
    assert (found.code, found.file) == ("currency_mismatch", "fare_products.txt")


def test_who_refers_to_a_file_that_cannot_be_read_is_not_blamed():
    (found,) = _with("mta", networks="network_id,network_id\nbus,bus\n").errors
    assert (found.code, found.file) == ("duplicated_column", "networks.txt")
    (found,) = _with("mta", fare_products=None).errors
    assert found.code == "missing_required_file"


def test_two_mistakes_stay_two():
    found = _with(
        "mta", fare_leg_rules="leg_group_id,network_id,fare_product_id\ncore,bus,none\ncore,tram,core\n"
    ).errors
    assert sorted(one.field for one in found) == ["fare_product_id", "network_id"]


def test_what_no_source_decides_is_unknown_and_says_so_where_riders_and_authors_look():
    """HANOI.md: where a fact is unknown, a parameter with an explicit owner decision; nothing is invented."""
    checked = check_tariff(HANOI)
    book, feed = checked.book, checked.feed
    assert book is not None
    noted = {note.about: note for note in book.notes if note.status == "unknown"}
    for name in ("pass_terms.txt", "ride_corrections.txt"):
        assert {row.text("status") for row in feed.of(name)} == {"unknown"}
        assert {row.text("decision") for row in feed.of(name)} == {"Unknown: owner must decide"}
        assert "owner must decide" in noted[name].text_en
        assert "chủ quản phải quyết định" in noted[name].text
    assert "owner must decide" in noted["incomplete_rides.txt"].text_en
    assert {rule.status for rule in book.sales.corrections} == {"unknown"}
    assert {row.status for rows in book.sales.terms.values() for row in rows} == {"unknown"}
