"""What stands around a tap: duty file, lamp, gate, clock, systemd."""

import io
import json
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kernel.clock import FixedClock
from kernel.wire.tap import ClockState, Purpose
from readers import lamp as lights
from readers.config import GateConfig, load_config
from readers.decide import Reason
from readers.errors import ConfigError
from readers.gate import Gate
from readers.lamp import EventFile, Lamp, Light, Shown, TerminalLamp
from readers.notify import tell_systemd
from readers.timekeeping import Timekeeper
from readers.validator import DutyBook
from tests.readers.kit import NOW, ListSink, draft, wait_until, write_config


@pytest.fixture
def device(tmp_path):
    return replace(load_config(write_config(tmp_path)).device, duty=tmp_path / "duty.jsonl")


def row(at, **fields):
    return json.dumps({"from": at, **fields}) + "\n"


def test_before_the_first_stretch_and_without_a_file_the_configuration_holds(device):
    assert DutyBook(replace(device, duty=None)).at(NOW).stop_id == "26-01"
    device.duty.write_text(row("2026-11-18T09:00:01+07:00", stop_id="26-02"))
    assert DutyBook(device).at(NOW).stop_id == "26-01"


def test_the_last_stretch_that_has_begun_holds_and_overrides_only_what_it_names(device):
    device.duty.write_text(
        row("2026-11-18T08:00:00+07:00", stop_id="26-02", purpose="BOARD")
        + "\n"
        + row("2026-11-18T09:00:00+07:00", route_id="93", direction=1, place="29B-9", trip_id="")
        + row("2026-11-18T10:00:00+07:00", stop_id="26-04")
    )
    book = DutyBook(device)
    before = book.at(NOW - timedelta(microseconds=1))
    assert (before.stop_id, before.purpose, before.trip_id) == ("26-02", Purpose.BOARD, "26-05")
    now = book.at(NOW)
    assert (now.route_id, now.direction, now.place, now.trip_id, now.stop_id, now.purpose) == (
        "93", 1, "29B-9", "", "26-01", Purpose.AUTO,
    )  # fmt: skip
    assert book.at(NOW + timedelta(days=400)).stop_id == "26-04"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "line 1: needs an object"),
        ("[]", "line 1: needs an object"),
        ("{}", "line 1: needs an object"),
        (row("yesterday"), "line 1: needs an object"),
        (row("2026-11-18T08:00:00"), "needs an offset"),
        (row("2026-11-18T08:00:00Z", stop_id=4), "`stop_id` must be a text"),
        (row("2026-11-18T08:00:00Z", stop_id="x" * 65), "`stop_id` must be a text of at most 64"),
        (row("2026-11-18T08:00:00Z", stop_id="a\x00"), "`stop_id` must be a text"),
        (row("2026-11-18T08:00:00Z", direction=2), "`direction` must be 0 or 1"),
        (row("2026-11-18T08:00:00Z", direction=True), "`direction` must be 0 or 1"),
        (row("2026-11-18T08:00:00Z", purpose="PARK_IN"), "`purpose` must be one of"),
        (row("2026-11-18T08:00:00Z", purpose=["AUTO"]), "`purpose` must be one of"),
        (row("2026-11-18T08:00:00Z", stop_id="\ud800"), "`stop_id` must be a text"),
        ("[" * 100_000, "line 1: needs an object"),
        (row("2026-11-18T08:00:00Z", stop="x"), "`stop` is not a field"),
        (row("2026-11-18T08:00:00Z") + row("2026-11-18T08:00:00Z"), "must ascend"),
        (row("2026-11-18T08:00:00Z") + row("2026-11-18T14:59:00+07:00"), "must ascend"),
    ],
)
def test_a_wrong_duty_file_is_refused_by_line_and_field(device, text, why):
    device.duty.write_text(text)
    with pytest.raises(ConfigError, match=why):
        DutyBook(device)


def test_a_missing_duty_file_is_refused(device):
    with pytest.raises(ConfigError, match="cannot be read"):
        DutyBook(device)


