"""Cities whose tariffs differ from Hanoi's, by data files alone; each directory's note says what its prices are."""

import pytest

from fare.rules.bill import Component

RAIL = "at,purpose,route,stop"
BUS = "at,purpose,route"


def rail(at: str, start: str, end: str, *, day: int = 17, minutes: int = 25) -> list[str]:
    """A ride with both taps in London; 17 November 2026 is a Tuesday."""
    hour, minute = map(int, at.split(":"))
    arrived = hour * 60 + minute + minutes
    return [
        f"2026-11-{day}T{at},on,central,{start}",
        f"2026-11-{day}T{arrived // 60:02d}:{arrived % 60:02d},off,central,{end}",
    ]


def bus(at: str, route: str = "12", *, day: int = 17) -> str:
    return f"2026-11-{day}T{at},on,{route},"


@pytest.mark.parametrize(
    ("at", "start", "end", "day", "pence"),
    [
        ("06:29", "bank", "bow", 17, 290), ("06:30", "bank", "bow", 17, 350), ("09:29", "bank", "bow", 17, 350),
        ("09:30", "bank", "bow", 17, 290),
        ("17:00", "bank", "bow", 17, 350),  # the evening peak, outwards
        ("17:00", "bow", "bank", 17, 290),  # and inwards
        ("17:00", "bank", "bow", 21, 290),  # a Saturday
        ("08:00", "bank", "oxford", 17, 290),
        ("08:00", "bank", "stratford", 17, 350),  # on the boundary of zones 2 and 3: the cheaper counts
        ("08:00", "stratford", "ealing", 17, 210),
    ],
)  # fmt: skip
def test_london_prices_by_zones_and_time_of_tap_on(price, at, start, end, day, pence):
    assert price("london", RAIL, *rail(at, start, end, day=day)).charged == [pence]


def test_london_day_caps_by_zones_nest(price):
    inner = [tap for n in range(4) for tap in rail(f"{10 + n}:00", "bank", "bow")]
    found = price("london", RAIL, *inner, *rail("14:30", "bank", "ealing"))
    assert found.charged == [290, 290, 290, 20, 160]  # 8.90 within 1 and 2, then 10.50 within 1 to 3


def test_london_bus_cap_lies_inside_the_zone_caps(price):
    buses = [bus(f"{9 + 2 * n:02d}:00") for n in range(4)]
    found = price("london", RAIL, *buses, *rail("18:00", "bank", "bow"), *rail("19:00", "bow", "bank"))
    assert found.charged == [175, 175, 175, 0, 350, 15]


def test_london_week_cap_runs_monday_to_sunday(price):
    days = [
        tap for day in range(16, 22) for n in range(4) for tap in rail(f"{10 + n}:00", "bank", "bow", day=day)
    ]
    sunday = price("london", RAIL, *days, *rail("11:00", "bank", "bow", day=22))
    assert sum(sunday.charged) == 4470
    assert price("london", RAIL, *days, *rail("11:00", "bank", "bow", day=23)).charged[-1] == 290


def test_london_maximum_fare_stays_outside_the_caps(price):
    forgotten = "2026-11-17T10:00,on,central,bank"
    later = [tap for n in range(4) for tap in rail(f"{13 + n}:00", "bank", "bow", minutes=20)]
    found = price("london", RAIL, forgotten, *later)
    assert found.charged == [940, 290, 290, 290, 20]


def test_london_ride_over_its_time_limit_is_two_incomplete_ones(price):
    found = price("london", RAIL, *rail("10:00", "bank", "bow", minutes=121))
    assert (found.charged, found.closed) == ([940, 940], ["missing_off", "missing_on"])


def test_london_interchange_on_foot_is_one_ride_within_its_time(price):
    first, second = rail("10:00", "bow", "bank"), rail("10:40", "monument", "ealing")
    late = rail("10:46", "monument", "ealing")
    assert price("london", RAIL, *first, *second).charged == [210, 0]  # zone 2 to 3
    assert price("london", RAIL, *first, *late).charged == [290, 310]


def test_london_inspection_makes_no_ride(price):
    on, off = rail("10:00", "bank", "bow")
    found = price("london", RAIL, on, "2026-11-17T10:10,inspect,central,", off)
    assert (found.charged, sorted(found.closed)) == ([290], ["inspected", "tapped"])


@pytest.mark.parametrize(
    ("money", "charged"),
    [
        (("08:00,5.00",), [175, 0]),
        (("08:00,1.00",), [175, 175]),
        (("08:00,1.00", "10:59,0.75"), [175, 0]),  # cleared inside the hour: given back
        (("08:00,1.00", "10:59,0.74"), [175, 175]),
        (("08:00,1.00", "11:00:01,0.75"), [175, 175]),
        (("08:00,5.00", "09:00,-4.00"), [175, 175]),  # spent on something else
    ],
)
def test_london_debt_withholds_the_free_bus_folded_from_dated_money(price, money, charged):
    facts = "rider,money_at,money_amount\n" + "\n".join(f"r,2026-11-17T{one}" for one in money)
    assert price("london", RAIL, bus("10:00"), bus("10:30", "88"), riders=facts).charged == charged


def test_money_is_folded_over_days(price):
    facts = "rider,money_at,money_amount\nr,2026-11-16T08:00,3.00"
    found = price("london", RAIL, bus("10:00", day=16), bus("10:00"), bus("10:30", "88"), riders=facts)
    assert found.charged == [175, 175, 175]


NY = "2026-11-16T{},on,{}"


