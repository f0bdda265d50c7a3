"""What becomes of one payment: credited to the rider, booked in suspense, or only queued. Pure.

The verdict depends on the payment's own facts, never on the order in which it was notified among others, so that
any order of notifications ends in the same books. (Of two equal payments of one intent either may be the first.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from kernel.errors import DomainError
from kernel.money import VND, Money
from ledger.rules.intent import Intent, IntentState

LEAST: Final = Money(1_000, VND)
MOST: Final = Money(499_999_999, VND)  # State Bank: one VietQR transfer stays below 500 M VND
CLOCK_AHEAD: Final = timedelta(hours=1)


class TopupAmountError(DomainError):
    """A top-up is whole VND within the bounds."""

    detail = "A top-up is at least {least} and at most {most}, not {amount}."


class Reason(Enum):
    """Why a payment was not credited. The first group is money of ours and booked in suspense by this name."""

    UNDERPAID = "underpaid"
    OVERPAID = "overpaid"
    LATE = "late"
    DOUBLE = "double"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    """The order code and the description name different intents."""
    IMPLAUSIBLE_TIME = "implausible_time"
    """Paid longer ago than the replay window, or in the future."""
    ACCOUNT_CLOSED = "account_closed"
    """The rider's ledger account takes no postings."""

    FOREIGN_ACCOUNT = "foreign_account"
    OUTGOING = "outgoing"
    CONTRADICTION = "contradiction"
    """A payment known already, notified again with other facts."""
    UNREADABLE = "unreadable"

    @property
    def booked(self) -> bool:
        """Whether money came into our account, so that the books must show it."""
        return self not in _NOT_BOOKED


_NOT_BOOKED: Final = frozenset(
    {Reason.FOREIGN_ACCOUNT, Reason.OUTGOING, Reason.CONTRADICTION, Reason.UNREADABLE}
)


@dataclass(frozen=True, slots=True)
class Payment:
    """The facts that a verdict is made from."""

    accounts: tuple[str, ...]
    amount: Money
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class Credit:
    """The rider gets it."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Suspend:
    """The rider does not get it, or not yet; a person looks. `intent` where one was named."""

    reason: Reason
    intent: Intent | None = None


Verdict = Credit | Suspend


def check_amount(amount: Money) -> None:
    """Refuse with TopupAmountError an amount that cannot be topped up: not VND, below 1,000, 500 M or more."""
    if amount.currency != VND or not LEAST <= amount <= MOST:
        raise TopupAmountError(amount=str(amount), least=str(LEAST), most=str(MOST))


def decide_payment(
    payment: Payment,
    named: Sequence[Intent],
    *,
    our_accounts: frozenset[str],
    now: datetime,
    replay_window: timedelta,
) -> Verdict:
    """Return what becomes of a payment that was not seen before. `named` are the intents that it names.

    Only an exact amount, paid inside the intent's window (half-open), on an intent that is not credited yet, is
    credited. A payment notified after the window but made inside it is in time.
    """
    if not our_accounts.intersection(payment.accounts):
        return Suspend(Reason.FOREIGN_ACCOUNT)
    if payment.amount <= Money.zero(payment.amount.currency):
        return Suspend(Reason.OUTGOING)
    if not named:
        return Suspend(Reason.UNKNOWN)
    if len({intent.intent_id for intent in named}) > 1:
        return Suspend(Reason.AMBIGUOUS)
    intent = named[0]
    if payment.amount < intent.amount:
        return Suspend(Reason.UNDERPAID, intent)
    if payment.amount > intent.amount:
        return Suspend(Reason.OVERPAID, intent)
    if not now - replay_window <= payment.paid_at <= now + CLOCK_AHEAD:
        return Suspend(Reason.IMPLAUSIBLE_TIME, intent)
    if payment.paid_at >= intent.expires_at:
        return Suspend(Reason.LATE, intent)
    if intent.state is IntentState.CREDITED:
        return Suspend(Reason.DOUBLE, intent)
    return Credit(intent)


def split_credit(amount: Money, owed: Money) -> tuple[Money, Money]:
    """Return (what clears the receivable, what is loaded): the debt comes first (DESIGN §8.8). They sum to `amount`."""
    cleared = min(amount, max(owed, Money.zero(owed.currency)))
    return cleared, amount - cleared
