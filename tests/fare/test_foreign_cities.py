"""Tariffs in the manner of other cities, by data files alone and through the command: what each ride costs, worked out by hand.

Prices are those their operators published lately, or rounder ones; the rules are what is tried.
"""

import pytest

from tests.fare.door import charged, head, lines, price_files, trip

STOPS = "rider,at,purpose,route,stop\n"
PLAIN = "rider,at,purpose,route\n"
WEEKDAYS = (
    "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
    "wd,1,1,1,1,1,0,0,20260101,20261231"
)
EVERY_RIDE = "network_id,settled_by,limit_min\n,ride,300"


def bands(network: str, *prices: tuple[object, str], currency: str, frame: str = "") -> str:
    return "".join(f"{network},{network},d,{up},{frame},{amount},{currency}\n" for up, amount in prices)


BANDS = "network_id,leg_group_id,fare_product_id,up_to_km,timeframe_group_id,amount,currency\n"


def seoul() -> dict[str, str]:
    """Up to 10 km the base, 100 won for each 5 km to 50 km and each 8 km after it; five legs by their distance together."""
    text = BANDS
    for network, base in (("metro", 1550), ("bus", 1500)):
        ends = [10, *range(15, 51, 5), *range(58, 131, 8)]
        text += bands(network, *((end, f"{base + 100 * n}") for n, end in enumerate(ends)), currency="KRW")
    return {
        **head("KRW", "Asia/Seoul"),
        **lines(("1", "bus", 3, "a"), ("2", "bus", 3, "b"), ("m", "metro", 1, "b")),
        "stops": "stop_id\na\nb\nc\nd\ne\nf",
        "station_positions": "route_id,stop_id,position_km\n1,a,0\n1,b,4\n1,c,10\n2,a,0\n2,d,7\n"
        "m,a,0\nm,b,10\nm,c,10.001\nm,d,15\nm,e,50.5\nm,f,58.1",
        "distance_bands": text,
        "fare_products": "fare_product_id,amount,currency\nnone,0,KRW",
        "ride_rules": EVERY_RIDE,
        "incomplete_rides": "network_id,case,action\n,missing_off,maximum",
        "transfer_windows": "window_id,network_ids,duration_s,gap_s,edge,max_uses,same_route,dearer\n"
        "x,bus;metro,36000,1800,inclusive,4,refuse,distance",
    }


def sydney() -> dict[str, str]:
    """Distance by mode, 30 % less off peak, two dollars off a change of mode within the hour, caps."""
    peak = (
        ("train", ("10", "4.33"), ("20", "5.38"), ("35", "6.18")),
        ("bus", ("3", "3.27"), ("8", "4.50"), ("", "5.80")),
    )
    off = (
        ("train", ("10", "3.03"), ("20", "3.76"), ("35", "4.32")),
        ("bus", ("3", "2.28"), ("8", "3.15"), ("", "4.07")),
    )
    text = BANDS
    for frame, modes in (("peak", peak), ("", off)):
        for network, *prices in modes:
            text += bands(network, *prices, currency="AUD", frame=frame)
    return {
        **head("AUD", "Australia/Sydney"),
        **lines(("t1", "train", 2, "a"), ("b1", "bus", 3, "b")),
        "stops": "stop_id\nx\ny\nz",
        "station_positions": "route_id,stop_id,position_km\nt1,x,0\nt1,y,9.9\nt1,z,20.1\nb1,x,0\nb1,y,2.5\nb1,z,9",
        "calendar": WEEKDAYS,
        "timeframes": "timeframe_group_id,start_time,end_time,service_id\npeak,06:30:00,10:00:00,wd\npeak,15:00:00,19:00:00,wd",
        "distance_bands": text,
        "fare_products": "fare_product_id,amount,currency\nless,-2.00,AUD",
        "fare_transfer_rules": "from_leg_group_id,to_leg_group_id,duration_limit,duration_limit_type,fare_transfer_type,fare_product_id\n"
        "train,bus,3600,2,1,less\nbus,train,3600,2,1,less",
        "ride_rules": EVERY_RIDE,
        "caps": "cap_id,period,amount,currency\nd,day,18.70,AUD\nw,week,50.00,AUD",
    }  # fmt: skip


def amsterdam(**changed: str) -> dict[str, str]:
    """A base and 21.7 cents a kilometre; who forgets to tap off has paid the hold."""
    return {
        **head(zone="Europe/Amsterdam"),
        **lines(("1", "gvb", 0, "a")),
        "stops": "stop_id\nx\ny\nz",
        "station_positions": "route_id,stop_id,position_km\n1,x,0\n1,y,4.321\n1,z,10",
        "distance_fares": "network_id,fare_product_id,base_amount,per_km_amount,currency,step_km\ngvb,km,1.12,0.217,EUR,0.001",
        "fare_products": "fare_product_id,amount,currency\nhold,4.00,EUR",
        "ride_rules": "network_id,settled_by,limit_min\ngvb,ride,240",
        "incomplete_rides": "network_id,case,action,fare_product_id\ngvb,missing_off,product,hold",
        **changed,
    }


