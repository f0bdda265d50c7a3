"""Order a pass for which a payment is still to come; the payment buys it, once, at the price of that moment."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from fare.bill import Books
from fare.publish import TariffNotPublishedError
from fare.sell import Buying, PaidBy, PassIdReusedError, Sold, TooLittle, sell_pass
from fare.store import sales
from fare.store.sales import Order
from kernel.errors import DomainError
from kernel.ids import FareAccountId


@dataclass(frozen=True, slots=True)
class Bought:
    """What became of an order: sold, or `why` not (a code; the money stays on the balance)."""

    order: Order
    sold: Sold | None
    why: str


def order_pass(tx: Connection, order: Order, now: datetime) -> tuple[Order, bool]:
    """Write an order down and return it, and whether it stood before; PassIdReusedError for another one.

    The caller has quoted it, and asks for a payment under `intent_id`.
    """
    if sales.insert_order(tx, order, now):
        return order, False
    found = sales.find_order(tx, order.fare_account_id, order.pass_id)
    assert found is not None, "the row that was in the way"
    if (found.product_id, found.scope, found.intent_id) != (order.product_id, order.scope, order.intent_id):
        raise PassIdReusedError(pass_id=str(order.pass_id))
    return found, True


def waits(tx: Connection, account: FareAccountId, intent_id: UUID) -> bool:
    """Return whether any pass waits for this payment; its order is then locked."""
    return bool(sales.lock_orders_of(tx, account, intent_id))


def buy_ordered(
    tx: Connection, account: FareAccountId, intent_id: UUID, *, books: Books, now: datetime
) -> tuple[Bought, ...]:
    """Buy every pass that waits for this payment from the balance it has raised."""
    done = []
    for order in sales.lock_orders_of(tx, account, intent_id):
        sold, why = _buy(tx, order, books, now)
        sales.end_order(tx, order, "bought" if sold else "not_bought", why, now)
        done.append(Bought(order, sold, why))
    return tuple(done)


def _buy(tx: Connection, order: Order, books: Books, now: datetime) -> tuple[Sold | None, str]:
    starts_at = max(order.starts_at or now, now)
    try:
        sold = sell_pass(
            tx,
            pass_id=order.pass_id,
            fare_account_id=order.fare_account_id,
            product_id=order.product_id,
            scope=order.scope,
            starts_at=starts_at,
            tariff=books.current(),
            now=now,
            buying=Buying(paid_by=PaidBy.VIETQR, sold_by=f"payment:{order.intent_id}"),
        )
    except TariffNotPublishedError:
        return None, "no-tariff"
    except DomainError as refused:  # no longer on sale, no longer entitled: the money stays the rider's
        return None, type(refused).__name__
    return (None, "balance") if isinstance(sold, TooLittle) else (sold, "")
