"""A rider's dispute of a charge: one transition table, and how much of the charge is still there to give back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from kernel.errors import DomainError
from ledger.rules.row import Row

ANSWER_WITHIN: Final = timedelta(days=15)
RAISE_WITHIN: Final = timedelta(days=120)
CAUSE: Final = "dispute:"
_OWN_MONEY: Final = frozenset({"move", "refund", "dispute", "goodwill"})


class DisputeState(StrEnum):
    """Where a dispute stands; the values are the ones the table stores."""

    RAISED = "raised"
    IN_REVIEW = "in_review"
    REFUNDED = "refunded"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class DisputeEvent(StrEnum):
    """What happens to a dispute."""

    TAKEN = "taken"  # a person has begun to look
    REFUNDED = "refunded"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


_ANSWERS: Final = {
    DisputeEvent.REFUNDED: DisputeState.REFUNDED,
    DisputeEvent.REFUSED: DisputeState.REFUSED,
    DisputeEvent.WITHDRAWN: DisputeState.WITHDRAWN,
}
TRANSITIONS: Final[dict[DisputeState, dict[DisputeEvent, DisputeState]]] = {
    DisputeState.RAISED: {DisputeEvent.TAKEN: DisputeState.IN_REVIEW, **_ANSWERS},
    DisputeState.IN_REVIEW: _ANSWERS,
    DisputeState.REFUNDED: {},
    DisputeState.REFUSED: {},
    DisputeState.WITHDRAWN: {},
}
assert TRANSITIONS.keys() == set(DisputeState), "every state has a row, the final ones too"


class DisputeStateError(DomainError):
    """The dispute is not in a state that allows this."""

    detail = "Dispute {dispute_id} is {state}: it cannot be {event}."


class NotAChargeError(DomainError):
    """Nothing was charged under this reference, or all of it was given back already."""

    detail = "There is no charge under {reference} that could be disputed."


class DisputeTooLateError(DomainError):
    """The charge was booked too long ago."""

    detail = "The charge was booked on {booked}: disputes are raised within {days} days."


class DisputeAmountError(DomainError):
    """A refund gives back some of the charge, and not more than is left of it."""

    detail = "A refund is between 1 and {most} minor units."


class DisputeOnePersonError(DomainError):
    """Whoever raised a dispute may not answer it."""

    detail = "{person} raised this dispute and cannot answer it."


def step(state: DisputeState, event: DisputeEvent, dispute_id: UUID) -> DisputeState:
    """Return the next state; DisputeStateError where the table has none."""
    found = TRANSITIONS[state].get(event)
    if found is None:
        raise DisputeStateError(dispute_id=str(dispute_id), state=state.value, event=event.value)
    return found


def kept_minor(refunded: int, charged: int) -> int:
    """Return what stands of the refunds of a charge: never more than the charge itself, which later evidence may change.

    A function of both alone, so that a late tap before the refund and one after it end in the same money.
    """
    return min(refunded, max(charged, 0))


def is_refund(row: Row) -> bool:
    """Return whether a line is a dispute's: its refund, or what followed that when the charge changed."""
    return row.cause.startswith(CAUSE)


def may_be_charge(cause: str) -> bool:
    """Return whether money that left a rider for this cause was charged: the rider's own money moving was not."""
    return cause.partition(":")[0] not in _OWN_MONEY


def taken_minor(rows: Iterable[Row], rider_accounts: Collection[UUID]) -> int:
    """Return what these lines took from a rider, less what they gave: stored value and debt together."""
    return sum(
        row.amount * ((row.debit_id in rider_accounts) - (row.credit_id in rider_accounts)) for row in rows
    )
