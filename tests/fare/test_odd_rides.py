"""Rides that are not simply on and off: completed from history, continued, accompanied, shared."""

from collections import defaultdict

import pytest

from fare.rules.bill import Component
from tests.fare.cities import BASE, ride, town

COLUMNS = "at,purpose,route,stop"
CLOSING = "network_id,case,action,fare_product_id,history_rides,history_days\n"
ZONES = {
    "fare_products": BASE["fare_products"] + "\nxy,1.00,EUR\nyz,1.50,EUR\nxz,2.50,EUR",
    "fare_leg_rules": (
        "leg_group_id,network_id,from_area_id,to_area_id,fare_product_id\nA,A,,,a\nB,B,,,b\n"
        "R,R,X,Y,xy\nR,R,Y,X,xy\nR,R,Y,Z,yz\nR,R,Z,Y,yz\nR,R,X,Z,xz\nR,R,Z,X,xz"
    ),
}


def trip(day: int, start: str, end: str, at: str = "08") -> list[str]:
    return [
        f"2026-11-{day:02d}T{at}:00:00+00:00,on,r1,{start}",
        f"2026-11-{day:02d}T{at}:20:00+00:00,off,r1,{end}",
    ]


def forgot(day: int, stop: str, purpose: str = "on") -> str:
    return f"2026-11-{day:02d}T08:00:00+00:00,{purpose},r1,{stop}"


def remembering(rides: int, days: int | str = "", action: str = "maximum"):
    rows = "".join(f"R,{case},{action},,{rides},{days}\n" for case in ("missing_off", "missing_on"))
    return town(incomplete_rides=CLOSING + rows, **ZONES)


def test_missing_tap_off_is_completed_from_the_cards_own_history(price):
    found = price(remembering(2), COLUMNS, *trip(2, "x", "y"), *trip(3, "x", "y"), forgot(4, "x"))
    assert found.charged == [100, 100, 100]
    assert found.rides[-1].to_stop_id == "y"
    assert found.closed[-1] == "missing_off"


def test_missing_tap_on_is_completed_by_where_the_card_usually_comes_from(price):
    found = price(remembering(2), COLUMNS, *trip(2, "y", "z"), *trip(3, "y", "z"), forgot(4, "z", "off"))
    assert (found.charged[-1], found.rides[-1].from_stop_id) == (150, "y")


@pytest.mark.parametrize(
    ("before", "last"),
    [
        ([*trip(2, "x", "y")], 250),  # once is no habit
        ([*trip(2, "x", "y"), *trip(3, "y", "x"), *trip(4, "x", "z")], 250),  # no end twice
        ([*trip(2, "x", "y"), *trip(3, "x", "y"), *trip(4, "x", "z")], 100),
        (
            [*trip(2, "x", "y"), *trip(3, "x", "y"), *trip(4, "x", "z"), *trip(5, "x", "z")],
            250,
        ),  # lately to z
        ([*trip(2, "x", "y"), forgot(3, "x")], 250),  # a completed ride would not count either
    ],
)
def test_only_a_habit_completes_a_ride(price, before, last):
    assert price(remembering(2), COLUMNS, *before, forgot(9, "x")).charged[-1] == last


@pytest.mark.parametrize(("day", "last"), [(10, 100), (11, 250)])
def test_a_habit_is_forgotten_after_its_days(price, day, last):
    days = [*trip(1, "x", "y"), *trip(3, "x", "y")]
    assert price(remembering(2, 9), COLUMNS, *days, forgot(day, "x")).charged[-1] == last


def test_without_history_the_action_decides(price):
    assert price(remembering(1, action="free"), COLUMNS, forgot(4, "x")).charged == [0]


@pytest.mark.parametrize(
    ("action", "stop", "charged"),
    [("farthest", "y", 150), ("farthest", "x", 250), ("cheapest", "z", 150), ("maximum", "y", 250)],
)
def test_closing_action_from_where_one_tapped(price, action, stop, charged):
    book = town(
        incomplete_rides=f"network_id,case,action\nR,missing_off,{action}\nR,missing_on,{action}", **ZONES
    )
    assert price(book, COLUMNS, forgot(4, stop)).charged == [charged]
    assert price(book, COLUMNS, forgot(4, stop, "off")).charged == [charged]


BREAKDOWN = "network_id,settled_by,limit_min,passback_s,continue_s\nA,boarding,120,60,1800\nB,boarding,120,,\nR,ride,120,,"
PLACED = f"{COLUMNS},place,direction"


