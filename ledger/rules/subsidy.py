"""What a funder is told it owes: a statement of claims, signed by two people, paid by a bank transfer that names it. Pure.

A claim is in one living statement. That the money has come is read from the bank's statement, never said by a person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from kernel.errors import DomainError
from kernel.money import Currency, Money
from ledger.rules.settlement import Claim


class SubsidyState(StrEnum):
    """Where a statement stands; the values are the ones the table stores."""

    PREPARED = "prepared"
    REFUSED = "refused"
    SENT = "sent"
    WITHDRAWN = "withdrawn"


class SubsidyEvent(StrEnum):
    """What people do to a statement."""

    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


TRANSITIONS: Final[dict[SubsidyState, dict[SubsidyEvent, SubsidyState]]] = {
    SubsidyState.PREPARED: {
        SubsidyEvent.APPROVED: SubsidyState.SENT,
        SubsidyEvent.REFUSED: SubsidyState.REFUSED,
    },
    SubsidyState.REFUSED: {},
    SubsidyState.SENT: {SubsidyEvent.WITHDRAWN: SubsidyState.WITHDRAWN},
    SubsidyState.WITHDRAWN: {},
}
assert TRANSITIONS.keys() == set(SubsidyState), "every state has a row, the final ones too"
GONE: Final = frozenset({SubsidyState.REFUSED, SubsidyState.WITHDRAWN})
"""After these a statement's claims are free for the next one."""


class SubsidyStateError(DomainError):
    """The statement is not in a state that allows this."""

    detail = "The statement {reference} is {state}: it cannot be {event}."


class SubsidyOnePersonError(DomainError):
    """The same person prepared and signed."""

    detail = "{person} prepared this statement and cannot sign it."


class SubsidyAmountError(DomainError):
    """What the second person confirmed is not what the funder would be asked for."""

    detail = "The statement comes to {total}, not to {confirmed}."


class SubsidySeenError(DomainError):
    """The bank has shown money for this statement."""

    detail = "The bank has shown money for {reference}: it cannot be withdrawn."


class NothingToClaimError(DomainError):
    """What is not claimed yet comes to nothing, or to less."""

    detail = "What {funder} has not been asked for comes to {total}: there is nothing to claim."


class UnknownSubsidyError(DomainError):
    """There is no such statement."""

    detail = "There is no subsidy statement {subsidy}."


@dataclass(frozen=True, slots=True)
class SubsidyStep:
    """One step of a statement."""

    step_no: int
    event: SubsidyEvent
    state: SubsidyState
    actor: str
    at: datetime
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subsidy:
    """A statement with its claims. `received_on` is the bank's day of the money, None while it has not come.

    `paid_by` is the payout that passed it on to operators, None before one did.
    """

    subsidy_id: UUID
    funder: str
    through_on: date
    reference: str
    total: Money
    state: SubsidyState
    prepared_by: str
    prepared_at: datetime
    received_on: date | None
    paid_by: UUID | None
    claims: tuple[Claim, ...]
    steps: tuple[SubsidyStep, ...]


def step(subsidy: Subsidy, event: SubsidyEvent, *, seen: bool, by: str) -> SubsidyState:
    """Return the next state. Every step is the second person's: SubsidyOnePersonError, SubsidyStateError, SubsidySeenError."""
    found = TRANSITIONS[subsidy.state].get(event)
    if found is None:
        raise SubsidyStateError(reference=subsidy.reference, state=subsidy.state.value, event=event.value)
    if not by.strip() or by.strip().casefold() == subsidy.prepared_by.strip().casefold():
        raise SubsidyOnePersonError(person=by)
    if event is SubsidyEvent.WITHDRAWN and seen:
        raise SubsidySeenError(reference=subsidy.reference)
    return found


def total_of(funder: str, claims: Iterable[Claim], unit: Currency) -> Money:
    """Return what claims come to; NothingToClaimError unless that is more than nothing."""
    total = sum((one.amount for one in claims), Money.zero(unit))
    if total.minor <= 0:
        raise NothingToClaimError(funder=funder, total=total)
    return total
