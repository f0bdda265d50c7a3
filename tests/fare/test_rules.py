"""Leg matching, transfers, windows, caps and the rest, each on the smallest tariff that shows it."""

import pytest

from fare.gtfs.load import check_files
from fare.gtfs.read import files_of
from fare.rules.bill import Component
from fare.rules.match import LegIndex, LegRule
from tests.fare.cities import HERE

NONE = frozenset()


def rule(product: str, network="", start="", end="", priority=0, from_frame="", to_frame="") -> LegRule:
    return LegRule(product, network, start, end, from_frame, to_frame, product, priority, product)


def won(index: LegIndex, network="", start=(), end=(), frames=(NONE, NONE)) -> set[str]:
    networks = frozenset({network} if network else ())
    found = index.match(networks, frozenset(start), frozenset(end), *(frozenset(one) for one in frames))
    return {one.product_id for one in found.won}


def test_exact_leg_rule_comes_before_empty_cells():
    index = LegIndex([rule("exact", "bus", "A", "B"), rule("any")], by_priority=False)
    assert won(index, "bus", "A", "B") == {"exact"}
    assert won(index, "tram", "C", "D") == {"any"}


def test_empty_cell_means_every_value_not_listed_in_its_column():
    index = LegIndex([rule("listed", "bus", "A", "B"), rule("rest", "bus")], by_priority=False)
    assert won(index, "bus", "A", "C") == set()  # A is listed, so the empty from-area does not mean it
    assert won(index, "bus", "C", "B") == set()
    assert won(index, "bus", "C", "D") == {"rest"}
    assert won(index, "bus") == {"rest"}
    assert won(index, "bus", ("A", "C"), ("D",)) == {"rest"}  # a stop in a listed and an unlisted area


def test_unlisted_network_takes_the_empty_network_and_a_listed_one_does_not():
    index = LegIndex([rule("bus", "bus"), rule("other")], by_priority=False)
    assert won(index, "bus") == {"bus"}
    assert won(index, "tram") == {"other"}


def test_with_priorities_empty_does_not_matter_highest_wins_and_ties_are_all_offers():
    index = LegIndex(
        [rule("low"), rule("high", "bus", priority=5), rule("tie", "", "A", priority=5)], by_priority=True
    )
    assert won(index, "bus", "B") == {"high"}
    assert won(index, "bus", "A") == {"high", "tie"}
    assert won(index, "tram", "B") == {"low"}  # an empty priority is 0


def test_empty_timeframe_does_not_matter_and_a_named_one_must_hold():
    index = LegIndex([rule("peak", "bus", from_frame="peak"), rule("any", "bus")], by_priority=False)
    assert won(index, "bus", frames=(["peak"], [])) == {"peak", "any"}
    assert won(index, "bus") == {"any"}


def test_stop_in_several_areas_matches_rules_of_each():
    index = LegIndex([rule("ab", "bus", "A", "B"), rule("cb", "bus", "C", "B")], by_priority=False)
    assert won(index, "bus", ("A", "C"), ("B",)) == {"ab", "cb"}


def test_joined_legs_match_a_network_only_when_all_are_in_it():
    index = LegIndex([rule("bus", "bus", priority=1), rule("any")], by_priority=True)
    both = index.match(frozenset({"bus", "tram"}), NONE, NONE, NONE, NONE)
    assert [one.product_id for one in both.won] == ["any"]


# --- whole tariffs -------------------------------------------------------------------------------------

BASE = {
    "tariff": "tariff_version,zone,day_starts,currency\nt,UTC,03:00:00,EUR",
    "agency": "agency_id,agency_name,agency_timezone\na,A,UTC\nb,B,UTC",
    "routes": "route_id,agency_id,route_type\na1,a,3\nb1,b,3\nr1,a,1",
    "networks": "network_id\nA\nB\nR",
    "route_networks": "network_id,route_id\nA,a1\nB,b1\nR,r1",
    "stops": "stop_id\nx\ny\nz",
    "areas": "area_id\nX\nY\nZ",
    "stop_areas": "area_id,stop_id\nX,x\nY,y\nZ,z",
    "ride_rules": "network_id,settled_by,limit_min,passback_s,companions\nA,boarding,120,60,3\nB,boarding,120,,\nR,ride,120,,",
    "fare_products": "fare_product_id,amount,currency\na,2.00,EUR\nb,3.00,EUR\nr,5.00,EUR\nplus,1.00,EUR\nless,-0.50,EUR",
    "fare_leg_rules": "leg_group_id,network_id,fare_product_id\nA,A,a\nB,B,b\nR,R,r",
}


