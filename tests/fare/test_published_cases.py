"""The published cases, as our own tables: every tariff is a directory of data files beside this test."""

from datetime import UTC, date, datetime

import pytest

from fare.rules.bill import Component
from kernel.service_day import service_day

BUS_2024 = "thitruonghanghoa.com 265028 (2024-10-11)"
METRO_2025 = "vietnam.vn/ja copy of baochinhphu.vn 103250707170023025 (2025-07-07)"


@pytest.mark.parametrize(
    ("km", "vnd"),
    [
        ("14.9", 8000), ("15.0", 10000), ("24.9", 10000), ("25.0", 12000),
        ("29.9", 12000), ("30.0", 15000), ("39.9", 15000), ("40.0", 20000),
    ],
)  # fmt: skip
def test_bus_single_fare_by_length_band_is_half_open(price, km, vnd):
    """HN-BUS-14.9 … HN-BUS-40.0; source: BUS_2024."""
    assert price("hanoi_bands", "at,purpose,route", f"2024-11-01T08:00+07:00,on,{km}").charged == [vnd]


def test_bus_tariff_is_chosen_by_tap_time_not_upload_time(price):
    """HN-BUS-EFF: tapped 2024-10-31T23:50, uploaded two days later: 7,000; the new tariff would be 10,000."""
    old = price("hanoi_bands", "at,purpose,route", "2024-10-31T23:50+07:00,on,20.0")
    new = price("hanoi_bands", "at,purpose,route", "2024-11-01T00:00+07:00,on,20.0")
    assert (old.charged, new.charged) == ([7000], [10000])
    # One service day (04:00 to 04:00), two dates: each tap by its own date.
    both = price(
        "hanoi_bands",
        "at,purpose,route",
        "2024-10-31T23:59:59+07:00,on,20.0",
        "2024-11-01T00:00+07:00,on,20.0",
    )
    assert (len(both.bills), both.charged) == (1, [7000, 10000])


@pytest.mark.parametrize(
    ("product", "before", "after"),
    [
        ("bus_month_one_route_normal", 100000, 140000), ("bus_month_all_routes_normal", 200000, 280000),
        ("bus_month_one_route_priority", 55000, 70000), ("bus_month_all_routes_priority", 100000, 140000),
        ("bus_month_one_route_group", 70000, 100000), ("bus_month_all_routes_group", 140000, 200000),
    ],
)  # fmt: skip
def test_bus_month_pass_price_changes_on_2024_11_01(book, product, before, after):
    """HN-BUSMONTH-*; source: BUS_2024."""
    old, new = book("hanoi").passes[product]
    assert (old.price.minor, old.valid_to) == (before, date(2024, 10, 31))
    assert (new.price.minor, new.valid_from) == (after, date(2024, 11, 1))


@pytest.mark.parametrize(
    ("route", "start", "end", "cashless", "cash"),
    [
        ("2A", "2A-cat-linh", "2A-la-thanh", 8595, 9000),
        ("2A", "2A-cat-linh", "2A-yen-nghia", 18625, 19000),
        ("3.1", "3.1-nhon", "3.1-minh-khai", 8935, 9000),
        ("3.1", "3.1-nhon", "3.1-cau-giay", 14290, 15000),
    ],
)
def test_metro_single_cashless_and_cash_since_2025_08_01(price, book, route, start, end, cashless, cash):
    """HN-METRO-*; source: METRO_2025. Cash is the cashless price rounded up to 1,000."""
    taps = [f"2025-08-01T08:00+07:00,on,{route},{start},", f"2025-08-01T08:30+07:00,off,{route},{end},"]
    assert price("hanoi", "at,purpose,route,stop,medium", *taps).charged == [cashless]
    assert price("hanoi", "at,purpose,route,stop,medium", *(f"{tap}cash" for tap in taps)).charged == [cash]
    tariff = book("hanoi").on(date(2025, 8, 1))
    network = next(iter(tariff.routes[route].networks))
    places = tariff.positions_m[route]
    fitted = tariff.formulas[network][0].minor_for(abs(places[end] - places[start]))
    assert fitted == cashless  # the inferred formula agrees with the published matrix


