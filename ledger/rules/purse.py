"""What a rider may still pay and still owes, while one batch of charges is being composed (DESIGN §8.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kernel.ids import LedgerAccountId
from kernel.money import Money
from ledger.rules.entry import Line


class Funding(NamedTuple):
    """How a rider's part moves: `stored` on the card's balance, `owed` on what the account owes."""

    stored: Money
    owed: Money


def fund_charge(amount: Money, available: Money) -> Funding:
    """Return what the balance pays above its floor; the rest is owed."""
    paid = min(amount, max(available, Money.zero(amount.currency)))
    return Funding(paid, amount - paid)


def fund_refund(amount: Money, debt: Money) -> Funding:
    """Return how a refund splits: it lowers what is owed before it raises the balance."""
    lowered = min(amount, max(debt, Money.zero(amount.currency)))
    return Funding(amount - lowered, lowered)


@dataclass(slots=True)
class Purse:
    """A rider's locked balance and debt; each charge and refund changes what the next one finds."""

    stored_value: LedgerAccountId
    receivable: LedgerAccountId
    available: Money
    debt: Money

    def charge(self, amount: Money, payee: LedgerAccountId) -> tuple[Line, ...]:
        """Return the lines of a charge: from the balance as far as it goes, the rest as debt. Never refuses."""
        funding = fund_charge(amount, self.available)
        self.available -= funding.stored
        self.debt += funding.owed
        return tuple(Line(source, payee, part) for source, part in self._parts(funding))

    def refund(self, amount: Money, payee: LedgerAccountId) -> tuple[Line, ...]:
        """Return the lines that take a charge back, its accounts swapped (§8.9)."""
        funding = fund_refund(amount, self.debt)
        self.available += funding.stored
        self.debt -= funding.owed
        return tuple(Line(payee, source, part) for source, part in self._parts(funding))

    def _parts(self, funding: Funding) -> tuple[tuple[LedgerAccountId, Money], ...]:
        both = ((self.stored_value, funding.stored), (self.receivable, funding.owed))
        return tuple((account, part) for account, part in both if part)
