"""A payment intent: what a rider said they would pay, and the states it goes through. One table, docs/topup.md shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, NewType
from uuid import UUID

from kernel.ids import FareAccountId
from kernel.money import Money

IntentId = NewType("IntentId", UUID)


class IntentState(Enum):
    """Where an intent stands."""

    OPEN = "open"
    MISPAID = "mispaid"
    """A payment of another amount came and waits in suspense; the right one may still come."""
    EXPIRED = "expired"
    """Its QR is no longer to be paid. Money that was paid in time and notified late still credits."""
    CREDITED = "credited"


class IntentEvent(Enum):
    """What happens to an intent."""

    PAID = "paid"
    MISPAID = "mispaid"
    LAPSED = "lapsed"


TRANSITIONS: Final[dict[IntentState, dict[IntentEvent, IntentState]]] = {
    IntentState.OPEN: {
        IntentEvent.PAID: IntentState.CREDITED,
        IntentEvent.MISPAID: IntentState.MISPAID,
        IntentEvent.LAPSED: IntentState.EXPIRED,
    },
    IntentState.MISPAID: {
        IntentEvent.PAID: IntentState.CREDITED,
        IntentEvent.MISPAID: IntentState.MISPAID,
        IntentEvent.LAPSED: IntentState.EXPIRED,
    },
    IntentState.EXPIRED: {
        IntentEvent.PAID: IntentState.CREDITED,
        IntentEvent.MISPAID: IntentState.EXPIRED,
    },
    IntentState.CREDITED: {},
}
assert TRANSITIONS.keys() == set(IntentState), "every state has a row, the final ones too"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One intent. `qr` is the VietQR text; `expires_at` ends the half-open window in which it may be paid."""

    intent_id: IntentId
    provider: str
    fare_account_id: FareAccountId
    amount: Money
    reference: str
    order_code: int
    qr: str
    created_at: datetime
    expires_at: datetime
    state: IntentState = IntentState.OPEN

    def shown_state(self, now: datetime) -> IntentState:
        """Return the state a person is shown at `now`: expired from the instant on, whether or not a job has run."""
        lapsed = TRANSITIONS[self.state].get(IntentEvent.LAPSED)
        return lapsed if lapsed is not None and now >= self.expires_at else self.state
