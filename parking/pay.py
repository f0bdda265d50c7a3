"""Guests pay: cash at a till, cash by proxy, or VietQR; at the exit or ahead. A card's stay is billed instead.

What a guest pays goes to the stay's own purse, and the bill takes it from there: a late event that lowers the price
leaves a credit to give back, one that raises it is due. What is not paid stands on no book.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Money, currency
from ledger.accounts import open_accounts
from ledger.operator_tills import check_till
from ledger.post import book_day, post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Refused
from parking.places import HANOI
from parking.rules.payment import (
    Dues,
    EndedError,
    Method,
    NotAGuestError,
    NotEndedError,
    PaymentIdReusedError,
    check_ahead,
    check_give_back,
    check_payment,
    dues,
)
from parking.rules.session import RUNNING, EventKind, State
from parking.sessions import Session, bill, find_session, lock_session, price_until, read_session, tell
from parking.store import payments as store
from parking.store.payments import Payment
from parking.store.shifts import lock_till
from parking.store.stays import StayRow

_KIND: Final = "parking.paid"


@dataclass(frozen=True, slots=True)
class Paid:
    """A stay's payments, oldest first, and where it stands."""

    session: Session
    dues: Dues
    payments: tuple[Payment, ...]
    again: bool = False


def find_paid(tx: Connection, session_id: UUID, *, now: datetime, again: bool = False) -> Paid:
    """Return what a guest's session costs by now, what was paid and what is due; UnknownSessionError.

    NotAGuestError for a stay that is charged to a card's account.
    """
    return _paid(tx, find_session(tx, session_id, now=now), again=again)


def _paid(tx: Connection, session: Session, *, again: bool = False) -> Paid:
    row = session.row
    if not row.guest:
        raise NotAGuestError(session_id=str(row.stay_id))
    paid = store.list_payments(tx, row.fare_account_id, row.stay_id)
    unit = currency(row.currency)
    leaving = session.asked.charged() if session.asked else None
    price = session.bill.charged() or leaving or Money.zero(unit)
    total = sum((Money(each.amount_minor, currency(each.currency)) for each in paid), Money.zero(unit))
    return Paid(session, dues(price, total), paid, again)


def pay(
    tx: Connection,
    session_id: UUID,
    *,
    payment_id: UUID,
    method: Method,
    amount: Money,
    till: str,
    actor: str,
    now: datetime,
    until: datetime | None = None,
) -> Paid:
    """Take cash at a till for a stay that has ended, or with `until` ahead for one that runs, and book it.

    PaymentIdReusedError (checked first), UnknownTillError for a till that is not the operator's, NotAGuestError,
    NotEndedError, EndedError, PaymentAmountError, SessionStateError and ImpossibleTimesError where it cannot be paid
    ahead until then. After the end a part of what is due is taken; ahead all of it.
    """
    assert method is not Method.VIETQR, "VietQR is paid to the bank: `receive`"
    assert till, "cash lies somewhere"
    book_day(tx, now.astimezone(HANOI).date(), now)
    row = lock_session(tx, session_id, now)
    known = _known(tx, row, payment_id)
    if known is not None:
        _check_same(known, method=method, amount=amount, till=till, until=until)
        return find_paid(tx, session_id, now=now, again=True)
    check = check_payment if until is None else check_ahead
    check(amount, _due(tx, row, until, now))
    check_till(tx, till, operator_id=row.operator_id)
    lock_till(tx, till)
    _book(tx, row, payment_id, amount, till, now)
    return _take(tx, row, payment_id, method, amount, till, until, actor=actor, now=now)


def ask(
    tx: Connection, session_id: UUID, *, intent_id: UUID, now: datetime, until: datetime | None = None
) -> tuple[FareAccountId, Money]:
    """Return the account and the amount of a VietQR for what is due now, and keep which stay the intent is for.

    NotAGuestError, NotEndedError, PaymentAmountError where nothing is due.
    """
    row = lock_session(tx, session_id, now)
    due = _due(tx, row, until, now)
    check_payment(due, due)
    store.insert_asked(tx, row.fare_account_id, intent_id, stay_id=session_id, until_at=until, asked_at=now)
    return row.fare_account_id, due


def receive(
    tx: Connection, account: FareAccountId, intent_id: UUID, amount: Money, *, payment_id: UUID, now: datetime
) -> Paid | None:
    """Bill a stay whose VietQR payment the ledger has just credited; None where the intent is for no stay.

    The credit stands already: a stay that was voided since leaves it to be given back.
    """
    asked = store.find_asked(tx, account, intent_id)
    if asked is None:
        return None
    stay_id, until = asked
    row = lock_session(tx, stay_id, now)
    if _known(tx, row, payment_id) is not None:
        return find_paid(tx, stay_id, now=now)
    ahead = until if until is not None and until > now and State(row.state) in RUNNING else None
    return _take(tx, row, payment_id, Method.VIETQR, amount, "", ahead, actor="provider", now=now)


