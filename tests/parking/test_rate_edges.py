"""Each edge on which tariffs differ: one field, and what it changes."""

from datetime import datetime, timedelta

import pytest

from parking.rules.errors import ImpossibleTimesError, UncoveredTimeError
from parking.rules.quote import price
from tests.parking.books import book, table

START = datetime.fromisoformat("2018-08-20T08:00+07:00")  # a Monday
HOURLY = "table_id,sequence,line_type,increment_min,value\nt,1,incrementingRate,60,10000\n"
TIERS = (
    "table_id,sequence,line_type,start_min,end_min,value\n"
    "t,1,flatRateTier,0,60,5000\nt,2,flatRateTier,60,180,8000\nt,3,flatRateTier,180,,20000\n"
)
WINDOWS = "table_id,collection_id,sequence,days,from,to\nt,day,1,,06:00,22:00\nt,night,2,,22:00,06:00\n"
DAY_NIGHT = (
    "table_id,collection_id,sequence,line_type,increment_min,value\n"
    "t,day,1,incrementingRate,60,10000\nt,night,1,incrementingRate,60,3000\n"
)


def cost(found, minutes, start=START):
    return price(found, start, start + timedelta(minutes=minutes)).minor


@pytest.mark.parametrize(
    ("edges", "minutes", "expected"),
    [
        ("", 0, 10_000),  # a stay always begins its first increment
        ("", 60, 10_000),
        ("", 61, 20_000),
        ("measure=minute_down", 60.9, 10_000),
        ("measure=minute_up", 60.1, 20_000),
        ("measure=second", 60.1, 20_000),
        ("at_edge=next", 59, 10_000),
        ("at_edge=next", 60, 20_000),
        ("free_min=15", 15, 0),
        ("free_min=15", 16, 10_000),
        ("free_min=15 free_edge=exclusive", 15, 10_000),
        ("free_min=15 free_edge=exclusive", 14, 0),
        ("free_min=15 free_mode=deduction", 75, 10_000),
        ("free_min=15 free_mode=deduction", 76, 20_000),
        ("free_min=15 free_mode=deduction free_edge=exclusive", 15, 0),
        ("part_increment=down", 59, 0),
        ("part_increment=down", 119, 10_000),
        ("part_increment=half_up", 89, 10_000),
        ("part_increment=half_up", 90, 20_000),
        ("part_increment=pro_rata", 61, 10_167),
        ("part_increment=pro_rata rounding=down", 61, 10_166),
        ("part_increment=pro_rata rounding=up round_to=1000", 61, 11_000),
        ("tolerance_min=10", 70, 10_000),
        ("tolerance_min=10", 71, 20_000),
        ("tolerance_min=10", 5, 10_000),
        ("min_value=15000", 60, 15_000),
        ("min_value=15000", 61, 20_000),
    ],
)
def test_edge_of_an_hourly_rate(edges, minutes, expected):
    assert cost(table(edges, HOURLY), minutes) == expected


@pytest.mark.parametrize(
    ("edges", "minutes", "expected"),
    [
        ("tier_mode=add", 60, 5_000),
        ("tier_mode=add", 61, 13_000),
        ("tier_mode=add", 181, 33_000),
        ("tier_mode=replace", 61, 8_000),
        ("tier_mode=replace", 181, 20_000),
        ("tier_mode=replace cycle=rolling cycle_min=240", 240, 20_000),
        ("tier_mode=replace cycle=rolling cycle_min=240", 241, 25_000),
        ("tier_mode=replace cycle=calendar cycle_starts=12:00", 300, 20_000 + 5_000),
        ("free_min=60 free_mode=deduction free_clock=keep", 90, 8_000),
        ("free_min=60 free_mode=deduction free_clock=shift", 90, 5_000),
    ],
)
def test_edge_of_tiers(edges, minutes, expected):
    assert cost(table(edges, TIERS), minutes) == expected


@pytest.mark.parametrize(
    ("edges", "start", "minutes", "expected"),
    [
        ("", "21:00", 120, 13_000),
        ("", "21:30", 90, 13_000),  # the hour begun at 21:30 is a day hour, the next begins at 22:30
        ("", "21:30", 60, 10_000),
        ("window_edge=cut", "21:30", 60, 13_000),
        ("window_edge=cut", "21:30", 90, 13_000),
        ("window_edge=cut", "21:30", 91, 16_000),
        ("window_basis=entry", "21:30", 240, 40_000),
        ("window_basis=exit", "21:30", 240, 12_000),
        ("window_basis=dearest", "05:00", 120, 20_000),
        ("window_basis=cheapest", "05:00", 120, 6_000),
        ("", "22:00", 480, 24_000),
        ("", "05:00", 1440, 8 * 3_000 + 16 * 10_000),
    ],
)
def test_edge_of_day_and_night(edges, start, minutes, expected):
    found = table(edges, DAY_NIGHT, rate_line_collections=WINDOWS)
    assert cost(found, minutes, datetime.fromisoformat(f"2018-08-20T{start}+07:00")) == expected


