"""What a change of a rider's balance asks for beside the books: the cache's version, and a denial that is over."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from access import deny, issue
from access.deny import DenyReason
from kernel.ids import FareAccountId
from kernel.money import VND
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart


def changed(tx: Connection, accounts: Iterable[FareAccountId], *, cause: str, now: datetime) -> None:
    """Raise the accounts' versions (§8.15), and lift the denial for debt of those that owe nothing."""
    ids = sorted(set(accounts))
    issue.raise_versions(tx, ids)
    debts = {account: chart.rider_receivable(account, VND) for account in ids}
    open_accounts(tx, tuple(debts.values()), now)
    owed = read_balances(tx, [spec.account_id for spec in debts.values()], now)
    free = [account for account, spec in debts.items() if owed[spec.account_id].posted.minor <= 0]
    if free:
        deny.clear_accounts(tx, free, reason=DenyReason.DEBT, cause=cause, now=now)
