"""Stored value moves from one rider to another: accounts that were linked, and families with one wallet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
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
from ledger.store import moves as store
from ledger.store.moves import MoveRow


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
    today = local_date(now, ZONE)
    store.insert(tx, MoveRow(source, move_id, into, kind, today.replace(day=1), amount.minor, unit.code, now))
    return Moved(amount, share.owed, taker.debt - share.owed)


def moved_between(
    tx: Connection, source: FareAccountId, into: FareAccountId, *, kind: str, unit: Currency = VND
) -> Money:
    """Return what one rider moved to another, less what came back; negative where more came back."""
    there = store.sum_between(tx, source, into, kind=kind, currency=unit.code)
    back = store.sum_between(tx, into, source, kind=kind, currency=unit.code)
    return Money(there - back, unit)


def taken_in_month(
    tx: Connection, into: FareAccountId, *, kind: str, month: date, unit: Currency = VND
) -> Money:
    """Return what a rider was given in a calendar month; `month` is its first day."""
    sums = store.sum_of_month(tx, kind=kind, month=month, currency=unit.code, owner_id=None, into_id=into)
    return Money(sums.get(into, 0), unit)


def given_in_month(
    tx: Connection, source: FareAccountId, *, kind: str, month: date, unit: Currency = VND
) -> dict[FareAccountId, Money]:
    """Return what a rider gave in a calendar month, by receiver."""
    sums = store.sum_of_month(tx, kind=kind, month=month, currency=unit.code, owner_id=source, into_id=None)
    return {FareAccountId(into): Money(minor, unit) for into, minor in sums.items()}
