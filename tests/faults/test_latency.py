"""Issue 5: the whole tap in our code on udp, and with a slow card and a slow disk; times are judged at full size only."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from readers.health import ailments
from readers.softcard.direct import DirectChannel
from readers.states import Event
from readers.tap import tap
from tests.faults.conftest import FULL
from tests.readers.kit import soft_card
from tests.readers.test_frontend_udp import emulated


def spread(times):
    ordered = sorted(times)
    return round(ordered[len(ordered) // 2], 1), round(ordered[len(ordered) * 99 // 100], 1)


def test_our_part_of_a_tap_over_udp(bench, size, figures):
    own, whole = [], []
    soft = soft_card(7)
    with emulated(soft) as (field, _):
        for _ in range(size(2_000)):
            bench.clock.advance(timedelta(minutes=1))
            shown = tap(bench.desk, field.wait_for_card(5))
            assert shown.phase == "DONE"
            bench.desk.machine.on(Event.REMOVED)
            own.append(shown.timing_ms["own"])
            whole.append(shown.timing_ms["total"])
            bench.desk.journal.tidy()
    figures(taps=len(own), own_p50_p99_ms=spread(own), whole_p50_p99_ms=spread(whole))
    assert bench.desk.journal.head.sequence == len(own) == soft.eeprom.tmc
    assert not FULL or spread(own)[1] < 50


class Slow(DirectChannel):
    """A card that takes 20 ms over each answer."""

    def transceive(self, apdu, timeout_s):
        time.sleep(0.02)
        return super().transceive(apdu, timeout_s)


@pytest.mark.parametrize("fsync_ms", [20, 60])
def test_a_slow_card_on_a_slow_disk(bench, size, figures, monkeypatch, fsync_ms):
    journal = bench.desk.journal

    def slowed(write):
        def slow(*arguments, **more):
            time.sleep(fsync_ms / 1000)
            return write(*arguments, **more)

        return slow

    for name in ("begin", "finish"):
        monkeypatch.setattr(journal, name, slowed(getattr(journal, name)))
    monkeypatch.setattr(journal, "probe", slowed(lambda: fsync_ms))
    soft, whole = soft_card(7), []
    for _ in range(size(200)):
        bench.clock.advance(timedelta(minutes=1))
        shown = tap(bench.desk, Slow(soft))
        assert shown.phase == "DONE"
        bench.desk.machine.on(Event.REMOVED)
        whole.append(shown.timing_ms["total"])
    said = ailments(
        config=replace(bench.desk.config.journal, disk_low_mb=0),
        bundle=bench.desk.bundle,
        moment=bench.desk.moment(),
        fsync_ms=journal.probe(),
        disk_mb=1,
    )
    figures(apdu_ms=20, fsync_ms=fsync_ms, whole_p50_p99_ms=spread(whole), degraded=said)
    assert min(whole) >= 7 * 20 + 2 * fsync_ms, "seven exchanges with the card, two writes to the disk"
    assert said == (("fsync-slow",) if fsync_ms > 40 else ())
    assert not FULL or spread(whole)[1] < 300 or said
