"""Sentences of the adopted GTFS-Fares v2 text that are easy to get wrong, each as a feed of the standard alone.

No file of ours is there, so the service day is the calendar day and a fare that asks for a ride's end gets both taps.
"""

import pytest

from fare.gtfs.load import check_files
from tests.fare.cities import town

COLUMNS = "at,purpose,route,stop"
FEED = {
    "agency": "agency_id,agency_name,agency_url,agency_timezone\na,A,https://a.example,America/Vancouver",
    "routes": "route_id,agency_id,route_short_name,route_type\nbus,a,1,3\nrail,a,R,2\nferry,a,F,4",
    "networks": "network_id,network_name\nbus,Bus\nrail,Rail\nferry,Ferry",
    "route_networks": "network_id,route_id\nbus,bus\nrail,rail\nferry,ferry",
    "stops": "stop_id,stop_name,location_type,parent_station,stop_timezone\n"
    "x,X,,,\ny,Y,1,,\ny1,Y 1,0,y,\ny2,Y 2,0,y,\nz,Z,,,\nfar,Far,1,,America/Toronto\nfar1,Far 1,0,far,",
    "areas": "area_id,area_name\nX,X\nY,Y\nZ,Z",
    "stop_areas": "area_id,stop_id\nX,x\nY,y\nZ,z\nZ,far",
    "fare_products": "fare_product_id,fare_product_name,amount,currency\na,A,2.00,CAD\nb,B,3.00,CAD\nc,C,4.50,CAD\nab,AB,1.00,CAD",
    "fare_leg_rules": "leg_group_id,network_id,from_area_id,to_area_id,fare_product_id,rule_priority\n"
    "A,bus,,,a,\nB,rail,X,Y,b,\nB,rail,Y,Z,b,\nB,rail,X,Z,c,\nC,ferry,,,c,",
}


def feed(**changed: str):
    files = {f"{name}.txt": text.encode() for name, text in {**FEED, **changed}.items()}
    checked = check_files(files)
    assert checked.book is not None, [str(one) for one in checked.errors]
    return checked.book


def leg(route: str, on: str, start: str, off: str, end: str) -> list[str]:
    return [f"2026-11-18T{on},on,{route},{start}", f"2026-11-18T{off},off,{route},{end}"]


def test_an_empty_cell_leaves_out_what_its_column_lists(price):
    """Without rule_priority “empty” is every area that no row lists: a bus from a listed area has no fare."""
    book = feed(fare_leg_rules="network_id,from_area_id,fare_product_id\nbus,,a\nrail,X,b")
    taps = [
        "2026-11-18T08:00,on,bus,z",
        "2026-11-18T08:00,on,bus,x",
        "2026-11-18T08:00,on,rail,x",
        "2026-11-18T08:00,on,rail,z",
    ]
    found = [price(book, COLUMNS, tap) for tap in taps]
    assert [one.charged for one in found] == [[200], [], [300], []]
    assert [one.reasons for one in found] == [[], ["no_leg_rule"], [], ["no_leg_rule"]]


TRANSFERS = "from_leg_group_id,to_leg_group_id,transfer_count,duration_limit,duration_limit_type,fare_transfer_type,fare_product_id\n"
CHAIN = [
    *leg("bus", "08:00", "x", "08:10", "y"),
    *leg("rail", "08:20", "y1", "08:30", "z"),
    *leg("ferry", "08:40", "z", "08:50", "x"),
]


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [
        ("0", "0", 200 + 100 + 100),  # A + AB, then S + BC
        ("1", "1", 200 + 100 + 300 + 100 + 450),  # A + AB + B, then S + BC + C
        ("2", "2", 100 + 100),  # AB, then S + BC
        ("0", "2", 200 + 100 + 100),
        ("1", "2", 200 + 100 + 300 + 100),
        ("2", "0", 100 + 100),
        ("2", "1", 100 + 100 + 450),
    ],
)
def test_three_legs_cost_what_the_table_of_transfer_types_says(price, first, second, total):
    """The table “cost processing interactions between multiple transfers in a journey” of fare_transfer_rules.txt."""
    rules = f"{TRANSFERS}A,B,,,,{first},ab\nB,C,,,,{second},ab\n"
    assert sum(price(feed(fare_transfer_rules=rules), COLUMNS, *CHAIN).charged) == total


@pytest.mark.parametrize(
    ("arrive", "board", "joined"),
    [("y1", "y2", True), ("y", "y1", True), ("y1", "y1", True), ("y1", "x", False)],
)
def test_a_join_without_stops_asks_for_one_station(price, arrive, board, joined):
    book = feed(fare_leg_join_rules="from_network_id,to_network_id\nrail,rail")
    legs = [*leg("rail", "08:00", "x", "08:10", arrive), *leg("rail", "08:20", board, "08:30", "z")]
    assert sum(price(book, COLUMNS, *legs).charged) == (
        450 if joined else 300 + (450 if board == "x" else 300)
    )


