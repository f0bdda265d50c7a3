"""Pay riders back: one person asks, another approves, and only then money leaves, by a payment file, once.

Each verb is one transaction that looks at what is there: killed between any two it goes on, repeated it changes
nothing. That the money has left is booked from the bank's statement, which reconciliation matches by the order's
end-to-end reference: Dr `refund_payable`, Cr `bank_guarantee`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Currency, Money
from kernel.service_day import local_date
from ledger.accounts import open_accounts, read_balances
from ledger.post import post
from ledger.purses import lock_purses
from ledger.rails.pain001 import Batch, Party, Payment, Version, write_pain001
from ledger.rules import chart
from ledger.rules.book_day import ZONE
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.errors import IdReusedError
from ledger.rules.pay_back import (
    NotOwedError,
    Order,
    OrderEvent,
    OrderId,
    OrderState,
    PayBackRefusedError,
    Payee,
    PayerUnknownError,
    UnknownPayBackError,
    step,
)
from ledger.rules.reconcile import SamePersonError
from ledger.store import pay_backs as store
from ledger.store import topup_payments as payments
from ledger.store.lines import share_days

LockRider = Callable[[Connection, FareAccountId], object]
_SAME = ("amount", "payee", "payment_id")


def read_owed(tx: Connection, unit: Currency, now: datetime) -> Money:
    """Return what is owed to riders and not ordered to be paid yet."""
    payable = chart.refund_payable(unit)
    open_accounts(tx, (payable,), now)
    posted = read_balances(tx, (payable.account_id,), now)[payable.account_id].posted
    live, paid = store.sum_live(tx, unit.code)
    return Money(posted.minor + paid - live, unit)


def ask(
    tx: Connection,
    order_id: UUID,
    *,
    amount: Money,
    payee: Payee | None,
    payment_id: UUID | None,
    cause: str,
    actor: str,
    now: datetime,
) -> Order:
    """Ask to pay somebody back, under an id the caller minted; books nothing. The same id again, the first answer.

    With `payment_id`, a credited top-up goes back to its source, at most what it was; `payee` is then who paid it,
    where the provider said so. Else `amount` is of what is owed already. IdReusedError, NotOwedError,
    PayerUnknownError.
    """
    store.lock(tx)
    known = store.find(tx, order_id)
    rider = None
    if payment_id is not None:
        if payee is None:
            payee = _payer(tx, payment_id)
        rider = _rider(tx, payment_id)
    assert payee is not None, "what is owed already names who is paid"
    order = Order(
        order_id=OrderId(order_id),
        amount=amount,
        payee=payee,
        cause=cause,
        asked_by=actor,
        asked_at=now,
        payment_id=payment_id,
        fare_account_id=rider,
    )
    if known is not None:
        for field in _SAME:
            if getattr(known, field) != getattr(order, field):
                raise IdReusedError(id=str(order_id), field=field)
        return known
    owed = _left_of(tx, payment_id) if payment_id is not None else read_owed(tx, amount.currency, now)
    if not Money.zero(amount.currency) < amount <= owed:
        raise NotOwedError(asked=amount, owed=owed)
    store.insert(tx, order)
    return order


def _payer(tx: Connection, payment_id: UUID) -> Payee:
    """Return who paid, by the provider's own words; PayerUnknownError where it did not say."""
    found = payments.find_payment(tx, payment_id)
    if found is not None:
        raw = payments.get_raw(tx, found.notification_id)[1]
        told = json.loads(raw).get("data") or {}
        account, name = (str(told.get(f"counterAccount{word}") or "").strip() for word in ("Number", "Name"))
        if account and name:
            return Payee(name, account, bank=str(told.get("counterAccountBankId") or "").strip())
    raise PayerUnknownError(payment_id=str(payment_id))


def _rider(tx: Connection, payment_id: UUID) -> FareAccountId:
    found = payments.find_payment(tx, payment_id)
    if found is None or found.disposition != "credited" or found.entry_owner_id is None:
        raise NotOwedError(asked="a payment that was credited to a rider", owed="nothing of it")
    return FareAccountId(found.entry_owner_id)


def _left_of(tx: Connection, payment_id: UUID) -> Money:
    found = payments.find_payment(tx, payment_id)
    assert found is not None, "looked up before"
    return Money(found.amount.minor - store.sum_of_payment(tx, payment_id), found.amount.currency)


