"""Which rides without their tap-off a rider may mend, by the bills that pricing makes."""

from datetime import UTC, datetime

import pytest

from fare.rules.correction import NoCorrection, check_correction
from tests.fare.cities import BASE, ride, town

GATES = town(
    ride_rules="network_id,settled_by,limit_min,passback_s,companions,continue_s\nR,ride,120,60,3,900",
    incomplete_rides="network_id,case,action\nR,missing_off,maximum",
    ride_corrections="network_id,per_month,window_days,status\nR,2,7,published",
    routes=BASE["routes"] + "\nr2,a,1",
    route_networks=BASE["route_networks"] + "\nR,r2",
)
COLUMNS = "at,purpose,route,stop,place"


def at(hour: int, minute: int) -> datetime:
    return datetime(2026, 11, 18, hour, minute, tzinfo=UTC)


def why_not(price, *taps: str, left_at: datetime, which: int = 0) -> NoCorrection | None:
    (bill,) = price(GATES, COLUMNS, *taps).bills
    return check_correction(
        sorted(bill.rides, key=lambda one: one.started_at)[which], bill.rides, stop_id="y", left_at=left_at,
        made_before=0, tariff=GATES, now=at(20, 0),
    )  # fmt: skip


ON = ride("08:00", "r1", "x") + ",gate"


def test_a_ride_without_its_tap_off_may_be_mended_and_not_into_the_next_one(price):
    again = ride("08:30", "r1", "x") + ",gate"
    assert why_not(price, ON, left_at=at(8, 20)) is None
    assert why_not(price, ON, again, left_at=at(8, 30)) is None
    assert why_not(price, ON, again, left_at=at(8, 31)) is NoCorrection.TIME


@pytest.mark.parametrize(
    "other",
    [
        ride("08:00:20", "r1", "x") + ",gate",  # a companion, who ends where the holder's ride ends
        ride("08:10", "", "y", "inspect") + ",hall",
        ride("08:00:10", "r1", "x") + ",next-gate",  # the ride went on
    ],
)
def test_what_is_no_ride_of_its_own_does_not_stand_in_the_way(price, other):
    assert why_not(price, ON, other, left_at=at(8, 20)) is None


def test_a_companion_is_mended_with_the_holder(price):
    along = ride("08:00:20", "r1", "x") + ",gate"
    assert why_not(price, ON, along, left_at=at(8, 20), which=1) is NoCorrection.COMPANION