def pay_back(
    tx: Connection,
    session_id: UUID,
    *,
    payment_id: UUID,
    method: Method,
    amount: Money,
    till: str,
    actor: str,
    now: datetime,
) -> Paid:
    """Give back from a till what was paid beyond the price of an ended stay.

    PaymentIdReusedError, UnknownTillError, NotAGuestError, NotEndedError, GiveBackAmountError where it is more than
    the credit.
    """
    assert method is not Method.VIETQR, "only what lies in a till is given back by hand"
    book_day(tx, now.astimezone(HANOI).date(), now)
    row = lock_session(tx, session_id, now)
    known = _known(tx, row, payment_id)
    if known is not None:
        _check_same(known, method=method, amount=-amount, till=till, until=None)
        return find_paid(tx, session_id, now=now, again=True)
    if State(row.state) in RUNNING:
        raise NotEndedError(session_id=str(session_id), state=row.state)
    check_give_back(amount, _paid(tx, read_session(tx, row, now=now)).dues.credit)
    check_till(tx, till, operator_id=row.operator_id)
    lock_till(tx, till)
    _book(tx, row, payment_id, -amount, till, now)
    return _take(tx, row, payment_id, method, -amount, till, None, actor=actor, now=now)


def _due(tx: Connection, row: StayRow, until: datetime | None, now: datetime) -> Money:
    """Return what may be taken now: of an ended stay what is due, of a running one the price until an instant."""
    if not row.guest:
        raise NotAGuestError(session_id=str(row.stay_id))
    paid = _paid(tx, read_session(tx, row, now=now))
    running = State(row.state) in RUNNING
    if until is None:
        if running:
            raise NotEndedError(session_id=str(row.stay_id), state=row.state)
        return paid.dues.due
    if not running or row.entered_at is None:
        raise EndedError(session_id=str(row.stay_id), state=row.state, due=str(paid.dues.due))
    price = price_until(tx, row, until)
    return dues(price, paid.dues.paid).due


def _known(tx: Connection, row: StayRow, payment_id: UUID) -> Payment | None:
    paid = store.list_payments(tx, row.fare_account_id, row.stay_id)
    return next((each for each in paid if each.payment_id == payment_id), None)


def _check_same(known: Payment, *, method: Method, amount: Money, till: str, until: datetime | None) -> None:
    for name, value in (
        ("method", method.value),
        ("amount_minor", amount.minor),
        ("currency", amount.currency.code),
        ("till", till),
        ("until_at", until),
    ):
        if getattr(known, name) != value:
            raise PaymentIdReusedError(payment_id=str(known.payment_id), field=name)


def _book(tx: Connection, row: StayRow, payment_id: UUID, amount: Money, till: str, now: datetime) -> None:
    """Post cash from the till's account to the stay's purse, or (negative) back."""
    money = amount.currency
    purse = chart.rider_stored_value(row.fare_account_id, money)
    at_till = chart.till(till, money)
    open_accounts(tx, (purse, at_till), now)
    back = amount.minor < 0
    sides = (purse.account_id, at_till.account_id) if back else (at_till.account_id, purse.account_id)
    entry = Entry(
        entry_id=EntryId(uuid8("parking payment", row.fare_account_id, payment_id)),
        kind="parking.paid_back" if back else _KIND,
        lines=(Line(*sides, -amount if back else amount),),
        owner_id=row.fare_account_id,
        service_day=row.stay_day,
        effective_at=now,
        cause=f"stay:{row.stay_id}",
        narrative="parking.paid_back" if back else _KIND,
        metadata={"place": row.place_id, "till": till},
    )
    (outcome,) = post(tx, (entry,), now)
    assert not isinstance(outcome, Refused), f"a credit is there under its lock: {outcome}"


def _take(
    tx: Connection,
    row: StayRow,
    payment_id: UUID,
    method: Method,
    amount: Money,
    till: str,
    until: datetime | None,
    *,
    actor: str,
    now: datetime,
) -> Paid:
    """Write the payment, tell the stay until when it is paid, and bill it."""
    store.insert_payment(
        tx,
        Payment(
            fare_account_id=row.fare_account_id,
            payment_id=payment_id,
            stay_id=row.stay_id,
            place_id=row.place_id,
            operator_id=row.operator_id,
            method=method.value,
            amount_minor=amount.minor,
            currency=amount.currency.code,
            till=till,
            until_at=until,
            paid_at=now,
            actor=actor,
        ),
    )
    if until is None:
        session = bill(tx, row.fare_account_id, row.first_at, row.stay_id, guest=True, now=now)
        return _paid(tx, session)
    event_id = uuid8("parking paid", row.fare_account_id, payment_id)
    return _paid(
        tx, tell(tx, row, EventKind.PAID, event_id=event_id, at=now, until=until, actor=actor, now=now)
    )
