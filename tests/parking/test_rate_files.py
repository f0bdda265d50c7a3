"""Bad rate files are refused, with file, row and field, all at once."""

import re
from datetime import time
from enum import Enum
from pathlib import Path

import pytest

from parking.rules.book import load_rates
from parking.rules.edges import Edges
from parking.rules.errors import (
    NoRateError,
    RateFilesInvalidError,
    UnknownPlaceError,
    UnknownVehicleClassError,
)
from parking.rules.rate_files import FILES
from tests.parking.books import book, made_up
from tests.parking.test_rate_edges import DAY_NIGHT, HOURLY, START, WINDOWS

DATED = HOURLY.replace("value\nt", "value,valid_from,valid_to\nt").replace("10000\n", "10000,{}\n")
COMMAS = "table_id,tax_id,sequence,applies_to,percent\n"


def problems_of(files):
    with pytest.raises(RateFilesInvalidError) as refused:
        load_rates(files)
    return [(each.file, each.row, each.field) for each in refused.value.fields["problems"]]


PRODUCTS = "spec_id,name,place_id,kind,minutes,percent\nx,X,here,{}\n"
PRODUCT = ("right_specifications.csv", 2, "percent")
ROLES = "table_id,collection_id,role,from,to,leave_from,leave_to,leave_days,longest_min\nt,x,{}\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (made_up("", HOURLY.replace("10000", "ten")), ("rate_lines.csv", 2, "value")),
        (made_up("", HOURLY.replace("10000", "-1")), ("rate_lines.csv", 2, "value")),
        (made_up("", HOURLY.replace("10000", "10000.5")), ("rate_lines.csv", 2, "value")),
        (made_up("", HOURLY.replace("60,", ",")), ("rate_lines.csv", 2, "increment_min")),
        (made_up("", HOURLY.replace("t,1", "u,1")), ("rate_lines.csv", 2, "table_id")),
        (made_up("", HOURLY.replace("incrementingRate", "hourly")), ("rate_lines.csv", 2, "line_type")),
        (made_up("", HOURLY.replace("increment_min", "minutes")), ("rate_lines.csv", 1, "minutes")),
        (made_up("", HOURLY + "t,2\n"), ("rate_lines.csv", 3, "")),
        (made_up("", HOURLY + "t,1,incrementingRate,60,9000\n"), ("rate_lines.csv", 3, "valid_from")),
        (made_up("", HOURLY + "t,2,incrementingRate,60,9000\n"), ("rate_lines.csv", 3, "start_min")),
        (made_up("", DATED.format("2018-02-01,2018-01-01")), ("rate_lines.csv", 2, "valid_to")),
        (made_up("", DATED.format("2018-02-30,")), ("rate_lines.csv", 2, "valid_from")),
        (made_up("", DATED.format("2019-01-01,")), ("rate_tables.csv", 2, "table_id")),
        (made_up("free_mode=sometimes", HOURLY), ("rate_tables.csv", 2, "free_mode")),
        (made_up("free_min=-5", HOURLY), ("rate_tables.csv", 2, "free_min")),
        (made_up("currency=XXZ", HOURLY), ("rate_tables.csv", 2, "currency")),
        (made_up("at_edge=next part_increment=pro_rata", HOURLY), ("rate_tables.csv", 2, "at_edge")),
        (made_up("missing_exit=lost_ticket", HOURLY), ("rate_tables.csv", 2, "missing_exit")),
        (made_up("", HOURLY, zone="Asia/Hanoi"), ("places.csv", 2, "zone")),
        (made_up("", DAY_NIGHT), ("rate_lines.csv", 2, "collection_id")),
        (
            made_up("", DAY_NIGHT, rate_line_collections=WINDOWS.replace("22:00,06:00", "21:00,06:00")),
            ("rate_tables.csv", 2, "table_id"),
        ),
        (
            made_up("", DAY_NIGHT, rate_line_collections=WINDOWS.replace("22:00,06:00", "23:00,06:00")),
            ("rate_tables.csv", 2, "table_id"),
        ),
        (
            made_up("", DAY_NIGHT, rate_line_collections=WINDOWS.replace("22:00,06:00", "22:00,")),
            ("rate_line_collections.csv", 3, "to"),
        ),
        (
            made_up("", DAY_NIGHT, rate_line_collections=WINDOWS.replace("day,1,", "day,1,noday")),
            ("rate_line_collections.csv", 2, "days"),
        ),
        (
            made_up("", HOURLY, rate_taxes=COMMAS + "t,vat,1,parking,8.25125\n"),
            ("rate_taxes.csv", 2, "percent"),
        ),
        (made_up("", HOURLY, rate_taxes=COMMAS + "t,vat,1,parking,10%\n"), ("rate_taxes.csv", 2, "percent")),
        (made_up("", HOURLY, prices="a\n"), ("prices.csv", 0, "")),
        ({"places.csv": b""}, ("rate_lines.csv", 0, "")),
        ({**made_up("", HOURLY), "places.csv": b"place_id,name\nhere,\xff\n"}, ("places.csv", 2, "")),
        (
            made_up("", HOURLY, places="place_id,name,parent_id\nhere,Here,there\nthere,There,here\n"),
            ("places.csv", 2, "parent_id"),
        ),
        (made_up("tier_clock=priced", HOURLY), ("rate_tables.csv", 2, "uncovered")),
        (
            made_up("tier_clock=priced uncovered=free window_basis=entry", HOURLY),
            ("rate_tables.csv", 2, "window_basis"),
        ),
        (
            made_up("", HOURLY, rate_caps="table_id,cap_id,start_min,end_min,value\nt,c,60,60,1000\n"),
            ("rate_caps.csv", 2, "end_min"),
        ),
        (made_up("", HOURLY, rate_caps="table_id,cap_id\nt,c\n"), ("rate_caps.csv", 2, "value")),
        (
            made_up("", HOURLY, rate_caps="table_id,cap_id,week_starts,value\nt,c,sunday,1000\n"),
            ("rate_caps.csv", 2, "week_starts"),
        ),
        (
            made_up("calendar=england", HOURLY, holidays="date,calendar\n2026-08-31,wales\n"),
            ("rate_tables.csv", 2, "calendar"),
        ),
        (made_up("", HOURLY, right_specifications=PRODUCTS.format("coupon,60,50")), PRODUCT),
        (made_up("", HOURLY, right_specifications=PRODUCTS.format("coupon,,")), PRODUCT),
        (made_up("", HOURLY, right_specifications=PRODUCTS.format("season_pass,,50")), PRODUCT),
        (
            made_up("", HOURLY, rate_line_collections=ROLES.format("package,06:00,,,,mon,600")),
            ("rate_line_collections.csv", 2, "from"),
        ),
        (
            made_up("", HOURLY, rate_line_collections=ROLES.format("package,,,,,mon,600")),
            ("rate_line_collections.csv", 2, "leave_to"),
        ),
        (
            made_up("", HOURLY, rate_line_collections=ROLES.format("noShow,06:00,18:00,,,,")),
            ("rate_line_collections.csv", 2, "from"),
        ),
        (
            made_up("", HOURLY, rate_line_collections=ROLES.format("noShow,,,,,,")),
            ("rate_tables.csv", 2, "table_id"),
        ),
        (
            made_up(
                "", HOURLY, rate_line_collections=ROLES.format("noShow,,,,,,") + "t,other,noShow,,,,,,\n"
            ),
            ("rate_line_collections.csv", 3, "valid_from"),
        ),
        (
            made_up("", HOURLY, rate_assignments="place_id,vehicle_class,table_id\nhere,lorry,t\n"),
            ("rate_assignments.csv", 2, "vehicle_class"),
        ),
        (
            made_up("", HOURLY, rate_assignments="place_id,vehicle_class,table_id\nhere,car,t\nhere,car,t\n"),
            ("rate_assignments.csv", 3, "valid_from"),
        ),
    ],
)
def test_a_bad_file_is_refused_by_file_row_and_field(files, expected):
    assert expected in problems_of(files)


