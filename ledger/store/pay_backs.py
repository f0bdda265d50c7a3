"""Orders to pay riders back, and the payment files they went out in, in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from kernel.ids import FareAccountId
from kernel.money import Money, currency
from ledger.rules.pay_back import LIVE, Order, OrderId, OrderState, Payee
from ledger.store import expected

_LOCK: Final = 0x4C54_5042  # orders are made and ended one at a time, so that their sum holds still
POOL: Final = "refunds"
_SELECT: Final = """
SELECT o.*, s.state, s.batch_id, b.occurred_on AS paid_on FROM ledger_pay_back o
JOIN LATERAL (SELECT state, batch_id FROM ledger_pay_back_step t
    WHERE t.order_id = o.order_id ORDER BY step_no DESC LIMIT 1) s ON true
LEFT JOIN ledger_recon_item i ON i.item_id = o.order_id
LEFT JOIN ledger_recon_edge e ON e.left_no = i.item_no AND e.live AND e.relation = 'ledger-bank'
LEFT JOIN ledger_recon_item b ON b.item_no = e.right_no
"""


def lock(tx: Connection) -> None:
    """Wait until nobody else makes or ends orders; held until this transaction ends."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def insert(tx: Connection, order: Order) -> None:
    """Write a new order down, with its first step."""
    tx.execute(
        text(
            "INSERT INTO ledger_pay_back (order_id, amount, currency, payee_name, payee_account, payee_bic, "
            "payee_bank, cause, payment_id, fare_account_id, asked_by, asked_at) VALUES (:order_id, :amount, "
            ":currency, :name, :account, :bic, :bank, :cause, :payment_id, :rider, :by, :at)"
        ),
        {
            "order_id": order.order_id,
            "amount": order.amount.minor,
            "currency": order.amount.currency.code,
            "name": order.payee.name,
            "account": order.payee.account,
            "bic": order.payee.bic,
            "bank": order.payee.bank,
            "cause": order.cause,
            "payment_id": order.payment_id,
            "rider": order.fare_account_id,
            "by": order.asked_by,
            "at": order.asked_at,
        },
    )
    insert_step(tx, order.order_id, order.state, order.asked_by, order.asked_at)


def insert_step(
    tx: Connection,
    order_id: OrderId,
    state: OrderState,
    actor: str,
    now: datetime,
    *,
    note: str = "",
    batch_id: UUID | None = None,
) -> None:
    """Write down that an order has come to a state."""
    tx.execute(
        text(
            "INSERT INTO ledger_pay_back_step (order_id, step_no, state, note, batch_id, actor, at) "
            "SELECT :order_id, coalesce(max(step_no), 0) + 1, :state, :note, CAST(:batch_id AS uuid), :actor, :now "
            "FROM ledger_pay_back_step WHERE order_id = :order_id"
        ),
        {
            "order_id": order_id,
            "state": state.value,
            "note": note,
            "batch_id": batch_id,
            "actor": actor,
            "now": now,
        },
    )


def find(tx: Connection, order_id: UUID) -> Order | None:
    """Return an order as it stands, or None."""
    row = tx.execute(
        text(f"{_SELECT} WHERE o.order_id = :order_id LIMIT 1"), {"order_id": order_id}
    ).one_or_none()
    return None if row is None else _order(row)


def list_orders(
    tx: Connection, *, state: OrderState | None = None, batch_id: UUID | None = None, limit: int = 1_000
) -> tuple[Order, ...]:
    """Return orders, oldest first: of one state, of one payment file, or all."""
    rows = tx.execute(
        text(
            f"{_SELECT} WHERE (:state = '' OR s.state = :state) AND (CAST(:batch_id AS uuid) IS NULL OR EXISTS "
            "(SELECT FROM ledger_pay_back_step q WHERE q.order_id = o.order_id AND q.batch_id = :batch_id)) "
            "ORDER BY o.asked_at, o.order_id LIMIT :limit"
        ),
        {"state": "" if state is None else state.value, "batch_id": batch_id, "limit": limit},
    )
    return tuple(_order(row) for row in rows)


def sum_live(tx: Connection, unit: str) -> tuple[int, int]:
    """Return what orders that draw on `refund_payable` may still take of it, and what is booked as paid already.

    An asked order out of a rider's stored value is not owed yet; once approved it is in `refund_payable` too.
    """
    row = tx.execute(
        text(
            "SELECT coalesce(sum(o.amount) FILTER (WHERE s.state = ANY(:live) "
            "AND (o.payment_id IS NULL OR s.state <> 'asked')), 0) AS live, "
            "(SELECT coalesce(-sum(net), 0) FROM ledger_recon_booking WHERE pool = :pool AND currency = :unit) "
            "AS paid FROM ledger_pay_back o JOIN LATERAL (SELECT state FROM ledger_pay_back_step t "
            "WHERE t.order_id = o.order_id ORDER BY step_no DESC LIMIT 1) s ON true WHERE o.currency = :unit"
        ),
        {"live": [state.value for state in LIVE], "pool": POOL, "unit": unit},
    ).one()
    return int(row.live), int(row.paid)


def sum_of_payment(tx: Connection, payment_id: UUID) -> int:
    """Return what orders that were not rejected give back of a payment: what the bank returned is owed, not the rider's."""
    found: int = tx.execute(
        text(
            "SELECT coalesce(sum(o.amount), 0) FROM ledger_pay_back o WHERE o.payment_id = :payment_id AND "
            "NOT EXISTS (SELECT FROM ledger_pay_back_step t WHERE t.order_id = o.order_id AND t.state = 'rejected')"
        ),
        {"payment_id": payment_id},
    ).scalar_one()
    return int(found)


def insert_batch(tx: Connection, batch_id: UUID, actor: str, now: datetime) -> datetime | None:
    """Write a payment file down; return when it was made where it was made before, else None."""
    made = tx.execute(
        text(
            "INSERT INTO ledger_pay_back_batch (batch_id, made_by, made_at) VALUES (:batch_id, :actor, :now) "
            "ON CONFLICT DO NOTHING"
        ),
        {"batch_id": batch_id, "actor": actor, "now": now},
    ).rowcount
    if made:
        return None
    at: datetime = tx.execute(
        text("SELECT made_at FROM ledger_pay_back_batch WHERE batch_id = :batch_id"), {"batch_id": batch_id}
    ).scalar_one()
    return at


def insert_movement(tx: Connection, order: Order, item_id: UUID, minor: int, now: datetime) -> None:
    """Tell reconciliation of a movement to expect at the bank: `minor` is signed."""
    expected.insert(
        tx,
        item_id,
        pool=POOL,
        source_id=order.order_id,
        minor=minor,
        currency=order.amount.currency.code,
        now=now,
        end_to_end=order.end_to_end,
    )


def _order(row: Row[Any]) -> Order:
    return Order(
        order_id=OrderId(row.order_id),
        amount=Money(row.amount, currency(row.currency)),
        payee=Payee(row.payee_name, row.payee_account, row.payee_bic, row.payee_bank),
        cause=row.cause,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        state=OrderState(row.state),
        payment_id=row.payment_id,
        fare_account_id=None if row.fare_account_id is None else FareAccountId(row.fare_account_id),
        batch_id=row.batch_id,
        paid_on=row.paid_on,
    )
