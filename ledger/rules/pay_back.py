"""Paying riders back: what is owed to whom, the states of an order as one table, and what may never be paid. Pure."""

from __future__ import annotations

from base64 import b32encode
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from hashlib import sha256
from typing import Final, NewType
from uuid import UUID

from kernel.errors import DomainError
from kernel.ids import FareAccountId
from kernel.money import Money

OrderId = NewType("OrderId", UUID)


class OrderState(Enum):
    """Where an order stands. That its money has left is told by the bank's statement, never by us."""

    ASKED = "asked"
    APPROVED = "approved"
    """Another person agreed; the money is owed and waits for the next payment file."""
    SENT = "sent"
    RETURNED = "returned"
    """The bank sent it back: the money is owed again and needs a new order."""
    REJECTED = "rejected"


class OrderEvent(Enum):
    """What happens to an order."""

    APPROVE = "approve"
    REJECT = "reject"
    SEND = "send"
    RETURN = "return"


TRANSITIONS: Final[dict[OrderState, dict[OrderEvent, OrderState]]] = {
    OrderState.ASKED: {OrderEvent.APPROVE: OrderState.APPROVED, OrderEvent.REJECT: OrderState.REJECTED},
    OrderState.APPROVED: {OrderEvent.SEND: OrderState.SENT},
    OrderState.SENT: {OrderEvent.RETURN: OrderState.RETURNED},
    OrderState.RETURNED: {},
    OrderState.REJECTED: {},
}
assert TRANSITIONS.keys() == set(OrderState), "every state has a row, the final ones too"
# What still stands against the money owed: it may be paid, or was, and the bank's line may not be booked yet.
LIVE: Final = frozenset({OrderState.ASKED, OrderState.APPROVED, OrderState.SENT})


class UnknownPayBackError(DomainError):
    """No order of this id."""

    detail = "There is no order {order_id} to pay anybody back."


class PayBackStateError(DomainError):
    """The order is not in a state for this."""

    detail = "Order {order_id} is {state}: it cannot {event}."


class NotOwedError(DomainError):
    """More would be paid back than is owed, or than the payment was."""

    detail = "{asked} was asked to be paid back, {owed} is owed."


class PayerUnknownError(DomainError):
    """The provider did not say from which account the payment came."""

    detail = "The provider did not say who paid {payment_id}: name the account to pay to."


class PayBackRefusedError(DomainError):
    """The rider's account cannot give the money now."""

    detail = "The account cannot give {amount}: {reason}."


@dataclass(frozen=True, slots=True)
class Payee:
    """Who is paid back, at which account; `bic` or `bank` (a national number) names the bank where known."""

    name: str
    account: str
    bic: str = ""
    bank: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order. With `payment_id` a top-up goes back to where it came from, out of the rider's stored value;

    without, it pays what `refund_payable` already holds (a returned card, money sent back out of suspense).
    `paid_on` is the day of the bank's line once reconciliation has found it.
    """

    order_id: OrderId
    amount: Money
    payee: Payee
    cause: str
    asked_by: str
    asked_at: datetime
    state: OrderState = OrderState.ASKED
    payment_id: UUID | None = None
    fare_account_id: FareAccountId | None = None
    batch_id: UUID | None = None
    paid_on: date | None = None

    @property
    def end_to_end(self) -> str:
        """Return the reference that travels with the money: 16 letters, all that MT940 has room for."""
        digest = sha256(self.order_id.bytes).digest()
        return f"HT{b32encode(digest).decode()[:14]}"


def step(order: Order, event: OrderEvent) -> OrderState:
    """Return the state after `event`; PayBackStateError where the table has none."""
    to = TRANSITIONS[order.state].get(event)
    if to is None:
        raise PayBackStateError(order_id=str(order.order_id), state=order.state.value, event=event.value)
    return to
