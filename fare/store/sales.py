"""SQL of pass sales, their ends, and orders that wait for a payment. Takes `tx`, decides nothing, commits nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from fare.rules.facts import HeldPass
from kernel.ids import FareAccountId
from kernel.money import Money, currency


@dataclass(frozen=True, slots=True)
class Sale:
    """One sold pass with how it was paid; `refunded` and `ended_by` are set once it was given back."""

    fare_account_id: FareAccountId
    held: HeldPass
    price: Money
    purchased_at: datetime
    entry_id: UUID | None
    paid_by: str
    payer_id: UUID | None
    payer_name: str
    renews: UUID | None
    gift_id: UUID | None
    refunded: Money | None
    ended_by: str


@dataclass(frozen=True, slots=True)
class NewSale:
    """How a pass was sold, as it is written beside the pass."""

    fare_account_id: FareAccountId
    pass_id: UUID
    paid_by: str
    payer_id: UUID | None
    payer_name: str
    renews: UUID | None
    gift_id: UUID | None
    tariff_version: str
    sold_by: str
    book_day: date


@dataclass(frozen=True, slots=True)
class Order:
    """A pass that shall be bought when its payment comes."""

    fare_account_id: FareAccountId
    pass_id: UUID
    intent_id: UUID
    product_id: str
    scope: str
    starts_at: datetime | None
    state: str
    why: str


_SALE = """
SELECT fare_account_id, pass_id, product_id, scope, valid_from, valid_until, e.ended_at, price_minor, currency,
       purchased_at, p.entry_id, s.paid_by, s.payer_id, s.payer_name, s.renews, s.gift_id, e.refunded_minor, e.ended_by
FROM fare_pass AS p LEFT JOIN fare_pass_sale AS s USING (fare_account_id, pass_id)
LEFT JOIN fare_pass_end AS e USING (fare_account_id, pass_id)
"""


def _sale(row: Any) -> Sale:
    unit = currency(row.currency)
    return Sale(
        FareAccountId(row.fare_account_id),
        HeldPass(row.pass_id, row.product_id, row.scope, row.valid_from, row.valid_until, row.ended_at),
        Money(row.price_minor, unit),
        row.purchased_at,
        row.entry_id,
        row.paid_by or "balance",
        row.payer_id,
        row.payer_name or "",
        row.renews,
        row.gift_id,
        None if row.refunded_minor is None else Money(row.refunded_minor, unit),
        row.ended_by or "",
    )


def find_sale(tx: Connection, account: FareAccountId, pass_id: UUID) -> Sale | None:
    """Return a sold pass, or None."""
    row = tx.execute(
        text(f"{_SALE} WHERE fare_account_id = :account AND pass_id = :pass"),
        {"account": account, "pass": pass_id},
    ).one_or_none()
    return None if row is None else _sale(row)


def list_sales(tx: Connection, account: FareAccountId, *, limit: int = 200) -> tuple[Sale, ...]:
    """Return an account's passes, those that end last first."""
    rows = tx.execute(
        text(f"{_SALE} WHERE fare_account_id = :account ORDER BY valid_until DESC, pass_id LIMIT :limit"),
        {"account": account, "limit": limit},
    )
    return tuple(_sale(row) for row in rows)


def list_gift(tx: Connection, gift_id: UUID) -> tuple[Sale, ...]:
    """Return the passes of one gift, by account."""
    rows = tx.execute(text(f"{_SALE} WHERE s.gift_id = :gift ORDER BY fare_account_id"), {"gift": gift_id})
    return tuple(_sale(row) for row in rows)


def insert_sales(tx: Connection, sales: Sequence[NewSale]) -> None:
    """Write how passes were sold; the passes themselves stand already."""
    names = NewSale.__slots__
    tx.execute(
        text(f"INSERT INTO fare_pass_sale ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)})"),
        [{name: getattr(sale, name) for name in names} for sale in sales],
    )


def insert_end(
    tx: Connection,
    account: FareAccountId,
    pass_id: UUID,
    *,
    ended_at: datetime,
    refunded: Money,
    entry_id: UUID,
    reason: str,
    by: str,
    now: datetime,
    book_day: date,
) -> None:
    """Write that a pass was given back: a later fact, the sale stays as it is."""
    tx.execute(
        text(
            "INSERT INTO fare_pass_end (fare_account_id, pass_id, ended_at, refunded_minor, entry_id, reason,"
            " ended_by, recorded_at, book_day)"
            " VALUES (:account, :pass, :ended_at, :minor, :entry, :reason, :by, :now, :book_day)"
        ),
        {
            "account": account,
            "pass": pass_id,
            "ended_at": ended_at,
            "minor": refunded.minor,
            "entry": entry_id,
            "reason": reason,
            "by": by,
            "now": now,
            "book_day": book_day,
        },
    )


def covered_minor(tx: Connection, account: FareAccountId, product_id: str, first: date, last: date) -> int:
    """Return what passes of a product cover of an account's rides on these service days."""
    found = tx.execute(
        text(
            "SELECT coalesce(sum(delta_minor), 0)::bigint FROM fare_bill_line"
            " WHERE fare_account_id = :account AND service_day BETWEEN :first AND :last"
            " AND component = 'pass_covered' AND rule = :rule"
        ),
        {"account": account, "first": first, "last": last, "rule": f"passes:{product_id}"},
    )
    return int(found.scalar_one())


def insert_order(tx: Connection, order: Order, now: datetime) -> bool:
    """Write an open order; False, and nothing written, where its pass id is ordered already."""
    done = tx.execute(
        text(
            "INSERT INTO fare_pass_order (fare_account_id, pass_id, intent_id, product_id, scope, starts_at,"
            " state, ordered_at) VALUES (:fare_account_id, :pass_id, :intent_id, :product_id, :scope,"
            " :starts_at, 'open', :now) ON CONFLICT ON CONSTRAINT fare_pass_order_pk DO NOTHING"
        ),
        {name: getattr(order, name) for name in Order.__slots__} | {"now": now},
    )
    return done.rowcount == 1


def find_order(tx: Connection, account: FareAccountId, pass_id: UUID) -> Order | None:
    """Return an order, or None."""
    row = tx.execute(
        text(
            "SELECT fare_account_id, pass_id, intent_id, product_id, scope, starts_at, state, why"
            " FROM fare_pass_order WHERE fare_account_id = :account AND pass_id = :pass"
        ),
        {"account": account, "pass": pass_id},
    ).one_or_none()
    return None if row is None else Order(FareAccountId(row[0]), *row[1:])


def lock_orders_of(tx: Connection, account: FareAccountId, intent_id: UUID) -> tuple[Order, ...]:
    """Return the open orders that a payment is for, their rows locked."""
    rows = tx.execute(
        text(
            "SELECT fare_account_id, pass_id, intent_id, product_id, scope, starts_at, state, why"
            " FROM fare_pass_order WHERE fare_account_id = :account AND intent_id = :intent"
            " AND state = 'open' ORDER BY pass_id FOR UPDATE"
        ),
        {"account": account, "intent": intent_id},
    )
    return tuple(Order(FareAccountId(row[0]), *row[1:]) for row in rows)


def end_order(tx: Connection, order: Order, state: str, why: str, now: datetime) -> None:
    """Write what became of an order."""
    tx.execute(
        text(
            "UPDATE fare_pass_order SET state = :state, why = :why, ended_at = :now"
            " WHERE fare_account_id = :account AND pass_id = :pass"
        ),
        {
            "account": order.fare_account_id,
            "pass": order.pass_id,
            "state": state,
            "why": why,
            "now": now,
        },
    )
