"""What the evidence of a window of time comes to, counted from the taps themselves and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from access.store import tally as store
from kernel.service_day import Window


@dataclass(frozen=True, slots=True)
class Tally:
    """One operator's records.

    `proven`: the card's own MAC stands behind them, each card transaction once. `coded`: a QR's signature or a voucher
    does, each code once. `torn_proven`: committed although the rider saw no green, as the card's next tap showed, each
    card transaction once however often one reader tried it. `torn_open`: torn, and neither shown so yet nor recovered.
    `refused`: turned away before the card committed. `in_exception`: waiting for a person.
    """

    operator_id: str
    records: int
    proven: int
    coded: int
    torn_proven: int
    torn_open: int
    refused: int
    in_exception: int

    @property
    def committed(self) -> int:
        """Return how many card transactions the evidence proves: what the cards' own counters must sum to."""
        return self.proven + self.torn_proven


def tally(tx: Connection, window: Window) -> tuple[Tally, ...]:
    """Return a row for each operator with a tap in the window, by the taps' own time."""
    return tuple(Tally(*row) for row in store.count_by_operator(tx, window.start, window.end))
