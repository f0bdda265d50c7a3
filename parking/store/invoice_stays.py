"""SQL of the stays and rights that a book day's charges are about: what invoices say. Takes `tx`, decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text


class ChargedStay(NamedTuple):
    """A stay whose charge changed on a book day: what it comes to by the day's end, by operator."""

    operator_id: str
    stay_id: UUID
    place_id: str
    currency: str
    charged_minor: int
    first_at: datetime
    entered_at: datetime | None
    left_at: datetime | None


def stream_charged_stays(tx: Connection, book_day: date) -> Iterator[ChargedStay]:
    """Yield the stays whose charge changed on a book day, by operator in the order in which they began."""
    rows = tx.execute(
        text(
            """
            WITH touched AS MATERIALIZED (
                SELECT DISTINCT fare_account_id, stay_day, stay_id, operator_id FROM parking_bill_line
                WHERE book_day = :day AND component = 'charged'),
            charge AS MATERIALIZED (
                SELECT t.fare_account_id, t.stay_day, t.stay_id, t.operator_id, min(l.place_id) AS place_id,
                       min(l.currency) AS currency, sum(l.delta_minor)::bigint AS minor
                FROM touched t JOIN parking_bill_line l USING (fare_account_id, stay_day, stay_id, operator_id)
                WHERE l.component = 'charged' AND l.book_day <= :day
                GROUP BY t.fare_account_id, t.stay_day, t.stay_id, t.operator_id)
            SELECT c.operator_id, c.stay_id, c.place_id, c.currency, c.minor, s.first_at, s.entered_at, s.left_at
            FROM charge c JOIN parking_stay s USING (fare_account_id, stay_day, stay_id)
            ORDER BY c.operator_id, s.first_at, c.stay_id
            """
        ).execution_options(yield_per=5_000),
        {"day": book_day},
    )
    for row in rows:
        yield ChargedStay(*row)


class ChargedRight(NamedTuple):
    """A right whose price was booked, or given back in part, on a day: what was kept of it by the day's end."""

    operator_id: str
    right_id: UUID
    place_id: str
    spec_id: str
    currency: str
    charged_minor: int
    assigned_at: datetime
    valid_from: datetime
    valid_to: datetime


def stream_charged_rights(tx: Connection, book_day: date) -> Iterator[ChargedRight]:
    """Yield the rights that a book day's charges are about, by operator in the order of their sale.

    A right ends where it was given back, once that is booked.
    """
    rows = tx.execute(
        text(
            """
            WITH touched AS MATERIALIZED (
                SELECT DISTINCT l.fare_account_id, l.stay_id AS right_id, l.operator_id
                FROM parking_bill_line l JOIN parking_right r
                    ON r.fare_account_id = l.fare_account_id AND r.right_id = l.stay_id
                WHERE l.book_day = :day AND l.component = 'charged'),
            charge AS MATERIALIZED (
                SELECT t.fare_account_id, t.right_id, t.operator_id, min(l.currency) AS currency,
                       sum(l.delta_minor)::bigint AS minor, bool_or(l.delta_minor < 0) AS given_back
                FROM touched t JOIN parking_bill_line l
                    ON l.fare_account_id = t.fare_account_id AND l.stay_id = t.right_id
                    AND l.operator_id = t.operator_id
                WHERE l.component = 'charged' AND l.book_day <= :day
                GROUP BY t.fare_account_id, t.right_id, t.operator_id)
            SELECT c.operator_id, c.right_id, r.place_id, r.spec_id, c.currency, c.minor, r.assigned_at,
                   r.valid_from, CASE WHEN c.given_back THEN e.ended_at ELSE r.valid_to END
            FROM charge c JOIN parking_right r USING (fare_account_id, right_id)
            LEFT JOIN parking_right_end e USING (fare_account_id, right_id)
            ORDER BY c.operator_id, r.assigned_at, c.right_id
            """
        ).execution_options(yield_per=5_000),
        {"day": book_day},
    )
    for row in rows:
        yield ChargedRight(*row)
