"""What disputes gave back follows the charge: evidence may change it afterwards, and nothing is given back twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Money
from ledger.charges import Charge, find_charge
from ledger.post import post
from ledger.purses import lock_purses
from ledger.reverse import ADJUSTMENT
from ledger.rules import chart
from ledger.rules.dispute import CAUSE, is_refund, kept_minor
from ledger.rules.entry import Entry, Refused
from ledger.store import disputes as store
from ledger.store.disputes import RefundRow

NARRATIVE: Final = "dispute.followed"


def follow_refunds(tx: Connection, booked: Iterable[Entry], *, now: datetime) -> frozenset[FareAccountId]:
    """Bring what disputes gave back in line with charges that these booked entries changed; return whose money moved.

    A refund stands up to what is charged: where the charge fell below it, the rest goes back to `goodwill`, which paid
    it, and where the charge rises again the rider has it back. The same again changes nothing. The entries' owners
    are locked by the caller.
    """
    wanted = {(FareAccountId(entry.owner_id), entry.cause) for entry in booked if entry.cause}
    refunds: dict[str, list[RefundRow]] = {}
    for row in store.list_refunds(tx, {cause for _, cause in wanted}):
        refunds.setdefault(row.cause, []).append(row)
    moved = set()
    for account, cause in sorted(wanted):
        given = refunds.get(cause)
        charge = find_charge(tx, account, cause=cause) if given else None
        if given and charge is not None and _follow(tx, charge, given, now):
            moved.add(account)
    return frozenset(moved)


def _follow(tx: Connection, charge: Charge, refunds: list[RefundRow], now: datetime) -> bool:
    unit = charge.left.currency
    refunded = sum(row.refunded_minor for row in refunds if row.currency == unit.code)
    stands = charge.charged - charge.left
    change = Money(kept_minor(refunded, charge.charged.minor), unit) - stands
    if not change:
        return False
    payer = chart.goodwill(unit)
    purse = lock_purses(tx, {(charge.owner_id, unit)}, (payer,), now)[charge.owner_id, unit]
    move = purse.refund if change.minor > 0 else purse.charge
    earlier = {row.entry_id for row in charge.corrections if is_refund(row)}
    first = charge.lines[0]
    entry = Entry(
        EntryId(uuid8("dispute followed", charge.owner_id, charge.cause, len(earlier))),
        ADJUSTMENT,
        move(Money(abs(change.minor), unit), payer.account_id),
        charge.owner_id,
        first.service_day,
        first.effective_at,
        f"{CAUSE}{refunds[-1].dispute_id}",
        NARRATIVE,
        EntryId(charge.entry_id),
    )
    (outcome,) = post(tx, [entry], now)
    assert not isinstance(outcome, Refused), "the purse is locked, and what it lacks is owed"
    return True