def berlin() -> dict[str, str]:
    """A short trip is three stops by underground, six by bus; else two hours at will."""
    stops = [f"s{n}" for n in range(9)]
    return {
        **head(zone="Europe/Berlin", starts="03:00:00"),
        **lines(("u2", "ubahn", 1, "a"), ("100", "bus", 3, "a")),
        "stops": "stop_id\n" + "\n".join(stops),
        "station_positions": "route_id,stop_id,position_km\n"
        + "".join(f"{route},{stop},{n}\n" for route in ("u2", "100") for n, stop in enumerate(stops)),
        "distance_bands": BANDS
        + bands("ubahn", ("3", "2.60"), currency="EUR")
        + bands("bus", ("6", "2.60"), currency="EUR"),
        "fare_products": "fare_product_id,amount,currency\nab,4.00,EUR",
        "fare_leg_rules": "leg_group_id,network_id,fare_product_id\nAB,ubahn,ab\nAB,bus,ab",
        "fare_transfer_rules": "from_leg_group_id,to_leg_group_id,transfer_count,duration_limit,duration_limit_type,fare_transfer_type\n"
        "AB,AB,-1,7200,1,0",
        "ride_rules": EVERY_RIDE,
    }


def london_matrix() -> dict[str, str]:
    """The fare of two stations, dearer for who taps in at peak."""
    return {
        **head("GBP", "Europe/London", "04:30:00"),
        **lines(("c", "tube", 1, "a")),
        "stops": "stop_id\nx\ny",
        "calendar": WEEKDAYS,
        "timeframes": "timeframe_group_id,start_time,end_time,service_id\npeak,06:30:00,09:30:00,wd\npeak,16:00:00,19:00:00,wd",
        "fare_matrix": "network_id,fare_product_id,from_stop_id,to_stop_id,timeframe_group_id,amount,currency,both_ways\n"
        "tube,s,x,y,,2.80,GBP,1\ntube,s,x,y,peak,3.40,GBP,1",
        "fare_products": "fare_product_id,amount,currency\nnone,0.00,GBP",
        "ride_rules": EVERY_RIDE,
    }


def bay() -> dict[str, str]:
    """Two operators of a scheme: within two hours the dearer leg counts. A third one is outside it."""
    files = {
        **head(),
        **lines(("1", "bus", 3, "a"), ("2", "express", 3, "b"), ("3", "coach", 3, "c")),
        "fare_products": "fare_product_id,amount,currency\ns,2.00,EUR\nx,3.50,EUR\nc,5.00,EUR",
        "fare_leg_rules": "network_id,fare_product_id\nbus,s\nexpress,x\ncoach,c",
        "ride_rules": "network_id,settled_by\n,boarding",
        "transfer_windows": "window_id,operator_ids,duration_s,edge,dearer\nw,a;b,7200,exclusive,difference",
    }
    return {**files, "agency": files["agency"] + "\nc,C,Europe/Paris"}


def flat(currency: str, amount: str, cap: str, starts: str = "04:00:00", **changed: str) -> dict[str, str]:
    return {
        **head(currency, starts=starts),
        **lines(("1", "bus", 3, "a"), ("2", "bus", 3, "b")),
        "fare_products": f"fare_product_id,amount,currency\ns,{amount},{currency}",
        "fare_leg_rules": "leg_group_id,network_id,fare_product_id\nS,bus,s",
        "ride_rules": "network_id,settled_by\nbus,boarding",
        "caps": f"cap_id,period,amount,currency\nd,day,{cap},{currency}",
        **changed,
    }


HOUR = {"transfer_windows": "window_id,network_ids,duration_s,edge\nw,bus,3600,inclusive"}
TWELVE = "".join(f"r,2026-05-05T{hour:02d}:00,on,1\n" for hour in (8, 9, 10, 11))


