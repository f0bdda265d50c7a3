"""Where the milliseconds of a tap go: the card's part, and ours by phase."""

from __future__ import annotations

from kernel.clock import stopwatch
from readers.card import CardChannel


class TimedChannel:
    """The card's channel with a stopwatch: what the card takes is not ours."""

    def __init__(self, channel: CardChannel) -> None:
        self._channel = channel
        self.card_ms = 0.0

    @property
    def uid(self) -> bytes:
        """Return the UID that anticollision gave."""
        return self._channel.uid

    def transceive(self, apdu: bytes, timeout_s: float) -> bytes:
        """Return the card's answer; the wait is counted."""
        started = stopwatch()
        try:
            return self._channel.transceive(apdu, timeout_s)
        finally:
            self.card_ms += (stopwatch() - started) * 1000

    def present(self) -> bool:
        """Return whether the card still answers."""
        return self._channel.present()

    def close(self) -> None:
        """Let go of the card."""
        self._channel.close()


class Laps:
    """Milliseconds a phase, and the whole; `own_ms` is the whole without the card's part."""

    def __init__(self, channel: TimedChannel | None = None) -> None:
        self._channel = channel
        self._started = self._last = stopwatch()
        self.phases: dict[str, float] = {}

    def lap(self, phase: str) -> None:
        """End the phase that runs."""
        now = stopwatch()
        self.phases[phase] = (now - self._last) * 1000
        self._last = now

    def total_ms(self) -> float:
        """Return the milliseconds since the card was seen."""
        return (stopwatch() - self._started) * 1000

    def timing(self) -> dict[str, float]:
        """Return all phases, the total, the card's part and ours."""
        total = self.total_ms()
        card = self._channel.card_ms if self._channel else 0.0
        return self.phases | {"total": total, "card": card, "own": total - card}
