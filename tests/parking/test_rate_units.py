"""What is counted and not timed, and lines whose collection ended."""

from datetime import datetime
from decimal import Decimal

import pytest

from parking.rules.book import load_rates
from parking.rules.errors import UnitCountError, UnknownUnitError
from parking.rules.quote import quote_between
from tests.parking.books import made_up, table
from tests.parking.test_rate_edges import HOURLY, START, WINDOWS, cost


def test_counted_units_have_their_price_and_unknown_ones_none():
    found = table(
        "",
        "table_id,sequence,line_type,increment_min,value,unit\nt,1,incrementingRate,60,10000,\nt,2,perUnit,,4000,kWh\n",
    )
    assert quote_between(found, START, START, extras={"kWh": Decimal(12)}).total.minor == 58_000
    with pytest.raises(UnknownUnitError):
        quote_between(found, START, START, extras={"litre": Decimal(1)})


@pytest.mark.parametrize(
    ("at", "count", "expected"),
    [
        ("21:59", "1.5", 6_000),
        ("22:00", "1.5", 3_000),
        ("22:00", "0", 0),
        ("22:00", "0.001", 2),
        ("12:00", "100", 50_000),
    ],
)
def test_a_counted_unit_costs_what_the_window_at_the_entry_says(at, count, expected):
    lines = (
        "table_id,collection_id,sequence,line_type,value,max_value,unit\n"
        "t,day,1,perUnit,4000,50000,kWh\nt,night,1,perUnit,2000,,kWh\n"
    )
    found = table("uncovered=free", lines, rate_line_collections=WINDOWS)
    start = datetime.fromisoformat(f"2018-08-20T{at}+07:00")
    assert quote_between(found, start, start, extras={"kWh": Decimal(count)}).total.minor == expected


@pytest.mark.parametrize("count", ["-1", "0.0001"])
def test_a_count_that_no_meter_shows_is_refused(count):
    found = table(
        "", HOURLY.replace(",value\n", ",value,unit\n").replace("0000\n", "0000,\nt,2,perUnit,,4000,kWh\n")
    )
    with pytest.raises(UnitCountError):
        quote_between(found, START, START, extras={"kWh": Decimal(count)})


@pytest.mark.parametrize(("day", "expected"), [("2018-08-20", 100_000), ("2018-08-26", 20_000)])
def test_the_lines_of_a_collection_that_ended_end_with_it(day, expected):
    """They used to hold at all times: a fair that was over priced every day after it."""
    windows = (
        "table_id,collection_id,sequence,from,to,priority,valid_from,valid_to\n"
        "t,base,1,00:00,24:00,0,,\nt,fair,2,00:00,24:00,1,2018-08-20,2018-08-25\n"
    )
    lines = (
        "table_id,collection_id,sequence,line_type,increment_min,value\n"
        "t,base,1,incrementingRate,60,10000\nt,fair,1,incrementingRate,60,50000\n"
    )
    rates = load_rates(made_up("", lines, rate_line_collections=windows))
    start = datetime.fromisoformat(f"{day}T10:00+07:00")
    assert cost(rates.table_for("here", "car", start), 120, start) == expected
