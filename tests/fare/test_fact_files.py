"""taps.csv and riders.csv from the outside: order, passes without an end, a rider's word, and what is refused where."""

import pytest

from fare.gtfs.riders import read_riders
from fare.gtfs.taps import read_taps
from tests.fare.cities import town

COLUMNS = "at,purpose,route,stop"
PASSES = (
    "pass_product_id,scope,network_ids,validity,validity_count,activation,amount,currency\n"
    "day,all,A,day,,purchase,5.00,EUR\nmonth,all,A,month,1,purchase,50.00,EUR\n"
    "two,all,A,days,2,first_tap,9.00,EUR\nweek,all,A,week,,first_tap,20.00,EUR\n"
)


def test_taps_without_counters_are_ordered_by_time_and_rows_of_one_time_as_they_stand(price):
    legs = [
        "2026-11-18T08:00+00:00,on,r1,x",
        "2026-11-18T08:20+00:00,off,r1,y",
        "2026-11-18T08:20+00:00,on,a1,y",
    ]
    in_order = price(town(), COLUMNS, *legs)
    late = price(town(), COLUMNS, legs[1], legs[2], legs[0])
    assert in_order.charged == late.charged == [500, 200]


@pytest.mark.parametrize(
    ("product", "since", "days", "charged"),
    [
        ("day", "2026-11-18T10:00", [18, 19], [0, 200]),  # to the end of the service day
        ("month", "2026-11-18T10:00", [18, 19, 20], [0, 0, 0]),
        (
            "two",
            "2026-11-01T00:00",
            [18, 19, 20],
            [0, 0, 200],
        ),  # 48 hours from its first tap, whenever that is
        ("week", "2026-11-01T00:00", [18, 24, 25], [0, 0, 200]),
    ],
)
def test_a_pass_without_an_end_ends_by_its_validity(price, product, since, days, charged):
    taps = [f"2026-11-{day}T12:00+00:00,on,a1,x" for day in days]
    riders = f"rider,pass_product,pass_from\nr,{product},{since}+00:00"
    assert price(town(passes=PASSES), COLUMNS, *taps, riders=riders).charged == charged


def test_a_riders_word_ends_a_ride_without_its_tap_off(price):
    book = town(
        fare_leg_rules="leg_group_id,network_id,from_area_id,to_area_id,fare_product_id\nR,R,X,Y,b\nR,R,X,Z,r"
    )
    on = "2026-11-18T08:00+00:00,on,r1,x"
    said = "rider,said_on_at,said_stop,said_off_at\nr,2026-11-18T08:00+00:00,y,2026-11-18T08:20+00:00"
    assert price(book, COLUMNS, on).reasons == ["no_rule_for_missing_off"]
    found = price(book, COLUMNS, on, riders=said)
    assert (found.charged, found.closed) == ([300], ["corrected"])
    off = price(book, COLUMNS, on, "2026-11-18T08:40+00:00,off,r1,z", riders=said)
    assert (off.charged, off.closed) == ([500], ["tapped"]), "a tap-off that is found speaks before the rider"


@pytest.mark.parametrize(
    ("header", "row", "field", "code"),
    [
        ("rider,category,category_from", "r,NORMAL,18.11.2026", "category_from", "invalid_date"),
        ("rider,category,category_to", "r,NORMAL,2026-02-30", "category_to", "invalid_date"),
        ("rider,category", "r,PIRATE", "category", "unexpected_enum_value"),
        ("rider,pass_product,pass_from", "r,none,2026-11-18", "pass_product", "foreign_key_violation"),
        ("rider,pass_product,pass_from", "r,day,9999-12-31", "pass_from", "invalid_date"),
        ("rider,pass_product,pass_from", "r,day,0001-01-01T00:00", "pass_from", "invalid_date"),
        ("rider,rider", "r,q", "rider", "duplicated_column"),
        ("rider,pass_product,pass_from", "r,day,", "pass_from", "invalid_date"),
        ("rider,pass_product,pass_from,pass_until", "r,day,2026-11-18,soon", "pass_until", "invalid_date"),
        ("rider,said_on_at,said_stop,said_off_at", "r,2026-11-18T08:00,,2026-11-18T09:00", "said_stop", "missing_required_field"),
        ("rider,said_on_at,said_stop,said_off_at", "r,2026-11-18T08:00,y,", "said_off_at", "invalid_date"),
        ("rider,money_at,money_amount", "r,2026-11-18T08:00,two", "money_amount", "invalid_currency_amount"),
        ("rider,ticket", "r,1", "ticket", "unknown_column"),
        ("name", "r", "name", "unknown_column"),
    ],
)  # fmt: skip
def test_riders_csv_is_refused_where_it_is_wrong(header, row, field, code):
    _, notices = read_riders(f"{header}\n{row}\n", town(passes=PASSES))
    assert (field, code) in {(one.field, one.code) for one in notices}


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        ("r,9999-12-31T23:30,on,,,", "at", "invalid_date"), ("r,0001-01-01T00:00,on,,,", "at", "invalid_date"),
        ("r,yesterday,on,,,", "at", "invalid_date"), ("r,2026-11-18T08:00,in,,,", "purpose", "unexpected_enum_value"),
        ("r,2026-11-18T08:00,on,PIRATE,,", "category", "unexpected_enum_value"),
        ("r,2026-11-18T08:00,on,,lost,", "phase", "unexpected_enum_value"),
        ("r,2026-11-18T08:00,on,,,first", "counter", "invalid_integer"), ("r,2026-11-18T08:00", "", "invalid_row_length"),
        (",2026-11-18T08:00,on,,,", "rider", "missing_required_field"),
    ],
)  # fmt: skip
def test_taps_csv_is_refused_where_it_is_wrong(row, field, code):
    taps, notices = read_taps(f"rider,at,purpose,category,phase,counter\n{row}\n", town())
    assert not taps
    assert [(one.file, one.row, one.field, one.code) for one in notices] == [("taps.csv", 2, field, code)]


def test_a_cell_without_end_is_no_table():
    _, notices = read_taps("rider,at,purpose\nr," + "9" * 200_000 + ",on\n", town())
    assert [one.code for one in notices] == ["csv_parsing_failed"]
