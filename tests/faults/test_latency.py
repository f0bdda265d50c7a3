"""Issue 5: the whole tap in our code on udp, and with a slow card and a slow disk; times are judged at full size only."""

import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from readers.daemon import STATUS_FILE
from readers.journal import Journal
from readers.lamp import Light
from readers.states import Event
from readers.tap import tap
from tests.faults.conftest import FULL
from tests.readers.kit import enrolled, soft_card, wait_until
from tests.readers.loop import SlowField, events, in_service, present, running
from tests.readers.test_frontend_udp import emulated


def spread(times):
    ordered = sorted(times)
    return round(ordered[len(ordered) // 2], 1), round(ordered[len(ordered) * 99 // 100], 1)


def test_our_part_of_a_tap_over_udp(bench, size, figures):
    own, whole, again = [], [], 0
    soft, taps = soft_card(7), size(2_000)
    with emulated(soft) as (field, _):
        while len(own) < taps:
            bench.clock.advance(timedelta(minutes=1))
            shown = tap(bench.desk, field.wait_for_card(5))
            bench.desk.machine.on(Event.REMOVED)
            bench.desk.journal.tidy()
            if shown.phase != "DONE":
                # A machine that stood still for longer than a card may: its rider is asked to tap again.
                assert shown.message.light is Light.AMBER
                again += 1
                assert again <= taps // 20 + 1
                continue
            own.append(shown.timing_ms["own"])
            whole.append(shown.timing_ms["total"])
    figures(taps=len(own), asked_again=again, own_p50_p99_ms=spread(own), whole_p50_p99_ms=spread(whole))
    assert taps <= soft.eeprom.tmc <= bench.desk.journal.head.sequence <= taps + again
    assert not FULL or spread(own)[1] < 50


@pytest.mark.parametrize(("apdu_ms", "fsync_ms"), [(20, 20), (20, 60), (40, 20)])
def test_a_slow_card_on_a_slow_disk(tmp_path, size, figures, monkeypatch, apdu_ms, fsync_ms):
    """The loop itself, each exchange with the card and each write to the disk as slow as that."""

    def slowed(write):
        def slow(*arguments, **more):
            time.sleep(fsync_ms / 1000)
            return write(*arguments, **more)

        return slow

    for name in ("begin", "finish", "append"):
        monkeypatch.setattr(Journal, name, slowed(getattr(Journal, name)))
    monkeypatch.setattr(Journal, "probe", slowed(lambda _: float(fsync_ms)))
    config, field = enrolled(tmp_path), SlowField()
    config = replace(
        config,
        journal=replace(config.journal, disk_low_mb=0, fsync_warn_ms=40),
        field=replace(config.field, tap_warn_ms=300),
    )
    taps, field.pause_s = size(200), apdu_ms / 1000
    with running(config, field) as daemon:
        wait_until(lambda: in_service(daemon))
        for serial in range(1, taps + 1):
            assert present(daemon, soft_card(serial)) == ("green", "DONE")
        time.sleep(1.2)  # a reader judges itself each second
        said = daemon.desk.ailing
    status = json.loads((config.state_dir / STATUS_FILE).read_text())
    whole = [light["timing_ms"]["total"] for light in events(config, "light")]
    figures(apdu_ms=apdu_ms, fsync_ms=fsync_ms, taps=taps, whole_p50_p99_ms=spread(whole), degraded=said)
    assert min(whole) >= 7 * apdu_ms + 2 * fsync_ms, "seven exchanges with the card, two writes to the disk"
    assert "fsync-slow" in said or fsync_ms <= 40  # a busy machine's writes may be slow beyond what is added
    # 320 ms are beyond the limit on any machine; a busy one may be so below it, and then it says so too.
    slow = sum(ms > 300 for ms in whole)
    assert apdu_ms < 40 or slow == taps
    assert ("tap-slow" in said) is (slow >= max(2, taps / 100))
    assert not FULL or spread(whole)[1] < 300 or said
    assert (status["state"], status["why"]) == ("DEGRADED" if said else "IDLE", list(said))
