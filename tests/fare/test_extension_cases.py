"""Our files through the command: passes, closings, companions, rounding, and what riders.csv and taps.csv say wrongly."""

import pytest

from tests.fare.door import charged, head, lines, notices, price_files, trip

STOPS = "rider,at,purpose,route,stop\n"
PLAIN = "rider,at,purpose,route\n"
SHOWN = "rider,at,purpose,route,medium,category\n"
NETS = lines(("1", "bus", 3, "a"), ("2", "bus", 3, "b"), ("m", "metro", 1, "a"), ("t", "tram", 0, "a"))
HELD = {
    **head(), **NETS, "fare_products": "fare_product_id,amount,currency\ns,2.00,EUR",
    "fare_leg_rules": "network_id,fare_product_id\nbus,s\ntram,s", "ride_rules": "network_id,settled_by\n,boarding",
    "passes": "pass_product_id,scope,network_ids,validity,validity_count,activation,start_within_days,amount,currency\n"
    "day,all,bus,day,1,first_tap,,5.00,EUR\nhours,all,,days,2,first_tap,,9.00,EUR\nmonth,network,,month,1,purchase,,30.00,EUR\n"
    "week,all,,week,1,purchase,,12.00,EUR\nweeks,all,,week,2,purchase,,12.00,EUR\nthree,all,,day,3,purchase,,12.00,EUR\n"
    "cm,all,,calendar_month,1,purchase,,30.00,EUR\ncw,all,,calendar_week,1,purchase,,30.00,EUR\nsoon,all,,day,1,first_tap,7,5.00,EUR",
}  # fmt: skip
STATIONS = {
    **head(), **NETS, "stops": "stop_id,location_type,parent_station\nst,1,\np1,0,st\np2,0,st\nz,0,", "areas": "area_id\nX\nZ",
    "stop_areas": "area_id,stop_id\nX,st\nZ,z", "fare_products": "fare_product_id,amount,currency\ns,2.00,EUR\nl,5.00,EUR",
    "fare_leg_rules": "network_id,from_area_id,to_area_id,fare_product_id\nmetro,X,X,s\nmetro,X,Z,l\nmetro,Z,X,l",
    "ride_rules": "network_id,settled_by,limit_min\nmetro,ride,90",
    "same_station_exits": "network_id,from_s,to_s,action\nmetro,0,300,free\nmetro,300,,maximum",
    "incomplete_rides": "network_id,case,action,caps\nmetro,missing_off,maximum,outside\nmetro,missing_on,maximum,\nmetro,over_long,apart,",
    "caps": "cap_id,period,amount,currency\nd,day,6.00,EUR",
}  # fmt: skip
PARTY = {
    **head(), **NETS, "fare_products": "fare_product_id,amount,currency\ns,2.00,EUR", "fare_leg_rules": "network_id,fare_product_id\nbus,s\nmetro,s",
    "ride_rules": "network_id,settled_by,passback_s,companions\nbus,boarding,300,3\nmetro,ride,60,", "caps": "cap_id,period,rides\nd,day,2",
}  # fmt: skip
GAP = {
    **STATIONS,
    "same_station_exits": "network_id,from_s,to_s,action\nmetro,0,120,free\nmetro,300,,maximum",
}
COINS = {
    **head("VND", "Asia/Ho_Chi_Minh"), **NETS, "fare_media": "fare_media_id,fare_media_type\ncash,0\ncard,2",
    "cash_rounding": "fare_media_id,step_amount,currency,rounding\ncash,1000,VND,up",
    "fare_products": "fare_product_id,amount,currency\ns,8595,VND", "fare_leg_rules": "network_id,fare_product_id\nbus,s",
    "ride_rules": "network_id,settled_by\n,boarding", "caps": "cap_id,period,amount,currency\nd,day,20000,VND",
    "concessions": "concession_id,card_category,share_percent,rounding,funder\np,PRIORITY,50,up,city\nsr,FREE_SENIOR,100,up,city",
}  # fmt: skip
CHANGED = {
    **head(starts="00:00:00"), **NETS,
    "fare_products": "fare_product_id,amount,currency,valid_from,valid_to\ns,2.00,EUR,,2026-05-31\ns,2.50,EUR,2026-06-01,",
    "fare_leg_rules": "network_id,fare_product_id\nmetro,s", "ride_rules": "network_id,settled_by,limit_min\nmetro,ride,120",
}  # fmt: skip


