"""May a stored-value card pay here, and how much? Pure: what the card says of itself, the bundle's fares, the reader's state.

The amount is what the tariff asks for one ride by itself; passes, caps and transfers are the bill's, and what it gives
back is loaded onto the card later. A place whose price is not known at the tap (by distance, by time) does not serve
these cards, nor does a tap of which only pricing knows whether it boards or alights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from access.rules.actionlist import REASON, Action
from kernel.wire.cardinfo import PRODUCT_PURSE, CardInfo, Concession
from kernel.wire.tap import Purpose, TapRecord
from readers.decide import Reason, Refused

FREE: Final = frozenset({Purpose.ALIGHT, Purpose.INSPECT})
"""Taps that cost nothing by themselves: they only prove that the card was there."""


@dataclass(frozen=True, slots=True)
class Pay:
    """The purse pays this many đồng."""

    amount: int


@dataclass(frozen=True, slots=True)
class FromAccount:
    """Nothing is taken from a purse: an account-based card, or a tap that is free."""


def price(
    info: CardInfo,
    *,
    purpose: Purpose,
    route_id: str,
    fares: Mapping[tuple[str, Concession], int],
    ailing: bool,
) -> Pay | FromAccount | Refused:
    """Return what the card's purse has to pay for this tap, before anything is asked of the purse. Never raises.

    An ailing reader (DEGRADED by a slow or full disk, no clock, an old bundle) takes no money from a card, which cannot be given back.
    """
    if info.product != PRODUCT_PURSE or purpose in FREE:
        return FromAccount()
    if ailing:
        return Refused(Reason.PURSE_UNSAFE)
    fare = fares.get((route_id, info.concession)) if purpose is Purpose.BOARD else None
    return Refused(Reason.PURSE_UNPRICED) if fare is None else Pay(fare)


def may_load(
    action: Action, *, device_id: UUID, began_at: datetime, prior_tmc: int, done_at: int | None
) -> bool:
    """Return whether this reader may carry a load out now: money goes onto a card once, whatever is killed or lost.

    One reader is named, no other does it. `done_at` is the card's counter under which it was begun here: a card whose
    counter is not beyond that has not committed it. A load asked for before this journal began may stand in one that
    is lost.
    """
    if (
        action.detail["device"] != str(device_id)
        or datetime.fromisoformat(action.detail["asked_at"]) <= began_at
    ):
        return False
    return done_at is None or prior_tmc < done_at


def begun(records: Iterable[TapRecord]) -> dict[UUID, int]:
    """Return the actions that these records name, with the counter of the transaction that each was begun under."""
    found: dict[UUID, int] = {}
    for record in records:
        if record.reason.startswith(REASON):
            action = UUID(record.reason.removeprefix(REASON))
            found[action] = max(record.tmc, found.get(action, 0))
    return found
