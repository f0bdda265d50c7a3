"""What a stored-value card held before and after one tap, as far as the tap looked: its MAC covers all of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from access.rules.actionlist import REASON, Action, ActionKind
from access.rules.judge import card_info
from access.rules.mac import purse_of
from kernel.wire.cardinfo import PRODUCT_PURSE
from kernel.wire.tap import TapRecord


@dataclass(frozen=True, slots=True)
class Held:
    """Purse (đồng) and file 05 before and after, each pair None where the tap did not look; what was loaded, and why."""

    purse: tuple[int, int] | None
    trips: tuple[bytes, bytes] | None
    loaded: int
    action: UUID | None


def held_of(record: TapRecord) -> Held | None:
    """Return what the record says of a stored-value card; None for a card without a purse."""
    read = card_info(record.data_read)
    if read is None or read.product != PRODUCT_PURSE:
        return None
    move = purse_of(record)
    if move is None:
        return Held(None, None, 0, named_action(record))
    trips = (move.trips_read, move.trips_written or move.trips_read) if move.trips_read else None
    return Held((move.before, move.after), trips, move.loaded, named_action(record))


def named_action(record: TapRecord) -> UUID | None:
    """Return the action that the record says was carried out. That is the reader's word: no MAC covers it."""
    if record.reason.startswith(REASON):
        with suppress(ValueError):
            return UUID(record.reason.removeprefix(REASON))
    return None


def carried_out(record: TapRecord, asked: Action) -> bool:
    """Return whether a proven record that names this action did it.

    For a load the card's MAC says so: this amount was credited, at the reader that was asked. The others change
    nothing on the card, and the reader's word is all there is.
    """
    if asked.kind is not ActionKind.LOAD_PURSE:
        return True
    move = purse_of(record)
    return (
        move is not None
        and move.loaded == int(asked.detail["amount"])
        and str(record.device_id) == asked.detail["device"]
    )
