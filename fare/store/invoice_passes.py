"""SQL of the passes that were sold or given back on a book day: what invoices say. Takes `tx`, decides nothing."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text


class SoldPass(NamedTuple):
    """A pass sold or given back on a book day: what was kept of its price by the day's end."""

    entry_id: UUID
    product_id: str
    scope: str
    tariff_version: str
    currency: str
    kept_minor: int
    purchased_at: datetime
    valid_from: datetime
    valid_to: datetime


def stream_sold_passes(tx: Connection, book_day: date) -> Iterator[SoldPass]:
    """Yield the passes that were paid for or given back on a book day, in the order of their sale.

    A pass ends where it was given back, once that is booked. What an outgoing scheme sold is not among them.
    """
    rows = tx.execute(
        text(
            """
            SELECT p.entry_id, p.product_id, p.scope, s.tariff_version, p.currency,
                   p.price_minor - coalesce(e.refunded_minor, 0), p.purchased_at, p.valid_from,
                   coalesce(e.ended_at, p.valid_until)
            FROM fare_pass_sale s JOIN fare_pass p USING (fare_account_id, pass_id)
            LEFT JOIN fare_pass_end e ON e.fare_account_id = s.fare_account_id AND e.pass_id = s.pass_id
                AND e.book_day <= :day
            WHERE (s.book_day = :day OR e.book_day = :day) AND s.book_day <= :day
              AND s.paid_by <> 'legacy' AND p.entry_id IS NOT NULL
            ORDER BY p.purchased_at, p.entry_id
            """
        ).execution_options(yield_per=5_000),
        {"day": book_day},
    )
    for row in rows:
        yield SoldPass(*row)