@pytest.mark.parametrize(
    ("product", "vnd"),
    [("metro_day", 40000), ("metro_week", 160000), ("metro_month_normal", 280000), ("metro_month_priority", 140000)],
)  # fmt: skip
def test_metro_pass_prices_since_2025_08_01(book, product, vnd):
    """HN-METROPASS-*; source: METRO_2025."""
    rows = [row for row in book("hanoi").passes[product] if row.valid_from == date(2025, 8, 1)]
    assert [row.price.minor for row in rows] == [vnd]


def test_metro_prices_until_2025_07_31(price, book):
    """HN-METRO-OLD: singles 8,000 to 15,000, day 30,000, month 200,000 / 140,000 / 100,000; hanoimetro.net.vn."""
    columns = "at,purpose,route,stop"
    first = ["2025-07-31T08:00+07:00,on,2A,2A-cat-linh", "2025-07-31T08:05+07:00,off,2A,2A-la-thanh"]
    whole = ["2025-07-31T08:00+07:00,on,2A,2A-cat-linh", "2025-07-31T08:30+07:00,off,2A,2A-yen-nghia"]
    middle = ["2025-07-31T08:00+07:00,on,2A,2A-lang", "2025-07-31T08:30+07:00,off,2A,2A-ha-dong"]
    assert price("hanoi", columns, *first).charged == [8000]
    assert price("hanoi", columns, *whole).charged == [15000]
    unknown = price("hanoi", columns, *middle)
    assert (unknown.charged, unknown.reasons) == ([], ["no_leg_rule"])  # never published: unknown, not zero
    old = {
        name: rows[0].price.minor
        for name, rows in book("hanoi").passes.items()
        if rows[0].valid_to == date(2025, 7, 31)
    }
    assert old == {
        "metro_day": 30000, "metro_month_normal": 200000, "metro_month_group30": 140000, "metro_month_priority": 100000,
    }  # fmt: skip


@pytest.mark.parametrize(("separate", "percent"), [((280000,) * 3, 40), ((280000,) * 2, 10)])
def test_multimodal_month_pass_costs_500000(book, separate, percent):
    """HN-MULTI-2 and HN-MULTI-1; amp.cand.com.vn i774071: the source prints 40 and 10 per cent saved."""
    (row,) = book("hanoi").passes["multimodal_month"]
    assert row.price.minor == 500000
    assert (sum(separate) - row.price.minor) * 100 // sum(separate) == percent
    singles = {
        book("hanoi").passes[name][-1].price.minor
        for name in ("bus_month_all_routes_normal", "metro_month_normal")
    }
    assert singles == {280000}


def test_waiver_days_issue_tickets_at_face_value_and_charge_nothing(price):
    """HN-WAIVER; sggp.org.vn post838503: 2026-02-14 to 02-22, by the tap's own date."""
    taps = ["2026-02-13T23:59", "2026-02-14T00:00", "2026-02-22T23:59", "2026-02-23T00:00"]
    found = price("hanoi_bands", "at,purpose,route", *(f"{at}+07:00,on,20.0" for at in taps))
    assert found.charged == [10000, 0, 0, 10000]
    assert found.face == [10000] * 4
    assert found.part(Component.WAIVED) == [0, 10000, 10000, 0]


def test_senior_rides_free_at_the_citys_cost(price):
    """HN-SENIOR; laodong 1724136, 1725074: age 60 and over by chip citizen ID."""
    found = price(
        "hanoi", "at,purpose,route,medium,category", "2026-11-18T08:00+07:00,on,02,chip_id,FREE_SENIOR"
    )
    assert (found.charged, found.part(Component.DISCOUNTED), found.face) == ([0], [10000], [10000])
    assert {line.funder for bill in found.bills for line in bill.lines} == {"city"}


