"""Is the reader fit? Why it is DEGRADED, and the figures of its heartbeat."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from access.rules.alarm import JOURNAL_ASIDE
from kernel.clock import from_micros, stopwatch
from kernel.wire.tap import ClockState, Phase
from readers.bundle import Bundle
from readers.config import Config
from readers.decide import Moment, is_stale
from readers.desk import Desk
from readers.errors import JournalError
from readers.journal import Journal, has_set_aside
from readers.lamp import Light, Shown
from readers.mark import acknowledged_of
from readers.pace import Pace
from readers.records import JournalReader

_MEGABYTE: Final = 1024 * 1024
_WRITES: Final = ("intent", "done")
TAP_SLOW: Final = "tap-slow"
HARMLESS: Final = frozenset({TAP_SLOW, JOURNAL_ASIDE})
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
        aside=has_set_aside(desk.config.journal.path),
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
    aside: bool,
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
            (JOURNAL_ASIDE, aside),
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


def describe_journal(config: Config, journal: Journal | None, chained_up_to: int) -> Mapping[str, object]:
    """Return how far the journal goes, and what of it the server has not acknowledged; read through the file.

    Any thread may ask. While the journal is closed, because it cannot be written, what its file still holds is told.
    Everything is 0 where that cannot be read either.
    """
    found: dict[str, object] = {"journal_id": None, "sequence": 0, "unsent": 0, "oldest_unsent_at": None}
    if journal is not None:
        head = journal.head.sequence
        found |= {"journal_id": str(journal.journal_id), "sequence": head}
        found["unsent"] = max(0, head - chained_up_to)
        if not found["unsent"]:
            return found
    with suppress(JournalError):
        reader = JournalReader(config.journal.path)
        try:
            if journal is None:
                known = max(
                    chained_up_to, reader.base(), acknowledged_of(config.state_dir, reader.journal_id)
                )
                chained_up_to, last = known, reader.last()
                found |= {"journal_id": str(reader.journal_id), "sequence": last}
                found["unsent"] = max(0, last - known)
            _, oldest = reader.count_after(chained_up_to)
            found["oldest_unsent_at"] = from_micros(oldest).isoformat() if oldest is not None else None
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
