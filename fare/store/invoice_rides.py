"""SQL of the rides that a book day's charges are about: what invoices say. Takes `tx`, decides nothing."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

_MARGIN: Final = timedelta(days=2)


class ChargedRide(NamedTuple):
    """A ride whose charge changed on a book day: what it comes to by the day's end, by operator."""

    operator_id: str
    tap_id: UUID
    service_day: date
    route_id: str
    currency: str
    charged_minor: int
    started_at: datetime
    from_stop_id: str
    to_stop_id: str
    place: str


def stream_charged_rides(tx: Connection, book_day: date) -> Iterator[ChargedRide]:
    """Yield the rides whose charge changed on a book day, by operator in the order in which they began.

    Sums run over every account that ever bore the ride: bills move when cards are linked.
    """
    rows = tx.execute(
        text(
            """
            WITH touched AS MATERIALIZED (
                SELECT DISTINCT service_day, tap_id, operator_id FROM fare_bill_line
                WHERE book_day = :day AND component = 'charged'),
            charge AS MATERIALIZED (
                SELECT t.operator_id, t.tap_id, t.service_day, min(l.route_id) AS route_id,
                       min(l.currency) AS currency, sum(l.delta_minor)::bigint AS minor
                FROM touched t JOIN fare_bill_line l USING (service_day, tap_id, operator_id)
                WHERE l.component = 'charged' AND l.book_day <= :day
                  AND l.service_day BETWEEN (SELECT min(service_day) FROM touched)
                                        AND (SELECT max(service_day) FROM touched)
                GROUP BY t.operator_id, t.tap_id, t.service_day),
            bill AS MATERIALIZED (
                SELECT DISTINCT ON (b.fare_account_id, b.service_day) b.rides
                FROM (SELECT DISTINCT fare_account_id, service_day FROM fare_bill_line
                      WHERE book_day = :day AND component = 'charged') a
                JOIN fare_bill b USING (fare_account_id, service_day)
                ORDER BY b.fare_account_id, b.service_day, b.revision DESC),
            ride AS MATERIALIZED (
                SELECT DISTINCT ON (CAST(one->>'tap_id' AS uuid)) CAST(one->>'tap_id' AS uuid) AS tap_id,
                       one->>'from_stop_id' AS origin, one->>'to_stop_id' AS destination
                FROM bill CROSS JOIN LATERAL json_array_elements(bill.rides) AS one
                ORDER BY CAST(one->>'tap_id' AS uuid))
            SELECT c.operator_id, c.tap_id, c.service_day, c.route_id, c.currency, c.minor, t.tapped_at,
                   coalesce(r.origin, ''), coalesce(r.destination, ''), t.place
            FROM charge c JOIN tap t ON t.tap_id = c.tap_id
                AND t.tap_day BETWEEN (SELECT min(service_day) FROM touched) - CAST(:margin AS integer)
                                  AND (SELECT max(service_day) FROM touched) + CAST(:margin AS integer)
            LEFT JOIN ride r ON r.tap_id = c.tap_id
            ORDER BY c.operator_id, t.tapped_at, c.tap_id
            """
        ).execution_options(yield_per=5_000),
        {"day": book_day, "margin": _MARGIN.days},
    )
    for row in rows:
        yield ChargedRide(*row)
