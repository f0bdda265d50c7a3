"""Transfers by fare_transfer_rules.txt, joined legs, and our transfer windows."""

import pytest

from tests.fare.cities import ride, town

COLUMNS = "at,purpose,route,stop"
RULES = "from_leg_group_id,to_leg_group_id,transfer_count,duration_limit,duration_limit_type,fare_transfer_type,fare_product_id,edge\n"


@pytest.mark.parametrize(
    ("kind", "product", "charged"),
    [
        (0, "plus", [200, 100]),  # A + AB
        (1, "plus", [200, 400]),  # A + AB + B
        (2, "plus", [200, -100]),  # AB only: what A cost above it comes back
        (0, "", [200, 0]),  # an empty product costs nothing
        (0, "less", [200, -50]),  # negative amounts are legal
    ],
)
def test_fare_transfer_types(price, kind, product, charged):
    book = town(fare_transfer_rules=f"{RULES}A,B,,,,{kind},{product},")
    assert price(book, COLUMNS, ride("08:00", "a1"), ride("08:30", "b1")).charged == charged


def test_running_total_replaces_the_first_leg_at_every_further_transfer(price):
    book = town(fare_transfer_rules=f"{RULES}A,B,,,,2,plus,\nB,A,,,,0,plus,\n")
    legs = [ride("08:00", "a1"), ride("08:10", "b1"), ride("08:20", "a1")]
    # A = 2.00; AB alone = 1.00, so S = 1.00; then S + 1.00 = 2.00.
    assert price(book, COLUMNS, *legs).charged == [200, -100, 100]


def test_transfers_are_directional(price):
    book = town(fare_transfer_rules=f"{RULES}A,B,,,,0,,")
    assert price(book, COLUMNS, ride("08:00", "b1"), ride("08:30", "a1")).charged == [300, 200]


def test_empty_transfer_groups_mean_all_groups_not_listed(price):
    book = town(fare_transfer_rules=f"{RULES}A,B,,,,0,plus,\n,B,,,,0,,\n")
    assert price(book, COLUMNS, ride("08:00", "a1"), ride("08:30", "b1")).charged == [200, 100]
    rail = [ride("08:00", "r1", "x"), ride("08:20", "r1", "y", "off")]
    assert price(book, COLUMNS, *rail, ride("08:30", "b1")).charged == [500, 0]


@pytest.mark.parametrize(
    ("kind", "limit_s", "free"),
    [
        (0, 3600, True), (0, 3599, False),  # departure 08:00 to arrival 09:00
        (1, 2400, True), (1, 2399, False),  # departure 08:00 to departure 08:40
        (2, 1200, True), (2, 1199, False),  # arrival 08:20 to departure 08:40
        (3, 2400, True), (3, 2399, False),  # arrival 08:20 to arrival 09:00
    ],
)  # fmt: skip
def test_duration_limit_types_are_measured_from_the_first_leg_and_inclusive(price, kind, limit_s, free):
    book = town(fare_transfer_rules=f"{RULES}R,R,-1,{limit_s},{kind},0,,")
    legs = [
        ride("08:00", "r1", "x"), ride("08:20", "r1", "y", "off"),
        ride("08:40", "r1", "y"), ride("09:00", "r1", "z", "off"),
    ]  # fmt: skip
    assert price(book, COLUMNS, *legs).charged == [500, 0 if free else 500]


@pytest.mark.parametrize(("edge", "second"), [("inclusive", 0), ("exclusive", 300), ("", 0)])
def test_window_edge_is_a_tariff_attribute(price, edge, second):
    book = town(fare_transfer_rules=f"{RULES}A,B,,7200,1,0,,{edge}")
    assert price(book, COLUMNS, ride("08:00", "a1"), ride("10:00", "b1")).charged == [200, second]


def test_smallest_transfer_count_that_reaches_is_taken(price):
    book = town(fare_transfer_rules=f"{RULES}A,A,2,,,0,plus,\nA,A,1,,,0,,\n")
    legs = [ride(f"08:{n}0", "a1") + "" for n in range(4)]
    assert price(book, COLUMNS, *legs).charged == [200, 0, 100, 200]


def test_transfer_runs_over_the_day_boundary_within_its_limit(price):
    book = town(fare_transfer_rules=f"{RULES}A,B,,3600,1,0,,")
    near = ["2026-11-19T02:30:00+00:00,on,a1,", "2026-11-19T03:10:00+00:00,on,b1,"]
    far = ["2026-11-19T02:30:00+00:00,on,a1,", "2026-11-19T03:30:01+00:00,on,b1,"]
    assert price(book, COLUMNS, *near).charged == [200, 0]
    assert price(book, COLUMNS, *far).charged == [200, 300]
    assert len(price(book, COLUMNS, *near).bills) == 2


def test_join_rule_makes_two_rides_one_leg(price):
    book = town(
        fare_leg_rules="leg_group_id,network_id,from_area_id,to_area_id,fare_product_id,rule_priority\nR,R,,,r,\nthrough,,X,Z,b,1",
        fare_leg_join_rules="from_network_id,to_network_id,from_stop_id,to_stop_id\nR,R,y,y",
    )
    legs = [
        ride("08:00", "r1", "x"), ride("08:20", "r1", "y", "off"),
        ride("08:40", "r1", "y"), ride("09:00", "r1", "z", "off"),
    ]  # fmt: skip
    found = price(book, COLUMNS, *legs)
    assert (found.charged, found.face) == ([300, 0], [300, 0])
    apart = price(
        book, COLUMNS, *[leg.replace("r1,y", "r1,z") for leg in legs[:3]], legs[3].replace("z", "y")
    )
    assert apart.charged[0] == 300  # x to z
    assert apart.charged[1] == 500


def test_dearer_leg_in_a_window_pays_the_difference_once(price):
    book = town(
        transfer_windows="window_id,network_ids,duration_s,edge,dearer\nw,A;B,3600,inclusive,difference",
    )
    legs = [ride("08:00", "a1"), ride("08:10", "b1"), ride("08:20", "b1"), ride("08:30", "a1")]
    assert price(book, COLUMNS, *legs).charged == [200, 100, 0, 0]


def test_window_with_a_use_limit(price):
    book = town(transfer_windows="window_id,network_ids,duration_s,edge,max_uses\nw,A,3600,inclusive,1")
    legs = [ride("08:00", "a1"), ride("08:10", "a1"), ride("08:20", "a1")]
    assert price(book, COLUMNS, *legs).charged == [200, 0, 200]