def test_day_cap_then_week_cap_settled_daily(price):
    """CAP-CHARLIE; stagecoachbus.com PAYG FAQ: single 3.50, day 4.50, Monday to Sunday 15.00."""
    trips = [3, 2, 0, 1, 3, 3, 1]
    taps = [
        f"2026-11-{16 + day:02d}T{8 + n:02d}:00+00:00,on,b1"
        for day, count in enumerate(trips)
        for n in range(count)
    ]
    found = price("stagecoach_caps", "at,purpose,route", *taps)
    by_day = {
        bill.service_day.weekday(): sum(
            line.amount.minor for line in bill.lines if line.component is Component.CHARGED
        )
        for bill in found.bills
    }
    assert [by_day.get(day, 0) for day in range(7)] == [450, 450, 0, 350, 250, 0, 0]
    assert sum(by_day.values()) == 1500
    monday = price("stagecoach_caps", "at,purpose,route", *taps, "2026-11-23T08:00+00:00,on,b1")
    assert monday.charged[-1] == 350  # a new ISO week


def test_london_traffic_day_starts_at_half_past_four(book):
    """DAY-TFL; tfl.gov.uk pay-as-you-go-caps: 04:29:59 is yesterday's day, 04:30:00 today's."""
    chosen = book("tfl_hopper_inclusive")
    days = [
        service_day(datetime(2026, 11, 18, 4, *at, tzinfo=UTC), chosen.day_starts, chosen.zone)
        for at in ((29, 59), (30, 0))
    ]
    assert days == [date(2026, 11, 17), date(2026, 11, 18)]


@pytest.mark.parametrize("edge", ["inclusive", "exclusive"])
def test_hopper_is_unlimited_for_an_hour_from_the_first_touch(price, edge):
    """XFER-HOPPER; tfl.gov.uk hopper-fare: 10:00, 10:25, 10:59 and 11:01; rail in between is allowed."""
    tariff = f"tfl_hopper_{edge}"
    columns = "at,purpose,route,stop"
    buses = [f"2026-11-18T{at}+00:00,on,b1," for at in ("10:00", "10:25", "10:59", "11:01")]
    assert price(tariff, columns, *buses).charged == [175, 0, 0, 175]
    rail = ["2026-11-18T10:30+00:00,on,tube,bank", "2026-11-18T10:50+00:00,off,tube,bow"]
    assert price(tariff, columns, buses[0], *rail, buses[2]).charged == [175, 350, 0]
    exact = price(tariff, columns, buses[0], "2026-11-18T11:00+00:00,on,b2,")
    assert exact.charged == [175, 0 if edge == "inclusive" else 175]


@pytest.mark.parametrize(
    ("until", "second"), [("2026-11-18T10:40+00:00", 0), ("2026-11-18T11:30+00:00", 175)]
)
def test_debt_withholds_the_free_leg_until_cleared_inside_the_hour(price, until, second):
    """XFER-HOPPER-NEG; tfl.gov.uk hopper-fare: cleared within the hour, the free leg is given back."""
    found = price(
        "tfl_hopper_inclusive", "at,purpose,route", "2026-11-18T10:00+00:00,on,b1", "2026-11-18T10:25+00:00,on,b2",
        riders=f"rider,debt_from,debt_until\nr,2026-11-18T10:00+00:00,{until}",
    )  # fmt: skip
    assert found.charged == [175, second]


@pytest.mark.parametrize(
    ("minutes", "pence"),
    [(1, 860), (2, 290), (15, 290), (29, 290), (30, 860)],
)
def test_same_station_exit_after_2_to_30_minutes_costs_the_cheapest_single(price, minutes, pence):
    """INC-SAMESTN-2: a gap of 15 minutes costs the cheapest single from there; bands are half-open here."""
    taps = ["2026-11-18T10:00+00:00,on,tube,bank", f"2026-11-18T10:{minutes:02d}+00:00,off,tube,bank"]
    assert price("tfl_hopper_inclusive", "at,purpose,route,stop", *taps).charged == [pence]


