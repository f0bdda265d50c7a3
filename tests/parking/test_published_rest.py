"""The published prices that are no stay of published.csv: month prices, and the hours of Hanoi's cars one by one."""

from datetime import datetime, timedelta

import pytest

from kernel.money import VND, Money
from parking.rules.quote import price
from tests.parking.books import book

ENTERED = datetime.fromisoformat("2018-08-20T08:00+07:00")


@pytest.mark.parametrize(
    ("hours", "vnd"), [(1, 25_000), (2, 50_000), (3, 85_000), (4, 120_000), (5, 165_000)]
)
def test_hanoi_car_by_the_hour(hours, vnd):
    """tuoitrenews.vn 43434: 25,000 for hours 1 and 2, 35,000 for 3 and 4, 45,000 from hour 5; a begun hour is whole."""
    table = book("hanoi").table_for("dong-da", "car_le9", ENTERED, user="casual")
    assert price(table, ENTERED, ENTERED + timedelta(hours=hours)) == Money(vnd, VND)
    assert price(table, ENTERED, ENTERED + timedelta(hours=hours, minutes=-59)) == Money(vnd, VND)


@pytest.mark.parametrize(
    ("vehicle_class", "place", "vnd"),
    [
        ("bicycle", "group1", 25_000), ("bicycle", "group2", 30_000), ("bicycle", "group3", 100_000),
        ("motorbike_lt175_or_electric", "group1", 100_000), ("motorbike_lt175_or_electric", "group2", 100_000),
        ("motorbike_lt175_or_electric", "group3", 200_000),
        ("scooter_or_ge175", "group1", 150_000), ("scooter_or_ge175", "group2", 200_000),
        ("scooter_or_ge175", "group3", 250_000),
        ("car_le10_seats", "district_1_3_5", 1_000_000), ("car_le10_seats", "other", 750_000),
        ("car_gt10_seats", "district_1_3_5", 1_250_000), ("car_gt10_seats", "other", 1_000_000),
    ],
)  # fmt: skip
def test_ho_chi_minh_city_month_prices(vehicle_class, place, vnd):
    """bittuot.net and tapchigiaothong.vn 18337901: the maximum table of 2017."""
    (row,) = book("hcmc_2017").rights[f"{vehicle_class}-{place}-month"]
    assert row.value.price == Money(vnd, VND)
