"""The payout of a settled day: prepared by one person, approved by another, released once, undone before the bank acts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from kernel.errors import DomainError
from kernel.money import Currency, Money
from ledger.rules.netting import net
from ledger.rules.settlement import Settlement

CENTRE: Final = "centre"


class PayoutState(StrEnum):
    """Where a payout stands; the values are the ones the table stores."""

    PREPARED = "prepared"
    REFUSED = "refused"
    APPROVED = "approved"
    RELEASED = "released"
    UNDO_ASKED = "undo_asked"
    UNDONE = "undone"
    EXECUTED = "executed"


class PayoutEvent(StrEnum):
    """What people do to a payout."""

    APPROVED = "approved"
    REFUSED = "refused"
    RELEASED = "released"
    UNDO_ASKED = "undo_asked"
    UNDO_APPROVED = "undo_approved"
    UNDO_REFUSED = "undo_refused"
    EXECUTED = "executed"


TRANSITIONS: Final[dict[PayoutState, dict[PayoutEvent, PayoutState]]] = {
    PayoutState.PREPARED: {
        PayoutEvent.APPROVED: PayoutState.APPROVED,
        PayoutEvent.REFUSED: PayoutState.REFUSED,
    },
    PayoutState.REFUSED: {},
    PayoutState.APPROVED: {
        PayoutEvent.RELEASED: PayoutState.RELEASED,
        PayoutEvent.REFUSED: PayoutState.REFUSED,
    },
    PayoutState.RELEASED: {
        PayoutEvent.UNDO_ASKED: PayoutState.UNDO_ASKED,
        PayoutEvent.EXECUTED: PayoutState.EXECUTED,
    },
    PayoutState.UNDO_ASKED: {
        PayoutEvent.UNDO_APPROVED: PayoutState.UNDONE,
        PayoutEvent.UNDO_REFUSED: PayoutState.RELEASED,
    },
    PayoutState.UNDONE: {},
    PayoutState.EXECUTED: {},
}
assert TRANSITIONS.keys() == set(PayoutState), "every state has a row, the final ones too"
GONE: Final = frozenset({PayoutState.REFUSED, PayoutState.UNDONE})
"""After these the day may be prepared anew."""
SIGNED: Final = frozenset({PayoutEvent.APPROVED, PayoutEvent.UNDO_APPROVED, PayoutEvent.UNDO_REFUSED})
"""Events of the second person: never whoever asked for it."""


class PayoutStateError(DomainError):
    """The payout is not in a state that allows this."""

    detail = "The payout of {book_day} is {state}: it cannot be {event}."


class PayoutOnePersonError(DomainError):
    """The same person asked and signed."""

    detail = "{person} asked for this and cannot sign it."


class PayoutAmountError(DomainError):
    """What the second person confirmed is not what would be paid."""

    detail = "The payout comes to {total}, not to {confirmed}."


class UnknownPayoutError(DomainError):
    """There is no such payout."""

    detail = "There is no payout {payout}."


class NotPayableError(DomainError):
    """The day's settlement does not let anybody be paid."""

    detail = "{book_day} cannot be paid out: {why}."


@dataclass(frozen=True, slots=True)
class PlannedPayment:
    """One payment of the clearing. `payer` or `payee` may be the centre, whose account the payment file pays from."""

    payment_no: int
    payer: str
    payee: str
    amount: Money
    end_to_end: str


@dataclass(frozen=True, slots=True)
class PayoutStep:
    """One step of a payout."""

    step_no: int
    event: PayoutEvent
    state: PayoutState
    actor: str
    at: datetime
    note: str


def check_payable(book_day: date, settlements: Iterable[Settlement], *, covered: bool) -> None:
    """Refuse to pay a day whose books and lines disagree, or whose stored value is not covered: NotPayableError."""
    wrong = [one.operator_id for one in settlements if not one.reconciled]
    if wrong:
        raise NotPayableError(
            book_day=book_day.isoformat(), why=f"{', '.join(wrong)} disagree with the ledger"
        )
    if not covered:
        raise NotPayableError(book_day=book_day.isoformat(), why="stored value is not covered")


def plan(
    book_day: date,
    revision: int,
    settlements: Iterable[Settlement],
    unit: Currency,
    *,
    subsidies: Iterable[tuple[str, int]] = (),
) -> tuple[PlannedPayment, ...]:
    """Return the fewest payments that give everybody what is to be paid; ends are named for the bank.

    `subsidies` are what funders have paid for operators, to be passed on in their net: operator and amount.
    """
    positions = {str(one.operator_id): one.to_pay.minor for one in settlements}
    for operator, minor in subsidies:
        positions[operator] = positions.get(operator, 0) + minor
    assert CENTRE not in positions, "operators are named otherwise"
    positions[CENTRE] = -sum(positions.values())
    name = message_id(book_day, revision)
    return tuple(
        PlannedPayment(number, one.payer, one.payee, Money(one.minor, unit), f"{name}-{number:03}")
        for number, one in enumerate(net(positions), 1)
    )


def message_id(book_day: date, revision: int) -> str:
    """Return the name of a day's payment file: one a revision, never used twice."""
    return f"LT{book_day:%Y%m%d}-{revision}"


def step(state: PayoutState, event: PayoutEvent, book_day: date) -> PayoutState:
    """Return the next state; PayoutStateError where the table has none."""
    found = TRANSITIONS[state].get(event)
    if found is None:
        raise PayoutStateError(book_day=book_day.isoformat(), state=state.value, event=event.value)
    return found


def check_second_person(asked_by: str, by: str) -> None:
    """Refuse a signature by whoever asked: PayoutOnePersonError."""
    if not by.strip() or asked_by.strip().casefold() == by.strip().casefold():
        raise PayoutOnePersonError(person=by)


def payout_name(payout_id: UUID) -> str:
    """Return how a payout is named in ledger causes."""
    return f"payout:{payout_id}"
