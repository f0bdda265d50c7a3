"""The edges of our extension files, from the outside: each row is a tariff's files, a rider's taps, and what they cost."""

import pytest

from tests.fare.cities import town

HEADER = "at,purpose,route,stop,medium,category,phase"
CAPS = "cap_id,period,period_days,amount,currency,rides,network_ids,operator_ids,card_category\n"
WINDOWS = "window_id,network_ids,duration_s,edge,dearer,restart\n"
ODD = {
    "incomplete_rides": "network_id,case,action,fare_product_id\nR,missing_off,product,plus\nR,missing_on,maximum,\nR,over_long,product,b"
}
SAME = {
    "same_station_exits": "network_id,from_s,to_s,action\nR,0,120,free\nR,120,1800,product\nR,1800,,maximum".replace(
        "action\n", "action,fare_product_id\n"
    )
    .replace("free\n", "free,\n")
    .replace("product\n", "product,plus\n")
    + ","
}
CASH = {
    "fare_media": "fare_media_id,fare_media_type\ncash,0\ncard,2",
    "cash_rounding": "fare_media_id,step_amount,currency,rounding\ncash,1.00,EUR,up",
    "fare_products": "fare_product_id,amount,currency\na,2.30,EUR\nb,3.00,EUR\nr,5.00,EUR",
    "concessions": "concession_id,card_category,share_percent,rounding,funder\nchild,FREE_CHILD,50,up,city",
}
PASSES = {
    "passes": "pass_product_id,scope,network_ids,validity,validity_count,activation,amount,currency\n"
    "first,all,A,days,1,first_tap,9.00,EUR\nroute,route,A,month,1,purchase,9.00,EUR"
}
WAIVERS = {
    "ride_rules": "network_id,settled_by,limit_min\n,ride,120",
    "waivers": "waiver_id,network_ids,area_ids,area_rule,funder,valid_from,valid_to\n"
    "in,,X;Y,within,city,2026-11-18,2026-11-18\nby,A,Z,touches,city,2026-11-18,2026-11-18",
}  # fmt: skip
RIDE = [("18T08:00", "on", "r1", "x"), ("18T10:00", "off", "r1", "y")]


def line(
    at: str,
    purpose: str = "on",
    route: str = "a1",
    stop: str = "",
    medium: str = "",
    category: str = "",
    phase: str = "",
) -> str:
    return f"2026-11-{at}+00:00,{purpose},{route},{stop},{medium},{category},{phase}"


