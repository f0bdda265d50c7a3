"""What riders owe, paid from where it may be: linked accounts have one balance, families one wallet (DESIGN §8.1, §8.8).

Whoever still owes afterwards is on the deny list, whoever does not is off it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from access import deny, family, link
from access.deny import DenyReason
from access.rules.link import Counting
from kernel.ids import FareAccountId, uuid7
from kernel.money import VND, Currency, Money
from kernel.service_day import local_date
from ledger.move import move, taken_in_month
from ledger.purses import lock_purses
from ledger.rules.book_day import ZONE

FAMILY: Final = "family"
LINK: Final = "link"


def settle_debts(
    tx: Connection,
    accounts: Iterable[FareAccountId],
    *,
    cause: str,
    now: datetime,
    unit: Currency = VND,
) -> frozenset[FareAccountId]:
    """Pay what these accounts owe from where it may be, bring the deny list into line, and return who still owes.

    First what linked accounts hold moves to the account they count to, and pays their debts; then the payer of a
    family wallet pays, up to the month's limit. The fare accounts are locked by the caller.
    """
    wanted = set(accounts)
    if not wanted:
        return frozenset()
    counting = link.counting(tx, wanted)
    heads = {counting.account(account, now) for account in wanted}
    indebted = {head for head in sorted(heads) if _gather(tx, counting, head, now, unit)}
    payers = family.payers(tx, heads)
    if payers:
        link.lock_counted(tx, {payer.account for payer in payers.values()})
    owing = _owing(tx, heads, unit, now)
    for member, owed in sorted(owing.items()):
        if member in payers:
            paid = _cover(tx, member, payers[member], owed, now)
            owing[member] = owed - paid
    still = indebted | {account for account, owed in owing.items() if owed}
    deny.deny_accounts(tx, still, reason=DenyReason.DEBT, cause=cause, now=now)
    deny.clear_accounts(tx, heads - still, reason=DenyReason.DEBT, cause=cause, now=now)
    return frozenset(still)


def _gather(tx: Connection, counting: Counting, head: FareAccountId, now: datetime, unit: Currency) -> bool:
    """Bring together what accounts linked into one hold, pay what they owe from it, and return whether some still do."""
    homes = sorted(
        home for home in counting.homes_of((head,)) if home != head and counting.account(home, now) == head
    )
    for home in homes:
        move(tx, home, head, move_id=uuid7(now), kind=LINK, now=now, unit=unit)
    left = False
    for home, owed in sorted(_owing(tx, homes, unit, now).items()):
        paid = move(tx, head, home, move_id=uuid7(now), kind=LINK, now=now, limit=owed, unit=unit)
        left = left or bool(paid.owed)
    return left


def _cover(tx: Connection, member: FareAccountId, payer: family.Payer, owed: Money, now: datetime) -> Money:
    month = local_date(now, ZONE).replace(day=1)
    unit = owed.currency
    paid = taken_in_month(tx, member, kind=FAMILY, month=month, unit=unit)
    left = max(Money.zero(unit), Money(payer.month_limit, unit) - paid)
    limit = min(owed, left)
    return move(
        tx, payer.account, member, move_id=uuid7(now), kind=FAMILY, now=now, limit=limit, unit=unit
    ).amount


def _owing(
    tx: Connection, accounts: Iterable[FareAccountId], unit: Currency, now: datetime
) -> dict[FareAccountId, Money]:
    found = lock_purses(tx, ((account, unit) for account in accounts), (), now)
    return {account: purse.debt for (account, _), purse in found.items() if purse.debt.minor > 0}
