"""A rider's standing permission to top up by itself: its states as one table, its limits, when it triggers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, NewType
from uuid import UUID

from kernel.errors import DomainError
from kernel.ids import FareAccountId
from kernel.money import Money

MandateId = NewType("MandateId", UUID)
MOST_FAILURES: Final = 3  # in a row; then the rider has to say that it may go on


class MandateState(Enum):
    """Whether a mandate tops up."""

    ACTIVE = "active"
    PAUSED = "paused"
    """Three charges in a row were not paid."""
    REVOKED = "revoked"


class MandateEvent(Enum):
    """What happens to a mandate."""

    PAID = "paid"
    FAILED = "failed"
    FAILED_LAST = "failed_last"
    RESUME = "resume"
    REVOKE = "revoke"


TRANSITIONS: Final[dict[MandateState, dict[MandateEvent, MandateState]]] = {
    MandateState.ACTIVE: {
        MandateEvent.PAID: MandateState.ACTIVE,
        MandateEvent.FAILED: MandateState.ACTIVE,
        MandateEvent.FAILED_LAST: MandateState.PAUSED,
        MandateEvent.REVOKE: MandateState.REVOKED,
    },
    MandateState.PAUSED: {
        MandateEvent.RESUME: MandateState.ACTIVE,
        MandateEvent.REVOKE: MandateState.REVOKED,
    },
    MandateState.REVOKED: {},
}
assert TRANSITIONS.keys() == set(MandateState), "every state has a row, the final ones too"


class UnknownMandateError(DomainError):
    """The account never gave this mandate."""

    detail = "The account has no mandate {mandate_id}."


class MandateStateError(DomainError):
    """The mandate is not in a state for this."""

    detail = "Mandate {mandate_id} is {state}: it cannot {event}."


class MandateTermsError(DomainError):
    """The mandate's own figures do not fit together."""

    detail = "The mandate cannot be: {reason}."


class Outcome(Enum):
    """What became of one charge."""

    OPEN = "open"
    PAID = "paid"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """Below `below`, `amount` is asked of the provider that `token` names the rider to, at most `a_month` of it.

    `failures` counts charges in a row that were not paid.
    """

    mandate_id: MandateId
    fare_account_id: FareAccountId
    provider: str
    token: str
    below: Money
    amount: Money
    a_month: Money
    given_at: datetime
    state: MandateState = MandateState.ACTIVE
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One charge: the top-up `intent_id`, whose payment arrives and is credited as any other's."""

    mandate: Mandate
    charge_no: int
    intent_id: UUID
    outcome: Outcome
    made_at: datetime


def check_terms(mandate: Mandate) -> None:
    """Refuse with MandateTermsError figures that do not fit together."""
    zero = Money.zero(mandate.amount.currency)
    if not mandate.below > zero:
        raise MandateTermsError(reason="the balance that triggers it is more than nothing")
    if mandate.a_month < mandate.amount:
        raise MandateTermsError(reason="a month allows less than one charge")
    if not mandate.token:
        raise MandateTermsError(reason="it names nobody to be charged")


def step(mandate: Mandate, event: MandateEvent) -> MandateState:
    """Return the state after `event`; MandateStateError where the table has none."""
    to = TRANSITIONS[mandate.state].get(event)
    if to is None:
        raise MandateStateError(
            mandate_id=str(mandate.mandate_id), state=mandate.state.value, event=event.value
        )
    return to


def failed(mandate: Mandate) -> MandateEvent:
    """Return what one more charge without its payment is: the last of three in a row pauses."""
    return MandateEvent.FAILED_LAST if mandate.failures + 1 >= MOST_FAILURES else MandateEvent.FAILED


def triggers(mandate: Mandate, balance: Money, this_month: Money) -> bool:
    """Return whether a charge is due. `this_month` is what was charged and not failed; one is never open meanwhile."""
    return (
        mandate.state is MandateState.ACTIVE
        and balance < mandate.below
        and this_month + mandate.amount <= mandate.a_month
    )
