"""Stored value moves from one rider to another: accounts that were linked, and families with one wallet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import VND, Currency, Money
from kernel.service_day import local_date
from ledger.post import post_together
from ledger.purses import lock_purses
from ledger.rules import chart
from ledger.rules.book_day import ZONE
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.purse import fund_refund


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved, how much of it paid a debt, and what the receiver still owes."""

    amount: Money
    cleared: Money
    owed: Money


def move(
    tx: Connection,
    source: FareAccountId,
    into: FareAccountId,
    *,
    move_id: UUID,
    kind: str,
    now: datetime,
    limit: Money | None = None,
    unit: Currency = VND,
) -> Moved:
    """Move what one rider has stored, at most `limit`, to another; a debt of the receiver's is paid first.

    Two entries, one a rider, through `rider_transfer`, so that each statement shows an amount and no more. `kind` is
    theirs ("link", "family"). Nothing to move books nothing. `move_id` is used once: the caller holds both fare
    accounts and knows what it did before.
    """
    assert source != into, "money moves between two riders"
    transfer = chart.rider_transfer(unit)
    purses = lock_purses(tx, ((source, unit), (into, unit)), (transfer,), now)
    giver, taker = purses[source, unit], purses[into, unit]
    amount = giver.available if limit is None else min(giver.available, limit)
    if amount.minor <= 0:
        return Moved(Money.zero(unit), Money.zero(unit), taker.debt)
    share = fund_refund(amount, taker.debt)
    parts = ((taker.receivable, share.owed), (taker.stored_value, share.stored))

    def entry(role: str, owner: FareAccountId, lines: tuple[Line, ...]) -> Entry:
        return Entry(
            entry_id=EntryId(uuid8("move", role, move_id)),
            kind=f"{kind}.{role}",
            lines=lines,
            owner_id=owner,
            service_day=local_date(now, ZONE),
            effective_at=now,
            cause=f"move:{move_id}",
            narrative=f"{kind}.{role}",
        )

    outcomes = post_together(
        tx,
        (
            entry("given", source, (Line(giver.stored_value, transfer.account_id, amount),)),
            entry(
                "taken",
                into,
                tuple(Line(transfer.account_id, account, part) for account, part in parts if part),
            ),
        ),
        now,
    )
    assert not any(isinstance(outcome, Refused) for outcome in outcomes), "both purses are locked and open"
    return Moved(amount, share.owed, taker.debt - share.owed)