def on(*times: str) -> str:
    return PLAIN + "".join(f"r,2026-{time}\n" for time in times)


@pytest.mark.parametrize(
    ("files", "taps", "expected"),
    [
        # The way out where one came in, also at another platform; a stop nobody tapped is no station.
        (STATIONS, STOPS + trip("08:00", "m", "p1", "p2", 4), [0]), (STATIONS, STOPS + trip("08:00", "m", "st", "p2", 5), [500]),
        (STATIONS, STOPS + trip("08:00", "m", "p1", "z"), [500]), (STATIONS, STOPS + trip("08:00", "m", "", "", 4), ["no_leg_rule"]),
        # Outside every band it is a ride like any other.
        (GAP, STOPS + trip("08:00", "m", "p1", "p2", 1) + trip("09:00", "m", "p1", "p2", 2) + trip("10:00", "m", "p1", "p2", 5),
         [0, 200, 400]),
        # To the second of the limit; after it two rides, each without an end.
        (STATIONS, STOPS + trip("08:00", "m", "p1", "z", 90), [500]), (STATIONS, STOPS + trip("08:00", "m", "p1", "z", 91), [500, 500]),
        # A maximum outside the caps leaves them whole.
        (STATIONS, STOPS + "r,2026-05-05T07:00,on,m,p1\n" + trip("10:00", "m", "p1", "z") + trip("11:00", "m", "z", "p1")
         + trip("12:00", "m", "p1", "z"), [500, 500, 100, 0]),
        # The tariff of the tap-on's date, also where the ride ends on the next.
        (CHANGED, STOPS + "r,2026-05-31T23:50,on,m,x\nr,2026-06-01T00:20,off,m,y\nr,2026-06-01T01:20,on,m,y\nr,2026-06-01T01:40,off,m,x",
         [200, 250]),
        # Companions pay in full and only the holder counts towards the cap; the fourth tap is a repeat.
        (PARTY, on("05-05T08:00:00,on,1", "05-05T08:00:10,on,1", "05-05T08:00:20,on,1", "05-05T08:00:30,on,1", "05-05T09:00,on,1",
                   "05-05T10:00,on,1"), [200, 200, 200, 200, 0]),
        (PARTY, STOPS + "r,2026-05-05T08:00:00,on,m,x\nr,2026-05-05T08:00:30,on,m,x\nr,2026-05-05T08:10,off,m,y\n"
         "r,2026-05-05T08:10:30,off,m,y", [200]),
        # Coins round the price, and what a concession leaves; the cap counts what was paid.
        (COINS, SHOWN + "a,2026-05-05T08:00,on,1,cash,\na,2026-05-05T09:00,on,1,,PRIORITY\n"
         "a,2026-05-05T10:00,on,1,cash,PRIORITY\na,2026-05-05T11:00,on,1,,FREE_SENIOR\na,2026-05-05T12:00,on,1,,",
         [9000, 4297, 5000, 0, 1703]),
    ],
)  # fmt: skip
def test_what_rides_cost_by_our_files(tmp_path, files, taps, expected):
    _, answer = price_files(tmp_path, files, taps)
    assert charged(answer) == expected


@pytest.mark.parametrize(
    ("held", "taps", "expected"),
    [
        # From its first tap to the end of that service day, for its network alone; in 24-hour steps.
        ("day,,2026-05-01", ["05-05T23:00,on,1", "05-06T03:59,on,1", "05-06T03:59,on,t", "05-06T04:00,on,1"], [0, 0, 200, 200]),
        ("hours,,2026-05-01", ["05-05T23:00,on,1", "05-07T22:59:59,on,t", "05-07T23:00,on,1"], [0, 0, 200]),
        ("soon,,2026-05-01", ["05-08T03:59:59,on,1"], [0]), ("soon,,2026-05-01", ["05-08T04:00,on,1"], [200]),
        # A date is a service day; a month ends on the day before its day.
        ("month,bus,2026-05-05", ["05-05T03:59,on,1", "05-05T04:00,on,1", "05-06T08:00,on,t", "06-05T03:59,on,1", "06-05T04:00,on,1"],
         [200, 0, 200, 0, 200]),
        ("month,bus,2026-01-31", ["01-31T08:00,on,1", "02-28T20:00,on,1", "03-01T20:00,on,1"], [0, 0, 200]),
        ("cm,,2026-05-05", ["05-05T08:00,on,1", "06-01T03:59,on,t", "06-01T04:00,on,1"], [0, 0, 200]),
        ("cw,,2026-05-05", ["05-05T08:00,on,1", "05-11T03:59,on,t", "05-11T04:00,on,1"], [0, 0, 200]),
        ("weeks,,2026-05-05", ["05-19T03:59,on,1", "05-19T04:00,on,1"], [0, 200]),
        ("three,,2026-05-05", ["05-08T03:59,on,1", "05-08T04:00,on,1"], [0, 200]),
        # Bought between two rides.
        ("week,,2026-05-05T08:30", ["05-05T08:00,on,1", "05-05T09:00,on,1"], [200, 0]),
    ],
)  # fmt: skip
def test_what_a_pass_covers(tmp_path, held, taps, expected):
    riders = f"rider,pass_product,pass_scope,pass_from\nr,{held}"
    _, answer = price_files(tmp_path, HELD, on(*taps), riders)
    assert charged(answer) == expected


