import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import (
    FixedClock,
    MalformedClockError,
    ScaledClock,
    SystemClock,
    clock_from,
    from_micros,
    micros,
    stopwatch,
)

HANOI = timezone(timedelta(hours=7))
START = datetime(2026, 11, 18, 4, 30, tzinfo=HANOI)


@given(st.datetimes(timezones=st.just(UTC)))
def test_micros_round_trip(at):
    assert from_micros(micros(at)) == at


def test_micros_count_from_1970_in_any_zone():
    assert micros(datetime(1970, 1, 1, 7, 0, 0, 1, tzinfo=HANOI)) == 1
    assert micros(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == -1


def test_micros_refuse_a_naive_instant():
    with pytest.raises(TypeError):
        micros(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("count", [2**63 - 1, -(2**63)])
def test_from_micros_refuses_what_no_calendar_holds(count):
    with pytest.raises(OverflowError):
        from_micros(count)


def test_system_clock_is_aware_and_runs_forward():
    clock = SystemClock()
    before, ticks = clock.now(), clock.monotonic_ms()
    clock.sleep_until(before + timedelta(milliseconds=5))
    assert clock.now() - before >= timedelta(milliseconds=5)
    assert clock.monotonic_ms() > ticks
    assert clock.now().utcoffset() == timedelta(0)
    clock.sleep_until(before)


def test_fixed_clock_moves_only_when_told():
    clock = FixedClock(START)
    assert clock.now() == START
    assert clock.now().tzinfo is UTC
    clock.advance(timedelta(seconds=2))
    assert clock.now() == START + timedelta(seconds=2)
    assert clock.monotonic_ms() == 2000
    clock.sleep_until(START + timedelta(hours=1))
    clock.sleep_until(START)
    assert clock.now() == START + timedelta(hours=1)


def test_fixed_clock_does_not_run_back():
    with pytest.raises(AssertionError):
        FixedClock(START).advance(timedelta(seconds=-1))


def test_scaled_clocks_of_the_same_numbers_agree():
    real = time.time()
    one, other = ScaledClock(START, real, 600), ScaledClock(START, real, 600)
    assert abs(one.now() - other.now()) < timedelta(seconds=60)
    assert one.now() >= START


def test_scaled_clock_sleeps_the_scaled_share():
    clock = ScaledClock(START, time.time(), 3600)
    begun = stopwatch()
    clock.sleep_until(START + timedelta(minutes=2))
    assert stopwatch() - begun < 1
    assert clock.now() >= START + timedelta(minutes=2)
    first = clock.monotonic_ms()
    time.sleep(0.002)
    assert clock.monotonic_ms() - first >= 7000


def test_clock_from_reads_each_form():
    assert clock_from("system") == SystemClock()
    assert clock_from("fixed:2026-11-18T04:30:00+07:00").now() == START
    assert clock_from("scaled;2026-11-18T04:30:00+07:00;1763000000.5;600") == ScaledClock(
        START, 1763000000.5, 600.0
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "System",
        "fixed:",
        "fixed:2026-11-18T04:30:00",
        "fixed:tomorrow",
        "scaled;2026-11-18T04:30:00+07:00;1763000000",
        "scaled;2026-11-18T04:30:00+07:00;1763000000;0",
        "scaled;2026-11-18T04:30:00+07:00;1763000000;-1",
        "scaled;2026-11-18T04:30:00+07:00;now;600",
        "scaled;2026-11-18T04:30:00;1763000000;600",
        "scaled:2026-11-18T04:30:00+07:00:1763000000:600",
        "faster;2026-11-18T04:30:00+07:00;1763000000;600",
    ],
)
def test_clock_from_refuses_anything_else(text):
    with pytest.raises(MalformedClockError) as refused:
        clock_from(text)
    assert refused.value.fields == {"text": text}


def test_clocks_refuse_naive_instants():
    with pytest.raises(AssertionError):
        FixedClock(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(AssertionError):
        ScaledClock(datetime(2026, 1, 1), 0.0, 1.0)  # noqa: DTZ001
    with pytest.raises(AssertionError):
        ScaledClock(START, 0.0, 0.0)
