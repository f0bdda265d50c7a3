"""What the reader's wall clock is worth. It only feeds windows: records order by sequence, never by time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from kernel.clock import Clock
from kernel.wire.tap import ClockState

AGREES_WITHIN: Final = timedelta(seconds=5)
SYNCED_FOR_MS: Final = 3_600_000
HOLDOVER_FOR_MS: Final = 24 * 3_600_000  # READERS.md: unsynced for over 24 h is fared by the flat rule


class Timekeeper:
    """Watches the wall clock against the server's and against the monotonic one.

    A simulated clock (anything but "system") is shared by construction and counts as SYNCED. Threads may call
    `server_said`; everything else belongs to the tap thread.
    """

    def __init__(self, clock: Clock, *, simulated: bool) -> None:
        self.clock = clock
        self._simulated = simulated
        self._agreed_ms: int | None = None
        self._started_ms = clock.monotonic_ms()
        self._last = (clock.now(), self._started_ms)
        self._lost = False
        self.offset: timedelta | None = None
        self.worth = ClockState.SYNCED if simulated else ClockState.HOLDOVER
        """What `state` last said, for other threads to read."""

    def server_said(self, at: datetime) -> None:
        """Take the server's clock, as an answer's Date header gives it, to the second."""
        self.offset = at - self.clock.now()
        if abs(self.offset) <= AGREES_WITHIN:
            self._agreed_ms = self.clock.monotonic_ms()
            self._lost = False

    def offset_s(self) -> float | None:
        """Return by how many seconds the server's clock was ahead of ours when it last said; None before."""
        return self.offset.total_seconds() if self.offset is not None else None

    def not_before(self, at: datetime) -> None:
        """Take an instant that is surely past (a bundle's making, a record): a clock that shows less is wrong."""
        if not self._simulated and self.clock.now() < at - AGREES_WITHIN:
            self._lost = True

    def state(self) -> ClockState:
        """Return what the wall clock is worth now; notices a jump since the last call."""
        self.worth = self._judged()
        return self.worth

    def _judged(self) -> ClockState:
        if self._simulated:
            return ClockState.SYNCED
        now, ms = self.clock.now(), self.clock.monotonic_ms()
        before, before_ms = self._last
        self._last = (now, ms)
        if abs((now - before) - timedelta(milliseconds=ms - before_ms)) > AGREES_WITHIN:
            self._lost = True
        if self._lost:
            return ClockState.UNSYNCED
        if self._agreed_ms is not None and ms - self._agreed_ms <= SYNCED_FOR_MS:
            return ClockState.SYNCED
        since = self._agreed_ms if self._agreed_ms is not None else self._started_ms
        return ClockState.HOLDOVER if ms - since <= HOLDOVER_FOR_MS else ClockState.UNSYNCED
