"""The daemon's loop: in this process with a field of soft cards, and as real processes over nfcpy's udp driver."""

import json
import socket
import time
from contextlib import suppress
from datetime import timedelta

import pytest

from kernel.wire.tap import ClockState, Phase, decode_tap
from readers.bundle import FILE
from readers.config import load_config
from readers.daemon import MAINTENANCE_FILE, STATUS_FILE, Daemon
from readers.errors import ConfigError, EnrolmentError, ReaderError
from readers.notify import tell_systemd
from readers.softcard.card import Fault
from readers.states import State
from tests.readers.kit import (
    enrolled,
    envelope,
    proven,
    soft_card,
    uid_of,
    wait_until,
    write_config,
)
from tests.readers.loop import CardField, events, in_service, lights, present, running, taps


def test_a_day_of_a_reader(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        assert present(daemon, soft_card(1)) == ("green", "DONE")
        torn = soft_card(2)
        torn.fault = Fault.TEAR_AFTER
        assert present(daemon, torn) == ("amber", "TORN")
        torn.fault = None
        assert present(daemon, torn) == ("green", "RECOVERED")
        assert present(daemon, torn) == ("amber", "REFUSED")
        wait_until(lambda: daemon._uplink.chained_up_to == 4)
    stored = [decode_tap(raw) for _, raw in sorted(office.stored.items())]
    assert [tap.phase for tap in stored] == [Phase.DONE, Phase.TORN, Phase.RECOVERED, Phase.REFUSED]
    assert [proven(tap) for tap in stored] == [True, False, True, False]
    assert [event["state"] for event in events(config, "state")] == ["IDLE"]
    assert events(config)[-1]["event"] == "stopped"


def test_sigterm_sends_what_is_left(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        office.faults = ["503"]
        for serial in range(1, 6):
            present(daemon, soft_card(serial))
    assert len(office.stored) == 5


def test_a_restart_goes_on_in_the_same_journal(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    for serial in (1, 2):
        with running(config) as daemon:
            wait_until(lambda daemon=daemon: in_service(daemon))
            present(daemon, soft_card(serial))
    assert [tap.sequence for tap in taps(config)] == [1, 2]
    assert len({journal for journal, _ in office.stored}) == 1
    status = json.loads((config.state_dir / STATUS_FILE).read_text())
    assert (status["sequence"], status["unsent"], status["state"]) == (2, 0, "IDLE")


def test_after_a_clean_stop_no_light_is_owed(tmp_path, office):
    config, card = enrolled(tmp_path, url=office.url), soft_card(1)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        present(daemon, card)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        assert present(daemon, card) == ("amber", "REFUSED")


def test_without_a_bundle_it_is_out_of_service_until_one_arrives(tmp_path, office):
    office.envelope = None
    config = enrolled(tmp_path, url=office.url)
    (config.state_dir / FILE).unlink()
    with running(config) as daemon:
        wait_until(lambda: daemon.machine.state is State.OUT_OF_SERVICE)
        wait_until(lambda: ("red", "") in lights(config))
        (told,) = events(config, "state")
        assert told["why"] == ["no bundle yet: without the card keys in it no card can be read"]
        office.envelope = envelope(version=3)
        wait_until(lambda: in_service(daemon))
        assert present(daemon, soft_card(1)) == ("green", "DONE")
    assert (config.state_dir / FILE).read_bytes() == office.envelope


def test_a_newer_bundle_is_taken_between_taps_and_an_older_one_never(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        office.envelope = envelope(version=7, denied=(5,))
        wait_until(lambda: daemon.desk.bundle.version == 7)
        assert present(daemon, soft_card(5)) == ("red", "REFUSED")
        office.envelope = envelope(version=6)
        wait_until(lambda: any("older than 7" in event["why"] for event in events(config, "bundle-refused")))
        assert present(daemon, soft_card(5)) == ("red", "REFUSED")
    assert [tap.deny_version for tap in taps(config)] == [7, 7]


def test_a_kept_bundle_that_was_tampered_with_is_not_used(tmp_path, office):
    office.envelope = None
    config = enrolled(tmp_path, url=office.url)
    (config.state_dir / FILE).write_bytes(envelope().replace(b"A", b"B", 1))
    with running(config) as daemon:
        wait_until(lambda: daemon.machine.state is State.OUT_OF_SERVICE)
        assert daemon.desk is None or daemon.desk.bundle is None
    assert events(config, "bundle-refused")


def test_a_lost_device_is_opened_again(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        daemon.field.broken = True
        wait_until(lambda: daemon.machine.state is State.OUT_OF_SERVICE)
        time.sleep(0.3)
        assert daemon.machine.state in {State.OUT_OF_SERVICE, State.SELFTEST}
        daemon.field.broken = False
        wait_until(lambda: in_service(daemon))
        assert present(daemon, soft_card(1)) == ("green", "DONE")
    assert lights(config).count(("red", "")) <= 2, "one trouble is shown once"


def test_a_full_journal_is_out_of_service_and_never_green(tmp_path, office, monkeypatch):
    monkeypatch.setattr("readers.keeper._PAGES_PER_MB", 14)
    office.faults = ["503"] * 100_000
    office.envelope = envelope(version=2, passback_s=0)
    config = enrolled(tmp_path, url=office.url)
    config.file.write_text(
        config.file.read_text().replace('dir = "state"', 'dir = "state"\njournal_max_mb = 1')
    )
    with running(load_config(config.file)) as daemon:
        wait_until(lambda: in_service(daemon) and daemon.desk.bundle.version == 2)
        daemon.clock.advance(timedelta(seconds=1))
        shown = []
        while "red" not in shown:
            shown.append(present(daemon, soft_card(len(shown) + 1))[0])
        assert shown.count("green") == len(shown) - 1 > 10
        wait_until(lambda: daemon.machine.state is State.OUT_OF_SERVICE)
        wait_until(lambda: events(config, "state")[-1]["why"])
        assert "full" in events(config, "state")[-1]["why"][0], "why is told at once, not a minute later"
        told = daemon._report()
        assert (told["sequence"], told["unsent"]) == (len(shown) - 1,) * 2, "closed, and not empty"
        assert told["journal_id"] == str(taps(config)[0].journal_id)
        assert told["oldest_unsent_at"]
        daemon.field.cards.put(soft_card(500))
        time.sleep(0.5)
        assert len(taps(config)) == len(shown) - 1, "nobody is served while there is no room"
        daemon.clock.advance(timedelta(seconds=1))
        office.faults = []
        # The server takes the records, so they may go, so there is room again.
        wait_until(lambda: lights(config)[-1] == ("green", "DONE"), timeout_s=20)
        wait_until(lambda: len(office.stored) == len(shown))


def test_a_journal_that_was_rolled_back_is_set_aside(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        present(daemon, soft_card(1))
        wait_until(lambda: daemon._uplink.chained_up_to == 1)
    old = config.journal.path.read_bytes()
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        present(daemon, soft_card(2))
        wait_until(lambda: daemon._uplink.chained_up_to == 2)
    config.journal.path.write_bytes(old)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        assert present(daemon, soft_card(3)) == ("green", "DONE")
        wait_until(lambda: len(office.stored) == 3)
        (aside,) = config.state_dir.glob("journal-*.sqlite")
        wait_until(lambda: "journal-aside" in daemon._why)
        aside.unlink()
        wait_until(lambda: "journal-aside" not in daemon._why)
    assert "acknowledged" in events(config, "journal-replaced")[0]["why"]
    assert len({journal for journal, _ in office.stored}) == 2


def test_a_server_that_knows_more_of_the_journal_has_it_replaced(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        first = daemon.desk.journal.journal_id
        honest = office.chained
        office.chained = lambda journal: 50 if journal == first else honest(journal)
        present(daemon, soft_card(1))
        wait_until(lambda: events(config, "journal-replaced"))
        office.chained = honest
        wait_until(lambda: in_service(daemon))
        assert present(daemon, soft_card(2)) == ("green", "DONE")
        wait_until(lambda: daemon._uplink.chained_up_to == 1)
    assert len({journal for journal, _ in office.stored}) == 2


def test_records_are_pruned_only_after_the_server_has_them(tmp_path, office):
    office.envelope = envelope(version=2, passback_s=0)
    office.faults = ["500"] * 100_000
    config = enrolled(tmp_path, url=office.url)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon) and daemon.desk.bundle.version == 2)
        daemon.clock.advance(timedelta(seconds=1))
        for serial in range(1, 4):
            present(daemon, soft_card(serial))
        daemon.clock.advance(timedelta(hours=1))
        time.sleep(1.2)
        assert len(taps(config)) == 3
        office.faults = []
        wait_until(lambda: taps(config) == [])
        present(daemon, soft_card(9))
        wait_until(lambda: len(office.stored) == 4)
    assert office.chained(next(iter(office.stored))[0]) == 4


def test_maintenance_serves_nobody_until_it_is_over(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    flag = config.state_dir / MAINTENANCE_FILE
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        flag.touch()
        wait_until(lambda: daemon.machine.state is State.MAINTENANCE)
        daemon.field.cards.put(soft_card(1))
        time.sleep(0.3)
        assert lights(config) == []
        flag.unlink()
        wait_until(lambda: ("green", "DONE") in lights(config))


def test_maintenance_keeps_the_watchdog_quiet(tmp_path, office, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        config = enrolled(tmp_path, url=office.url)
        with running(config) as daemon:
            wait_until(lambda: in_service(daemon))
            (config.state_dir / MAINTENANCE_FILE).touch()
            wait_until(lambda: daemon.machine.state is State.MAINTENANCE)
            systemd.setblocking(False)
            with suppress(BlockingIOError):
                while systemd.recv(100):
                    pass
            systemd.settimeout(5)
            assert systemd.recv(100) == b"WATCHDOG=1"


def test_a_systemd_that_does_not_read_is_not_waited_for(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert tell_systemd("READY=1")
        assert not all(tell_systemd("WATCHDOG=1") for _ in range(5_000))
        assert systemd.recv(100) == b"READY=1"
        assert tell_systemd("WATCHDOG=1")


def test_a_reader_that_nobody_taps_knows_what_time_it_is(tmp_path, office):
    config = enrolled(tmp_path, url=office.url, clock="system")
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon) and daemon.time.state() is ClockState.SYNCED)
    assert office.requests == [], "there was nothing to upload"


def test_disk_low_is_degraded_and_still_serves(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    text = config.file.read_text().replace('dir = "state"', 'dir = "state"\ndisk_low_mb = 1000000')
    config.file.write_text(text)
    config = load_config(config.file)
    with running(config) as daemon:
        wait_until(lambda: daemon.machine.state is State.DEGRADED)
        assert present(daemon, soft_card(1)) == ("green", "DONE")
        wait_until(lambda: daemon.machine.state is State.DEGRADED)
    assert [(e["state"], e["why"]) for e in events(config, "state")] == [("DEGRADED", ["disk-low"])]


def test_heartbeats_are_sent_where_the_server_takes_them(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    text = config.file.read_text().replace("bundle_every_s", "heartbeat_every_s = 0.1\nbundle_every_s")
    config.file.write_text(text)
    with running(load_config(config.file)) as daemon:
        wait_until(lambda: in_service(daemon))
        present(daemon, soft_card(1))
        wait_until(lambda: any(beat["lights"] == {"green": 1} for beat in office.heartbeats))
    beat = office.heartbeats[-1]
    assert {"unsent", "bundle", "clock_offset_s", "own_ms", "total_ms", "fsync_ms", "disk_mb"} <= beat.keys()
    assert beat["sequence"] == 1
    assert uid_of(1).hex() not in json.dumps(beat)


def test_two_readers_never_share_a_folder(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    with running(config), pytest.raises(ReaderError, match="another reader runs"):
        Daemon(config, open_field=CardField().open)


def test_a_reader_that_is_not_enrolled_says_how(tmp_path):
    with pytest.raises(EnrolmentError, match="python -m readers enrol"):
        Daemon(load_config(write_config(tmp_path)), open_field=CardField().open)


def test_a_wrong_clock_is_refused_by_key(tmp_path):
    config = enrolled(tmp_path, clock="sundial")
    with pytest.raises(ConfigError, match=r"clock\.text"):
        Daemon(config, open_field=CardField().open)
