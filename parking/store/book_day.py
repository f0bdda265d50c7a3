"""SQL of what a book day's bill lines come to: sums for settlement, claims for funders. Takes `tx`, decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text


class DayTotal(NamedTuple):
    """What was booked by day, operator, place, component and funding: raised and lowered (both >= 0), and stays."""

    stay_day: date
    operator_id: str
    place_id: str
    component: str
    funded: bool
    currency: str
    raised: int
    lowered: int
    stays: int


class DayClaim(NamedTuple):
    """What funders owe by rule, and for how many stays more (or fewer) than before."""

    stay_day: date
    operator_id: str
    place_id: str
    funder: str
    component: str
    rule: str
    currency: str
    stays: int
    minor: int


def list_totals(tx: Connection, book_day: date) -> tuple[DayTotal, ...]:
    """Return the sums of a book day, in one pass over its lines."""
    rows = tx.execute(
        text(
            """
            SELECT stay_day, operator_id, place_id, component, funder <> '' AS funded, currency,
                   coalesce(sum(delta_minor) FILTER (WHERE delta_minor > 0), 0)::bigint AS raised,
                   coalesce(-sum(delta_minor) FILTER (WHERE delta_minor < 0), 0)::bigint AS lowered,
                   sum(stays_delta)::bigint AS stays
            FROM parking_bill_line WHERE book_day = :book_day
            GROUP BY stay_day, operator_id, place_id, component, funder <> '', currency
            ORDER BY operator_id, place_id, stay_day, component, funded, currency
            """
        ),
        {"book_day": book_day},
    )
    return tuple(DayTotal(*row) for row in rows)


def list_claims(tx: Connection, book_day: date) -> tuple[DayClaim, ...]:
    """Return the claims of a book day: discounts that somebody else funds.

    Nothing about a stay is booked before its day, so only earlier days' stays are looked up.
    """
    rows = tx.execute(
        text(
            """
            WITH today AS (
                SELECT fare_account_id, stay_day, stay_id, operator_id, place_id, funder, component, rule, currency,
                       sum(delta_minor)::bigint AS minor
                FROM parking_bill_line WHERE book_day = :book_day AND component = 'discounted' AND funder <> ''
                GROUP BY fare_account_id, stay_day, stay_id, operator_id, place_id, funder, component, rule, currency)
            SELECT t.stay_day, t.operator_id, t.place_id, t.funder, t.component, t.rule, t.currency,
                   sum(sign(coalesce(b.minor, 0) + t.minor) - sign(coalesce(b.minor, 0)))::bigint AS stays,
                   sum(t.minor)::bigint AS minor
            FROM today t LEFT JOIN LATERAL (
                SELECT sum(l.delta_minor) AS minor FROM parking_bill_line l
                WHERE l.fare_account_id = t.fare_account_id AND l.stay_day = t.stay_day AND l.stay_id = t.stay_id
                  AND l.operator_id = t.operator_id AND l.funder = t.funder AND l.component = t.component
                  AND l.rule = t.rule AND l.book_day < :book_day
            ) b ON t.stay_day < :book_day
            GROUP BY t.stay_day, t.operator_id, t.place_id, t.funder, t.component, t.rule, t.currency
            ORDER BY t.operator_id, t.place_id, t.stay_day, t.funder, t.component, t.rule
            """
        ),
        {"book_day": book_day},
    )
    return tuple(DayClaim(*row) for row in rows if row.minor or row.stays)


class DayLine(NamedTuple):
    """One difference that was booked for an operator."""

    stay_day: date
    stay_id: UUID
    place_id: str
    component: str
    funder: str
    rule: str
    minor: int
    stays: int
    entry_id: UUID | None


def stream_lines(tx: Connection, book_day: date, operator: str) -> Iterator[DayLine]:
    """Yield an operator's bill lines of a book day, in the order of their ids."""
    rows = tx.execute(
        text(
            "SELECT stay_day, stay_id, place_id, component, funder, rule, delta_minor, stays_delta, entry_id"
            " FROM parking_bill_line WHERE book_day = :day AND operator_id = :operator"
            " ORDER BY fare_account_id, stay_day, stay_id, revision, line_no"
        ),
        {"day": book_day, "operator": operator},
        execution_options={"yield_per": 5_000},
    )
    for row in rows:
        yield DayLine(*row)
