"""Is the reader fit? Why it is DEGRADED, and the figures of its heartbeat."""

from __future__ import annotations

import shutil
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kernel.wire.tap import ClockState
from readers.bundle import Bundle
from readers.config import JournalConfig
from readers.decide import Moment, is_stale
from readers.lamp import Light, Shown

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
    }


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
        return {
            "lights": dict(self._lights),
            "phases": dict(self._phases),
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
