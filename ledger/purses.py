"""Lock what riders may pay from, for a batch of charges."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from kernel.ids import FareAccountId
from kernel.money import Currency, Money
from ledger.accounts import lock_balances, open_accounts, open_missing
from ledger.rules import chart
from ledger.rules.account import AccountSpec
from ledger.rules.purse import Purse
from ledger.store import balances as balance_store


def lock_purses(
    tx: Connection,
    riders: Iterable[tuple[FareAccountId, Currency]],
    others: Iterable[AccountSpec],
    now: datetime,
) -> dict[tuple[FareAccountId, Currency], Purse]:
    """Open the riders' accounts and `others` where needed, lock the balances in id order and return the purses.

    The debt is read after the balance is locked: whoever changes it locks that row first.
    """
    wanted = set(riders)
    stored = {each: chart.rider_stored_value(*each) for each in wanted}
    owed = {each: chart.rider_receivable(*each) for each in wanted}
    open_accounts(tx, tuple({spec.account_id: spec for spec in others}.values()), now)
    open_missing(tx, (*stored.values(), *owed.values()), now)
    balances = lock_balances(tx, [spec.account_id for spec in stored.values()], now)
    # Opened above, so no account needs to be read again to know what it is.
    debts = balance_store.current_sums(tx, [(spec.owner_id, spec.account_id) for spec in owed.values()])
    purses = {}
    for each in wanted:
        debits, credits_ = debts[owed[each].account_id]
        purses[each] = Purse(
            stored[each].account_id,
            owed[each].account_id,
            balances[stored[each].account_id].available,
            Money(owed[each].type.normal * (credits_ - debits), owed[each].currency),
        )
    return purses