def test_rates_for_no_place_are_refused():
    files = {"places.csv": b"place_id,name\n", "vehicle_classes.csv": b"class_id,name_vi,name_en\n",
             "rate_tables.csv": b"table_id,name\n", "rate_lines.csv": b"table_id,value\n"}  # fmt: skip
    assert problems_of(files) == [("places.csv", 0, "")]


LINES = "table_id,sequence,line_type,increment_min,value\n"
NIGHTS = "table_id,collection_id,days,from,to\nt,day,,06:00,20:00\nt,short,mon tue wed thu,20:00,06:00\n"


@pytest.mark.parametrize(
    ("lines", "edges", "row", "says"),
    [
        ("table_id;sequence;value\nt;1;2\n", "", 1, "semicolons"),
        ("table_id\tsequence\tvalue\nt\t1\t2\n", "", 1, "tabs"),
        (LINES + 't,1,incrementingRate,60,2\nt,2,"incrementingRate,60,2\n', "", 3, "is not CSV"),
        (LINES + "t,1,incrementingRate,1,0.0453\n", "currency=EUR", 2, "needs part_increment pro_rata"),
        (LINES + "t,1,incrementingRate,1,0.0453\n", "currency=EUR combination=cheapest", 2, "pro_rata"),
        (LINES + "t,1,incrementingRate,1,0.0000453\n", "currency=EUR part_increment=pro_rata", 2, "not an"),
        (LINES + "t,1,incrementingRate,60,25.000\n", "part_increment=pro_rata", 2, "not an amount in VND"),
        (LINES + "t,1,flatRate,,0.0453\n", "currency=EUR part_increment=pro_rata", 2, "not an amount in EUR"),
    ],
)
def test_a_bad_line_says_what_is_wrong_and_where(lines, edges, row, says):
    with pytest.raises(RateFilesInvalidError) as refused:
        load_rates(made_up(edges, lines))
    first = refused.value.fields["problems"][0]
    assert (first.file, first.row) == ("rate_lines.csv", row)
    assert says in first.message


