"""What a turn (one stay that ended) came to: by what it was paid, or why nothing was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from parking.rules.cashless import PaidBy


class TurnEnd(Enum):
    """How a turn ended for the operator."""

    PAID = "paid"
    EXCUSED = "excused"
    UNPAID = "unpaid"


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """A turn's facts: whether it is a guest's, voided, what it costs, what is booked, how it was paid."""

    guest: bool
    void: bool
    charged_minor: int
    booked_minor: int
    methods: frozenset[PaidBy]


def turn_end(facts: TurnFacts) -> TurnEnd:
    """Return whether a turn was paid; free, pass-covered and voided ones are excused."""
    if facts.void or not facts.charged_minor:
        return TurnEnd.EXCUSED
    if not facts.guest or facts.booked_minor >= facts.charged_minor:
        return TurnEnd.PAID
    return TurnEnd.UNPAID


# What a turn counts as when it was paid in several ways: any cash makes it cash, the honest way round.
_LEAST_CASHLESS = (PaidBy.CASH, PaidBy.CASH_BY_PROXY, PaidBy.VIETQR)


def paid_by(facts: TurnFacts) -> PaidBy | None:
    """Return how a turn was paid; None for one that was not, or had not to be."""
    if turn_end(facts) is not TurnEnd.PAID:
        return None
    if not facts.guest:
        return PaidBy.CARD_ACCOUNT
    return next((each for each in _LEAST_CASHLESS if each in facts.methods), None)


def count_payments(turns: Iterable[TurnFacts]) -> dict[PaidBy, int]:
    """Return how many turns were paid in which way."""
    return dict(Counter(found for each in turns if (found := paid_by(each)) is not None))
