"""The difference of two bills: what must be booked so that the old becomes the new."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fare.rules.bill import Bill, BillLine, Closed, Component, Ride
from fare.rules.carried import EMPTY
from fare.rules.difference import (
    BookedLine,
    LineKey,
    differences,
    wanted_lines,
)
from kernel.ids import FareAccountId, OperatorId, TapId
from kernel.money import VND, Money

TAP = TapId(UUID(int=1))
AT = datetime(2026, 11, 18, 1, tzinfo=UTC)
OPERATOR = OperatorId("transerco")


def vnd(minor: int) -> Money:
    return Money(minor, VND)


def ride(closed: Closed, tap: TapId = TAP) -> Ride:
    return Ride(tap, None, OPERATOR, "26", "26-01", "", AT, None, vnd(12_000), closed, "band:25-30")


def bill(lines: tuple[BillLine, ...], rides: tuple[Ride, ...]) -> Bill:
    return Bill(FareAccountId(UUID(int=9)), date(2026, 11, 18), "t1", "1", lines, rides, (), EMPTY)


def line(component: Component, minor: int, funder: str = "rider") -> BillLine:
    return BillLine(TAP, component, OPERATOR, funder, vnd(minor), "26", "band:25-30")


def key(component: str = "charged", funder: str = "rider") -> LineKey:
    return LineKey(TAP, component, "transerco", funder, "26")


@pytest.mark.parametrize("closed", list(Closed))
def test_a_ride_is_counted_once_and_only_when_the_tariff_accepts_it(closed: Closed) -> None:
    lines = (line(Component.CHARGED, 6_000), line(Component.DISCOUNTED, 6_000, "city"))
    wanted = wanted_lines(bill(lines, (ride(closed),)))
    accepted = closed not in {
        Closed.OPEN,
        Closed.TORN,
        Closed.PASSBACK,
        Closed.CONTINUED,
        Closed.ALIGHTED,
        Closed.INSPECTED,
    }
    assert sum(one.trips for one in wanted.values()) == int(accepted)


def test_a_ride_that_costs_nothing_still_counts_as_a_trip() -> None:
    wanted = wanted_lines(bill((), (ride(Closed.TAPPED),)))
    assert wanted == {key(): BookedLine(0, 1, "band:25-30", None)}


def test_the_same_bill_books_nothing_more() -> None:
    wanted = wanted_lines(bill((line(Component.CHARGED, 12_000),), (ride(Closed.TAPPED),)))
    assert differences(wanted, wanted) == ()


def test_a_line_that_is_gone_is_booked_back_and_names_the_entry_it_corrects() -> None:
    booked = {key(): BookedLine(12_000, 1, "band:25-30", UUID(int=5))}
    (change,) = differences({}, booked)
    assert (change.minor, change.trips, change.corrects) == (-12_000, -1, UUID(int=5))


@given(
    st.dictionaries(st.integers(1, 6), st.integers(-50_000, 50_000)),
    st.dictionaries(st.integers(1, 6), st.integers(-50_000, 50_000)),
)
def test_booked_plus_difference_is_wanted(old: dict[int, int], new: dict[int, int]) -> None:
    def lines(amounts: dict[int, int]) -> dict[LineKey, BookedLine]:
        return {
            LineKey(UUID(int=tap), "charged", "transerco", "rider", "26"): BookedLine(minor, 1, "r", None)
            for tap, minor in amounts.items()
        }

    wanted, booked = lines(new), lines(old)
    sums = {place: (one.amount_minor, one.trips) for place, one in booked.items()}
    for change in differences(wanted, booked):
        minor, trips = sums.get(change.key, (0, 0))
        sums[change.key] = (minor + change.minor, trips + change.trips)
    left = {place: value for place, value in sums.items() if value != (0, 0)}
    assert left == {place: (one.amount_minor, one.trips) for place, one in wanted.items()}
