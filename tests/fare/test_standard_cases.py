"""GTFS-Fares v2 through the command, worked out by hand from the adopted text: leg rules, timeframes, transfers, joins, errors."""

import pytest

from tests.fare.door import charged, head, lines, notices, price_files, trip

STOPS = "rider,at,purpose,route,stop\n"
PLAIN = "rider,at,purpose,route\n"
SHOWN = "rider,at,purpose,route,medium,category\n"
NETS = lines(("1", "bus", 3, "a"), ("2", "bus", 3, "b"), ("m", "metro", 1, "a"), ("t", "tram", 0, "a"))
WEEK = (
    "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
    "wd,1,1,1,1,1,0,0,20260101,20261231\nwe,0,0,0,0,0,1,1,20260101,20261231\n"
)
FRAMES = (
    "timeframe_group_id,start_time,end_time,service_id\npeak,07:00:00,09:00:00,wd\npeak,16:00:00,24:00:00,wd\n"
    "off,00:00:00,07:00:00,wd\noff,09:00:00,16:00:00,wd\noff,,,we\n"
)
TIMED = {
    **head(), **NETS, "calendar": WEEK, "calendar_dates": "service_id,date,exception_type\nwd,20260501,2\nwe,20260501,1\n",
    "timeframes": FRAMES, "fare_products": "fare_product_id,amount,currency\np,3.00,EUR\no,2.00,EUR",
    "fare_leg_rules": "network_id,from_timeframe_group_id,fare_product_id\nbus,peak,p\nbus,off,o",
    "ride_rules": "network_id,settled_by\nbus,boarding\nmetro,ride",
}  # fmt: skip
PLACED = {
    **head(), **NETS, "stops": "stop_id\nx\ny\nz\nw", "areas": "area_id\nX\nY\nZ",
    "stop_areas": "area_id,stop_id\nX,x\nY,y\nZ,z\nX,w\nZ,w",
    "fare_products": "fare_product_id,amount,currency\na,1.00,EUR\nb,2.00,EUR\nc,3.00,EUR\nd,4.00,EUR\nn,-0.50,EUR",
    "ride_rules": "network_id,settled_by\n,ride", "incomplete_rides": "network_id,case,action\n,missing_off,maximum",
}  # fmt: skip
GROUPS = "leg_group_id,network_id,fare_product_id\nA,bus,b\nB,metro,c\nC,tram,d\n"
CLASSES = {
    **TIMED, "rider_categories": "rider_category_id,rider_category_name,is_default_fare_category\nadult,Adult,1\nyouth,Youth,0\nsenior,Senior,0",
    "fare_media": "fare_media_id,fare_media_name,fare_media_type\ncash,Cash,0\ncard,Card,2",
    "fare_products": "fare_product_id,rider_category_id,fare_media_id,amount,currency\ns,adult,card,2.00,EUR\ns,adult,cash,2.50,EUR\n"
    "s,youth,card,1.00,EUR\ns,youth,cash,1.25,EUR",
    "fare_leg_rules": "network_id,fare_product_id\nbus,s",
}  # fmt: skip


def at(*times: str) -> str:
    return PLAIN + "".join(f"r,2026-{time},on,1\n" for time in times)


def legs(rules: str, **changed: str) -> dict[str, str]:
    return {**PLACED, "fare_leg_rules": rules, **changed}


def transfers(*rows: str, **changed: str) -> dict[str, str]:
    header = (
        "from_leg_group_id,to_leg_group_id,transfer_count,duration_limit,duration_limit_type,fare_transfer_type,"
        "fare_product_id\n"
    )
    return legs(GROUPS, fare_transfer_rules=header + "\n".join(rows), **changed)


def hourly(count: int, route: str = "1") -> str:
    return STOPS + "".join(trip(f"{8 + n:02d}:00", route, "x", "y") for n in range(count))


def pair(first: str, second: str, minutes: int = 10) -> str:
    """A bus, then the metro."""
    return STOPS + trip(first, "1", "x", "y") + trip(second, "m", "y", "z", minutes)


