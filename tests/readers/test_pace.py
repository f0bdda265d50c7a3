"""How quick a reader is: when it says that it is slow, when it is well again, and what that changes."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.wire.tap import ClockState
from readers.decide import Moment
from readers.health import ailments
from readers.pace import WINDOW_S, WINDOW_TAPS, Pace
from readers.softcard.card import Fault
from readers.states import State
from tests.readers.kit import NOW, enrolled, soft_card, wait_until
from tests.readers.loop import SlowField, events, in_service, present, running

GOOD, SLOW, AT_LIMIT = 100.0, 301.0, 300.0


def pace_of(*taps, at=0.0):
    pace = Pace(warn_ms=300)
    for whole in taps:
        pace.took(whole, whole / 2, at=at)
    return pace


@pytest.mark.parametrize(
    ("taps", "slow"),
    [
        ([], False),
        ([GOOD], False),
        ([SLOW], False),  # one card held at the field's edge
        ([AT_LIMIT] * 200, False),  # 300 ms is what a tap may take
        ([SLOW, SLOW], True),
        ([GOOD] * 99 + [SLOW], False),
        ([GOOD] * 198 + [SLOW] * 2, True),
        ([GOOD] * 199 + [SLOW] * 2, False),  # 2 of 201 are less than one in a hundred
        ([GOOD] * 298 + [SLOW] * 3, False),
        ([GOOD] * 297 + [SLOW] * 3, True),
        ([GOOD] * 991 + [SLOW] * 9, False),
        ([GOOD] * 990 + [SLOW] * 10, True),
        ([SLOW] * 10 + [GOOD] * 990, True),
        ([SLOW] * 10 + [GOOD] * 991, False),  # the oldest has left a window of a thousand
    ],
)
def test_slow_is_one_tap_in_a_hundred_and_two_at_least(taps, slow):
    assert pace_of(*taps).is_slow(0.0) is slow


@pytest.mark.parametrize(("left", "still"), [(10, True), (6, True), (5, True), (4, False), (0, False)])
def test_well_again_is_fewer_than_half_as_many(left, still):
    pace = pace_of(*[SLOW] * 10, *[GOOD] * 990)
    assert pace.is_slow(0.0)
    for _ in range(10 - left):
        pace.took(GOOD, 1, at=0.0)
    assert pace.is_slow(0.0) is still
    assert pace_of(*[SLOW] * left, *[GOOD] * 990).is_slow(0.0) is (left == 10), (
        "what it was decides below the limit"
    )


@pytest.mark.parametrize(("later", "slow"), [(0.0, True), (WINDOW_S, True), (WINDOW_S + 0.001, False)])
def test_a_reader_that_nobody_uses_is_well_after_a_quarter_of_an_hour(later, slow):
    pace = pace_of(SLOW, SLOW, at=50.0)
    assert pace.is_slow(50.0)
    assert pace.is_slow(50.0 + later) is slow
    assert bool(pace.spreads(50.0 + later)["total_ms"]) is slow


@given(st.lists(st.floats(0, 1000, allow_nan=False), min_size=200, max_size=2 * WINDOW_TAPS))
def test_whenever_the_99th_percentile_is_beyond_the_limit_it_is_said(taps):
    pace = pace_of(*taps)
    ordered = sorted(taps[-WINDOW_TAPS:])
    p99 = ordered[len(ordered) * 99 // 100]
    assert pace.is_slow(0.0) is (p99 > 300)
    assert pace.spreads(0.0)["total_ms"]["p99"] == round(p99, 2)


@given(st.integers(200, 800), st.data())
def test_a_run_whose_99th_percentile_is_beyond_the_limit_never_ends_unsaid(taps, data):
    """Wherever the slow ones lie, and however often it was asked meanwhile."""
    slow = -(-taps // 100)
    places = data.draw(st.sets(st.integers(0, taps - 1), min_size=slow, max_size=slow))
    pace, said = Pace(warn_ms=300), False
    for number in range(taps):
        pace.took(SLOW if number in places else GOOD, 1, at=0.0)
        said |= pace.is_slow(0.0)
    assert said


def test_the_disk_is_what_the_start_measured_until_as_many_writes_say_otherwise():
    pace = Pace(warn_ms=300)
    assert pace.write_ms() == 0
    pace.probed(60.0)
    for _ in range(9):
        pace.wrote(1.0)
    assert pace.write_ms() == 60.0, "it was busy at the start, and may be still"
    for _ in range(2):
        pace.wrote(1.0)
    assert pace.write_ms() == 1.0
    for _ in range(11):
        pace.wrote(50.0)
    assert pace.write_ms() == 50.0, "it tired in the day"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ()),
        ({"slow": True}, ("tap-slow",)),
        ({"shut": True}, ("barrier",)),
        ({"aside": True}, ("journal-aside",)),
        ({"write_ms": 40.0}, ()),
        ({"write_ms": 40.1}, ("fsync-slow",)),
        ({"disk_mb": 64}, ()),
        ({"disk_mb": 63}, ("disk-low",)),
        ({"clock": ClockState.HOLDOVER}, ()),
        ({"clock": ClockState.UNSYNCED}, ("clock",)),
        ({"clock": ClockState.UNSYNCED, "write_ms": 99.0, "disk_mb": 0, "slow": True},
         ("clock", "disk-low", "fsync-slow", "tap-slow")),
    ],
)  # fmt: skip
def test_why_a_reader_is_degraded(tmp_path, changes, words):
    moment = Moment(
        now=NOW, monotonic_ms=0, clock_state=changes.pop("clock", ClockState.SYNCED),
        zone=enrolled(tmp_path).device.zone, unsent=0,
    )  # fmt: skip
    given = {"write_ms": 1.0, "slow": False, "disk_mb": 1000, "shut": False, "aside": False} | changes
    config = enrolled(tmp_path)
    config = replace(config, journal=replace(config.journal, fsync_warn_ms=40))
    assert ailments(config=config, bundle=None, moment=moment, **given) == words


def test_a_reader_that_became_slow_says_so_everywhere_and_then_that_it_is_well(tmp_path, office, monkeypatch):
    config = enrolled(tmp_path, url=office.url)
    # Seven exchanges of 30 ms are 210 ms; the limit is set below, so that a busy machine does not decide.
    config = replace(
        config,
        field=replace(config.field, tap_warn_ms=200),
        journal=replace(config.journal, fsync_warn_ms=10_000, disk_low_mb=0),
    )
    field = SlowField()
    with running(config, field) as daemon:
        wait_until(lambda: in_service(daemon))
        field.pause_s = 0.03
        for serial in range(1, 4):
            assert present(daemon, soft_card(serial)) == ("green", "DONE"), "slow is not wrong"
        wait_until(lambda: daemon.machine.state is State.DEGRADED, timeout_s=30)
        wait_until(lambda: any(beat["why"] == ["tap-slow"] for beat in office.heartbeats), timeout_s=30)
        told = next(beat for beat in office.heartbeats if beat["why"])
        assert told["total_ms"]["p99"] > 200
        assert daemon.desk.ailing == ("tap-slow",)
        # A quarter of an hour later.
        monkeypatch.setattr("readers.pace.WINDOW_S", 0.1)
        wait_until(lambda: daemon.machine.state is State.IDLE, timeout_s=30)
        wait_until(lambda: office.heartbeats[-1]["state"] == "IDLE", timeout_s=30)
    said = [(event["state"], *event["why"]) for event in events(config, "state")]
    assert said == [("IDLE",), ("DEGRADED", "tap-slow"), ("IDLE",)]


def test_a_card_at_the_fields_edge_makes_no_reader_slow(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    config = replace(
        config,
        field=replace(config.field, tap_warn_ms=200),
        journal=replace(config.journal, fsync_warn_ms=10_000, disk_low_mb=0),
    )
    field = SlowField()
    with running(config, field) as daemon:
        wait_until(lambda: in_service(daemon))
        torn = soft_card(9)
        torn.fault = Fault.TEAR_AFTER
        field.pause_s = 0.03
        present(daemon, soft_card(1))
        present(daemon, torn)
        field.pause_s = 0.0
        time.sleep(1.2)  # longer than it takes the daemon to judge itself
        assert daemon.desk.ailing == ()
