"""Paying riders back, with its lines in the audit trail."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access import issue
from kernel.ids import FareAccountId
from kernel.money import Money
from ledger import pay_back as verbs
from ledger.rails.pain001 import Party, Version
from ledger.rules.pay_back import Order, Payee
from service import audit
from service.audit import Actor


def ask(
    tx: Connection,
    order_id: UUID,
    *,
    amount: Money,
    payee: Payee | None,
    payment_id: UUID | None,
    note: str,
    by: Actor,
    now: datetime,
) -> Order:
    """Ask to pay somebody back; books nothing."""
    order = verbs.ask(
        tx,
        order_id,
        amount=amount,
        payee=payee,
        payment_id=payment_id,
        cause=note,
        actor=by.actor_id,
        now=now,
    )
    _record(tx, "ask", order_id, by, now, note=note)
    return order


def approve(tx: Connection, order_id: UUID, *, by: Actor, now: datetime) -> Order:
    """Agree as another person; a top-up's money leaves the card here."""

    def lock_rider(held: Connection, rider: FareAccountId) -> object:
        return issue.raise_versions(held, (rider,))

    order = verbs.approve(tx, order_id, actor=by.actor_id, now=now, lock_rider=lock_rider)
    _record(tx, "approve", order_id, by, now)
    return order


def reject(tx: Connection, order_id: UUID, *, note: str, by: Actor, now: datetime) -> Order:
    """Refuse, or withdraw, what nobody has approved yet."""
    order = verbs.reject(tx, order_id, note=note, actor=by.actor_id, now=now)
    _record(tx, "reject", order_id, by, now, note=note)
    return order


def take_return(tx: Connection, order_id: UUID, *, note: str, by: Actor, now: datetime) -> Order:
    """Note that the bank sent the money back."""
    order = verbs.take_return(tx, order_id, note=note, actor=by.actor_id, now=now)
    _record(tx, "returned", order_id, by, now, note=note)
    return order


def send(
    tx: Connection, file_id: UUID, *, debtor: Party, version: Version, by: Actor, now: datetime
) -> tuple[bytes, int]:
    """Put every approved order into one payment file; return it and its payments."""
    file, payments = verbs.send(tx, file_id, debtor=debtor, version=version, actor=by.actor_id, now=now)
    _record(tx, "send", file_id, by, now, payments=payments)
    return file, payments


def document(order: Order) -> dict[str, object]:
    """Return an order as JSON can carry it."""
    return {
        "order_id": str(order.order_id),
        "state": order.state.value,
        "amount": order.amount.to_json(),
        "payee": {"name": order.payee.name, "account": order.payee.account},
        "cause": order.cause,
        "payment_id": None if order.payment_id is None else str(order.payment_id),
        "asked_by": order.asked_by,
        "asked_at": order.asked_at.isoformat(),
        "end_to_end": order.end_to_end,
        "file": None if order.batch_id is None else str(order.batch_id),
        "paid_on": None if order.paid_on is None else order.paid_on.isoformat(),
    }


def _record(tx: Connection, verb: str, subject: UUID, by: Actor, now: datetime, **detail: object) -> None:
    audit.record(
        tx,
        actor=by,
        action=f"payback.{verb}",
        subject_kind="pay_back",
        subject_id=str(subject),
        now=now,
        detail=detail,
    )