@pytest.mark.parametrize(
    ("files", "taps", "expected"),
    [
        (seoul(), STOPS + trip("08:00", "m", "a", "b") + trip("12:00", "m", "a", "c") + trip("16:00", "m", "a", "d")
         + trip("20:00", "m", "a", "e") + trip("22:30", "m", "a", "f"), [1550, 1650, 1650, 2450, 2550]),
        (seoul(), STOPS + trip("08:00", "1", "a", "c") + trip("08:40", "m", "a", "b"), [1500, 250]),  # 20 km: 1,750
        (seoul(), STOPS + trip("08:00", "m", "a", "b") + trip("08:40", "1", "a", "b"), [1550, 50]),  # 14 km by bus: 1,600
        (seoul(), STOPS + trip("08:00", "1", "a", "b") + trip("08:20", "1", "a", "b"), [1500, 1500]),  # the same line
        (seoul(), STOPS + trip("08:00", "1", "a", "b") + trip("08:41", "2", "a", "d"), [1500, 1500]),  # 31 minutes between
        (sydney(), STOPS + trip("08:00", "t1", "x", "y") + trip("08:40", "b1", "x", "y") + trip("11:00", "t1", "x", "z")
         + trip("12:20", "b1", "x", "z"), [433, 127, 432, 407]),
        (sydney(), STOPS + trip("09:59", "b1", "x", "y") + trip("14:00", "b1", "x", "y") + trip("18:59", "b1", "x", "y"),
         [327, 228, 327]),
        (sydney(), STOPS + "".join(trip(at, "b1", "x", "z") for at in ("07:00", "08:30", "10:00", "11:30")), [580, 580, 407, 303]),
        (amsterdam(), STOPS + trip("08:00", "1", "x", "y") + trip("12:00", "1", "x", "z"), [206, 329]),
        (amsterdam(), STOPS + "r,2026-05-05T08:00,on,1,x", [400]),
        (amsterdam(), STOPS + trip("08:00", "1", "x", "yy"), ["unknown_stop"]),
        (amsterdam(), STOPS + "r,2026-05-05T08:00,on,9,x", ["unknown_route"]),
        (amsterdam(incomplete_rides="network_id,case,action\ngvb,missing_on,maximum"),
         STOPS + "r,2026-05-05T08:00,on,1,x", ["no_rule_for_missing_off"]),
        (berlin(), STOPS + trip("08:00", "u2", "s0", "s3") + trip("11:00", "u2", "s0", "s4") + trip("14:00", "100", "s0", "s6")
         + trip("17:00", "100", "s0", "s7"), [260, 400, 260, 400]),
        # Paid as the two hours that the whole takes, not as a short trip and two hours.
        (berlin(), STOPS + trip("08:00", "u2", "s0", "s3") + trip("08:20", "100", "s0", "s7"), [400, 0]),
        (london_matrix(), STOPS + trip("06:29", "c", "x", "y") + trip("06:50", "c", "x", "y") + trip("09:30", "c", "y", "x")
         + trip("18:59", "c", "y", "x", day="2026-05-09"), [280, 340, 280, 280]),
        (bay(), PLAIN + "\n".join(f"r,2026-05-05T{one}" for one in (
            "08:00,on,1", "08:30,on,2", "09:00,on,3", "09:20,on,1", "09:59:59,on,2", "10:00,on,1")), [200, 150, 500, 0, 0, 200]),
        # Currencies of three decimals and of none.
        (flat("KWD", "0.250", "0.600"), PLAIN + TWELVE, [250, 250, 100, 0]),
        (flat("JPY", "210", "500"), PLAIN + TWELVE, [210, 210, 80, 0]),
        # The nights on which the clocks change: an hour is an hour, and a day ends at four.
        (flat("EUR", "2.00", "9.00", **HOUR), PLAIN + "r,2026-03-29T01:30,on,1\nr,2026-03-29T03:30,on,2\nr,2026-03-29T03:30:01,on,2",
         [200, 0, 200]),
        (flat("EUR", "2.00", "9.00", **HOUR),
         PLAIN + "r,2026-10-25T01:30+02:00,on,1\nr,2026-10-25T02:30+02:00,on,2\nr,2026-10-25T02:30+01:00,on,2", [200, 0, 200]),
        (flat("EUR", "2.00", "3.00"), PLAIN + "r,2026-03-28T20:00,on,1\nr,2026-03-29T03:59:59,on,1\nr,2026-03-29T04:00,on,1",
         [200, 100, 200]),
        (flat("EUR", "2.00", "3.00"), PLAIN + "r,2026-10-24T20:00,on,1\nr,2026-10-25T03:59:59,on,1\nr,2026-10-25T04:00,on,1",
         [200, 100, 200]),
        # The order of the file is not the order of the day.
        (flat("EUR", "2.00", "3.00"), PLAIN + "r,2026-05-05T20:00,on,1\nr,2026-05-05T06:00,on,1", [100, 200]),
    ],
)  # fmt: skip
def test_what_rides_cost_in_other_cities(tmp_path, files, taps, expected):
    code, answer = price_files(tmp_path, files, taps)
    assert charged(answer) == expected
    assert code == any(isinstance(one, str) for one in expected)