@pytest.mark.parametrize(
    ("files", "taps", "expected"),
    [
        # Starts inclusive, ends exclusive, 24:00 the end of the date; the date is the local one, not the service day.
        (TIMED, at("05-05T06:59:59", "05-05T07:00", "05-05T08:59:59", "05-05T09:00", "05-05T15:59:59", "05-05T16:00", "05-05T23:59:59",
                   "05-06T00:00"), [200, 300, 300, 200, 200, 300, 300, 200]),
        (TIMED, at("05-01T08:00", "05-02T08:00", "05-08T23:00", "05-09T01:00"), [200, 200, 300, 200]),
        (TIMED, PLAIN + "r,2027-01-04T08:00,on,1", ["no_leg_rule"]),
        ({**TIMED, "fare_leg_rules": "network_id,to_timeframe_group_id,fare_product_id,rule_priority\nmetro,,o,\nmetro,peak,p,1"},
         STOPS + trip("06:30", "m", "x", "y", 30) + trip("08:50", "m", "x", "y"), [300, 200]),
        # Without rule_priority an empty cell is what its column does not list.
        (legs("network_id,fare_product_id\nbus,a\n,b"), STOPS + trip("08:00", "1", "x", "y") + trip("09:00", "m", "x", "y"), [100, 200]),
        (legs("from_area_id,to_area_id,fare_product_id\nX,Y,a\n,,b"),
         STOPS + "".join(trip(f"{8 + n:02d}:00", "1", *ends) for n, ends in enumerate(("xy", "yx", "xz", "zz", "zy"))),
         [100, 200, "no_leg_rule", 200, "no_leg_rule"]),
        (legs("network_id,from_area_id,to_area_id,fare_product_id\nbus,X,Y,b\nbus,Z,Y,a"), STOPS + trip("08:00", "1", "w", "y"), [100]),
        (legs("fare_product_id\na"), STOPS + trip("08:00", "m", "x", "y"), [100]),
        (legs("network_id,fare_product_id\nbus,a", route_networks="network_id,route_id\nbus,1"), STOPS + trip("08:00", "m", "x", "y"),
         ["no_leg_rule"]),
        # With it the highest priority wins, empty is 0, ties are all offers.
        (legs("network_id,from_area_id,to_area_id,fare_product_id,rule_priority\n,,,d,\nbus,,,c,1\nbus,X,,a,2\nbus,,Y,b,2"),
         STOPS + "".join(trip(f"{8 + n:02d}:00", *way) for n, way in enumerate(
             (("m", "x", "y"), ("1", "y", "x"), ("1", "x", "x"), ("1", "x", "y"), ("1", "z", "y")))), [400, 300, 100, 100, 200]),
        # A stop that stops.txt does not list may lie in any area; where no rule asks, it does not matter.
        (legs("network_id,from_area_id,fare_product_id\nbus,X,a\nbus,,b"), STOPS + trip("08:00", "1", "nowhere", "y"), ["unknown_stop"]),
        (legs("network_id,from_area_id,fare_product_id\nbus,,a\nmetro,X,b"), STOPS + trip("08:00", "m", "y", "nowhere"), ["unknown_stop"]),
        # Limits by their four types from the first leg, inclusive.
        (transfers("A,B,,3600,0,0,"), pair("08:00", "08:50", 10), [200, 0]), (transfers("A,B,,3600,0,0,"), pair("08:00", "08:50", 11), [200, 300]),
        (transfers("A,B,,3600,1,0,"), pair("08:00", "09:00", 30), [200, 0]), (transfers("A,B,,3600,1,0,"), pair("08:00", "09:01", 5), [200, 300]),
        (transfers("A,B,,3000,2,0,"), pair("08:00", "09:00", 30), [200, 0]), (transfers("A,B,,3000,2,0,"), pair("08:00", "09:01", 5), [200, 300]),
        (transfers("A,B,,3000,3,0,"), pair("08:00", "08:50", 10), [200, 0]), (transfers("A,B,,3000,3,0,"), pair("08:00", "08:50", 11), [200, 300]),
        (transfers("A,A,-1,7200,1,0,"), hourly(4), [200, 0, 0, 200]),
        # Directional, exact before empty, an empty side without the groups that its column lists.
        (transfers("A,B,,,,0,a"), STOPS + trip("08:00", "m", "x", "y") + trip("08:20", "1", "y", "z") + trip("09:00", "m", "y", "z"),
         [300, 200, 100]),
        (transfers("A,B,,,,0,a", "A,,,,,0,"), STOPS + trip("08:00", "1", "x", "y") + trip("08:20", "t", "y", "z"), [200, 0]),
        (transfers("A,B,,,,0,a", "C,,,,,0,"), STOPS + trip("08:00", "t", "x", "y") + trip("08:20", "m", "y", "z"), [400, 300]),
        (transfers(",,,,,0,"), STOPS + trip("08:00", "1", "x", "y") + trip("08:20", "1", "y", "z") + trip("09:00", "m", "z", "x"), [200, 0, 0]),
        # Counts: the smallest that still reaches, then a new journey.
        (transfers("A,A,2,,,0,"), hourly(7), [200, 0, 0, 200, 0, 0, 200]),
        (transfers("A,A,1,,,0,", "A,A,3,,,0,a"), hourly(5), [200, 0, 100, 100, 200]),
        (transfers("A,A,1,,,0,", "A,A,-1,,,0,a"), hourly(4), [200, 0, 100, 100]),
        # A + AB + B and AB, with amounts below zero.
        (transfers("A,B,,,,1,n"), pair("08:00", "08:20"), [200, 250]), (transfers("A,B,,,,2,d"), pair("08:00", "08:20"), [200, 200]),
        (transfers("B,A,,,,2,a"), STOPS + trip("08:00", "m", "x", "y") + trip("08:20", "1", "y", "z"), [300, -200]),
        (transfers("A,B,,3600,1,0,", "B,A,,3600,1,0,"), STOPS + trip("08:00", "1", "x", "y") + trip("08:30", "m", "x", "y")
         + trip("08:50", "1", "x", "y") + trip("09:01", "m", "x", "y") + trip("09:30", "1", "x", "y"), [200, 0, 0, 300, 0]),
        # Without a limit there is none, neither a day's.
        (transfers("A,A,1,,,0,"), STOPS + trip("23:40", "1", "x", "y") + trip("04:10", "2", "y", "z", day="2026-05-06")
         + trip("04:30", "2", "y", "z", day="2026-05-06"), [200, 0, 200]),
        (transfers("A,B,,,,0,a"), STOPS + trip("08:00", "1", "x", "y") + trip("09:00", "m", "y", "z", day="2026-05-08"), [200, 100]),
        # Joined rides are one leg: the stops of its ends, and a network only where all have it.
        (legs("network_id,from_area_id,to_area_id,fare_product_id,rule_priority\nbus,,,a,\nmetro,,,a,\n,X,Z,d,5\nbus,X,Y,b,1",
              fare_leg_join_rules="from_network_id,to_network_id,from_stop_id,to_stop_id\nbus,metro,y,y\nmetro,metro,,"),
         pair("08:00", "08:20"), [400, 0]),
        (legs("network_id,fare_product_id\nbus,a\nmetro,a", fare_leg_join_rules="from_network_id,to_network_id\nbus,metro"),
         pair("08:00", "08:20"), ["no_leg_rule", "no_leg_rule"]),
        # Rider categories, the default one, and media.
        (CLASSES, SHOWN + "a,2026-05-05T08:00,on,1,,\nb,2026-05-05T08:00,on,1,cash,\n"
         "c,2026-05-05T08:00,on,1,card,youth\nd,2026-05-05T08:00,on,1,cash,youth\ne,2026-05-05T08:00,on,1,,senior\n"
         "f,2026-05-05T08:00,on,1,qr,", [200, 250, 100, 125, 200, "no_product_for_medium"]),
    ],
)  # fmt: skip
def test_what_a_journey_costs_by_the_standard(tmp_path, files, taps, expected):
    _, answer = price_files(tmp_path, files, taps)
    assert charged(answer) == expected


