"""Fares by ride for cards that pay before the end is known: what the bill would charge, pair by pair."""

from datetime import datetime, timedelta

import pytest

from fare.rules import ride_fares as room
from fare.rules.bill import Component
from fare.rules.lookup import flat_fares, quote_ride
from fare.rules.ride_fares import ride_fares
from kernel.wire.cardinfo import Concession
from tests.fare.cities import HANOI, load_tariff

BOOK = load_tariff(HANOI)
AT = datetime(2026, 11, 18, 12, tzinfo=BOOK.zone)


@pytest.fixture(scope="module")
def rides():
    return ride_fares(BOOK, AT)


def test_a_metros_pairs_are_what_its_bills_charge(rides):
    assert rides.keys() == {"2A", "3.1"}
    normal = rides["2A"][Concession.NORMAL]
    assert (normal.within, normal.most, len(normal.fares)) == (
        "metro_2a", max(normal.fares.values()), 12 * 11,
    )  # fmt: skip
    for start, end in sorted(normal.fares)[::17]:
        bill = quote_ride(BOOK, route_id="2A", from_stop=start, to_stop=end, at=AT + timedelta(hours=3)).bill
        charged = sum(line.amount.minor for line in bill.lines if line.component is Component.CHARGED)
        assert normal.fares[start, end] == charged > 0


def test_who_rides_free_is_held_nothing(rides):
    free = rides["2A"][Concession.FREE_SENIOR]
    assert (free.most, set(free.fares.values())) == (0, {0})


def test_no_route_is_both_flat_and_by_ride(rides):
    assert not flat_fares(BOOK, AT).keys() & rides.keys()


def test_a_network_too_large_for_a_bundle_is_left_out(monkeypatch):
    monkeypatch.setattr(room, "MOST_PAIRS", 60)
    assert ride_fares(BOOK, AT).keys() == {"3.1"}
