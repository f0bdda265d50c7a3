"""Shapes of published tariffs at their edges: what follows a package, free minutes of priced hours, parted caps."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from parking.rules.book import load_rates
from parking.rules.quote import price
from tests.parking.books import made_up

PARIS = ZoneInfo("Europe/Paris")
COLUMNS = "table_id,collection_id,sequence,line_type,start_min,end_min,increment_min,value\n"
HOURLY = COLUMNS + "t,,1,incrementingRate,,,60,2\n"
EVENING = "table_id,collection_id,role,enter_from,enter_to,leave_to,outlasted\nt,e,package,18:00,24:00,02:00,ordinary\n"
HALVES = "table_id,collection_id,from,to\nt,a,08:00,12:00\nt,b,14:00,18:00\n"
PRICED = "tier_clock=priced uncovered=free free_min=30"


def cost(edges, lines, entered, left, **files):
    rates = load_rates(made_up(f"currency=EUR {edges}", lines, zone="Europe/Paris", **files))
    first, last = (datetime.fromisoformat(at).replace(tzinfo=PARIS) for at in (entered, left))
    return price(rates.table_for("here", "car", first), first, last).minor


@pytest.mark.parametrize(
    ("entered", "left", "expected"),
    [
        ("2026-11-18T19:00", "2026-11-19T01:59", 600),
        ("2026-11-18T19:00", "2026-11-19T02:00", 600),  # to the second: nothing follows yet
        ("2026-11-18T19:00", "2026-11-19T02:01", 800),
        ("2026-11-18T19:00", "2026-11-18T19:30", 200),
        ("2026-10-24T23:00", "2026-10-25T03:30", 1200),  # two hours and a half follow, for 02:00 comes twice
    ],
)
def test_what_outlasts_a_package_is_a_stay_of_its_own(entered, left, expected):
    lines = HOURLY + "t,e,1,flatRate,,,,6\n"
    assert cost("", lines, entered, left, rate_line_collections=EVENING) == expected


@pytest.mark.parametrize(
    ("edges", "entered", "left", "expected"),
    [
        ("", "2026-11-18T11:45", "2026-11-18T14:15", 0),
        ("", "2026-11-18T11:45", "2026-11-18T14:16", 400),  # a cliff: both halves' first hours
        ("free_mode=deduction", "2026-11-18T11:45", "2026-11-18T14:15", 0),
        ("free_mode=deduction", "2026-11-18T11:45", "2026-11-18T14:16", 200),
        ("free_edge=exclusive", "2026-11-18T07:00", "2026-11-18T08:30", 400),
        ("", "2026-11-18T20:00", "2026-11-18T23:00", 0),
    ],
)
def test_free_minutes_are_those_that_would_cost(edges, entered, left, expected):
    lines = COLUMNS + "t,a,1,incrementingRate,,,15,2\nt,b,1,incrementingRate,,,60,2\n"
    assert cost(f"{PRICED} {edges}", lines, entered, left, rate_line_collections=HALVES) == expected


@pytest.mark.parametrize(("most", "expected"), [("30", 550), ("2", 400)])
def test_a_price_by_the_minute_is_parted_at_a_caps_midnight(most, expected):
    caps = f"table_id,cap_id,per,value\nt,d,day,{most}\n"
    stay = ("2026-11-30T22:30", "2026-12-01T01:15")
    assert cost("part_increment=pro_rata", HOURLY, *stay, rate_caps=caps) == expected
