"""Taps into rides: the transition table and Hanoi's rules for rides that lack an end."""

from datetime import UTC, datetime

import pytest

from fare.rules.transitions import TRANSITIONS, Event, State

COLUMNS = "at,purpose,route,stop,place,phase"
DAY = "2026-11-18T"


def test_every_state_answers_every_event_it_can_meet():
    assert set(TRANSITIONS) == set(State)
    assert set(TRANSITIONS[State.RIDING]) == set(Event)
    # Without an open ride nothing can be stray, late or still waiting.
    assert set(Event) - set(TRANSITIONS[State.IDLE]) == {Event.STRAY_OFF, Event.LATE_OFF, Event.DAY_STAYS}


@pytest.mark.parametrize(
    ("taps", "charged", "closed"),
    [
        ([f"{DAY}08:00,on,01,s1,bus1,", f"{DAY}08:20,off,01,s2,bus1,"], [10000], ["tapped"]),
        ([f"{DAY}08:00,on,01,s1,bus1,"], [10000], ["boarded"]),
        ([f"{DAY}08:00,off,01,s1,bus1,"], [10000], ["missing_on"]),
        # A replacement bus of the same route takes the tap-off; another route's bus does not.
        ([f"{DAY}08:00,on,01,s1,bus1,", f"{DAY}08:20,off,01,s2,bus9,"], [10000], ["tapped"]),
        ([f"{DAY}08:00,on,01,s1,bus1,", f"{DAY}08:20,off,02,s2,bus2,"], [10000, 10000], ["boarded", "missing_on"]),
        ([f"{DAY}08:00,on,01,s1,bus1,", f"{DAY}08:20,on,02,s2,bus2,"], [10000, 10000], ["boarded", "boarded"]),
        # 60 s of passback on buses, half-open: the second tap at the very second is a new boarding.
        ([f"{DAY}08:00:00,on,01,s1,bus1,", f"{DAY}08:00:59,on,01,s1,bus1,"], [10000], ["passback", "boarded"]),
        ([f"{DAY}08:00:00,on,01,s1,bus1,", f"{DAY}08:01:00,on,01,s1,bus1,"], [10000] * 2, ["boarded"] * 2),
        ([f"{DAY}08:00:00,on,01,s1,bus1,", f"{DAY}08:00:30,off,01,s1,bus1,"], [10000], ["tapped"]),
        ([f"{DAY}08:00:00,on,01,s1,bus1,", f"{DAY}08:00:30,on,01,s1,bus2,"], [10000] * 2, ["boarded"] * 2),
        # Torn elsewhere: evidence at 0; recovered at the same device: charged.
        ([f"{DAY}08:00,on,01,s1,bus1,torn"], [], ["torn"]),
        ([f"{DAY}08:00,on,01,s1,bus1,recovered"], [10000], ["boarded"]),
        ([f"{DAY}08:00,on,01,s1,bus1,", f"{DAY}08:20,off,01,s2,bus1,torn"], [10000], ["torn", "boarded"]),
        # Metro: both ends; a missing one costs the line's greatest fare.
        ([f"{DAY}08:00,on,2A,2A-cat-linh,g1,", f"{DAY}08:09,off,2A,2A-la-thanh,g2,"], [8595], ["tapped"]),
        ([f"{DAY}08:00,on,2A,2A-lang,g1,"], [18625], ["missing_off"]),
        ([f"{DAY}08:00,off,2A,2A-lang,g1,"], [18625], ["missing_on"]),
        ([f"{DAY}08:00,on,2A,2A-lang,g1,", f"{DAY}11:00,off,2A,2A-ha-dong,g2,"], [13015], ["tapped"]),
        ([f"{DAY}08:00,on,2A,2A-lang,g1,", f"{DAY}11:00:01,off,2A,2A-ha-dong,g2,"], [18625], ["over_long"]),
        ([f"{DAY}08:00,on,2A,2A-lang,g1,", f"{DAY}08:20,on,2A,2A-lang,g1,"], [18625] * 2, ["missing_off"] * 2),
        # One line's exit does not close a ride on the other.
        ([f"{DAY}08:00,on,2A,2A-lang,g1,", f"{DAY}08:30,off,3.1,3.1-nhon,g2,"], [18625, 14290], ["missing_off", "missing_on"]),
        # Taps that do not say what they are.
        ([f"{DAY}08:00,auto,2A,2A-cat-linh,g1,", f"{DAY}08:30,auto,2A,2A-yen-nghia,g2,"], [18625], ["tapped"]),
        ([f"{DAY}08:00,auto,01,s1,bus1,", f"{DAY}08:30,auto,01,s2,bus1,"], [10000], ["tapped"]),
        ([f"{DAY}08:00,auto,01,s1,bus1,", f"{DAY}08:30,auto,01,s2,bus2,"], [10000] * 2, ["boarded"] * 2),
        # Forgotten in the morning, in again in the evening: the evening ride must not be turned inside out.
        (
            [f"{DAY}08:00,auto,2A,2A-cat-linh,g1,", f"{DAY}18:00,auto,2A,2A-yen-nghia,g2,", f"{DAY}18:20,auto,2A,2A-cat-linh,g1,"],
            [18625, 18625],
            ["missing_off", "tapped"],
        ),
        # A gate may leave the route to its station.
        ([f"{DAY}08:00,on,,3.1-nhon,g1,", f"{DAY}08:09,off,,3.1-minh-khai,g2,"], [8935], ["tapped"]),
    ],
)  # fmt: skip
def test_hanoi_rides_by_how_they_were_tapped(price, taps, charged, closed):
    found = price("hanoi", COLUMNS, *taps)
    assert (found.charged, found.closed) == (charged, closed)
    assert not found.reasons