def test_networks_may_stand_in_routes_txt(tmp_path):
    files = legs("network_id,fare_product_id\nbus,a\nmetro,b")
    files["routes"] = "route_id,agency_id,route_type,network_id\n1,a,3,bus\nm,a,1,metro"
    del files["networks"], files["route_networks"]
    _, answer = price_files(
        tmp_path, files, STOPS + trip("08:00", "1", "x", "y") + trip("09:00", "m", "x", "y")
    )
    assert charged(answer) == [100, 200]


WHOLE = {
    **PLACED, "calendar": WEEK, "timeframes": FRAMES,
    "rider_categories": "rider_category_id,rider_category_name,is_default_fare_category\nadult,A,1\nkid,K,0",
    "fare_media": "fare_media_id,fare_media_name,fare_media_type\ncard,Card,2",
    "fare_products": "fare_product_id,rider_category_id,fare_media_id,amount,currency\ns,adult,card,2.00,EUR\ns,kid,card,1.00,EUR\nt,,,0.50,EUR",
    "fare_leg_rules": "leg_group_id,network_id,fare_product_id\nA,bus,s\nB,metro,s",
}  # fmt: skip
ROWS = "from_leg_group_id,to_leg_group_id,transfer_count,duration_limit,duration_limit_type,fare_transfer_type,fare_product_id\n"
PAIRS = "network_id,fare_product_id,from_stop_id,to_stop_id,amount,currency,both_ways\n"
RATES = "network_id,fare_product_id,base_amount,per_km_amount,currency,step_km,min_amount,max_amount\n"
HOURS = "timeframe_group_id,start_time,end_time,service_id\n"


