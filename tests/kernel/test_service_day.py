from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.service_day import Window, day_window, local_date, service_day

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
BERLIN = ZoneInfo("Europe/Berlin")
FOUR = time(4, 0)


def at(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-11-18T04:00:00+07:00", date(2026, 11, 18)),
        ("2026-11-18T03:59:59.999999+07:00", date(2026, 11, 17)),
        ("2026-11-18T23:59:59+07:00", date(2026, 11, 18)),
        ("2026-11-19T00:00:00+07:00", date(2026, 11, 18)),
        ("2026-11-17T21:00:00+00:00", date(2026, 11, 18)),
        ("2026-11-17T20:59:59+00:00", date(2026, 11, 17)),
        ("2027-01-01T00:30:00+07:00", date(2026, 12, 31)),
    ],
)
def test_service_day_of_hanoi_starts_at_four(instant, day):
    assert service_day(at(instant), FOUR, HANOI) == day


def test_local_date_is_the_calendars():
    assert local_date(at("2026-11-17T17:00:00+00:00"), HANOI) == date(2026, 11, 18)
    assert local_date(at("2026-11-17T16:59:59+00:00"), HANOI) == date(2026, 11, 17)


def test_day_window_is_half_open_and_in_utc():
    window = day_window(date(2026, 11, 18), FOUR, HANOI)
    assert window.start == at("2026-11-18T04:00:00+07:00")
    assert window.start.tzinfo is UTC
    assert window.contains(window.start)
    assert not window.contains(window.end)
    assert window.contains(window.end - timedelta(microseconds=1))
    assert window.end - window.start == timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 28), 23), (date(2026, 10, 24), 25), (date(2026, 7, 1), 24)]
)
def test_day_window_over_a_change_of_clocks(day, hours):
    window = day_window(day, time(2, 30), BERLIN)
    if hours != 24:
        window = day_window(day, FOUR, BERLIN)
    assert window.end - window.start == timedelta(hours=hours)


def test_service_day_when_clocks_pass_its_start_twice():
    # 2026-10-25: Berlin's clocks go from 03:00 back to 02:00, so 02:30 comes twice; the first one starts the day.
    starts = time(2, 30)
    assert service_day(at("2026-10-25T02:29:00+02:00"), starts, BERLIN) == date(2026, 10, 24)
    assert service_day(at("2026-10-25T02:30:00+02:00"), starts, BERLIN) == date(2026, 10, 25)
    assert service_day(at("2026-10-25T02:10:00+01:00"), starts, BERLIN) == date(2026, 10, 25)


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    st.times(timezones=st.none()),
    st.sampled_from([HANOI, BERLIN, ZoneInfo("America/St_Johns"), ZoneInfo("UTC")]),
)
def test_each_instant_is_in_its_own_days_window_and_no_other(instant, starts, zone):
    day = service_day(instant, starts, zone)
    assert day_window(day, starts, zone).contains(instant)
    assert not day_window(day + timedelta(days=1), starts, zone).contains(instant)
    assert not day_window(day - timedelta(days=1), starts, zone).contains(instant)


def test_window_refuses_naive_instants():
    with pytest.raises(AssertionError):
        Window(datetime(2026, 1, 1), at("2026-01-02T00:00:00+00:00"))  # noqa: DTZ001