@pytest.mark.parametrize(("over_midnight", "expected"), [("start_day", 3_000), ("own_day", 9_000)])
def test_whose_night_the_hours_after_midnight_are(over_midnight, expected):
    windows = (
        "table_id,collection_id,sequence,days,from,to,priority\n"
        "t,week,1,mon tue wed thu fri,18:00,08:00,1\nt,weekend,2,sat sun,00:00,24:00,0\nt,else,3,weekdays,08:00,18:00,0\n"
    )
    lines = (
        "table_id,collection_id,sequence,line_type,increment_min,value\n"
        "t,week,1,incrementingRate,60,3000\nt,weekend,1,incrementingRate,60,9000\nt,else,1,incrementingRate,60,5000\n"
    )
    # Monday 00:00–08:00 is the end of Sunday, which has no night of its own under start_day.
    found = table(f"over_midnight={over_midnight} uncovered=free", lines, rate_line_collections=windows)
    assert cost(found, 60, datetime.fromisoformat("2018-08-25T02:00+07:00")) == expected


def test_a_holiday_is_no_monday():
    windows = "table_id,collection_id,sequence,days\nt,work,1,weekdays weekend\nt,off,2,holiday\n"
    lines = (
        "table_id,collection_id,sequence,line_type,increment_min,value\n"
        "t,work,1,incrementingRate,60,10000\nt,off,1,incrementingRate,60,4000\n"
    )
    found = table(
        "", lines, rate_line_collections=windows, holidays="date,name\n2018-09-03,Quốc khánh (nghỉ bù)\n"
    )
    assert cost(found, 60, datetime.fromisoformat("2018-09-03T10:00+07:00")) == 4_000
    assert cost(found, 60, datetime.fromisoformat("2018-09-10T10:00+07:00")) == 10_000


def test_an_event_lies_over_the_ordinary_rate_by_its_priority():
    windows = (
        "table_id,collection_id,sequence,from,to,first_on,last_on,priority\n"
        "t,base,1,,,,,\nt,match,2,18:00,23:00,2018-08-25,2018-08-25,5\n"
    )
    lines = (
        "table_id,collection_id,sequence,line_type,increment_min,value\n"
        "t,base,1,incrementingRate,60,10000\nt,match,1,flatRate,,100000\n"
    )
    found = table("", lines, rate_line_collections=windows)
    assert cost(found, 180, datetime.fromisoformat("2018-08-25T17:00+07:00")) == 110_000
    assert cost(found, 180, datetime.fromisoformat("2018-08-26T17:00+07:00")) == 30_000
    assert cost(found, 480, datetime.fromisoformat("2018-08-25T17:00+07:00")) == 130_000


@pytest.mark.parametrize(
    ("caps", "minutes", "expected"),
    [
        ("t,c,1,stay,,,50000", 6_000, 50_000),
        ("t,c,1,rolling,1440,,60000", 1_440, 60_000),
        ("t,c,1,rolling,1440,,60000", 1_500, 70_000),
        ("t,c,1,day,,00:00,60000", 24 * 60, 120_000),  # 16 h before midnight, 8 h after
        ("t,c,1,day,,08:00,60000", 24 * 60, 60_000),
        (
            "t,c,1,day,,,60000\nt,w,2,week,,,200000",
            10 * 24 * 60,
            400_000,
        ),  # Monday to Wednesday of the next week
    ],
)
def test_caps_count_what_begins_in_their_period(caps, minutes, expected):
    found = table("", HOURLY, rate_caps=f"table_id,cap_id,sequence,per,length_min,starts,value\n{caps}\n")
    assert cost(found, minutes) == expected