def windowed(collections, names):
    lines = "".join(f"t,{name},1,incrementingRate,60,2\n" for name in names)
    header = "table_id,collection_id,sequence,line_type,increment_min,value\n"
    return made_up("", header + lines, rate_line_collections=collections)


def test_two_nights_of_different_days_do_not_overlap():
    load_rates(windowed(NIGHTS + "t,long,fri sat sun,20:00,06:00\n", ["day", "short", "long"]))


@pytest.mark.parametrize(
    "late",
    [
        "thu fri sat sun,20:00,06:00",  # Thursday has two
        "fri sat sun,20:00,07:00",  # its end lies in the next day's
    ],
)
def test_nights_that_meet_overlap(late):
    found = problems_of(windowed(NIGHTS + f"t,long,{late}\n", ["day", "short", "long"]))
    assert ("rate_tables.csv", 2, "table_id") in found


@pytest.mark.parametrize(
    ("summer", "winter", "is_good"),
    [
        ("05-01,10-31", "11-01,04-30", True),
        ("05-01,10-31", "11-01,04-29", False),  # nothing prices 30 April
        ("05-01,10-31", "10-31,04-30", False),  # two price 31 October
        ("03-01,10-31", "11-01,02-28", False),  # nothing prices 29 February
        ("05-01,10-31", "11-01,", False),
        ("05-01,2026-10-31", "11-01,04-30", False),
        ("02-30,10-31", "11-01,04-30", False),
    ],
)
def test_seasons_share_the_year(summer, winter, is_good):
    files = windowed(
        f"table_id,collection_id,first_on,last_on\nt,summer,{summer}\nt,winter,{winter}\n",
        ["summer", "winter"],
    )
    if is_good:
        load_rates(files)
    else:
        assert problems_of(files)


def test_every_problem_is_told_at_once():
    found = problems_of(made_up("free_min=x at_edge=y", HOURLY.replace("10000", "z")))
    assert {field for _, _, field in found} >= {"free_min", "at_edge", "value"}


def test_the_version_is_the_bytes():
    files = made_up("", HOURLY)
    other = made_up("", HOURLY.replace("10000", "10001"))
    assert load_rates(files).version == load_rates(dict(reversed(files.items()))).version
    assert load_rates(files).version != load_rates(other).version


@pytest.mark.parametrize(
    ("place", "vehicle", "user", "error"),
    [
        ("nowhere", "car_le9", "casual", UnknownPlaceError),
        ("dong-da", "tank", "casual", UnknownVehicleClassError),
        ("dong-da", "bicycle", "casual", NoRateError),
        ("dong-da", "car_le9", "regular", NoRateError),
        ("hanoi", "car_le9", "casual", NoRateError),
    ],
)
def test_an_unknown_price_is_refused_and_never_zero(place, vehicle, user, error):
    with pytest.raises(error):
        book("hanoi").table_for(place, vehicle, START, user=user)


def test_before_its_decision_a_table_does_not_hold():
    with pytest.raises(NoRateError, match="2017-12-31"):
        book("hanoi").table_for("dong-da", "car_le9", START.replace(year=2017, month=12, day=31))


def test_a_new_decision_ends_the_old_row_and_both_stay_true():
    lines = (
        "table_id,sequence,line_type,increment_min,value,valid_from,valid_to,decision\n"
        "t,1,incrementingRate,60,10000,2018-01-01,2018-12-31,one\n"
        "t,1,incrementingRate,60,12000,2019-01-01,,two\n"
    )
    files = made_up("", lines)
    files["rate_tables.csv"] = b"table_id,name,valid_from\nt,T,2018-01-01\n"
    rates = load_rates(files)
    for year, value, decision in ((2018, 10_000, "one"), (2019, 12_000, "two")):
        line = rates.table_for("here", "car", START.replace(year=year)).ordinary[0].timed[0]
        assert (line.value, line.decision) == (value, decision)


def test_the_guide_for_rate_authors_names_every_column_and_every_default():
    text = (Path(__file__).parents[2] / "docs" / "parking-rates.md").read_text(encoding="utf-8")
    sections = {part.split("`", 1)[0]: part for part in text.split("\n## `")[1:]}
    assert sections.keys() == FILES.keys()
    for name, columns in FILES.items():
        assert re.findall(r"^\| `(\w+)` \|", sections[name], re.MULTILINE) == list(columns), name
    defaults = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", sections["rate_tables.csv"], re.MULTILINE))
    standard = Edges()
    for name in Edges.__dataclass_fields__:
        value = getattr(standard, name)
        shown = (
            value.value if isinstance(value, Enum) else f"{value:%H:%M}" if isinstance(value, time) else value
        )
        assert defaults[name] == str(shown), name
