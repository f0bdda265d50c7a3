"""What riders owe in all, and which of them have less than an amount: the figures that risk rules read."""

from __future__ import annotations

from sqlalchemy import Connection

from kernel.ids import FareAccountId
from kernel.money import VND, Currency, Money
from ledger.rules import chart
from ledger.statement import trial_balance
from ledger.store import poor as store


def total_owed(tx: Connection, *, unit: Currency = VND) -> Money:
    """Return the sum of all riders' receivables: the exposure of DESIGN §8.8."""
    for line in trial_balance(tx):
        if line.kind == chart.RIDER_RECEIVABLE and line.debits.currency == unit:
            return line.net
    return Money.zero(unit)


def list_below(
    tx: Connection, amount: Money, *, after: FareAccountId | None = None, limit: int = 1_000
) -> tuple[FareAccountId, ...]:
    """Return a page of riders whose available stored value is less than an amount, in id order."""
    found = store.list_below(
        tx,
        kind=chart.RIDER_STORED_VALUE,
        currency=amount.currency.code,
        below=amount.minor,
        after=after,
        limit=limit,
    )
    return tuple(FareAccountId(owner) for owner in found)
