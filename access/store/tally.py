"""SQL that counts evidence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from access.rules.coded import LAST_COUNTER
from access.store.committed import is_committed

_TALLY = f"""
WITH counted AS (
    SELECT t.operator_id, t.phase, t.mac_valid, t.exception, t.counter,
           t.phase = 2 AND EXISTS (
               SELECT FROM tap_torn x WHERE x.card_id = t.card_id AND x.counter = t.counter AND x.tap_id = t.tap_id
                AND {is_committed("x")})
             AND NOT EXISTS (
               SELECT FROM tap_claim r WHERE r.card_id = t.card_id AND r.counter = t.counter) AS proven_torn,
           t.phase = 2 AND EXISTS (
               SELECT FROM tap_torn x JOIN tap_torn y ON y.card_id = x.card_id AND y.counter = x.counter
                AND y.tmv = x.tmv AND y.tap_id < x.tap_id
               WHERE x.card_id = t.card_id AND x.counter = t.counter AND x.tap_id = t.tap_id) AS tried_before,
           EXISTS (
               SELECT FROM tap_claim r WHERE r.card_id = t.card_id AND r.counter = t.counter) AS claimed,
           t.mac_valid AND EXISTS (
               SELECT FROM tap_claim r WHERE r.card_id = t.card_id AND r.counter = t.counter
                AND (r.tapped_at, r.tap_id) < (t.tapped_at, t.tap_id)) AS displaced
    FROM tap t
    WHERE t.tap_day BETWEEN :first_day AND :last_day AND t.tapped_at >= :since AND t.tapped_at < :until
)
SELECT operator_id, count(*) AS records,
       count(*) FILTER (WHERE mac_valid AND NOT displaced AND counter <= :last) AS proven,
       count(*) FILTER (WHERE mac_valid AND NOT displaced AND counter > :last) AS coded,
       count(*) FILTER (WHERE proven_torn AND NOT tried_before) AS torn_proven,
       count(*) FILTER (WHERE phase = 2 AND NOT proven_torn AND NOT claimed) AS torn_open,
       count(*) FILTER (WHERE phase = 4) AS refused,
       count(*) FILTER (WHERE exception <> '' OR displaced) AS in_exception
FROM counted GROUP BY operator_id ORDER BY operator_id
"""


def count_by_operator(tx: Connection, since: datetime, until: datetime) -> tuple[Any, ...]:
    """Counts of the taps made in [since, until), a row an operator."""
    rows = tx.execute(
        text(_TALLY),
        {
            "since": since,
            "until": until,
            "first_day": since.astimezone(UTC).date(),
            "last_day": until.astimezone(UTC).date(),
            "last": LAST_COUNTER,
        },
    )
    return tuple(rows)