@pytest.mark.parametrize(
    ("rides", "charged"),
    [
        (["08:00 A", "09:00 M15"], [300, 0]),
        (["08:00 A", "10:00 M15"], [300, 0]),
        (["08:00 A", "10:00:01 M15"], [300, 300]),
        (["08:00 A", "09:00 L"], [300, 300]),  # no free change between subways outside
        (["08:00 M15", "09:00 M42"], [300, 0]),
        (["08:00 M15", "09:00 M15"], [300, 300]),  # nor back on the same bus route
        (["08:00 A", "08:30 M15", "09:00 L", "09:30 M42"], [300, 0, 300, 0]),  # one change, then a new fare
        (["08:00 M15", "08:30 X27"], [300, 425]),
        (["08:00 X27", "08:30 M15"], [725, 0]),
        (["08:00 X27", "08:30 X27"], [725, 725]),
    ],
)
def test_new_york_gives_one_change_within_two_hours(price, rides, charged):
    taps = [NY.format(*ride.split()) for ride in rides]
    assert price("new_york", BUS, *taps).charged == charged


def test_new_york_rides_free_after_twelve_in_seven_days_from_the_first(price):
    days = [f"2026-11-{16 + n // 2}T{8 + 9 * (n % 2):02d}:00,on,A" for n in range(14)]
    assert price("new_york", BUS, *days).charged == [300] * 12 + [0, 0]
    last, first = "2026-11-23T07:59:59,on,A", "2026-11-23T08:00,on,A"
    assert price("new_york", BUS, *days, last).charged[-1] == 0
    assert price("new_york", BUS, *days, first).charged[-1] == 300


def test_new_york_four_on_one_card_and_one_counts_toward_the_cap(price):
    group = [f"2026-11-16T08:00:{5 * n:02d},on,A" for n in range(4)]
    days = [f"2026-11-{17 + n // 4}T{7 + 3 * (n % 4):02d}:00,on,A" for n in range(12)]
    found = price("new_york", BUS, *group, *days)
    assert found.charged == [300] * 4 + [300] * 11 + [0]


def sg(at: str, route: str, start: str, end: str, minutes: int = 20) -> list[str]:
    hour, minute = map(int, at.split(":"))
    arrived = hour * 60 + minute + minutes
    return [
        f"2026-11-17T{at},on,{route},{start}",
        f"2026-11-17T{arrived // 60:02d}:{arrived % 60:02d},off,{route},{end}",
    ]


@pytest.mark.parametrize(
    ("legs", "cents"),
    [
        ([("10:00", "7", "b0", "b2")], [119]),  # 3.2 km: the band's own edge
        ([("10:00", "7", "b0", "b3")], [173]),
        ([("10:00", "ewl", "bedok", "jurong")], [247]),
        ([("10:00", "ewl", "bedok", "bishan")], [166]),  # over two lines, by the published distance
        # 3.2 + 1.1 = 4.3 km: 1.40 in all, so the second bus adds 0.21; then 7.0 km of train: 11.3 km.
        ([("10:00", "7", "b0", "b2"), ("10:40", "14", "c0", "c1")], [119, 21]),
        ([("10:00", "7", "b0", "b2"), ("10:40", "14", "c0", "c1"), ("11:10", "ewl", "bedok", "city")], [119, 21, 107]),
        ([("10:00", "7", "b0", "b2"), ("11:05", "14", "c0", "c1")], [119, 21]),  # 45 minutes to the second
        ([("10:00", "7", "b0", "b2"), ("11:06", "14", "c0", "c1")], [119, 119]),
        ([("10:00", "7", "b0", "b2"), ("10:40", "7", "b0", "b2")], [119, 119]),  # the same service: a new journey
        ([("10:00", "ewl", "bedok", "city"), ("10:40", "ewl", "city", "bedok")], [159, 159]),
    ],
)  # fmt: skip
def test_singapore_prices_the_distance_of_the_whole_journey(price, legs, cents):
    taps = [tap for leg in legs for tap in sg(*leg)]
    assert price("singapore", RAIL, *taps).charged == cents


def test_singapore_grants_five_changes(price):
    legs = [tap for n in range(7) for tap in sg(f"{10 + n // 4}:{n % 4 * 15:02d}", ["7", "14"][n % 2],
                                                *(("b0", "b1"), ("c0", "c1"))[n % 2], 5)]  # fmt: skip
    found = price("singapore", RAIL, *legs)
    assert sum(found.charged[:6]) == 177  # 3 x 2.0 + 3 x 1.1 = 9.3 km
    assert found.charged[6] == 119  # the sixth change begins a new journey


def test_singapore_student_by_the_tariffs_own_category(price):
    taps = [f"{tap},student" for tap in sg("10:00", "7", "b0", "b3")]
    assert price("singapore", f"{RAIL},category", *taps).charged == [69]


@pytest.mark.parametrize(("stop", "cents"), [("b0", 173), ("b3", 173), ("b2", 150)])
def test_singapore_forgotten_tap_off_costs_the_farthest_stop_from_there(price, stop, cents):
    assert price("singapore", RAIL, f"2026-11-17T10:00,on,7,{stop}").charged == [cents]


def test_singapore_operators_share_a_journey_by_distance(price):
    taps = [*sg("10:00", "7", "b0", "b1"), *sg("10:30", "ewl", "bedok", "city")]
    found = price("singapore", RAIL, *taps)
    assert found.charged == [119, 173 - 119]  # 2 + 7 km
    by_operator: dict[str, int] = {}
    for bill in found.bills:
        for line in bill.lines:
            assert line.component is Component.CHARGED
            by_operator[line.operator_id] = by_operator.get(line.operator_id, 0) + line.amount.minor
    assert sum(by_operator.values()) == 173
    # 2/9 of 119 and of 54 cents, each rounded to its nearest cent.
    assert by_operator == {"sbs": 26 + 12, "smrt": 93 + 42}
