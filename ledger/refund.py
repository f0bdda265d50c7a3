"""A returned card's stored value becomes a payable: the rider is to be paid out."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import VND, Currency, Money
from kernel.service_day import local_date
from ledger import reverse
from ledger.accounts import read_balances
from ledger.post import post
from ledger.purses import lock_purses
from ledger.rules import chart
from ledger.rules.account import AccountSpec, Balance
from ledger.rules.book_day import ZONE
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.errors import UnknownAccountError


class OpenReceivableError(DomainError):
    """The rider owes: what is stored is not paid out before that is cleared."""

    detail = "The account owes {owed}; nothing is paid out before that is cleared."


class HeldValueError(DomainError):
    """A part of the stored value is held for something under way."""

    detail = "{held} of the balance is held; wait until that has ended."


class RefundAmountError(DomainError):
    """The amount that was confirmed is not what would be paid out now."""

    detail = "{confirmed} was confirmed, {amount} would be paid out: ask again."


def quote_refund(tx: Connection, account: FareAccountId, *, now: datetime, unit: Currency = VND) -> Money:
    """Return what handing in the account's last card would pay out now; changes nothing.

    OpenReceivableError where the account owes, HeldValueError where a hold stands.
    """
    stored = _balance(tx, chart.rider_stored_value(account, unit), now)
    owed = _balance(tx, chart.rider_receivable(account, unit), now)
    if owed is not None and owed.posted:
        raise OpenReceivableError(owed=owed.posted)
    if stored is None:
        return Money.zero(unit)
    if stored.available != stored.posted:
        raise HeldValueError(held=stored.posted - stored.available)
    return stored.posted


def _balance(tx: Connection, spec: AccountSpec, now: datetime) -> Balance | None:
    try:
        return read_balances(tx, (spec.account_id,), now)[spec.account_id]
    except UnknownAccountError:  # it never held money
        return None


def refund_stored(
    tx: Connection,
    account: FareAccountId,
    *,
    refund_id: UUID,
    confirmed: Money,
    now: datetime,
    unit: Currency = VND,
) -> Money:
    """Book the whole stored value of an account as to be paid out, and return it; the same id again, the same.

    The fare account is locked by the caller. RefundAmountError unless `confirmed` is that amount; OpenReceivableError,
    HeldValueError.
    """
    made = EntryId(uuid8("refund", account, refund_id))
    if earlier := reverse.find_entry(tx, account, made):
        booked = Money(sum(row.amount for row in earlier), unit)
        if booked != confirmed:
            raise RefundAmountError(confirmed=confirmed, amount=booked)
        return booked
    payable = chart.refund_payable(unit)
    purse = lock_purses(tx, ((account, unit),), (payable,), now)[account, unit]
    amount = quote_refund(tx, account, now=now, unit=unit)
    if amount != confirmed:
        raise RefundAmountError(confirmed=confirmed, amount=amount)
    if not amount:
        return amount
    entry = Entry(
        entry_id=made,
        kind="card.refunded",
        lines=(Line(purse.stored_value, payable.account_id, amount),),
        owner_id=account,
        service_day=local_date(now, ZONE),
        effective_at=now,
        cause=f"refund:{refund_id}",
        narrative="card.refunded",
    )
    (outcome,) = post(tx, (entry,), now)
    assert not isinstance(outcome, Refused), "the purse is locked and holds the amount"
    return amount
