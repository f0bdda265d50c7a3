"""SQL of what a book day's bill lines come to: sums for settlement, claims for funders. Takes `tx`, decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text


class DayTotal(NamedTuple):
    """What was booked by service day, operator, route and component: raised and lowered (both >= 0), and trips."""

    service_day: date
    operator_id: str
    route_id: str
    component: str
    raised: int
    lowered: int
    trips: int


class DayClaim(NamedTuple):
    """What funders owe by rule, and for how many rides more (or fewer) than before."""

    service_day: date
    operator_id: str
    route_id: str
    funder: str
    component: str
    rule: str
    rides: int
    minor: int


def list_totals(tx: Connection, book_day: date) -> tuple[DayTotal, ...]:
    """Return the sums of a book day, in one pass over its lines."""
    rows = tx.execute(
        text(
            """
            SELECT service_day, operator_id, route_id, component,
                   coalesce(sum(delta_minor) FILTER (WHERE delta_minor > 0), 0)::bigint AS raised,
                   coalesce(-sum(delta_minor) FILTER (WHERE delta_minor < 0), 0)::bigint AS lowered,
                   sum(trips_delta)::bigint AS trips
            FROM fare_bill_line
            WHERE book_day = :book_day
            GROUP BY service_day, operator_id, route_id, component
            ORDER BY operator_id, route_id, service_day, component
            """
        ),
        {"book_day": book_day},
    )
    return tuple(DayTotal(*row) for row in rows)


def list_claims(tx: Connection, book_day: date) -> tuple[DayClaim, ...]:
    """Return the claims of a book day.

    Nothing about a service day is booked before it, so only rides of earlier service days are looked up in what
    was booked for them until then.
    """
    rows = tx.execute(
        text(
            """
            WITH today AS (
                SELECT fare_account_id, service_day, tap_id, operator_id, route_id, funder, component,
                       min(rule) AS rule, sum(delta_minor)::bigint AS minor
                FROM fare_bill_line WHERE book_day = :book_day AND component IN ('waived', 'discounted')
                GROUP BY fare_account_id, service_day, tap_id, operator_id, route_id, funder, component)
            SELECT t.service_day, t.operator_id, t.route_id, t.funder, t.component, t.rule,
                   sum(sign(coalesce(b.minor, 0) + t.minor) - sign(coalesce(b.minor, 0)))::bigint AS rides,
                   sum(t.minor)::bigint AS minor
            FROM today t LEFT JOIN LATERAL (
                SELECT sum(l.delta_minor) AS minor FROM fare_bill_line l
                WHERE l.fare_account_id = t.fare_account_id AND l.service_day = t.service_day
                  AND l.tap_id = t.tap_id AND l.operator_id = t.operator_id AND l.route_id = t.route_id
                  AND l.funder = t.funder AND l.component = t.component AND l.book_day < :book_day
            ) b ON t.service_day < :book_day
            GROUP BY t.service_day, t.operator_id, t.route_id, t.funder, t.component, t.rule
            HAVING sum(t.minor) <> 0
                OR sum(sign(coalesce(b.minor, 0) + t.minor) - sign(coalesce(b.minor, 0))) <> 0
            ORDER BY t.operator_id, t.route_id, t.service_day, t.funder, t.component, t.rule
            """
        ),
        {"book_day": book_day},
    )
    return tuple(DayClaim(*row) for row in rows)


class DayLine(NamedTuple):
    """One difference that was booked for an operator."""

    service_day: date
    tap_id: UUID
    route_id: str
    component: str
    funder: str
    rule: str
    minor: int
    trips: int
    entry_id: UUID | None


def stream_lines(tx: Connection, book_day: date, operator: str) -> Iterator[DayLine]:
    """Yield an operator's bill lines of a book day, in the order of their ids."""
    rows = tx.execute(
        text(
            "SELECT service_day, tap_id, route_id, component, funder, rule, delta_minor, trips_delta, entry_id"
            " FROM fare_bill_line WHERE book_day = :day AND operator_id = :operator"
            " ORDER BY fare_account_id, service_day, revision, line_no"
        ),
        {"day": book_day, "operator": operator},
        execution_options={"yield_per": 5_000},
    )
    for row in rows:
        yield DayLine(*row)