def town(**changed: str):
    files = {f"{name}.txt": text.encode() for name, text in {**BASE, **changed}.items()}
    checked = check_files(files)
    assert checked.book is not None, [str(one) for one in checked.notices]
    return checked.book


def ride(at: str, route: str, stop: str = "", purpose: str = "on") -> str:
    return f"2026-11-18T{at}+00:00,{purpose},{route},{stop}"


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


def test_up_to_three_companions_ride_on_one_card_and_one_counts_toward_caps(price):
    book = town(caps="cap_id,period,rides\nday,day,1")
    taps = [ride(f"08:00:{n}0", "a1") for n in range(5)]
    found = price(book, COLUMNS, *taps)
    assert found.charged == [200, 200, 200]
    assert found.closed.count("passback") == 2
    assert price(book, COLUMNS, *taps, ride("09:00", "a1")).charged == [200, 200, 200, 0]


@pytest.mark.parametrize(
    ("caps", "charged"),
    [
        ("cap_id,period,amount,currency\nday,day,5.00,EUR", [200, 200, 100, 0]),  # the remainder is charged
        ("cap_id,period,rides\nday,day,3", [200, 200, 200, 0]),
        ("cap_id,period,amount,currency,network_ids\nday,day,3.00,EUR,B", [200] * 4),
        ("cap_id,period,amount,currency,operator_ids\nday,day,3.00,EUR,a", [200, 100, 0, 0]),
        ("cap_id,period,amount,currency,card_category\nday,day,3.00,EUR,PRIORITY", [200] * 4),
    ],
)
def test_caps_by_money_rides_network_operator_and_category(price, caps, charged):
    legs = [ride(f"{8 + n:02d}:00", "a1") for n in range(4)]
    found = price(town(caps=caps), COLUMNS, *legs)
    assert found.charged == charged
    assert found.face == [200] * 4
    assert found.part(Component.CAP_COVERED) == [200 - one for one in charged]


def test_rolling_cap_counts_from_the_first_tap(price):
    book = town(caps="cap_id,period,period_days,rides\nr,rolling,7,1")
    taps = [
        "2026-11-18T08:00:00+00:00,on,a1,", "2026-11-20T08:00:00+00:00,on,a1,",
        "2026-11-25T07:59:59+00:00,on,a1,", "2026-11-25T08:00:00+00:00,on,a1,",
    ]  # fmt: skip
    assert price(book, COLUMNS, *taps).charged == [200, 0, 0, 200]


def test_month_cap_ends_with_the_month(price):
    book = town(caps="cap_id,period,rides\nm,month,1")
    taps = [
        "2026-11-29T08:00:00+00:00,on,a1,",
        "2026-11-30T08:00:00+00:00,on,a1,",
        "2026-12-01T08:00:00+00:00,on,a1,",
    ]
    assert price(book, COLUMNS, *taps).charged == [200, 0, 200]


PASSES = "pass_product_id,scope,network_ids,validity,validity_count,activation,amount,currency\n"


@pytest.mark.parametrize(
    ("row", "scope", "charged"),
    [
        ("p,all,,days,7,purchase,9.00,EUR", "", [0, 0]),
        ("p,all,A,days,7,purchase,9.00,EUR", "", [0, 300]),
        ("p,route,,days,7,purchase,9.00,EUR", "b1", [200, 0]),
        ("p,network,,days,7,purchase,9.00,EUR", "A", [0, 300]),
        ("p,network,,days,7,purchase,9.00,EUR", "", [200, 300]),
    ],
)
def test_pass_covers_by_scope_and_keeps_the_face_value(price, row, scope, charged):
    riders = (
        f"rider,pass_product,pass_scope,pass_from,pass_until\nr,p,{scope},2026-11-18T00:00,2026-11-25T00:00"
    )
    found = price(town(passes=PASSES + row), COLUMNS, ride("08:00", "a1"), ride("09:00", "b1"), riders=riders)
    assert found.charged == charged
    assert found.face == [200, 300]


@pytest.mark.parametrize(
    ("at", "charged"), [("07:59:59", 200), ("08:00:00", 0), ("08:59:59", 0), ("09:00:00", 200)]
)
def test_pass_window_is_half_open(price, at, charged):
    riders = "rider,pass_product,pass_from,pass_until\nr,p,2026-11-18T08:00,2026-11-18T09:00"
    book = town(passes=PASSES + "p,all,,days,1,purchase,9.00,EUR")
    assert price(book, COLUMNS, ride(at, "a1"), riders=riders).charged == [charged]


