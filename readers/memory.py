"""What this reader remembers of the cards it saw lately: for passback, torn taps and lights never shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Self

from kernel.wire.tap import Phase, TapRecord
from readers.decide import Moment, Seen, within_passback


class Memory:
    """The last tap of each card here, inside the passback window; rebuilt from the journal after a restart."""

    def __init__(self) -> None:
        self._seen: dict[int, Seen] = {}

    @classmethod
    def of(cls, taps: Iterable[TapRecord], *, last_shown: int) -> Self:
        """Return the memory of a journal's kept records, oldest first.

        The journal's last record is held to be unshown unless it is numbered `last_shown`: a daemon that was
        killed between DONE and the light owes that rider a green.
        """
        memory = cls()
        last: TapRecord | None = None
        for last in taps:
            memory.note(last, this_run=False)
        if last is not None and last.sequence != last_shown and last.card_serial in memory._seen:
            seen = memory._seen[last.card_serial]
            memory._seen[last.card_serial] = replace(seen, shown=seen.tap is not last)
        return memory

    def note(self, tap: TapRecord, *, this_run: bool = True) -> None:
        """Remember a tap. A refused one says nothing of what its card did here before."""
        if tap.phase is not Phase.REFUSED:
            self._seen[tap.card_serial] = Seen(tap, this_run=this_run)

    def drop(self, tap: TapRecord) -> None:
        """Forget a tap: the card has shown that it did not commit it."""
        if (seen := self._seen.get(tap.card_serial)) is not None and seen.tap == tap:
            del self._seen[tap.card_serial]

    def shown(self, tap: TapRecord) -> None:
        """Remember that the tap's light has been shown."""
        seen = self._seen.get(tap.card_serial)
        if seen is not None and seen.tap == tap:
            self._seen[tap.card_serial] = replace(seen, shown=True)

    def find(self, serial: int) -> Seen | None:
        """Return the last tap of the card here, or None."""
        return self._seen.get(serial)

    def forget(self, moment: Moment, passback_s: int) -> None:
        """Drop what has left the passback window, so that the memory stays as small as the last few seconds."""
        self._seen = {
            serial: seen for serial, seen in self._seen.items() if within_passback(seen, moment, passback_s)
        }

    def __len__(self) -> int:
        return len(self._seen)
