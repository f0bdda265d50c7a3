"""The field as the daemon uses it: opened and re-opened, one presentation of a card at a time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

from kernel.clock import stopwatch
from readers.card import CardChannel
from readers.config import FieldConfig
from readers.errors import FieldLostError
from readers.notify import tell_systemd

_PRESENCE_EVERY_S: Final = 0.02
_FLICKERS: Final = 10


class Field(Protocol):
    """A reader's antenna, as `readers.frontend` gives it."""

    def wait_for_card(self, timeout_s: float) -> CardChannel | None:
        """Return the next card, or None in time."""
        ...

    def close(self) -> None:
        """Switch the field off."""
        ...


def open_field(path: str, *, felica: bytes = b"") -> Field:
    """Return the antenna at a path: "pcsc:NAME", or whatever nfcpy calls the device. FieldLostError.

    With a system code in `felica` nfcpy's also looks for such tokens, after each look for cards.
    """
    # Each on demand: a PC/SC reader needs no nfcpy, and nfcpy's no libpcsclite.
    if path.startswith("pcsc:"):
        from readers.pcsc import open_pcsc

        return open_pcsc(path)
    from readers.frontend import open_frontend, speak_up

    speak_up(sys.stderr)
    return open_frontend(path, felica=felica)


class Antenna:
    """One antenna. FieldLostError from any method means: close it, and open it again later."""

    def __init__(self, config: FieldConfig, opened: Callable[[str], Field] | None = None) -> None:
        self._config = config
        self._open_field = opened or partial(open_field, felica=config.felica)
        self._field: Field | None = None
        self._last_uid = b""
        self._last_until = 0.0
        self._flickers_until = 0.0
        self._away_s = config.wait_removal_ms / 1000

    def open(self) -> None:
        """Open the device unless it is open."""
        if self._field is None:
            self._field = self._open_field(self._config.path)

    def next_card(self, over: threading.Event) -> CardChannel | None:
        """Return the next card, or None when none came within the poll time.

        A card that is back within `wait_removal_ms` of leaving flickers at the field's edge: it is taken for the
        same presentation, for at most ten times as long.
        """
        assert self._field is not None, "the self-test opened the field"
        channel = self._field.wait_for_card(self._config.poll_ms / 1000)
        # Only an answer of the device feeds the watchdog: a reader that hangs is restarted.
        tell_systemd("WATCHDOG=1")
        if channel is None or channel.uid != self._last_uid or stopwatch() >= self._last_until:
            return channel
        self._stay(channel, over)
        self._last_until = min(stopwatch() + self._away_s, self._flickers_until)
        return None

    def wait_removal(self, channel: CardChannel, over: threading.Event, *, again: bool) -> None:
        """Return once the card has left the field, or `over` is set.

        With `again` its rider was asked to tap once more, so it is served as soon as it is back.
        """
        self._stay(channel, over)
        self._last_uid = b"" if again else channel.uid
        self._last_until = stopwatch() + self._away_s
        self._flickers_until = stopwatch() + _FLICKERS * self._away_s

    def _stay(self, channel: CardChannel, over: threading.Event) -> None:
        while not over.is_set() and channel.present():
            tell_systemd("WATCHDOG=1")
            over.wait(_PRESENCE_EVERY_S)
        channel.close()

    def close(self) -> None:
        """Switch the field off and release the device, whatever state it is in."""
        field, self._field = self._field, None
        if field is not None:
            with suppress(FieldLostError, OSError):
                field.close()
