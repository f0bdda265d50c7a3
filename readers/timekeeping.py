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
    """Watches the wall clock against the server's and against the monotonic one, and tells the time (a Clock).

    `now` goes on from the last instant that could be trusted by the monotonic clock, so a wall clock that jumps by a
    day under a running reader moves no record; what the server says puts both right. A simulated clock (anything but
    "system") is shared by construction and counts as SYNCED. Threads may call `server_said` and `now`; everything
    else belongs to the tap thread.
    """

    def __init__(self, clock: Clock, *, simulated: bool) -> None:
        self.clock = clock
        self._simulated = simulated
        self._agreed_ms: int | None = None
        self._started_ms = clock.monotonic_ms()
        self._last = (clock.now(), self._started_ms)
        self._anchor = self._last
        self._at_least = False
        """Whether the anchor is only the earliest that it can be."""
        self._floor: datetime | None = None
        self._lost = False
        self.offset: timedelta | None = None
        self.worth = ClockState.SYNCED if simulated else ClockState.HOLDOVER
        """What `state` last said, for other threads to read."""

    def now(self) -> datetime:
        """Return the instant: the last trusted one and what the monotonic clock has counted since."""
        wall = self.clock.now()
        if self._simulated:
            return wall
        at, since_ms = self._anchor
        told = at + timedelta(milliseconds=self.clock.monotonic_ms() - since_ms)
        if abs(told - wall) <= AGREES_WITHIN:
            return wall
        began_wrong = self._floor is not None and told < self._floor <= wall
        if began_wrong or (self._at_least and told < wall):
            # What it began with cannot be, or was the least it could be; the wall clock, put right meanwhile, can.
            return wall
        return told

    def monotonic_ms(self) -> int:
        """Return milliseconds that never run backwards."""
        return self.clock.monotonic_ms()

    def sleep_until(self, at: datetime) -> None:
        """Return once `now()` has reached `at`."""
        self.clock.sleep_until(at + (self.clock.now() - self.now()))

    def server_said(self, at: datetime) -> None:
        """Take the server's clock, as an answer's Date header gives it, to the second."""
        wall, ms = self.clock.now(), self.clock.monotonic_ms()
        self.offset = at - wall
        if abs(self.offset) <= AGREES_WITHIN:
            self._anchor, self._agreed_ms, self._lost = (wall, ms), ms, False
        elif not self._simulated:
            self._anchor = (at, ms)
        self._at_least = False

    def offset_s(self) -> float | None:
        """Return by how many seconds the server's clock was ahead of ours when it last said; None before."""
        return self.offset.total_seconds() if self.offset is not None else None

    def not_before(self, at: datetime, *, by_server: bool = False) -> None:
        """Take an instant that is past (a bundle's making, a record): a clock that shows less is wrong.

        `by_server` one is surely past, and where nothing better is known the time goes on from there. A record's is
        what this clock, perhaps wrong, said before.
        """
        if self._simulated:
            return
        self._floor = max(self._floor or at - AGREES_WITHIN, at - AGREES_WITHIN)
        if self.clock.now() < at - AGREES_WITHIN:
            self._lost = True
        if by_server and self.now() < at - AGREES_WITHIN:
            self._anchor, self._at_least = (at, self.clock.monotonic_ms()), True

    def state(self) -> ClockState:
        """Return what the time is worth now; notices a jump of the wall clock since the last call."""
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