@pytest.mark.parametrize(
    ("taps", "charged"),
    [
        ([ride("08:00", "a1") + ",bus1,0", ride("08:20", "a1") + ",bus2,0"], [200]),
        ([ride("08:00", "a1") + ",bus1,0", ride("08:30", "a1") + ",bus2,0"], [200]),
        ([ride("08:00", "a1") + ",bus1,0", ride("08:30:01", "a1") + ",bus2,0"], [200, 200]),
        ([ride("08:00", "a1") + ",bus1,0", ride("08:20", "a1") + ",bus1,0"], [200, 200]),  # the same vehicle
        ([ride("08:00", "a1") + ",bus1,0", ride("08:20", "a1") + ",bus2,1"], [200, 200]),  # the way back
        ([ride("08:00", "a1") + ",bus1,0", ride("08:20", "b1") + ",bus2,0"], [200, 300]),  # another route
        ([ride("08:00", "b1") + ",bus1,0", ride("08:20", "b1") + ",bus2,0"], [300, 300]),  # no such rule there
        # Off the broken bus and on to the next: one ride.
        ([ride("08:00", "a1") + ",bus1,0", ride("08:10", "a1", "", "off") + ",bus1,0",
          ride("08:20", "a1") + ",bus2,0", ride("08:40", "a1", "", "off") + ",bus2,0"], [200]),
        # A third bus, each soon after the one before.
        ([ride("08:00", "a1") + ",bus1,0", ride("08:25", "a1") + ",bus2,0", ride("08:50", "a1") + ",bus3,0"], [200]),
    ],
)  # fmt: skip
def test_ride_goes_on_in_the_replacement_of_a_vehicle_that_broke_down(price, taps, charged):
    found = price(town(ride_rules=BREAKDOWN), PLACED, *taps)
    assert found.charged == charged
    assert not found.reasons


ALONG = "network_id,settled_by,limit_min,passback_s,companions\nA,boarding,120,60,3\nB,boarding,120,,\nR,ride,120,60,3"


def test_companions_at_a_gate_ride_as_far_as_the_card(price):
    taps = [
        ride("08:00:00", "r1", "x"), ride("08:00:10", "r1", "x"), ride("08:20:00", "r1", "y", "off"),
        ride("08:20:10", "r1", "y", "off"),
    ]  # fmt: skip
    found = price(town(ride_rules=ALONG, **ZONES), COLUMNS, *taps)
    assert found.charged == [100, 100]
    assert sorted(found.closed) == ["passback", "tapped", "tapped"]


def test_companions_share_the_fate_of_a_ride_without_its_end(price):
    book = town(ride_rules=ALONG, incomplete_rides="network_id,case,action\nR,missing_off,maximum", **ZONES)
    taps = [ride("08:00:00", "r1", "x"), ride("08:00:10", "r1", "x")]
    assert price(book, COLUMNS, *taps).charged == [250, 250]


def test_companions_are_handed_on_over_the_day_boundary(price):
    book = town(ride_rules=ALONG, **ZONES)
    late = [f"2026-11-19T{at}+00:00,{purpose},r1,{stop}" for at, purpose, stop in
            (("02:50:00", "on", "x"), ("02:50:10", "on", "x"), ("03:10:00", "off", "y"))]  # fmt: skip
    assert price(book, COLUMNS, *late).charged == [100, 100]


def test_companions_have_none_of_the_holders_rights(price):
    book = town(
        ride_rules=ALONG,
        passes="pass_product_id,scope,validity,validity_count,activation,amount,currency\np,all,days,7,purchase,9.00,EUR",
    )
    riders = "rider,pass_product,pass_from,pass_until\nr,p,2026-11-18T00:00,2026-11-25T00:00"
    found = price(book, COLUMNS, ride("08:00:00", "a1"), ride("08:00:10", "a1"), riders=riders)
    assert (found.charged, found.part(Component.PASS_COVERED)) == ([0, 200], [200, 0])


SHARED = "from_leg_group_id,to_leg_group_id,fare_transfer_type,fare_product_id\nA,B,0,plus"


@pytest.mark.parametrize(
    ("basis", "parts"),
    [
        (None, {"a": 200, "b": 100}),
        ("leg", {"a": 150, "b": 150}),
        ("proportional", {"a": 120, "b": 180}),  # 2.00 and 3.00 alone
        ("distance", {"a": 150, "b": 150}),  # nobody knows how long a bus ride was: by leg
    ],
)
def test_operators_share_a_journey_by_the_tariffs_rule(price, basis, parts):
    rules = {} if basis is None else {"revenue_shares": f"share_id,basis\ns,{basis}"}
    found = price(
        town(fare_transfer_rules=SHARED, **rules), COLUMNS, ride("08:00", "a1"), ride("08:30", "b1")
    )
    assert found.charged == [200, 100]
    sums: dict[str, int] = defaultdict(int)
    for bill in found.bills:
        for line in bill.lines:
            sums[line.operator_id] += line.amount.minor
    assert sums == parts


