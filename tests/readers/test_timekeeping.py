"""The reader's time goes on whatever the wall clock does."""

from datetime import UTC, datetime, timedelta

import pytest

from kernel.wire.tap import ClockState
from readers.server import Server
from readers.timekeeping import Timekeeper
from tests.readers.kit import DEVICE_KEYS, NOW
from tests.readers.test_edges import Wall


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1), timedelta(seconds=6)])
def test_a_wall_clock_that_jumps_moves_no_time(jump):
    wall = Wall()
    true = wall.now()
    keeper = Timekeeper(wall, simulated=False)
    wall.run(hours=2)
    wall.at += jump
    assert keeper.now() == true + timedelta(hours=2)
    # Set right by hand, it is believed again; and what the server says is believed over both.
    wall.at -= jump
    assert keeper.now() == wall.now()
    wall.at += jump
    keeper.server_said(true + timedelta(hours=2, minutes=1))
    wall.run(hours=1)
    assert keeper.now() == true + timedelta(hours=3, minutes=1)
    assert keeper.state() is ClockState.UNSYNCED, "until the two agree"


def test_a_small_step_of_the_wall_clock_is_taken_over():
    wall = Wall()
    keeper = Timekeeper(wall, simulated=False)
    wall.at += timedelta(seconds=5)
    assert keeper.now() == wall.now()
    wall.at += timedelta(seconds=1)
    assert keeper.now() == wall.now() - timedelta(seconds=6)


def test_a_reader_that_woke_before_its_clock_was_set_takes_the_set_one():
    wall = Wall()
    wall.at = datetime(1970, 1, 1, tzinfo=UTC)
    keeper = Timekeeper(wall, simulated=False)
    keeper.not_before(NOW)
    wall.run(seconds=30)
    assert keeper.now() == wall.now(), "nothing better is known: a record's time is an earlier clock's"
    wall.at = NOW + timedelta(minutes=1)
    assert keeper.now() == NOW + timedelta(minutes=1)
    assert keeper.state() is ClockState.UNSYNCED
    keeper.server_said(wall.now())
    wall.run(seconds=1)
    assert (keeper.state(), keeper.now()) == (ClockState.SYNCED, wall.now())


def test_a_clock_without_a_battery_goes_on_from_the_bundles_making():
    """Records of 1970 would all wait for a person; so near the truth they are billed as an unsynced reader's."""
    wall = Wall()
    wall.at = datetime(1970, 1, 1, tzinfo=UTC)
    keeper = Timekeeper(wall, simulated=False)
    keeper.not_before(NOW - timedelta(days=2), by_server=True)
    keeper.not_before(NOW, by_server=True)
    keeper.not_before(NOW - timedelta(days=1), by_server=True)
    wall.run(seconds=30)
    assert (keeper.now(), keeper.state()) == (NOW + timedelta(seconds=30), ClockState.UNSYNCED)
    wall.at = NOW + timedelta(minutes=5)
    assert keeper.now() == wall.now(), "later than it could be at the least: put right by somebody"
    wall.at = datetime(1970, 1, 1, tzinfo=UTC)
    keeper.server_said(NOW + timedelta(hours=1))
    wall.run(seconds=1)
    assert keeper.now() == NOW + timedelta(hours=1, seconds=1)
    wall.at = NOW + timedelta(days=1)
    assert keeper.now() == NOW + timedelta(hours=1, seconds=1), "the server has said better"


def test_what_waits_until_a_time_waits_by_the_corrected_one():
    slept = []

    class Sleeper(Wall):
        def sleep_until(self, at):
            slept.append(at)

    wall = Sleeper()
    keeper = Timekeeper(wall, simulated=False)
    true = wall.now()
    wall.at += timedelta(days=1)
    keeper.sleep_until(true + timedelta(minutes=1))
    assert slept == [wall.now() + timedelta(minutes=1)]


@pytest.mark.parametrize("years_off", [-1, 1])
def test_every_answer_tells_the_servers_clock_so_that_the_next_request_is_dated_rightly(office, years_off):
    """A reader that nobody taps hears it with its bundle and its heartbeats; a refused request tells it too."""
    wall = Wall()
    wall.at = datetime.now(UTC) + timedelta(days=365 * years_off)
    keeper = Timekeeper(wall, simulated=False)
    server = Server(office.url, timeout_s=2, clock=keeper, key=DEVICE_KEYS.signing, heard=keeper.server_said)
    office.envelope = None
    assert server.get("/v1/bundles", signed=True).status == 503
    server.close()
    assert abs(keeper.now() - datetime.now(UTC)) < timedelta(seconds=30)
    assert keeper.offset_s() == pytest.approx(-365 * years_off * 86_400, abs=30)
