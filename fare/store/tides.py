"""SQL of the TIDES export: the rides of newest bills with the taps that made them."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

_MARGIN: Final = timedelta(days=2)


class RideTap(NamedTuple):
    """One tap of one priced ride; `charged` is None for the tap that only ends it."""

    service_day: date
    ends: bool
    closed: str
    rule: str
    face_minor: int
    charged_minor: int | None
    cap_covered_minor: int
    currency: str
    card_id: UUID
    tap_id: UUID
    tapped_at: datetime
    route_id: str
    direction: int
    stop_id: str
    trip_id: str
    place: str
    device_id: UUID
    concession: int


def list_ride_taps(tx: Connection, first: date, last: date, closed: list[str]) -> Iterator[RideTap]:
    """Yield the taps of the rides that ended so, of the newest bills of these days; in no order that means anything."""
    rows = tx.execute(
        text(
            """
            WITH bill AS MATERIALIZED (
                SELECT DISTINCT ON (fare_account_id, service_day) fare_account_id, service_day, rides
                FROM fare_bill WHERE service_day BETWEEN :first AND :last
                ORDER BY fare_account_id, service_day, revision DESC),
            charge AS MATERIALIZED (
                SELECT fare_account_id, service_day, tap_id, min(currency) AS currency,
                       sum(charged_minor)::bigint AS charged, sum(cap_covered_minor)::bigint AS capped
                FROM fare_charge WHERE service_day BETWEEN :first AND :last
                GROUP BY fare_account_id, service_day, tap_id)
            SELECT b.service_day, v.ends, ride->>'closed', ride->>'rule',
                   CAST(ride->'face_value'->>'minor' AS bigint),
                   CASE WHEN NOT v.ends THEN coalesce(c.charged, 0) END, coalesce(c.capped, 0),
                   ride->'face_value'->>'currency', t.card_id, t.tap_id, t.tapped_at, ride->>'route_id', t.direction,
                   t.stop_id, t.trip_id, t.place, t.device_id, t.concession
            FROM bill b CROSS JOIN LATERAL json_array_elements(b.rides) AS ride
            CROSS JOIN LATERAL (VALUES (ride->>'tap_id', false), (ride->>'tap_off_id', true)) AS v (id, ends)
            JOIN tap t ON t.tap_id = CAST(v.id AS uuid) AND t.tap_day BETWEEN :tap_first AND :tap_last
            LEFT JOIN charge c ON NOT v.ends AND c.fare_account_id = b.fare_account_id
                AND c.service_day = b.service_day AND c.tap_id = t.tap_id
            WHERE v.id IS NOT NULL AND ride->>'closed' = ANY(CAST(:closed AS text[]))
            """
        ).execution_options(yield_per=10_000),
        {
            "first": first,
            "last": last,
            "tap_first": first - _MARGIN,
            "tap_last": last + _MARGIN,
            "closed": closed,
        },
    )
    for row in rows:
        yield RideTap(*row)
