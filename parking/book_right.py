"""Book what a right costs, or what is given back of it, and write it as a line of the operator's day."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import EntryId, OperatorId, uuid8
from kernel.money import Money, currency
from ledger.follow_refunds import follow_refunds
from ledger.post import post
from ledger.purses import lock_purses
from ledger.rules import chart
from ledger.rules.account import AccountSpec
from ledger.rules.entry import Entry, Line, Refused
from parking.places import HANOI
from parking.rules.bill import Component
from parking.store import stays as stay_store
from parking.store.rights import RightRow
from parking.store.shifts import lock_till
from parking.store.stays import LineRow


class BalanceTooLowError(DomainError):
    """A pass is paid from what the account holds; nothing is lent for it."""

    detail = "The pass costs {price}, the account holds {available}."


def book_right(tx: Connection, row: RightRow, minor: int, now: datetime) -> None:
    """Post a right's price (negative: what is given back) and write it as a line of the operator's day."""
    if not minor:
        return
    unit = currency(row.currency)
    payable = chart.parking_payable(row.operator_id, unit)
    till = chart.till(row.till, unit) if row.till else None
    others: list[AccountSpec] = [payable, *([till] if till else [])]
    if row.till:
        lock_till(tx, row.till)
    key = (row.fare_account_id, unit)
    purse = lock_purses(tx, {key}, others, now)[key]
    amount, back = Money(abs(minor), unit), minor < 0
    if till is not None:
        sides = (payable, till) if back else (till, payable)
        lines: tuple[Line, ...] = (Line(sides[0].account_id, sides[1].account_id, amount),)
    elif back:
        lines = purse.refund(amount, payable.account_id)
    else:
        if purse.available < amount:
            raise BalanceTooLowError(price=str(amount), available=str(purse.available))
        lines = purse.charge(amount, payable.account_id)
    revision = 2 if back else 1
    kind = "parking.pass_ended" if back else "parking.pass_sold"
    entry = Entry(
        entry_id=EntryId(uuid8(kind, row.fare_account_id, row.right_id)),
        kind=kind,
        lines=lines,
        owner_id=row.fare_account_id,
        service_day=now.astimezone(HANOI).date(),
        effective_at=now,
        cause=f"right:{row.right_id}",
        narrative=kind,
        corrects=EntryId(uuid8("parking.pass_sold", row.fare_account_id, row.right_id)) if back else None,
        metadata={"place": row.place_id, "product": row.spec_id},
    )
    (outcome,) = post(tx, (entry,), now)
    assert not isinstance(outcome, Refused), f"the balance was looked at under its lock: {outcome}"
    follow_refunds(tx, [entry], now=now)
    stay_store.insert_lines(
        tx,
        [
            LineRow(
                fare_account_id=row.fare_account_id,
                stay_day=now.astimezone(HANOI).date(),
                stay_id=row.right_id,
                revision=revision,
                line_no=1,
                component=Component.CHARGED.value,
                operator_id=OperatorId(row.operator_id),
                place_id=row.place_id,
                funder="rider",
                rule=row.spec_id,
                currency=row.currency,
                delta_minor=minor,
                stays_delta=0,
                book_day=outcome.book_day,
                entry_id=outcome.entry_id,
            )
        ],
    )
