"""Each alarm by one fact that raises it and one that just does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from access.rules.alarm import JOURNAL_ASIDE, Alarm, Known, Said, alarms, drained
from access.rules.device import DeviceState

NOW = datetime(2026, 11, 18, 2, tzinfo=UTC)
JOURNAL = UUID(int=7)
MS, SECOND, MINUTE, HOUR, DAY = (
    timedelta(milliseconds=1),
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
WELL = Said(
    received_at=NOW, said_at=NOW, key_id=b"k", state="IDLE", why=(), software="0.1.0", journal_id=JOURNAL,
    sequence=100, unsent=0, oldest_unsent_at=None, bundle_version=1, bundle_made_at=NOW - HOUR, tariff_version="h-1",
    deny_version=5, action_version=0, generations=(1,), clock_state="SYNCED", clock_offset=SECOND, taps=1_000, torn=9, own_p99=40 * MS,
    total_p99=200 * MS, fsync=2 * MS, disk_mb=900, paid_not_passed=3, passed_unpaid=0,
)  # fmt: skip
KNOWN = Known(
    state=DeviceState.ACTIVE,
    enrolled_at=NOW - DAY,
    stored={JOURNAL: 100},
    waiting=False,
    tariff_version="h-1",
    deny_since=None,
    key_added_at=NOW - DAY,
    rotate_asked_at=None,
)


def test_a_device_that_is_well_raises_nothing():
    assert alarms(WELL, KNOWN, NOW) == ()


@pytest.mark.parametrize(
    ("alarm", "raised", "not_raised"),
    [
        (Alarm.SILENT, {"received_at": NOW - 5 * MINUTE - MS}, {"received_at": NOW - 5 * MINUTE}),
        (Alarm.NOT_IN_SERVICE, {"state": "OUT_OF_SERVICE", "why": ("no bundle",)}, {"state": "ACTIVATE"}),
        (Alarm.NOT_IN_SERVICE, {"state": "MAINTENANCE"}, {"state": "WAIT_REMOVAL"}),
        (Alarm.DEGRADED, {"state": "DEGRADED", "why": ("disk-low",)}, {"why": ()}),
        (Alarm.JOURNAL_ROLLED_BACK, {"sequence": 99}, {"sequence": 100}),
        (
            Alarm.UNSENT_OLD,
            {"unsent": 1, "oldest_unsent_at": NOW - 26 * HOUR - MS},
            {"unsent": 1, "oldest_unsent_at": NOW - 26 * HOUR},
        ),
        (Alarm.UNSENT_MANY, {"unsent": 10_000}, {"unsent": 9_999}),
        (Alarm.CLOCK_OFF, {"clock_offset": -5 * SECOND - MS}, {"clock_offset": -5 * SECOND}),
        (Alarm.CLOCK_OFF, {"clock_state": "UNSYNCED", "clock_offset": None}, {"clock_state": "HOLDOVER"}),
        (Alarm.SLOW, {"own_p99": 50 * MS + timedelta(microseconds=1)}, {"own_p99": 50 * MS}),
        (Alarm.SLOW, {"total_p99": 301 * MS}, {"total_p99": 300 * MS}),
        (Alarm.TORN, {"taps": 499, "torn": 10}, {"taps": 500, "torn": 10}),
        (Alarm.TORN, {"taps": 10, "torn": 10}, {"taps": 9, "torn": 9}),
        (Alarm.DISK_LOW, {"disk_mb": 63}, {"disk_mb": 64}),
        (Alarm.BUNDLE_OLD, {"bundle_made_at": NOW - 26 * HOUR - MS}, {"bundle_made_at": NOW - 26 * HOUR}),
        (Alarm.BUNDLE_OLD, {"bundle_made_at": None}, {"bundle_made_at": NOW}),
        (Alarm.TARIFF_BEHIND, {"tariff_version": "h-0"}, {"tariff_version": "h-0", "bundle_made_at": NOW}),
        (Alarm.PAID_NOT_PASSED, {"taps": 100, "paid_not_passed": 10}, {"taps": 500, "paid_not_passed": 10}),
    ],
)
def test_what_a_device_says_alarms(alarm, raised, not_raised):
    assert alarms(replace(WELL, **raised), KNOWN, NOW) == (alarm,)
    assert alarms(replace(WELL, **not_raised), KNOWN, NOW) == ()


@pytest.mark.parametrize(
    ("alarm", "raised", "not_raised"),
    [
        (Alarm.JOURNAL_GAP, {"waiting": True}, {"waiting": False}),
        (Alarm.DENY_BEHIND, {"deny_since": NOW - 15 * MINUTE - MS}, {"deny_since": NOW - 15 * MINUTE}),
        (Alarm.KEY_OLD, {"key_added_at": NOW - 400 * DAY - MS}, {"key_added_at": NOW - 400 * DAY}),
        (Alarm.KEY_OLD, {"key_added_at": NOW - 401 * DAY}, {"key_added_at": None}),
        (Alarm.ROTATION_OPEN, {"rotate_asked_at": NOW - 27 * HOUR}, {"rotate_asked_at": NOW - 25 * HOUR}),
    ],
)
def test_what_is_known_of_a_device_alarms(alarm, raised, not_raised):
    assert alarms(WELL, replace(KNOWN, **raised), NOW) == (alarm,)
    assert alarms(WELL, replace(KNOWN, **not_raised), NOW) == ()


@pytest.mark.parametrize("state", [each for each in DeviceState if each is not DeviceState.ACTIVE])
def test_only_a_device_that_shall_be_at_work_alarms(state):
    broken = replace(WELL, state="OUT_OF_SERVICE", received_at=NOW - DAY)
    known = replace(KNOWN, state=state, waiting=True)
    assert alarms(broken, known, NOW) == alarms(None, known, NOW) == ()


def test_a_device_that_never_spoke_has_five_minutes():
    assert alarms(None, KNOWN, NOW) == (Alarm.NEVER_HEARD,)
    assert alarms(None, replace(KNOWN, enrolled_at=NOW - 5 * MINUTE), NOW) == ()
    assert alarms(None, replace(KNOWN, waiting=True), NOW) == (Alarm.NEVER_HEARD, Alarm.JOURNAL_GAP)


def test_several_alarms_come_in_one_order():
    ill = replace(WELL, received_at=NOW - HOUR, state="DEGRADED", why=("clock",), clock_state="UNSYNCED")
    assert alarms(ill, KNOWN, NOW) == (Alarm.SILENT, Alarm.DEGRADED, Alarm.CLOCK_OFF)


@pytest.mark.parametrize(
    ("said", "stored", "waiting", "empty"),
    [
        (WELL, {JOURNAL: 100}, False, True),
        (WELL, {JOURNAL: 101}, False, True),
        (WELL, {JOURNAL: 99}, False, False),
        (WELL, {}, False, False),
        (WELL, {UUID(int=8): 100}, False, False),
        (WELL, {JOURNAL: 100}, True, False),
        (replace(WELL, unsent=1), {JOURNAL: 100}, False, False),
        (replace(WELL, sequence=0, journal_id=None), {}, False, True),
        (replace(WELL, journal_id=None), {JOURNAL: 100}, False, False),
        (replace(WELL, sequence=0, journal_id=None), {JOURNAL: 100}, False, False),
        (replace(WELL, why=("tap-slow",)), {JOURNAL: 100}, False, True),
        (replace(WELL, why=("tap-slow", JOURNAL_ASIDE)), {JOURNAL: 100}, False, False),
        (None, {}, False, True),
        (None, {JOURNAL: 0}, False, True),
        (None, {JOURNAL: 1}, False, False),
    ],
)
def test_a_journal_is_drained_when_all_it_ever_held_is_here(said, stored, waiting, empty):
    assert drained(said, stored, waiting=waiting, unheard=False) is empty
    assert drained(said, stored, waiting=waiting, unheard=True) is (empty and said is None)
