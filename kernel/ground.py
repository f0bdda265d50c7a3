"""Grounds for a benefit: what one business says happened, so that another may discount for it (DESIGN §4, §8.16).

A ground says that something is, where and when. It carries no amount: a price is never read across.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from kernel.ids import FareAccountId


class GroundKind(Enum):
    """What happened; the values are those that are stored."""

    STAY = "stay"  # a vehicle was parked
    RIGHT = "right"  # a right to park was held
    RIDE = "ride"  # a ride was made


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One fact of an account.

    `ref` names it in its own house. `medium` is the card it was done with; None where it names none (a phone, a
    plate). It holds over `[since, until]`; `until` None is still going on. `words` say where, as the house that tells
    it names its places: rules of the other house match them.
    """

    fare_account_id: FareAccountId
    kind: GroundKind
    ref: UUID
    medium: UUID | None
    since: datetime
    until: datetime | None
    words: frozenset[str]

    def touches(self, start: datetime, end: datetime) -> bool:
        """Return whether it holds at some instant of `[start, end)`."""
        return self.since < end and (self.until is None or self.until >= start)

    def holds_at(self, at: datetime) -> bool:
        """Return whether it holds at an instant."""
        return self.since <= at and (self.until is None or at <= self.until)

    def is_by(self, medium: UUID | None) -> bool:
        """Return whether it may have been done with a card: with it, or where either names none."""
        return medium is None or self.medium is None or self.medium == medium
