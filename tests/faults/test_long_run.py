"""Issue 5: 100,000 taps on the in-process channel: memory flat, no descriptor left open, nothing pruned unacknowledged."""

import gc
import os
import time
from datetime import timedelta

from readers.softcard.direct import DirectChannel
from readers.states import Event
from readers.tap import tap
from tests.readers.kit import NOW, soft_card

GROWTH_KB = 10 * 1024
CARDS = 500


def resident_kb():
    gc.collect()
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss_Anon:"))


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_a_reader_that_taps_all_week_stays_as_it_was(bench, size, figures):
    cards, desk = [soft_card(serial) for serial in range(1, CARDS + 1)], bench.desk
    taps, acknowledged, passback = size(100_000), 0, timedelta(seconds=30)
    before = open_before = None
    latencies, highest_kept = [], 0
    for number in range(taps):
        # Each card is back long after its passback window, as in a day.
        bench.clock.advance(timedelta(seconds=1))
        began = time.perf_counter()
        shown = tap(desk, DirectChannel(cards[number % CARDS]))
        latencies.append(time.perf_counter() - began)
        assert shown.phase == "DONE"
        desk.machine.on(Event.REMOVED)
        if number % 100 == 99:
            # The server acknowledges in bursts, and for the last tenth not at all.
            desk.memory.forget(desk.moment(), 30)
            if number % 700 == 699 and number < taps * 9 // 10:
                acknowledged = desk.journal.head.sequence - 50
            desk.journal.prune(acknowledged, older_than=bench.clock.now() - passback)
            desk.journal.tidy()
            assert desk.journal.base.sequence <= acknowledged, "nothing goes that is not acknowledged"
            highest_kept = max(highest_kept, desk.journal.head.sequence - desk.journal.base.sequence)
        if number == taps // 5:
            del latencies[:]
            before, open_before = resident_kb(), descriptors()
    del latencies[: len(latencies) // 2]
    latencies.sort()
    grown, opened = resident_kb() - before, descriptors() - open_before
    kept = [tap.sequence for tap in bench.records()]
    figures(
        taps=taps,
        grown_kb=grown,
        descriptors_more=opened,
        kept=len(kept),
        journal_mb=round(desk.journal.path.stat().st_size / 2**20, 1),
        own_p50_ms=round(latencies[len(latencies) // 2] * 1000, 2),
        own_p99_ms=round(latencies[len(latencies) * 99 // 100] * 1000, 2),
    )
    assert grown < GROWTH_KB
    assert opened == 0
    assert kept == list(range(desk.journal.base.sequence + 1, taps + 1)), (
        "all that is not acknowledged is there"
    )
    assert acknowledged - 50 <= desk.journal.base.sequence <= acknowledged
    assert bench.clock.now() == NOW + timedelta(seconds=taps)
