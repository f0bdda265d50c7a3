"""How many of a card's rides and stays this reader alone knows of: what it may cost while the server is away."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final, Self

from kernel.wire.tap import Phase, Purpose, TapRecord

BEGINS: Final = frozenset({Purpose.BOARD, Purpose.AUTO, Purpose.PARK_IN})
"""What may begin a ride or a stay. A way out is never refused for what is owed: the rider is inside."""
_ACCEPTED: Final = frozenset({Phase.DONE, Phase.RECOVERED})


class Exposure:
    """Accepted taps that the server has not acknowledged, by card; its size is that of the unsent journal at most."""

    def __init__(self) -> None:
        self._open: deque[tuple[int, int]] = deque()
        self._by_card: Counter[int] = Counter()

    @classmethod
    def of(cls, taps: Iterable[TapRecord], *, acknowledged: int) -> Self:
        """Return what a journal's kept records, oldest first, leave open after that sequence."""
        found = cls()
        for tap in taps:
            if tap.sequence > acknowledged:
                found.note(tap)
        return found

    def note(self, tap: TapRecord) -> None:
        """Count a tap that was accepted here; one that begins nothing costs nothing."""
        if tap.phase in _ACCEPTED and tap.purpose in BEGINS:
            self._open.append((tap.sequence, tap.card_serial))
            self._by_card[tap.card_serial] += 1

    def acknowledge(self, chained_up_to: int) -> None:
        """Forget what the server has: it decides by the account from there on."""
        while self._open and self._open[0][0] <= chained_up_to:
            _, serial = self._open.popleft()
            self._by_card[serial] -= 1
            if not self._by_card[serial]:
                del self._by_card[serial]

    def of_card(self, serial: int, purpose: Purpose) -> int:
        """Return how many taps of the card are open, as far as it matters for this purpose."""
        return self._by_card[serial] if purpose in BEGINS else 0

    def __len__(self) -> int:
        return len(self._open)