@pytest.mark.parametrize(
    ("start", "end", "joined"), [("y", "y", True), ("y1", "y2", True), ("y2", "y1", False)]
)
def test_a_join_between_stations_holds_at_their_platforms(price, start, end, joined):
    book = feed(
        fare_leg_join_rules=f"from_network_id,to_network_id,from_stop_id,to_stop_id\nrail,rail,{start},{end}"
    )
    legs = [*leg("rail", "08:00", "x", "08:10", "y1"), *leg("rail", "08:20", "y2", "08:30", "z")]
    assert sum(price(book, COLUMNS, *legs).charged) == (450 if joined else 600)


@pytest.mark.parametrize("missing", ["from_stop_id", "to_stop_id"])
def test_a_join_names_both_stops_or_neither(missing):
    cells = {"from_stop_id": "y1", "to_stop_id": "y2", missing: ""}
    text = f"from_network_id,to_network_id,from_stop_id,to_stop_id\nrail,rail,{cells['from_stop_id']},{cells['to_stop_id']}"
    files = {f"{name}.txt": body.encode() for name, body in {**FEED, "fare_leg_join_rules": text}.items()}
    (found,) = check_files(files).errors
    assert (found.file, found.row, found.field, found.code) == (
        "fare_leg_join_rules.txt", 2, missing, "missing_required_field",
    )  # fmt: skip


PEAK = {
    "calendar": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
    "all,1,1,1,1,1,1,1,20260101,20271231",
    "timeframes": "timeframe_group_id,start_time,end_time,service_id\npeak,06:00:00,09:00:00,all",
    "fare_leg_rules": "network_id,from_area_id,from_timeframe_group_id,fare_product_id,rule_priority\nrail,,,b,\nrail,,peak,c,1",
}


@pytest.mark.parametrize(
    ("stop", "at", "cents"),
    [
        ("x", "08:59:59", 450), ("x", "09:00", 300), ("x", "06:00", 450), ("x", "05:59:59", 300),
        # Three hours east of the agency, by the station's own stop_timezone: 06:00 here is 09:00 there.
        ("far1", "03:00", 450), ("far1", "05:59:59", 450), ("far1", "06:00", 300), ("far", "02:59:59", 300),
    ],
)  # fmt: skip
def test_a_timeframe_is_local_to_the_stop(price, stop, at, cents):
    assert price(feed(**PEAK), COLUMNS, f"2026-11-18T{at},on,rail,{stop}").charged == [cents]


def test_a_ride_over_midnight_is_one_ride(price):
    """A feed of the standard has no time limit for rides and its days begin at midnight."""
    taps = ["2026-11-18T23:50,on,rail,x", "2026-11-19T00:20,off,rail,z"]
    found = price(feed(), COLUMNS, *taps)
    assert (found.charged, found.reasons) == ([450], [])
    late = price(feed(), COLUMNS, taps[0], "2026-11-19T05:50:01,off,rail,z")
    assert late.reasons == ["no_rule_for_over_long"], "six hours after its tap-on nobody is still under way"


def test_a_transfer_over_midnight_counts_by_its_limit(price):
    book = feed(fare_transfer_rules=f"{TRANSFERS}A,A,-1,3600,1,0,\n")
    taps = [f"2026-11-{at},on,bus,x" for at in ("18T23:30", "19T00:29:59", "19T00:30", "19T00:30:01")]
    assert price(book, COLUMNS, *taps).charged == [200, 0, 0, 200]


def test_a_route_in_no_network_counts_for_nothing_that_names_networks(price):
    book = town(
        routes="route_id,agency_id,route_type\na1,a,3\nb1,b,3\nr1,a,1\nfree1,a,3",
        fare_leg_rules="leg_group_id,network_id,fare_product_id\nA,A,a\nB,B,b\nR,R,r\nN,,a",
        caps="cap_id,period,amount,currency,network_ids\nday,day,3.00,EUR,A",
        passes="pass_product_id,scope,network_ids,validity,activation,amount,currency\np,all,B,day,purchase,5.00,EUR",
        ride_rules="network_id,settled_by\n,boarding",
    )
    taps = [
        f"2026-11-18T{at}+00:00,on,{route}"
        for at, route in (("08:00", "a1"), ("09:00", "free1"), ("10:00", "a1"), ("11:00", "b1"))
    ]
    riders = "rider,pass_product,pass_from,pass_until\nr,p,2026-11-18T00:00,2026-11-19T00:00"
    assert price(book, "at,purpose,route", *taps, riders=riders).charged == [200, 200, 100, 0]
