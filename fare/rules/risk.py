"""How much riders may owe together, and what is done when they do: exposure is bounded, not only counted (DESIGN §8.8).

A tap offline is accepted for any card that is not denied, so an account can pass its floor between two deltas of the
deny list; that debt denies it. Once all debts together reach the limit, cards that could not pay the dearest ride
are denied too, so that new debt can only come from those that have the money, until enough is paid back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from kernel.money import Money, Rounding

RELAX_AT: Final = (4, 5)
"""The tight mode ends when what is owed has fallen to four fifths of the limit, so that it does not flicker."""


class RiskMode(Enum):
    """What an offline tap needs."""

    OPEN = "open"
    """Not to be denied."""
    TIGHT = "tight"
    """A balance that pays the dearest ride."""


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """What may be owed in all (None: nobody has decided, it is only reported), and what the dearest ride costs."""

    total: Money | None
    cover: Money


@dataclass(frozen=True, slots=True)
class Exposure:
    """What is owed in all, and the rule's answer to it."""

    owed: Money
    limits: RiskLimits
    mode: RiskMode

    @property
    def headroom(self) -> Money | None:
        """Return how much more may be owed; zero when the limit is passed, None without one."""
        if self.limits.total is None:
            return None
        return max(self.limits.total - self.owed, Money.zero(self.owed.currency))


def next_mode(owed: Money, limits: RiskLimits, mode: RiskMode) -> RiskMode:
    """Return the mode after what is owed now: tight from the limit on, open again at four fifths of it."""
    if limits.total is None:
        return RiskMode.OPEN
    if owed >= limits.total:
        return RiskMode.TIGHT
    if owed <= limits.total.share(*RELAX_AT, Rounding.DOWN):
        return RiskMode.OPEN
    return mode


def may_tap(available: Money, limits: RiskLimits, mode: RiskMode) -> bool:
    """Return whether an account that owes nothing may tap offline."""
    return mode is RiskMode.OPEN or available >= limits.cover