@pytest.mark.parametrize(
    ("files", "taps", "charged"),
    [
        # Rides in 24 hours from the first that counts, half-open.
        ({"caps": f"{CAPS}c,rolling,1,,,2,A,,"},
         [("18T08:00",), ("18T09:00",), ("18T10:00",), ("19T07:59:59",), ("19T08:00",)], [200, 200, 0, 0, 200]),
        # An ISO week and a month end with their last service day, here at 03:00.
        ({"caps": f"{CAPS}c,week,,3.00,EUR,,,,"},
         [("22T20:00",), ("22T21:00",), ("23T02:59:59",), ("23T03:00",)], [200, 100, 0, 200]),
        ({"caps": f"{CAPS}c,month,,3.00,EUR,,,,"},
         [("30T20:00",), ("30T21:00",), ("30T23:59:59",)], [200, 100, 0]),
        # By operator the remainder is charged, and who is outside pays alone; by category.
        ({"caps": f"{CAPS}c,day,,3.00,EUR,,,a,"},
         [("18T08:00",), ("18T09:00",), ("18T10:00", "on", "b1"), ("18T11:00",)], [200, 100, 300, 0]),
        ({"caps": f"{CAPS}c,day,,1.00,EUR,,,,FREE_SENIOR"},
         [("18T08:00", "on", "a1", "", "", "FREE_SENIOR"), ("18T09:00", "on", "a1", "", "", "FREE_SENIOR"), ("18T10:00",)],
         [100, 0, 200]),
        # The difference to the dearest leg; the time begins anew with it, or does not; both edges.
        ({"transfer_windows": f"{WINDOWS}w,A;B,3600,exclusive,difference,dearer"},
         [("18T08:00",), ("18T08:50", "on", "b1"), ("18T09:40",), ("18T09:50",)], [200, 100, 0, 200]),
        ({"transfer_windows": f"{WINDOWS}w,A;B,3600,inclusive,difference,never"},
         [("18T08:00",), ("18T08:50", "on", "b1"), ("18T09:00",), ("18T09:00:01",)], [200, 100, 0, 200]),
        ({"transfer_windows": f"{WINDOWS}w,A;B,3600,inclusive,difference,each"},
         [("18T08:00",), ("18T08:50",), ("18T09:40",), ("18T10:40",), ("18T11:40:01",)], [200, 0, 0, 0, 200]),
        # A metro ride between two buses leaves the window as it is.
        ({"transfer_windows": f"{WINDOWS}w,A,3600,exclusive,free,never"},
         [("18T08:00",), ("18T08:10", "on", "r1", "x"), ("18T08:50", "off", "r1", "y"), ("18T08:59:59",)], [200, 500, 0]),
        # Three taps ride, the fourth is a repeat; at the interval's end a tap is a new ride.
        ({}, [("18T08:00:00",), ("18T08:00:10",), ("18T08:00:20",), ("18T08:00:30",)], [200, 200, 200]),
        ({"ride_rules": "network_id,settled_by,limit_min,passback_s\n,boarding,120,60"},
         [("18T08:00:00",), ("18T08:00:59",), ("18T08:01:59",)], [200, 200]),
        # A ride may take its limit to the second; then what lacks an end, or a start.
        (ODD, RIDE, [500]),
        (ODD, [RIDE[0], ("18T10:00:01", "off", "r1", "y")], [300]),
        (ODD, [("18T14:00", "off", "r1", "z"), ("18T15:00", "on", "r1", "x")], [500, 100]),
        (SAME, [RIDE[0], ("18T08:01:59", "off", "r1", "x")], [0]), (SAME, [RIDE[0], ("18T08:02", "off", "r1", "x")], [100]),
        (SAME, [RIDE[0], ("18T08:29:59", "off", "r1", "x")], [100]), (SAME, [RIDE[0], ("18T08:30", "off", "r1", "x")], [500]),
        # Cash is rounded up, and again what a concession leaves of it.
        (CASH, [("18T08:00", "on", "a1", "", "cash"), ("18T09:00", "on", "a1", "", "cash", "FREE_CHILD"),
                ("18T10:00", "on", "a1", "", "card", "FREE_CHILD")], [300, 200, 115]),
        # Both ends inside the areas, or one of them, on the waiver's dates.
        (WAIVERS, [RIDE[0], ("18T08:10", "off", "r1", "y"), ("18T09:00", "on", "r1", "x"), ("18T09:10", "off", "r1", "z")], [0, 500]),
        (WAIVERS, [("18T10:00", "on", "a1", "y"), ("18T10:10", "off", "a1", "z"), ("19T10:00", "on", "a1", "y"),
                   ("19T10:10", "off", "a1", "z")], [0, 200]),
        # A torn tap and one shown to an inspector cost nothing.
        ({}, [("18T08:00", "on", "a1", "", "", "", "torn"), ("18T08:05", "inspect", "a1"), ("18T08:30",)], [200]),
    ],
)  # fmt: skip
def test_what_taps_cost_at_the_edges(price, files, taps, charged):
    assert price(town(**files), HEADER, *(line(*tap) for tap in taps)).charged == charged


@pytest.mark.parametrize(
    ("held", "taps", "charged"),
    [
        ("first,,2026-11-01", [("18T08:00",), ("19T07:59:59",), ("19T08:00",)], [0, 0, 200]),
        ("route,a1,2026-11-01", [("18T08:00",), ("18T09:00", "on", "b1")], [0, 300]),
        ("route,b1,2026-11-01", [("18T08:00",)], [200]),
    ],
)
def test_what_a_pass_covers_at_its_edges(price, held, taps, charged):
    riders = f"rider,pass_product,pass_scope,pass_from\nr,{held}"
    assert price(town(**PASSES), HEADER, *(line(*tap) for tap in taps), riders=riders).charged == charged