def test_rides_that_are_no_journey_are_not_shared(price):
    book = town(fare_transfer_rules=SHARED, revenue_shares="share_id,basis\ns,leg")
    found = price(book, COLUMNS, ride("08:00", "b1"), ride("08:30", "a1"))
    assert [line.operator_id for bill in found.bills for line in bill.lines] == ["b", "a"]


def test_a_pass_never_makes_a_day_dearer_by_keeping_a_ride_out_of_a_cap(price):
    """A pass on the cheap bus, and a cap of one paid ride a day: without the pass the dear bus is free."""
    book = town(
        caps="cap_id,period,rides\nday,day,1",
        passes="pass_product_id,scope,network_ids,validity,validity_count,activation,amount,currency\n"
        "p,all,A,days,7,purchase,9.00,EUR",
    )
    riders = "rider,pass_product,pass_from,pass_until\nr,p,2026-11-18T00:00,2026-11-25T00:00"
    taps = [ride("08:00", "a1"), ride("09:00", "b1")]
    assert price(book, COLUMNS, *taps).charged == [200, 0]
    assert price(book, COLUMNS, *taps, riders=riders).charged == [200, 0]
    assert price(book, COLUMNS, taps[0], riders=riders).charged == [0]


def test_what_is_left_of_a_concession_is_payable_in_cash(price):
    book = town(
        fare_media="fare_media_id,fare_media_type\ncash,0\ncard,2",
        cash_rounding="fare_media_id,step_amount,currency,rounding\ncash,0.50,EUR,up",
        concessions="concession_id,card_category,share_percent,funder\nc,PRIORITY,33,city",
    )
    columns = f"{COLUMNS},category,medium"
    cash = price(book, columns, ride("08:00", "a1") + ",PRIORITY,cash")
    assert (cash.charged, cash.part(Component.DISCOUNTED)) == ([150], [50])  # 1.34 is no coin
    assert price(book, columns, ride("08:00", "a1") + ",PRIORITY,card").charged == [134]


WINDOW = "window_id,network_ids,operator_ids,duration_s,gap_s,edge,dearer,restart\n"


@pytest.mark.parametrize(
    ("row", "taps", "charged"),
    [
        # The highest fare in the window, over two operators, whatever comes first.
        ("w,A;B,,3600,,inclusive,difference,", ["08:00 a1", "08:30 b1"], [200, 100]),
        ("w,A;B,,3600,,inclusive,difference,", ["08:00 b1", "08:30 a1"], [300, 0]),
        # An operator outside the scheme keeps its fare and breaks nothing.
        ("w,,a,3600,,inclusive,free,", ["08:00 a1", "08:10 b1", "08:20 a1"], [200, 300, 0]),
        # A dearer leg restarts the window, or keeps it.
        ("w,A;B,,3600,,inclusive,difference,dearer", ["08:00 a1", "08:50 b1", "09:40 a1"], [200, 100, 0]),
        ("w,A;B,,3600,,inclusive,difference,never", ["08:00 a1", "08:50 b1", "09:40 a1"], [200, 100, 200]),
        ("w,A;B,,3600,,inclusive,difference,dearer", ["08:00 b1", "08:50 a1", "09:40 a1"], [300, 0, 200]),
        ("w,A;B,,3600,,inclusive,free,each", ["08:00 b1", "08:50 a1", "09:40 a1"], [300, 0, 0]),
        # No more than ten minutes between two legs.
        ("w,A,,3600,600,inclusive,free,", ["08:00 a1", "08:10 a1", "08:20 a1"], [200, 0, 0]),
        ("w,A,,3600,600,inclusive,free,", ["08:00 a1", "08:10:01 a1"], [200, 200]),
        ("w,A,,3600,600,exclusive,free,", ["08:00 a1", "08:10 a1"], [200, 200]),
    ],
)
def test_transfer_windows_by_policy(price, row, taps, charged):
    rides = [ride(*one.split()) for one in taps]
    assert price(town(transfer_windows=WINDOW + row), COLUMNS, *rides).charged == charged


def test_what_a_transfer_gives_back_no_longer_counts_towards_a_cap(price):
    book = town(
        fare_transfer_rules="from_leg_group_id,to_leg_group_id,fare_transfer_type,fare_product_id\nA,B,2,plus",
        caps="cap_id,period,amount,currency\nday,day,3.00,EUR",
    )
    taps = [ride("08:00", "a1"), ride("08:10", "b1"), ride("10:00", "a1")]
    assert price(book, COLUMNS, *taps).charged == [200, -100, 200]