def test_missed_check_out_costs_the_boarding_hold(price):
    """INC-OV; libelle.nl 2023-01, webwoordenboek.nl: 4.00 by bus, 20.00 by train, six hours, 35 minutes to change."""
    columns = "at,purpose,route,stop"
    day = "2026-11-18T"
    assert price("ov_chip", columns, f"{day}10:00+01:00,on,b1,x").charged == [400]
    assert price("ov_chip", columns, f"{day}10:00+01:00,on,ns,x").charged == [2000]
    on_time = price("ov_chip", columns, f"{day}10:00+01:00,on,ns,x", f"{day}16:00+01:00,off,ns,y")
    late = price("ov_chip", columns, f"{day}10:00+01:00,on,ns,x", f"{day}16:00:01+01:00,off,ns,y")
    assert (on_time.charged, on_time.closed) == ([660], ["tapped"])
    assert (late.charged, late.closed) == ([2000], ["over_long"])
    # 35 minutes from check-out to check-in: no second base fare. 1.12 + 5 km x 0.20, then 7.3 km x 0.20.
    for gap, second in (("35:00", 146), ("35:01", 258)):
        legs = [
            f"{day}10:00+01:00,on,b1,x", f"{day}10:00:00+01:00,off,b1,y",
            f"{day}10:{gap}+01:00,on,b1,y", f"{day}10:50+01:00,off,b1,z",
        ]  # fmt: skip
        assert price("ov_chip", columns, *legs).charged[0] == 212
        assert price("ov_chip", columns, *legs).charged[1] == second


@pytest.mark.parametrize(
    ("frm", "to", "at", "cad"),
    [
        ("w1", "w2", "2026-11-17T12:00", 320),  # GTFS-VAN-1: platforms take their station's area
        ("w", "r", "2026-11-17T18:29:59", 635),  # GTFS-VAN-4
        ("w", "r", "2026-11-17T18:30:00", 320),  # GTFS-VAN-5: a timeframe's end is exclusive
        ("yvr", "w", "2026-11-17T12:00", 965),  # GTFS-VAN-9: a stop in two areas, the higher priority wins
        ("w", "yvr", "2026-11-17T12:00", 465),  # GTFS-VAN-13
        ("w", "r", "2026-11-21T12:00", 320),  # a Saturday
    ],
)
def test_vancouver_zones_times_and_priorities(price, frm, to, at, cad):
    """GTFS-VAN-*; gtfs.org fares guide (commit 1005fe0)."""
    off = at.replace("T12:00", "T12:20").replace("T18:29:59", "T18:50:00").replace("T18:30:00", "T18:50:00")
    taps = [f"{at}-08:00,on,sky,{frm}", f"{off}-08:00,off,sky,{to}"]
    assert price("vancouver", "at,purpose,route,stop", *taps).charged == [cad]


@pytest.mark.parametrize(("gap_s", "cad"), [(5400, [320, 145]), (5401, [320, 465])])
def test_vancouver_bus_to_two_zones_upgrades_within_ninety_minutes(price, gap_s, cad):
    """GTFS-VAN-X1: A+AB, type 0, 5,400 s from departure to departure: 4.65 in all."""
    minutes, seconds = divmod(gap_s, 60)
    train = f"2026-11-17T{8 + minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}-08:00"
    taps = ["2026-11-17T08:00:00-08:00,on,bus,", f"{train},on,sky,w", "2026-11-17T10:00:00-08:00,off,sky,m"]
    assert price("vancouver", "at,purpose,route,stop", *taps).charged == cad


@pytest.mark.parametrize(("second", "usd"), [("09:30:00", [200, 0]), ("09:30:01", [200, 200])])
def test_new_york_transfers_are_free_for_ninety_minutes(price, second, usd):
    """GTFS-MTA; gtfs.org archived fares examples: 5,400 s gives 2.00, 5,401 s gives 4.00."""
    taps = ["2026-11-18T08:00:00-05:00,on,b1", f"2026-11-18T{second}-05:00,on,b2"]
    assert price("mta", "at,purpose,route", *taps).charged == usd


@pytest.mark.parametrize(("count", "nok"), [(1, [3000, 0, 3000, 0]), (2, [3000, 0, 0, 3000])])
def test_transfer_count_ends_the_sub_journey(price, count, nok):
    """OTP-V2-COUNT; TransferCountTest: with a count of 1 the third leg is a new A."""
    taps = [f"2026-11-18T{8 + n:02d}:00+01:00,on,b1" for n in range(4)]
    assert price(f"count_{count}", "at,purpose,route", *taps).charged == nok