def test_a_changed_duty_file_is_read_again_and_a_broken_one_changes_nothing(device):
    device.duty.write_text(row("2026-11-18T01:00:00Z", stop_id="A"))
    book = DutyBook(device)
    assert not book.reload()
    device.duty.write_text(row("2026-11-18T01:00:00Z", stop_id="LONGER"))
    assert book.reload()
    assert book.at(NOW).stop_id == "LONGER"
    device.duty.write_text("broken")
    with pytest.raises(ConfigError):
        book.reload()
    assert book.at(NOW).stop_id == "LONGER"


def test_every_light_has_words_in_both_languages_and_beeps_that_tell_it_apart():
    messages = [*lights.WELCOME.values(), *lights.REFUSALS.values(), lights.RECOVERED, lights.TRY_AGAIN]
    messages += [lights.NOT_READABLE, lights.OUT_OF_SERVICE]
    assert all(message.vi and message.en and message.vi != message.en for message in messages)
    assert {(message.light, message.beeps) for message in messages} == {
        (Light.GREEN, 1),
        (Light.AMBER, 2),
        (Light.RED, 3),
    }
    assert all(lights.REFUSALS[reason].light is not Light.GREEN for reason in Reason)


def shown(**more):
    return Shown(at=NOW, message=lights.WELCOME[Purpose.BOARD], **more)


def test_the_terminal_shows_both_languages_and_the_reason():
    out = io.StringIO()
    TerminalLamp("bus-01", out).show(shown(reason="x"))
    assert out.getvalue() == "02:00:00 bus-01  GREEN  Mời lên xe / Welcome aboard [x] ♪\n"


def test_the_event_file_has_one_json_line_an_event(tmp_path):
    file = EventFile(tmp_path / "deep" / "events.jsonl", "bus-01")
    file.show(shown(phase="DONE", sequence=3, card=9, timing_ms={"own": 1.23456}))
    file.note(NOW, "state", {"state": "IDLE"})
    light, state = map(json.loads, (tmp_path / "deep" / "events.jsonl").read_text().splitlines())
    assert (light["event"], light["light"], light["vi"], light["sequence"]) == (
        "light",
        "green",
        "Mời lên xe",
        3,
    )
    assert (light["at"], light["timing_ms"]) == ("2026-11-18T02:00:00+00:00", {"own": 1.235})
    assert (state["reader"], state["event"], state["state"]) == ("bus-01", "state", "IDLE")
    file._file.close()


class Failing(ListSink):
    """A display that is unplugged until somebody plugs it in."""

    broken, tried = True, 0

    def show(self, shown):
        self.tried += 1
        if self.broken:
            raise OSError("No space left on device")
        super().show(shown)


def test_a_stuck_or_failing_sink_delays_nothing():
    good, failing = ListSink(), Failing()
    lamp = Lamp((failing, good))
    for _ in range(3000):
        lamp.show(shown())
    lamp.close()
    assert 0 < len(good.shown) <= 3000
    assert failing.tried < len(good.shown), "it rests after each failure"
    lamp.note(NOW, "after the end")


def test_a_sink_that_failed_shows_again_once_it_can(monkeypatch):
    monkeypatch.setattr("readers.lamp._REST_S", 0.02)
    failing = Failing()
    lamp = Lamp((failing,))
    lamp.show(shown())
    wait_until(lambda: failing.tried == 1)
    failing.broken = False
    time.sleep(0.03)
    lamp.show(shown())
    lamp.close()
    assert len(failing.shown) == 1


@pytest.fixture
def gate(tmp_path):
    config = GateConfig(barrier=tmp_path / "barrier", passage=tmp_path / "passage", passage_s=0.15)
    sink = ListSink()
    lamp = Lamp((sink,))
    gate = Gate(config, clock=FixedClock(NOW), lamp=lamp)
    yield gate, config, sink
    gate.close()
    lamp.close()


def test_a_green_tap_pulses_the_barrier_and_a_passage_is_matched(gate):
    gate, config, sink = gate
    gate.open_for(draft(sequence=4))
    wait_until(lambda: config.barrier.exists() and config.barrier.read_text().endswith("\n"))
    assert json.loads(config.barrier.read_text())["pulse"] == 4
    config.passage.write_text("x\n")
    wait_until(lambda: ("passed", {"sequence": 4}) in sink.notes)
    assert (gate.paid_not_passed, gate.passed_unpaid) == (0, 0)