@pytest.mark.parametrize(
    ("entered", "left", "expected"),
    [
        ("07:00", "18:00", 50_000),
        ("05:59", "18:00", 130_000),
        ("07:00", "19:00", 120_000),  # leaving hours end, exclusive
        ("08:30", "10:00", 20_000),  # left before the leaving hours
        ("08:59", "15:00", 50_000),
        ("09:00", "15:00", 60_000),
    ],
)
def test_early_bird_needs_both_its_windows(entered, left, expected):
    collections = (
        "table_id,collection_id,sequence,role,enter_from,enter_to,leave_from,leave_to\n"
        "t,early,1,package,06:00,09:00,15:00,19:00\n"
    )
    lines = HOURLY.replace("t,1,", "t,,1,").replace("table_id,", "table_id,collection_id,")
    found = table("", lines + "t,early,1,flatRate,,50000\n", rate_line_collections=collections)
    start = datetime.fromisoformat(f"2018-08-20T{entered}+07:00")
    end = datetime.fromisoformat(f"2018-08-20T{left}+07:00")
    assert price(found, start, end).minor == expected
    assert price(found, start, end + timedelta(days=1)).minor >= 240_000, "two days are no early bird"


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (1, 5),
        (5, 25),
        (6, 30),
        (7, 30),
        (24, 30),
        (25, 35),
        (31, 60),
        (24 * 4, 110),
        (24 * 7, 110),
        (24 * 7 + 1, 115),
    ],
)
def test_cheapest_combination_of_hours_days_and_weeks(hours, expected):
    lines = (
        "table_id,sequence,line_type,increment_min,value\n"
        "t,1,incrementingRate,60,5\nt,2,incrementingRate,1440,30\nt,3,incrementingRate,10080,110\n"
    )
    assert cost(table("combination=cheapest", lines), hours * 60) == expected


@pytest.mark.parametrize(("mode", "expected"), [("instead", 20_000 + 50_000), ("plus", 30_000 + 50_000)])
def test_overstay_past_the_longest_stay(mode, expected):
    lines = (
        "table_id,collection_id,sequence,line_type,increment_min,value\n"
        "t,,1,incrementingRate,60,10000\nt,over,1,incrementingRate,60,50000\n"
    )
    found = table(
        f"max_stay_min=120 overstay={mode}",
        lines,
        rate_line_collections="table_id,collection_id,sequence,role\nt,over,1,overstay\n",
    )
    assert cost(found, 120) == 20_000
    assert cost(found, 121) == expected


def test_a_collection_and_a_line_have_their_own_limits():
    found = table(
        "",
        "table_id,collection_id,sequence,line_type,increment_min,value,max_value\nt,c,1,incrementingRate,60,10000,35000\n",
        rate_line_collections="table_id,collection_id,sequence,min_value,max_value\nt,c,1,15000,32000\n",
    )
    assert [cost(found, hours * 60) for hours in (1, 2, 3, 4, 9)] == [15_000, 20_000, 30_000, 32_000, 32_000]


@pytest.mark.parametrize(
    ("taxes", "expected"),
    [
        ("t,vat,1,parking,10,no,no,total,half_up", 33),
        ("t,vat,1,parking,10,yes,no,total,half_up", 30),
        ("t,vat,1,parking,5,no,no,line,half_up", 32),  # 15 and 15: 0.75 each, rounded to 1 twice
        ("t,vat,1,parking,5,no,no,total,down", 31),
        ("t,city,1,total,10,no,no,total,half_up\nt,state,2,total,10,no,no,total,half_up", 36),
        ("t,city,1,total,10,no,no,total,half_up\nt,state,2,total,10,no,yes,total,up", 37),
    ],
)
def test_taxes(taxes, expected):
    lines = (
        "table_id,sequence,line_type,start_min,end_min,increment_min,value\n"
        "t,1,incrementingRate,0,60,60,15\nt,2,incrementingRate,60,,60,15\n"
    )
    header = "table_id,tax_id,sequence,applies_to,percent,included,compound,round_per,rounding\n"
    assert cost(table("", lines, rate_taxes=header + taxes + "\n"), 120) == expected


def test_a_minute_without_a_line_is_unknown_unless_the_table_says_free():
    tiers = TIERS.replace("180,,20000", "180,240,20000")
    with pytest.raises(UncoveredTimeError):
        cost(table("", tiers), 241)
    assert cost(table("uncovered=free", tiers), 500) == 33_000


@pytest.mark.parametrize("minutes", [-1, 400 * 1440 + 1])
def test_impossible_times_are_refused(minutes):
    with pytest.raises(ImpossibleTimesError):
        cost(table("", HOURLY), minutes)


def test_a_night_with_a_clock_change_is_priced_by_the_time_that_passed():
    """Paris, 25 March 2018: 02:00 becomes 03:00, so 22:00 to 06:00 lasts seven hours."""
    lines = DAY_NIGHT.replace("0000", "000")
    found = table("", lines, zone="Europe/Paris", rate_line_collections=WINDOWS)
    start = datetime.fromisoformat("2018-03-24T22:00+01:00")
    end = datetime.fromisoformat("2018-03-25T06:00+02:00")
    assert price(found, start, end).minor == 7 * 3_000


def test_validity_goes_by_the_local_date_of_the_entry():
    rates = book("hanoi")
    late = datetime.fromisoformat("2017-12-31T18:00+00:00")  # 01:00 on 1 January in Hanoi
    assert rates.table_for("dong-da", "car_le9", late).table_id == "dong-da-car"