@pytest.mark.parametrize(
    ("riders", "notice"),
    [
        ("rider,pass_product,pass_from\nr,month,2026-05-05", ("missing_required_field", 2, "pass_scope")),
        ("rider,pass_product,pass_from,pass_scope\nr,month,2026-05-05,buss", ("foreign_key_violation", 2, "pass_scope")),
        ("rider,pass_product,pass_from,pass_scope\nr,week,2026-05-05,bus", ("forbidden_field", 2, "pass_scope")),
        ("rider,pass_product,pass_from\nr,weak,2026-05-05", ("foreign_key_violation", 2, "pass_product")),
        ("rider,pass_product,pass_from\nr,week,", ("invalid_date", 2, "pass_from")),
        ("rider,category,category_to\nr,NORMAL,20260505x", ("invalid_date", 2, "category_to")),
        ("rider,category\nr,PENSIONER", ("unexpected_enum_value", 2, "category")),
        ("rider,money_at,money_amount\nr,2026-05-05T08:00,1.5x", ("invalid_currency_amount", 2, "money_amount")),
        ("rider,said_on_at,said_stop,said_off_at\nr,2026-05-05T08:01,y,2026-05-05T08:20", ("foreign_key_violation", 2, "said_on_at")),
        ("rider,wish\nr,1", ("unknown_column", 1, "wish")),
    ],
)  # fmt: skip
def test_what_riders_csv_says_wrongly_is_named(tmp_path, riders, notice):
    code, answer = price_files(tmp_path, HELD, on("05-05T08:00,on,1"), riders)
    found, row, field = notice
    assert notices(answer) == {(found, "riders.csv", row, field)}
    assert code == 1


@pytest.mark.parametrize(
    ("taps", "notice"),
    [
        ("rider,at,purpose,route,operator\nr,2026-05-05T08:00,on,1,nobody", ("foreign_key_violation", 2, "operator")),
        ("rider,at,purpose,route,medium\nr,2026-05-05T08:00,on,1,cahs", ("foreign_key_violation", 2, "medium")),
        ("rider,at,purpose,route\nr,2026-05-05T08:00,onn,1", ("unexpected_enum_value", 2, "purpose")),
        ("rider,at,purpose,route\nr,05/05/2026,on,1", ("invalid_date", 2, "at")),
        ("rider,at,purpose,route,counter\nr,2026-05-05T08:00,on,1,x", ("invalid_integer", 2, "counter")),
        ("rider,at,route\nr,2026-05-05T08:00,1", ("missing_required_column", 1, "purpose")),
    ],
)  # fmt: skip
def test_what_taps_csv_says_wrongly_is_named(tmp_path, taps, notice):
    code, answer = price_files(tmp_path, COINS, taps)
    found, row, field = notice
    assert notices(answer) == {(found, "taps.csv", row, field)}
    assert code == 1


def test_a_category_counts_on_its_dates(tmp_path):
    files = {
        **HELD,
        "rider_categories": "rider_category_id,is_default_fare_category\nadult,1\nyouth,0",
        "fare_products": "fare_product_id,rider_category_id,amount,currency\ns,adult,2.00,EUR\ns,youth,1.00,EUR",
    }
    riders = "rider,category,category_from,category_to\nr,youth,2026-05-06,2026-05-06"
    _, answer = price_files(
        tmp_path, files, on("05-05T08:00,on,1", "05-06T08:00,on,1", "05-07T08:00,on,1"), riders
    )
    assert charged(answer) == [200, 100, 200]
