"""What must hold for any table: a slow oracle agrees, longer is not cheaper, a proof is the price."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from parking.proof import check_proof
from parking.rules.errors import UncoveredTimeError
from parking.rules.quote import price, quote_between
from parking.rules.rate import is_monotone
from tests.parking.books import book, table

START = datetime.fromisoformat("2018-08-20T00:00+07:00")
minutes = st.integers(0, 3 * 1440)
amount = st.integers(0, 50).map(lambda n: n * 500)


@st.composite
def tiered(draw):
    """(lines as (start, end, increment, value), edge fields)."""
    bounds = sorted(draw(st.sets(st.integers(1, 16).map(lambda n: n * 30), min_size=0, max_size=3)))
    lines = [
        (start, end, draw(st.sampled_from([10, 15, 30, 60, 90])), draw(amount))
        for start, end in zip([0, *bounds], [*bounds, None], strict=True)
    ]
    edges = {
        "part_increment": draw(st.sampled_from(["up", "down", "half_up"])),
        "at_edge": draw(st.sampled_from(["previous", "next"])),
        "free_min": draw(st.sampled_from([0, 10])),
        "free_mode": draw(st.sampled_from(["cliff", "deduction"])),
        "cycle": draw(st.sampled_from(["none", "rolling"])),
        "cycle_min": draw(st.sampled_from([480, 1440])),
    }
    return lines, edges


def as_table(lines, edges, **files):
    text = "table_id,sequence,line_type,start_min,end_min,increment_min,value\n" + "".join(
        f"t,{number},incrementingRate,{start},{'' if end is None else end},{size},{value}\n"
        for number, (start, end, size, value) in enumerate(lines, 1)
    )
    return table(" ".join(f"{name}={value}" for name, value in edges.items()), text, **files)


def walked(lines, edges, length):
    """The price by a minute-walker that knows nothing of divisions: one minute after another."""
    if edges["free_min"] and length <= edges["free_min"]:
        return 0
    begun = max(length, 1) + (1 if edges["at_edge"] == "next" and length else 0)
    begun -= edges["free_min"] if edges["free_mode"] == "deduction" else 0
    total, clock, taken = 0, 0, None  # taken: (line, minutes of its running increment)
    for minute in range(begun):
        if edges["cycle"] == "rolling" and minute and minute % edges["cycle_min"] == 0:
            total += part(taken, edges)
            clock, taken = 0, None
        line = next(each for each in lines if each[0] <= clock and (each[1] is None or clock < each[1]))
        if taken is not None and taken[0] is not line:
            total += part(taken, edges)
            taken = None
        taken = (line, 1 if taken is None else taken[1] + 1)
        if taken[1] == line[2]:
            total, taken = total + line[3], None
        clock += 1
    return total + part(taken, edges)


def part(taken, edges):
    if taken is None:
        return 0
    (_, _, size, value), used = taken
    counts = {"up": True, "down": False, "half_up": 2 * used >= size}[edges["part_increment"]]
    return value if counts else 0


@settings(max_examples=150, deadline=None)
@given(tiered(), minutes)
def test_tiers_cost_what_a_minute_walker_says(shape, length):
    lines, edges = shape
    # A stay at an edge counts one more second, which the walker can only show as one more minute.
    if edges["at_edge"] == "next":
        edges["part_increment"] = "up"
    found = as_table(lines, edges)
    assert price(found, START, START + timedelta(minutes=length)).minor == walked(lines, edges, length)


@settings(max_examples=100, deadline=None)
@given(tiered(), minutes, minutes, st.sampled_from(["stay", "rolling", "day"]), st.integers(0, 200))
def test_longer_is_never_cheaper_where_the_table_promises_it(shape, one, other, per, cap):
    lines, edges = shape
    caps = f"table_id,cap_id,sequence,per,value\nt,c,1,{per},{cap * 1000}\n"
    found = as_table(lines, edges, rate_caps=caps)
    assert is_monotone(found)
    short, long = sorted((one, other))
    assert price(found, START, START + timedelta(minutes=short)) <= price(
        found, START, START + timedelta(minutes=long)
    )


PLACES = [
    ("hanoi", place, vehicle)
    for place, vehicle in [("dong-da", "car_le9"), ("hoan-kiem-01", "car_le9"), ("schools", "motorbike")]
] + [("hcmc_2018", "street", "group1"), ("hcmc_2017", "group2", "bicycle"), ("apds", "garage", "car")]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PLACES), st.integers(0, 2_000_000), st.integers(0, 4 * 1440))
def test_a_proof_is_the_price_and_recomputes(where, begin, length):
    name, place, vehicle = where
    entered = datetime(2022, 12, 1, tzinfo=UTC) + timedelta(minutes=begin)
    left = entered + timedelta(minutes=length)
    rates = book(name)
    found = rates.table_for(place, vehicle, entered)
    try:
        quote = quote_between(found, entered, left)
    except UncoveredTimeError:
        assert (name, length > 17 * 60) == ("apds", True)
        return
    assert quote.total == price(found, entered, left)
    assert sum(line.amount.minor for line in quote.lines()) == quote.total.minor
    proof = {"place_id": place, "vehicle_class": vehicle, "user": "casual", **quote.to_json()}
    assert check_proof(proof, rates) == ()
    proof["total"] = {"minor": quote.total.minor + 1, "currency": "VND"}
    assert check_proof(proof, rates) != ()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3 * 1440))
def test_hanoi_has_no_clock_change_so_a_stay_costs_the_same_on_any_date(day, length):
    rates, at = book("hanoi"), START + timedelta(hours=9)
    table_ = rates.table_for("dong-da", "car_le9", at)
    moved = at + timedelta(days=day)
    assert price(table_, moved, moved + timedelta(minutes=length)) == price(
        table_, at, at + timedelta(minutes=length)
    )