@pytest.mark.parametrize(
    ("file", "text", "notice"),
    [
        ("fare_transfer_rules", ROWS + "A,B,,0,1,0,", ("number_out_of_range", 2, "duration_limit")),
        ("fare_transfer_rules", ROWS + "A,B,,-5,1,0,", ("number_out_of_range", 2, "duration_limit")),
        ("fare_transfer_rules", ROWS + "A,B,,1.5,1,0,", ("invalid_integer", 2, "duration_limit")),
        ("fare_transfer_rules", ROWS + "A,B,,60,4,0,", ("unexpected_enum_value", 2, "duration_limit_type")),
        ("fare_transfer_rules", ROWS + "A,B,,60,1,,", ("missing_required_field", 2, "fare_transfer_type")),
        ("fare_transfer_rules", "from_leg_group_id\nA", ("missing_required_column", 1, "fare_transfer_type")),
        ("fare_transfer_rules", ROWS + ",,1,,,0,", ("fare_transfer_rule_with_forbidden_transfer_count", 2, "transfer_count")),
        ("fare_transfer_rules", ROWS + "A,B,,,,0,zz", ("foreign_key_violation", 2, "fare_product_id")),
        ("timeframes", HOURS + "p,24:30:00,25:00:00,wd",
         ("timeframe_start_or_end_time_greater_than_twenty_four_hours", 2, "start_time")),
        ("timeframes", HOURS + "p,,23:30:00,wd", ("timeframe_only_start_or_end_time_specified", 2, "start_time")),
        ("timeframes", HOURS + "p,22:00:00,02:00:00,wd", ("start_and_end_range_out_of_order", 2, "end_time")),
        ("timeframes", HOURS + "p,08:00:00,08:00:00,wd", ("start_and_end_range_equal", 2, "end_time")),
        ("timeframes", HOURS + "p,,,wd\np,07:00:00,08:00:00,wd", ("timeframe_overlap", 3, "start_time")),
        ("timeframes", HOURS + "p,7h,08:00:00,wd", ("invalid_time", 2, "start_time")),
        ("calendar", WEEK.replace("wd,1", "wd,2"), ("unexpected_enum_value", 2, "monday")),
        ("calendar", WEEK.replace("20260101", "20260231"), ("invalid_date", 2, "start_date")),
        ("calendar", WEEK.replace("20260101", "20270101"), ("start_and_end_range_out_of_order", 2, "end_date")),
        ("calendar_dates", "service_id,date,exception_type\nwd,20260501,3", ("unexpected_enum_value", 2, "exception_type")),
        ("rider_categories", WHOLE["rider_categories"].replace("K,0", "K,2"), ("unexpected_enum_value", 3, "is_default_fare_category")),
        ("fare_media", "fare_media_id,fare_media_type\ncard,5", ("unexpected_enum_value", 2, "fare_media_type")),
        ("route_networks", "network_id,route_id\nbus,zz", ("foreign_key_violation", 2, "route_id")),
        ("stop_areas", "area_id,stop_id\nX,x\nQ,y", ("foreign_key_violation", 3, "area_id")),
        ("stops", "stop_id,parent_station\nx,q\ny,\nz,\nw,", ("foreign_key_violation", 2, "parent_station")),
        ("routes", "route_id,agency_id,route_type\n1,zz,3\n2,a,3\nm,a,1\nt,a,0", ("foreign_key_violation", 2, "agency_id")),
        ("fare_leg_rules", "network_id,from_area_id,fare_product_id\nbus,Q,s", ("foreign_key_violation", 2, "from_area_id")),
        ("fare_leg_rules", "network_id,to_timeframe_group_id,fare_product_id\nbus,Q,s",
         ("foreign_key_violation", 2, "to_timeframe_group_id")),
        ("fare_leg_rules", "network_id,fare_product_id,rule_priority\nbus,s,-1", ("number_out_of_range", 2, "rule_priority")),
        ("fare_leg_rules", "network_id,fare_product_id\nbus,s\nbus,s", ("duplicate_key", 3, "network_id")),
        ("fare_leg_join_rules", "from_network_id,to_network_id\nbus,q", ("foreign_key_violation", 2, "to_network_id")),
        ("stops", "stop_id,stop_timezone\nx,Europe/Pariss\ny,\nz,\nw,", ("invalid_timezone", 2, "stop_timezone")),
        ("agency", 'agency_id,agency_name,agency_timezone\na,"A,Europe/Paris', ("csv_parsing_failed", 0, "")),
        # Ours, as strictly.
        ("caps", "cap_id,period,amount,currency\nd,day,-1.00,EUR", ("number_out_of_range", 2, "amount")),
        ("caps", "cap_id,period,amount,currency,network_ids\nd,day,1.00,EUR,bus;buss", ("foreign_key_violation", 2, "network_ids")),
        ("transfer_windows", "window_id,duration_s,edge\nw,60,incl", ("unexpected_enum_value", 2, "edge")),
        ("passes", "pass_product_id,scope,validity,activation,amount,currency\np,all,day,purchase,-1.00,EUR",
         ("number_out_of_range", 2, "amount")),
        ("fare_matrix", PAIRS + "metro,s,x,y,1.00,EUR,1\nmetro,s,y,x,2.00,EUR,", ("duplicate_key", 3, "from_stop_id")),
        ("same_station_exits", "network_id,from_s,to_s,action\nmetro,0,300,free\nmetro,200,400,maximum", ("exit_band_overlap", 3, "from_s")),
        ("same_station_exits", "network_id,from_s,to_s,action\nmetro,300,200,free", ("start_and_end_range_out_of_order", 2, "to_s")),
        ("distance_fares", RATES + "metro,s,1.00,0.10,EUR,1,3.00,2.00", ("start_and_end_range_out_of_order", 2, "max_amount")),
        ("distance_fares", RATES + "metro,s,1.00,0.10,EUR,0,,", ("number_out_of_range", 2, "step_km")),
        ("cash_rounding", "fare_media_id,step_amount,currency,rounding\ncard,0.00,EUR,up", ("number_out_of_range", 2, "step_amount")),
        ("ride_rules", "network_id,settled_by,passback_s,companions\nbus,boarding,,3", ("missing_required_field", 2, "passback_s")),
    ],
)  # fmt: skip
def test_an_error_is_named_by_file_row_and_field(tmp_path, file, text, notice):
    code, answer = price_files(tmp_path, {**WHOLE, file: text}, STOPS + trip("08:00", "1", "x", "y"))
    found, row, field = notice
    assert (found, f"{file}.txt", row, field) in notices(answer)
    assert code == 1


@pytest.mark.parametrize(
    ("rows", "warned"),
    [
        ("bus,X,Y,a", True),
        ("bus,,Y,a\n,,Z,b", True),
        ("bus,X,Y,a\nbus,X,,b", False),
        ("metro,X,Y,a\nbus,,,b", False),
    ],
)
def test_a_boarding_that_cannot_know_what_the_fare_asks_for_is_told_of(tmp_path, rows, warned):
    from fare.gtfs.load import check_files

    files = legs("network_id,from_area_id,to_area_id,fare_product_id\n" + rows)
    files["ride_rules"] = "network_id,settled_by\nbus,boarding\n,ride"
    checked = check_files({f"{name}.txt": text.encode() for name, text in files.items()})
    found = [(one.code, one.file, one.row, one.field) for one in checked.notices if one.severity == "warning"]
    assert found == [("boarding_knows_no_end", "ride_rules.txt", 2, "settled_by")] * warned
    assert checked.book is not None