@pytest.mark.parametrize(
    ("tap", "reason"),
    [
        (f"{DAY}08:00,on,999,s1,bus1,", "unknown_route"),
        (f"{DAY}08:00,on,,nowhere,g1,", "unknown_stop"),
    ],
)
def test_what_the_tariff_does_not_know_is_unpriced_never_zero(price, tap, reason):
    found = price("hanoi", COLUMNS, tap, f"{DAY}09:00,on,01,s1,bus1,")
    assert found.reasons == [reason]
    assert found.charged == [10000]
    assert len(found.rides) == 1


def test_metro_ride_to_an_unknown_station_is_unpriced(price):
    found = price("hanoi", COLUMNS, f"{DAY}08:00,on,2A,2A-lang,g1,", f"{DAY}08:30,off,2A,2A-atlantis,g2,")
    assert (found.charged, found.reasons) == ([], ["unknown_stop"])


def test_day_under_way_leaves_a_metro_ride_open_until_its_limit(price):
    taps = [f"{DAY}08:00,on,2A,2A-lang,g1,"]
    during = price("hanoi", COLUMNS, *taps, as_of=datetime(2026, 11, 18, 2, tzinfo=UTC))
    assert (during.charged, during.closed) == ([], ["open"])
    after = price("hanoi", COLUMNS, *taps, as_of=datetime(2026, 11, 18, 4, 0, 1, tzinfo=UTC))
    assert (after.charged, after.closed) == ([18625], ["missing_off"])


def test_bus_is_charged_at_once_whatever_is_still_to_come(price):
    found = price(
        "hanoi", COLUMNS, f"{DAY}08:00,on,01,s1,bus1,", as_of=datetime(2026, 11, 18, 1, 0, 1, tzinfo=UTC)
    )
    assert (found.charged, found.closed) == ([10000], ["boarded"])


def test_metro_ride_over_the_day_boundary_is_billed_once_on_the_day_it_ends(price):
    found = price(
        "hanoi", COLUMNS, "2026-11-19T03:50,on,2A,2A-cat-linh,g1,", "2026-11-19T04:10,off,2A,2A-yen-nghia,g2,"
    )
    assert [[ride.closed.value for ride in bill.rides] for bill in found.bills] == [["open"], ["tapped"]]
    assert [len(bill.lines) for bill in found.bills] == [0, 1]
    assert found.charged == [18625]
    assert found.bills[1].carried_out.open_ride is None


def test_metro_ride_over_the_boundary_without_an_end_is_billed_next_day_though_it_has_no_taps(price):
    found = price("hanoi", COLUMNS, "2026-11-19T03:50,on,2A,2A-cat-linh,g1,")
    assert [bill.service_day.day for bill in found.bills] == [18, 19]
    assert found.bills[0].carried_out.must_bill_next
    assert found.charged == [18625]


def test_bus_ride_over_the_boundary_is_billed_where_it_began_and_its_end_costs_nothing(price):
    found = price("hanoi", COLUMNS, "2026-11-19T03:50,on,01,s1,bus1,", "2026-11-19T04:10,off,01,s2,bus1,")
    assert [[line.amount.minor for line in bill.lines] for bill in found.bills] == [[10000], []]
    assert not found.bills[0].carried_out.must_bill_next


def test_passback_holds_over_the_day_boundary(price):
    found = price(
        "hanoi", COLUMNS, "2026-11-19T03:59:50,on,01,s1,bus1,", "2026-11-19T04:00:20,on,01,s1,bus1,"
    )
    assert found.charged == [10000]
    assert found.closed == ["boarded", "passback"]
