"""Is the reader fit? Why it is DEGRADED, and the figures of its heartbeat."""

from __future__ import annotations

import shutil
from collections import Counter, deque
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from kernel.clock import from_micros
from kernel.wire.tap import ClockState, Phase
from readers.bundle import Bundle
from readers.config import JournalConfig
from readers.decide import Moment, is_stale
from readers.errors import JournalError
from readers.journal import Journal
from readers.lamp import Light, Shown
from readers.records import JournalReader

_KEPT: Final = 1_000
_MEGABYTE: Final = 1024 * 1024


def free_mb(path: Path) -> int:
    """Return the free megabytes of the disk that holds `path`; 0 where it cannot be asked."""
    try:
        return shutil.disk_usage(path).free // _MEGABYTE
    except OSError:
        return 0


def ailments(
    *, config: JournalConfig, bundle: Bundle | None, moment: Moment, fsync_ms: float, disk_mb: int
) -> tuple[str, ...]:
    """Return why the reader is DEGRADED, in stable words; empty when it is well."""
    return tuple(
        word
        for word, ill in (
            ("clock", moment.clock_state is ClockState.UNSYNCED),
            ("bundle-stale", bundle is not None and is_stale(bundle, moment.now)),
            ("disk-low", disk_mb < config.disk_low_mb),
            ("fsync-slow", fsync_ms > config.fsync_warn_ms),
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
    """What happened since the daemon started: lights, phases, reasons and the latest latencies."""

    def __init__(self) -> None:
        self._lights: Counter[str] = Counter()
        self._phases: Counter[str] = Counter()
        self._own: deque[float] = deque(maxlen=_KEPT)
        self._total: deque[float] = deque(maxlen=_KEPT)

    def count(self, shown: Shown) -> None:
        """Take one light into account; latencies of green ones only, the others end early."""
        self._lights[shown.message.light.value] += 1
        if shown.phase:
            self._phases[shown.phase] += 1
        if shown.message.light is Light.GREEN:
            self._own.append(shown.timing_ms["own"])
            self._total.append(shown.timing_ms["total"])

    def report(self) -> Mapping[str, object]:
        """Return the counts and, in milliseconds, medians and 99th percentiles."""
        phases = self._phases.copy()
        return {
            "software": version("lienthong"),
            "taps": phases.total(),
            "torn": phases[Phase.TORN.name],
            "lights": dict(self._lights),
            "phases": dict(phases),
            "own_ms": _spread(self._own),
            "total_ms": _spread(self._total),
        }


def _spread(times: deque[float]) -> dict[str, float]:
    # The deque is filled by the tap thread while the heartbeat's reads it.
    ordered = sorted(times.copy())
    if not ordered:
        return {}
    return {
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[len(ordered) * 99 // 100], 2),
    }
