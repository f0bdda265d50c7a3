"""Accounts: what they are, who owns them, how a balance reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

from kernel.ids import LedgerAccountId
from kernel.money import Currency, Money


class AccountType(Enum):
    """The five kinds of double entry; the last three sum to what the first two leave."""

    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"
    EQUITY = "equity"

    @property
    def normal(self) -> int:
        """Return 1 where a credit raises the balance (liability, income, equity), -1 where a debit does."""
        return -1 if self in (AccountType.ASSET, AccountType.EXPENSE) else 1


class OwnerKind(Enum):
    """Whose money an account speaks of."""

    RIDER = "rider"
    OPERATOR = "operator"
    CITY = "city"
    BANK = "bank"
    PROVIDER = "provider"
    SUSPENSE = "suspense"


class AccountState(Enum):
    """Open takes postings; frozen is read only; closed is frozen for good, at zero."""

    OPEN = "open"
    FROZEN = "frozen"
    CLOSED = "closed"


class AccountEvent(Enum):
    """What a person may do to an account's state."""

    FROZEN = "frozen"
    THAWED = "thawed"
    CLOSED = "closed"


TRANSITIONS: Final[dict[AccountState, dict[AccountEvent, AccountState]]] = {
    AccountState.OPEN: {
        AccountEvent.FROZEN: AccountState.FROZEN,
        AccountEvent.CLOSED: AccountState.CLOSED,
    },
    AccountState.FROZEN: {
        AccountEvent.THAWED: AccountState.OPEN,
        AccountEvent.CLOSED: AccountState.CLOSED,
    },
    AccountState.CLOSED: {},
}
assert TRANSITIONS.keys() == set(AccountState), "every state has a row, the final ones too"


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """An account as it is opened.

    `guarded` accounts keep a locked balance row whose posted - pending never falls below -limit_minor; all
    others are append-only with roll-ups. `owner_id` is the distribution key: a rider's or a guarded account
    is posted only by entries of that owner.
    """

    account_id: LedgerAccountId
    kind: str
    type: AccountType
    currency: Currency
    owner_kind: OwnerKind
    owner_id: UUID
    guarded: bool
    owner_name: str = ""
    limit_minor: int = 0

    def __post_init__(self) -> None:
        assert self.limit_minor >= 0, "a risk limit is how far below zero the balance may go"
        assert self.guarded or self.limit_minor == 0, "only a guarded account has a floor"


@dataclass(frozen=True, slots=True)
class Balance:
    """A balance on the account's normal side: positive is what a liability owes, what an asset holds.

    `pending` is what open holds would take; `available` = posted - pending - floor is what may still leave;
    for an append-only account, which has no floor, it is posted - pending.
    """

    posted: Money
    pending: Money
    available: Money


@dataclass(frozen=True, slots=True)
class Account:
    """An account as stored."""

    spec: AccountSpec
    state: AccountState
    opened_at: datetime