def test_pass_that_begins_at_its_first_tap_lasts_from_there(price):
    riders = "rider,pass_product,pass_from,pass_until\nr,p,2026-11-01T00:00,2026-12-01T00:00"
    book = town(passes=PASSES + "p,all,,days,2,first_tap,9.00,EUR")
    taps = [
        "2026-11-18T08:00:00+00:00,on,a1,",
        "2026-11-20T07:59:59+00:00,on,a1,",
        "2026-11-20T08:00:00+00:00,on,a1,",
    ]
    assert price(book, COLUMNS, *taps, riders=riders).charged == [0, 0, 200]


@pytest.mark.parametrize(("rounding", "discount"), [("up", 67), ("down", 66), ("half_up", 66)])
def test_concession_share_is_rounded_as_its_row_says_and_funded(price, rounding, discount):
    book = town(
        fare_products=BASE["fare_products"].replace("a,2.00", "a,2.01"),
        concessions=f"concession_id,card_category,share_percent,rounding,funder\nc,PRIORITY,33,{rounding},city",
    )
    found = price(book, f"{COLUMNS},category", ride("08:00", "a1") + ",PRIORITY")
    assert found.part(Component.DISCOUNTED) == [discount]
    assert found.charged == [201 - discount]


@pytest.mark.parametrize(
    ("rule_", "ends", "free"),
    [("within", ("x", "y"), True), ("within", ("x", "z"), False), ("touches", ("x", "z"), True), ("touches", ("z", "z"), False)],
)  # fmt: skip
def test_geographic_waiver_judges_both_ends(price, rule_, ends, free):
    book = town(waivers=f"waiver_id,area_ids,area_rule,funder\nring,X;Y,{rule_},city")
    found = price(book, COLUMNS, ride("08:00", "r1", ends[0]), ride("08:20", "r1", ends[1], "off"))
    assert found.charged == [0 if free else 500]
    assert found.part(Component.WAIVED) == [500 if free else 0]


def test_rider_category_has_its_own_product_and_falls_back_to_the_default(price):
    book = town(
        rider_categories="rider_category_id,is_default_fare_category,card_category\nadult,1,\nchild,,FREE_CHILD",
        fare_products=(
            "fare_product_id,rider_category_id,amount,currency\n"
            "a,adult,2.00,EUR\na,child,1.00,EUR\nb,adult,3.00,EUR\nr,adult,5.00,EUR"
        ),
    )
    columns = f"{COLUMNS},category"
    assert price(book, columns, ride("08:00", "a1") + ",FREE_CHILD", ride("09:00", "b1") + ",FREE_CHILD").charged == [100, 300]  # fmt: skip
    assert price(book, columns, ride("08:00", "a1") + ",").charged == [200]


def test_product_of_another_medium_is_no_offer(price):
    book = town(
        fare_media="fare_media_id,fare_media_type\ncash,0\ncard,2",
        fare_products=(
            "fare_product_id,fare_media_id,amount,currency\na,cash,2.50,EUR\na,card,2.00,EUR\nb,cash,3.00,EUR\nr,,5.00,EUR"
        ),
    )
    columns = f"{COLUMNS},medium"
    assert price(book, columns, ride("08:00", "a1") + ",card").charged == [200]
    assert price(book, columns, ride("08:00", "a1") + ",cash").charged == [250]
    assert price(book, columns, ride("08:00", "b1") + ",card").reasons == ["no_product_for_medium"]


def test_missing_end_without_a_rule_is_unpriced(price):
    assert price(town(), COLUMNS, ride("08:00", "r1", "x")).reasons == ["no_rule_for_missing_off"]


@pytest.mark.parametrize(
    ("currency", "amount", "minor"), [("JPY", "210", 210), ("KWD", "0.150", 150), ("SGD", "1.19", 119)]
)
def test_any_currency_keeps_its_own_decimals(price, currency, amount, minor):
    files = {name: text.replace("EUR", currency) for name, text in BASE.items()}
    files["fare_products"] = f"fare_product_id,amount,currency\na,{amount},{currency}"
    files["fare_leg_rules"] = "leg_group_id,network_id,fare_product_id\nA,A,a"
    assert price(town(**files), COLUMNS, ride("08:00", "a1")).charged == [minor]


def test_widening_zones_never_lowers_a_fare(price):
    """GH-META; graphhopper c058139 FareTest (Apache-2.0)."""
    fares = [
        price(
            "vancouver", COLUMNS, "2026-11-17T12:00-08:00,on,sky,w", f"2026-11-17T12:20-08:00,off,sky,{end}"
        ).charged
        for end in ("w1", "m", "r")
    ]
    assert fares == sorted(fares)


def test_directories_of_tests_are_all_sound():
    for path in sorted(HERE.iterdir()):
        assert not check_files(files_of(path)).errors, path.name