def approve(
    tx: Connection,
    order_id: UUID,
    *,
    actor: str,
    now: datetime,
    lock_rider: LockRider = lambda _tx, _rider: None,
) -> Order:
    """Agree that an order is paid; a top-up's money leaves the rider's stored value and is owed from here on.

    Approving again changes nothing. UnknownPayBackError, PayBackStateError, SamePersonError; PayBackRefusedError when
    the rider owes or does not have the amount any more.
    """
    store.lock(tx)
    order = get(tx, order_id)
    if order.state is OrderState.APPROVED:
        return order
    state = step(order, OrderEvent.APPROVE)
    if order.asked_by == actor:
        raise SamePersonError(actor=actor)
    if order.fare_account_id is not None:
        _take(tx, order, order.fare_account_id, now, lock_rider)
    store.insert_step(tx, order.order_id, state, actor, now)
    return replace(order, state=state)


def _take(tx: Connection, order: Order, rider: FareAccountId, now: datetime, lock_rider: LockRider) -> None:
    """Book what an order takes from the rider."""
    unit, today = order.amount.currency, local_date(now, ZONE)
    payable = chart.refund_payable(unit)
    share_days(tx, {today})
    lock_rider(tx, rider)
    purse = lock_purses(tx, ((rider, unit),), (payable,), now)[rider, unit]
    if purse.debt:
        raise PayBackRefusedError(amount=order.amount, reason=f"it owes {purse.debt}")
    entry = Entry(
        entry_id=EntryId(uuid8("pay-back", order.order_id)),
        kind="topup.paid_back",
        lines=(Line(purse.stored_value, payable.account_id, order.amount),),
        owner_id=rider,
        service_day=today,
        effective_at=now,
        cause=f"pay_back:{order.order_id}",
        narrative="topup.paid_back",
    )
    if isinstance(outcome := post(tx, (entry,), now)[0], Refused):
        raise PayBackRefusedError(amount=order.amount, reason=outcome.reason.value)


def reject(tx: Connection, order_id: UUID, *, note: str, actor: str, now: datetime) -> Order:
    """Refuse or withdraw an order that nobody has approved. UnknownPayBackError, PayBackStateError."""
    store.lock(tx)
    order = get(tx, order_id)
    if order.state is OrderState.REJECTED:
        return order
    state = step(order, OrderEvent.REJECT)
    store.insert_step(tx, order.order_id, state, actor, now, note=note)
    return replace(order, state=state)


def send(
    tx: Connection,
    batch_id: UUID,
    *,
    debtor: Party,
    version: Version,
    actor: str,
    now: datetime,
) -> tuple[bytes, int]:
    """Put every approved order into one pain.001 under an id the caller minted; return the file and its payments.

    The same id again gives the same orders' file again to the letter, also on a later day, so that one which was lost
    can be had once more, under the message id the bank knows: it refuses a second one. An empty file is never made: b"" and 0.
    """
    store.lock(tx)
    made_at = store.insert_batch(tx, batch_id, actor, now)
    if made_at is None:
        for order in store.list_orders(tx, state=OrderState.APPROVED):
            store.insert_step(tx, order.order_id, step(order, OrderEvent.SEND), actor, now, batch_id=batch_id)
            store.insert_movement(tx, order, order.order_id, -order.amount.minor, now)
    orders = store.list_orders(tx, batch_id=batch_id)
    if not orders:
        return b"", 0
    batch = Batch(
        batch_id=batch_id.hex.upper(),
        execute_on=local_date(made_at or now, ZONE),
        debtor=debtor,
        payments=tuple(
            Payment(
                end_to_end=order.end_to_end,
                amount=order.amount,
                creditor=Party(
                    name=order.payee.name,
                    account=order.payee.account,
                    bic=order.payee.bic,
                    bank=order.payee.bank,
                ),
                text="Hoan tien",
            )
            for order in orders
        ),
    )
    return write_pain001(batch_id.hex.upper(), (batch,), created_at=made_at or now, version=version), len(
        orders
    )


def take_return(tx: Connection, order_id: UUID, *, note: str, actor: str, now: datetime) -> Order:
    """Note that the bank sent an order's money back: it is owed again. UnknownPayBackError, PayBackStateError.

    Reconciliation then expects the bank's credit under the same reference.
    """
    store.lock(tx)
    order = get(tx, order_id)
    if order.state is OrderState.RETURNED:
        return order
    state = step(order, OrderEvent.RETURN)
    store.insert_step(tx, order.order_id, state, actor, now, note=note)
    store.insert_movement(tx, order, uuid8("pay-back-return", order.order_id), order.amount.minor, now)
    return replace(order, state=state)


def find(tx: Connection, order_id: UUID) -> Order | None:
    """Return an order as it stands, or None."""
    return store.find(tx, order_id)


def get(tx: Connection, order_id: UUID) -> Order:
    """Return an order as it stands; UnknownPayBackError."""
    found = find(tx, order_id)
    if found is None:
        raise UnknownPayBackError(order_id=str(order_id))
    return found


def list_orders(tx: Connection, *, state: OrderState | None = None) -> tuple[Order, ...]:
    """Return orders, oldest first, of one state or all."""
    return store.list_orders(tx, state=state)
