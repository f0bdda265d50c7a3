"""Is the reader fit? Why it is DEGRADED, and the figures of its heartbeat."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from kernel.clock import from_micros, stopwatch
from kernel.wire.tap import ClockState, Phase
from readers.bundle import Bundle
from readers.config import Config
from readers.decide import Moment, is_stale
from readers.desk import Desk
from readers.errors import JournalError
from readers.journal import Journal
from readers.lamp import Light, Shown
from readers.pace import Pace
from readers.records import JournalReader

_MEGABYTE: Final = 1024 * 1024
_WRITES: Final = ("intent", "done")
TAP_SLOW: Final = "tap-slow"
HARMLESS: Final = frozenset({TAP_SLOW})
"""Said and alarmed, and no reason to refuse a purse: what is slow is not wrong, and the disk has a word of its own."""


def free_mb(path: Path) -> int:
    """Return the free megabytes of the disk that holds `path`; 0 where it cannot be asked."""
    try:
        return shutil.disk_usage(path).free // _MEGABYTE
    except OSError:
        return 0


def examine(desk: Desk, pace: Pace) -> tuple[str, ...]:
    """Return why the reader is DEGRADED just now, empty when it is well; the desk is told."""
    desk.ailing = ailments(
        config=desk.config,
        bundle=desk.bundle,
        moment=desk.moment(),
        write_ms=pace.write_ms(),
        slow=pace.is_slow(stopwatch()),
        disk_mb=free_mb(desk.config.journal.path.parent),
        shut=desk.gate.broken,
    )
    return desk.ailing


def ailments(
    *,
    config: Config,
    bundle: Bundle | None,
    moment: Moment,
    write_ms: float,
    slow: bool,
    disk_mb: int,
    shut: bool,
) -> tuple[str, ...]:
    """Return why the reader is DEGRADED, in stable words; empty when it is well."""
    return tuple(
        word
        for word, ill in (
            ("clock", moment.clock_state is ClockState.UNSYNCED),
            ("bundle-stale", bundle is not None and is_stale(bundle, moment.now)),
            ("disk-low", disk_mb < config.journal.disk_low_mb),
            ("fsync-slow", write_ms > config.journal.fsync_warn_ms),
            (TAP_SLOW, slow),
            ("barrier", shut),
        )
        if ill
    )


def describe_bundle(bundle: Bundle | None) -> Mapping[str, object]:
    """Return the versions a reader decides by; empty while it has no bundle."""
    if bundle is None:
        return {}
    return {
        "version": bundle.version,
        "made_at": bundle.made_at.isoformat(),
        "tariff_version": bundle.tariff_version,
        "deny_version": bundle.denied.version,
        "generations": sorted(bundle.generations),
        "action_version": bundle.action_version,
    }


def describe_journal(journal: Journal | None, chained_up_to: int) -> Mapping[str, object]:
    """Return how far the journal goes and what of it the server has not acknowledged; read through the file.

    Any thread may ask. Without a journal everything is 0.
    """
    found: dict[str, object] = {"journal_id": None, "sequence": 0, "unsent": 0, "oldest_unsent_at": None}
    if journal is None:
        return found
    head = journal.head.sequence
    found |= {"journal_id": str(journal.journal_id), "sequence": head, "unsent": max(0, head - chained_up_to)}
    if found["unsent"]:
        try:
            reader = JournalReader(journal.path)
        except JournalError:
            return found
        try:
            _, oldest = reader.count_after(chained_up_to)
            found["oldest_unsent_at"] = from_micros(oldest).isoformat() if oldest is not None else None
        except JournalError:
            return found
        finally:
            reader.close()
    return found


class Tally:
    """What happened since the daemon started: lights, phases, reasons, and how quickly of late."""

    def __init__(self, pace: Pace) -> None:
        self._lights: Counter[str] = Counter()
        self._phases: Counter[str] = Counter()
        self._pace = pace

    def count(self, shown: Shown) -> None:
        """Take one light into account; latencies of green ones only, the others end early."""
        timing = shown.timing_ms
        self._lights[shown.message.light.value] += 1
        if shown.phase:
            self._phases[shown.phase] += 1
        if shown.message.light is Light.GREEN:
            self._pace.took(timing["total"], timing["own"], at=stopwatch())
        for write in timing.keys() & _WRITES:
            self._pace.wrote(timing[write])

    def report(self) -> Mapping[str, object]:
        """Return the counts and, in milliseconds, medians and 99th percentiles of the latest taps."""
        phases = self._phases.copy()
        return {
            "software": version("lienthong"),
            "taps": phases.total(),
            "torn": phases[Phase.TORN.name],
            "lights": dict(self._lights),
            "phases": dict(phases),
            **self._pace.spreads(stopwatch()),
        }
