"""Companions, caps, passes, concessions, waivers, categories and media, each on the smallest tariff."""

import pytest

from fare.gtfs.load import check_files
from fare.gtfs.read import files_of
from fare.rules.bill import Component
from tests.fare.cities import BASE, HERE, ride, town

COLUMNS = "at,purpose,route,stop"


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
        ("p,network,,days,7,purchase,9.00,EUR", "R", [200, 300]),
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
