"""What boarding costs by itself, as readers of stored-value cards are told: only where boarding settles the fare."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from fare.gtfs.load import load_tariff
from fare.rules.lookup import flat_fares, quote_ride
from kernel.wire.cardinfo import Concession
from tests.fare.cities import HANOI

AT = datetime(2026, 11, 18, 12, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))


@pytest.fixture(scope="module")
def book():
    return load_tariff(HANOI)


def test_a_bus_is_flat_and_the_metro_is_not(book):
    fares = flat_fares(book, AT)
    assert fares["26"][Concession.NORMAL] == 10_000, "HANOI.md: route 26, 15 to under 25 km"
    assert fares["26"][Concession.FREE_MERIT] == 0
    assert "2A" not in fares, "by distance: nobody knows the fare at the gate"


@pytest.mark.parametrize("concession", [Concession.NORMAL, Concession.PRIORITY, Concession.FREE_SENIOR])
def test_it_is_what_a_bill_of_one_ride_charges(book, concession):
    told = flat_fares(book, AT)
    assert len(told) > 50
    for route, row in told.items():
        quoted = quote_ride(book, route_id=route, from_stop="", to_stop="", at=AT, category=concession)
        charged = sum(line.amount.minor for line in quoted.bill.lines if line.component.value == "charged")
        assert row[concession] == charged, route