def test_paid_and_not_passed_is_known(gate):
    gate, _, sink = gate
    gate.open_for(draft(sequence=4))
    wait_until(lambda: gate.paid_not_passed == 1)
    wait_until(lambda: ("paid-not-passed", {"sequence": 4}) in sink.notes)


def test_passed_without_paying_is_known(gate):
    gate, config, _ = gate
    config.passage.write_text("a\nb\nhalf a line")
    wait_until(lambda: gate.passed_unpaid == 2)
    with config.passage.open("a") as file:
        file.write(" now whole\n")
    wait_until(lambda: gate.passed_unpaid == 3)
    config.passage.write_text("rotated\n")
    wait_until(lambda: gate.passed_unpaid == 4)


def test_a_broken_barrier_is_noted_and_the_gate_lives(tmp_path):
    sink = ListSink()
    lamp = Lamp((sink,))
    config = GateConfig(barrier=tmp_path / "no" / "barrier", passage=None, passage_s=1)
    gate = Gate(config, clock=FixedClock(NOW), lamp=lamp)
    gate.open_for(draft(sequence=1))
    gate.open_for(draft(sequence=2))
    wait_until(lambda: [name for name, _ in sink.notes] == ["barrier-broken"] * 2)
    assert gate.broken
    (tmp_path / "no").mkdir()
    gate.open_for(draft(sequence=3))
    wait_until(lambda: not gate.broken)
    gate.close()
    lamp.close()


def test_a_bus_has_no_gate():
    lamp = Lamp(())
    gate = Gate(GateConfig(barrier=None, passage=None, passage_s=1), clock=FixedClock(NOW), lamp=lamp)
    gate.open_for(draft())
    gate.close()
    lamp.close()


class Wall:
    """A machine's clock whose wall time can jump while its monotonic time runs on."""

    def __init__(self):
        self.at, self.ms = NOW, 0

    def now(self):
        return self.at

    def monotonic_ms(self):
        return self.ms

    def sleep_until(self, at):
        raise AssertionError("nobody sleeps here")

    def run(self, **more):
        self.at += timedelta(**more)
        self.ms += int(timedelta(**more).total_seconds() * 1000)


def test_a_simulated_clock_is_synced():
    assert Timekeeper(FixedClock(NOW), simulated=True).state() is ClockState.SYNCED


def test_clock_states_follow_the_servers_agreement():
    wall = Wall()
    keeper = Timekeeper(wall, simulated=False)
    assert keeper.state() is ClockState.HOLDOVER
    keeper.server_said(wall.now() + timedelta(seconds=6))
    assert keeper.state() is ClockState.HOLDOVER, "six seconds apart is no agreement"
    assert keeper.offset == timedelta(seconds=6)
    keeper.server_said(wall.now() - timedelta(seconds=5))
    assert keeper.state() is ClockState.SYNCED
    wall.run(hours=1)
    assert keeper.state() is ClockState.SYNCED
    wall.run(seconds=1)
    assert keeper.state() is ClockState.HOLDOVER
    wall.run(hours=23)
    assert keeper.state() is ClockState.UNSYNCED
    keeper.server_said(wall.now())
    assert keeper.state() is ClockState.SYNCED


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1), timedelta(seconds=6)])
def test_a_jump_is_unsynced_until_the_server_agrees(jump):
    wall = Wall()
    keeper = Timekeeper(wall, simulated=False)
    keeper.server_said(wall.now())
    wall.at += jump
    assert keeper.state() is ClockState.UNSYNCED
    wall.run(seconds=1)
    assert keeper.state() is ClockState.UNSYNCED
    keeper.server_said(wall.now())
    assert keeper.state() is ClockState.SYNCED


def test_a_clock_before_the_bundle_was_made_is_unsynced():
    wall = Wall()
    wall.at = datetime(1970, 1, 1, tzinfo=UTC)
    keeper = Timekeeper(wall, simulated=False)
    keeper.not_before(NOW)
    assert keeper.state() is ClockState.UNSYNCED


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(tmp_path, monkeypatch, abstract):
    name = f"lienthong-test-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name if abstract else name)
        assert tell_systemd("READY=1")
        assert listener.recv(100) == b"READY=1"
    assert not tell_systemd("WATCHDOG=1"), "nobody listens any more, and nothing is raised"
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert not tell_systemd("READY=1")
