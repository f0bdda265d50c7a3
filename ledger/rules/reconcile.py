"""Words and rules of reconciliation: why two movements are the same, why one stays alone, and what to do then. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from kernel.errors import DomainError
from kernel.ids import OperatorId
from kernel.money import Money
from ledger.rails.bank_tally import difference_hint
from ledger.rules.settlement import Coverage


class Rule(Enum):
    """Why two movements were taken for one; tried in this order."""

    PROVIDER_ID = "provider_id"
    END_TO_END = "end_to_end"
    BANK_REFERENCE = "bank_reference"
    QR_REFERENCE = "qr_reference"
    PAYOUT = "payout"
    SPLIT = "split"
    BATCHED = "batched"
    TEXT = "amount_time_text"
    HAND = "by_hand"


class Why(Enum):
    """Why a movement stands in the exceptions queue."""

    WRONG_AMOUNT = "wrong_amount"
    MISSING_NOTIFICATION = "missing_notification"
    UNKNOWN_CREDIT = "unknown_credit"
    UNKNOWN_DEBIT = "unknown_debit"
    REPEATED_LINE = "repeated_line"
    CHARGEBACK = "chargeback"
    AMBIGUOUS = "ambiguous"
    STATEMENT_AWAITED = "statement_awaited"
    MISSING_AT_BANK = "missing_at_bank"
    MISSING_AT_PROVIDER = "missing_at_provider"
    NOT_BOOKED = "not_booked"
    PAYOUT_AWAITED = "payout_awaited"


SUGGESTIONS: Final[dict[Why, str]] = {
    Why.WRONG_AMOUNT: "take the difference up with whoever says the other amount",
    Why.MISSING_NOTIFICATION: "ask the provider again; it names a top-up of ours",
    Why.UNKNOWN_CREDIT: "book to suspense and find the payer",
    Why.UNKNOWN_DEBIT: "find who ordered it; a bank's fee is written off by two people",
    Why.REPEATED_LINE: "ask the bank whether it booked the movement twice",
    Why.CHARGEBACK: "take it back from the rider, or write it off by two people",
    Why.AMBIGUOUS: "match by hand: several movements look the same",
    Why.STATEMENT_AWAITED: "wait for the statement of that day",
    Why.MISSING_AT_BANK: "ask the bank: the day's statement does not have it",
    Why.MISSING_AT_PROVIDER: "ask the provider: the day's file does not have it",
    Why.NOT_BOOKED: "ask the provider for the notification",
    Why.PAYOUT_AWAITED: "wait for the payout at the bank",
}
assert SUGGESTIONS.keys() == set(Why), "every reason suggests something"


class Resolution(Enum):
    """How a person ends an exception."""

    WRITTEN_OFF = "written_off"
    """A second person must agree."""
    TO_SUSPENSE = "to_suspense"
    """A second person must agree; the money waits for its owner in suspense."""
    MATCHED = "matched"
    RESTATED = "restated"
    """The same movement stands in the queue for another reason now."""


class UnknownExceptionError(DomainError):
    """No open exception has this id."""

    detail = "There is no open exception {exception_id}."


class NothingProposedError(DomainError):
    """Nobody has proposed how to end this exception."""

    detail = "Nobody has proposed how to end exception {exception_id}."


class SamePersonError(DomainError):
    """Who proposed a thing may not approve it."""

    detail = "{actor} proposed this: another person must approve it."


class UnbalancedMatchError(DomainError):
    """The movements to be matched do not come to the same amount."""

    detail = "The left side comes to {left}, the right side to {right}: {hint}."


class UnmatchableError(DomainError):
    """A movement cannot take part in this match."""

    detail = "Movement {item_id} cannot be matched: {reason}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One open exception, with its age and what is suggested."""

    exception_id: UUID
    item_id: UUID
    side: str
    why: Why
    amount: Money
    occurred_on: date
    reference: str
    detail: str
    opened_at: datetime
    age: timedelta
    assigned_to: str
    proposed: str

    @property
    def suggestion(self) -> str:
        """Return what to do about it."""
        return SUGGESTIONS[self.why]

    @property
    def hint(self) -> str:
        """Return what its difference to the other side's amount smells of; "" of nothing, or when there is none."""
        if self.why is not Why.WRONG_AMOUNT:
            return ""
        return difference_hint(self.amount.minor - int(self.detail), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One match of a movement with one of another side, in force or not.

    `match_id` is what undoing it takes: a person's, or the movement that stands alone in a match by rule. `acts` are what
    people did with it: (act, who, when, why).
    """

    match_id: UUID
    relation: str
    rule: Rule
    live: bool
    made_at: datetime
    item_id: UUID
    side: str
    amount: Money
    occurred_on: date
    reference: str
    acts: tuple[tuple[str, str, datetime, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """By how much books and bank of one day differ in what stands in the queue, and what that smells of."""

    on: date
    books: Money
    bank: Money

    @property
    def amount(self) -> Money:
        """Return what the bank has more than the books."""
        return self.bank - self.books

    @property
    def hint(self) -> str:
        """Return what the difference smells of, "" of nothing."""
        return difference_hint(self.amount.minor, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Where reconciliation stands. Amounts are sums over absolute amounts of movements.

    `unexplained` is what neither matches nor stands in the queue: the goal is 0. `matched_permille` is the share
    of all movements, by amount, that is matched, rounded down. `differences` are the days on which the queue's movements
    of books and bank do not come to the same. `coverage` and `operators` (name, net, to pay) are those of the last settled
    day; before one, None and none.
    """

    movements: int
    moved: Money
    matched: int
    matched_amount: Money
    matched_permille: int
    queued: int
    queued_amount: Money
    unexplained: int
    unexplained_amount: Money
    oldest: datetime | None
    by_reason: tuple[tuple[str, int, Money], ...]
    suspense: tuple[tuple[str, Money], ...]
    quarantined_files: int
    chain_gaps: int
    bank_closing: tuple[tuple[str, Money, date | None], ...]
    differences: tuple[Difference, ...]
    coverage: Coverage | None
    operators: tuple[tuple[OperatorId, Money, Money], ...]


def permille(part: int, whole: int) -> int:
    """Return the thousandths of `whole` that `part` is, rounded down; 1000 when there is nothing."""
    return 1000 if whole == 0 else part * 1000 // whole
