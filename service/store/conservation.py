"""SQL of tap conservation: what became of every record of a service day, and what came late. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FateRow:
    """How many of a device's records of the day have one fate; `why` is a code, empty for what is priced."""

    device_id: UUID
    fate: str
    why: str
    records: int


@dataclass(frozen=True, slots=True)
class LateRow:
    """One device's late records of one service day."""

    device_id: UUID
    service_day: date
    records: int
    waiting: int
    first_tapped_at: datetime
    last_received_at: datetime
    longest: timedelta


# A tap is priced when the newest bill of its service day, or of the day after (a ride over its end), names it; a
# gate's tap when a stay of its card covers its instant. What neither prices nor waits for somebody nor comes to
# nothing by rule is unaccounted for, and there must be none of it.
_FATES: Final = """
WITH bill AS MATERIALIZED (
    SELECT DISTINCT ON (fare_account_id, service_day) fare_account_id, service_day, rides, unpriced, carried_in
    FROM fare_bill WHERE service_day BETWEEN :day AND :next_day
    ORDER BY fare_account_id, service_day, revision DESC),
named AS MATERIALIZED (
    SELECT DISTINCT CAST(v.id AS uuid) AS tap_id
    FROM bill CROSS JOIN LATERAL json_array_elements(bill.rides) AS ride
    CROSS JOIN LATERAL (VALUES (ride->>'tap_id'), (ride->>'tap_off_id')) AS v (id) WHERE v.id IS NOT NULL),
unpriced AS MATERIALIZED (
    SELECT CAST(one->>'tap_id' AS uuid) AS tap_id, min(one->>'reason') AS reason
    FROM bill CROSS JOIN LATERAL json_array_elements(bill.unpriced) AS one GROUP BY 1),
settled_before AS MATERIALIZED (
    SELECT fare_account_id FROM bill WHERE service_day = :day AND carried_in->'open_ride'->>'priced' = 'true'),
waiting AS MATERIALIZED (
    SELECT house, fare_account_id, min(reason) AS reason FROM exception_queue
    WHERE resolved_at IS NULL AND service_day BETWEEN :day AND :next_day AND fare_account_id IS NOT NULL
    GROUP BY house, fare_account_id),
seen AS (
    SELECT t.*, k.fare_account_id AS home,
           t.mac_valid AND EXISTS (
               SELECT FROM tap_claim r WHERE r.card_id = t.card_id AND r.counter = t.counter
                AND (r.tapped_at, r.tap_id) < (t.tapped_at, t.tap_id)) AS displaced,
           t.exception <> '' AND EXISTS (
               SELECT FROM tap_release f WHERE f.card_id = t.card_id AND f.tap_id = t.tap_id) AS released
    FROM tap t LEFT JOIN card k ON k.card_id = t.card_id
    WHERE t.tap_day BETWEEN :first_tap_day AND :last_tap_day AND t.tapped_at >= :since AND t.tapped_at < :until),
judged AS (
    SELECT s.device_id,
           CASE
             WHEN s.displaced THEN 'counter-taken'
             WHEN s.exception NOT IN ('', 'unknown-card') AND NOT s.released THEN s.exception
             WHEN s.home IS NULL THEN 'unknown-card' END AS stopped,
           CASE
             WHEN s.phase = 4 THEN 'refused'
             WHEN s.purpose = 6 THEN 'inspection' END AS nothing,
           s.phase = 2 AS torn,
           n.tap_id IS NOT NULL OR s.purpose IN (4, 5) AND EXISTS (
               SELECT FROM parking_stay_key p WHERE p.subject = s.card_id
                AND p.fare_account_id IN (SELECT s.home UNION ALL SELECT l.into_account_id FROM account_link l
                                          WHERE l.fare_account_id = s.home)
                AND s.tapped_at BETWEEN p.first_at AND p.last_at) AS priced,
           u.reason AS unpriced,
           (SELECT min(w.reason) FROM waiting w
            WHERE w.house = CASE WHEN s.purpose IN (4, 5) THEN 'parking' ELSE 'fare' END
              AND w.fare_account_id IN (SELECT s.home UNION ALL SELECT l.into_account_id FROM account_link l
                                        WHERE l.fare_account_id = s.home)) AS waits,
           s.purpose IN (2, 3) AND EXISTS (
               SELECT FROM settled_before b WHERE b.fare_account_id IN (
                   SELECT s.home UNION ALL SELECT l.into_account_id FROM account_link l
                   WHERE l.fare_account_id = s.home)) AS ends_settled
    FROM seen s LEFT JOIN named n ON n.tap_id = s.tap_id LEFT JOIN unpriced u ON u.tap_id = s.tap_id)
SELECT device_id,
       CASE WHEN stopped IS NOT NULL THEN 'exception' WHEN nothing IS NOT NULL THEN 'nothing'
            WHEN priced THEN 'priced' WHEN torn THEN 'nothing'
            WHEN unpriced IS NOT NULL OR waits IS NOT NULL THEN 'exception'
            WHEN ends_settled THEN 'priced' ELSE 'unaccounted' END AS fate,
       CASE WHEN stopped IS NOT NULL THEN stopped WHEN nothing IS NOT NULL THEN nothing
            WHEN priced THEN '' WHEN torn THEN 'torn'
            ELSE coalesce(unpriced, waits, '') END AS why,
       count(*) AS records
FROM judged GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


def count_fates(tx: Connection, day: date, *, since: datetime, until: datetime) -> tuple[FateRow, ...]:
    """Return how many records of a service day, `[since, until)`, have which fate, by device."""
    rows = tx.execute(
        text(_FATES),
        {
            "day": day,
            "next_day": day + _ONE_DAY,
            "since": since,
            "until": until,
            "first_tap_day": since.astimezone(UTC).date(),
            "last_tap_day": until.astimezone(UTC).date(),
        },
    )
    return tuple(FateRow(*row) for row in rows)


def count_aside(tx: Connection, *, since: datetime, until: datetime) -> dict[UUID, dict[str, int]]:
    """Return the bytes set aside that came in a stretch of our time, by device and reason: they name no day."""
    rows = tx.execute(
        text(
            "SELECT device_id, reason, count(*) FROM tap_aside WHERE received_at >= :since AND received_at < :until"
            " GROUP BY device_id, reason ORDER BY device_id, reason"
        ),
        {"since": since, "until": until},
    )
    found: dict[UUID, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row[0], {})[row[1]] = row[2]
    return found


def count_late(
    tx: Connection, *, received_since: datetime, later_than: timedelta, day_starts_s: int, zone: str
) -> tuple[LateRow, ...]:
    """Return the records received since then that are older than `later_than` when they came, by device and day.

    `waiting` of them are not priced: a plausibility check, or an open exception about their account and day.
    """
    rows = tx.execute(
        text(
            """
            WITH late AS (
                SELECT t.device_id, t.tapped_at, t.received_at, t.exception, t.card_id,
                       CAST((t.tapped_at AT TIME ZONE :zone) - make_interval(secs => :starts) AS date) AS service_day,
                       EXISTS (SELECT FROM tap_release f WHERE f.card_id = t.card_id AND f.tap_id = t.tap_id) AS released
                FROM tap t
                WHERE t.received_at >= :since AND t.received_at - t.tapped_at > :later)
            SELECT l.device_id, l.service_day, count(*),
                   count(*) FILTER (WHERE l.exception <> '' AND NOT l.released OR EXISTS (
                       SELECT FROM exception_queue q JOIN card k ON k.fare_account_id = q.fare_account_id
                       WHERE k.card_id = l.card_id AND q.service_day = l.service_day AND q.resolved_at IS NULL)),
                   min(l.tapped_at), max(l.received_at), max(l.received_at - l.tapped_at)
            FROM late l GROUP BY l.device_id, l.service_day ORDER BY min(l.tapped_at), l.device_id
            """
        ),
        {"since": received_since, "later": later_than, "starts": day_starts_s, "zone": zone},
    )
    return tuple(LateRow(*row) for row in rows)


def sum_adjustments(tx: Connection, days: list[date]) -> dict[date, tuple[int, int]]:
    """Return what riders' charges of these service days rose and fell by (both >= 0) on later book days."""
    rows = tx.execute(
        text(
            "SELECT service_day, coalesce(sum(delta_minor) FILTER (WHERE delta_minor > 0), 0)::bigint,"
            " coalesce(-sum(delta_minor) FILTER (WHERE delta_minor < 0), 0)::bigint"
            " FROM fare_bill_line WHERE service_day = ANY(CAST(:days AS date[])) AND book_day > service_day"
            " AND component = 'charged' GROUP BY service_day"
        ),
        {"days": days},
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def find_disagreeing(tx: Connection, day: date, *, limit: int) -> list[UUID]:
    """Return fare accounts whose newest bill of a day does not state what its lines come to; there must be none."""
    return list(
        tx.execute(
            text(
                """
                WITH bill AS (
                    SELECT DISTINCT ON (fare_account_id) * FROM fare_bill WHERE service_day = :day
                    ORDER BY fare_account_id, revision DESC),
                line AS (
                    SELECT fare_account_id, sum(face_minor) AS face_minor, sum(waived_minor) AS waived_minor,
                           sum(discounted_minor) AS discounted_minor, sum(pass_covered_minor) AS pass_covered_minor,
                           sum(cap_covered_minor) AS cap_covered_minor, sum(charged_minor) AS charged_minor
                    FROM fare_charge WHERE service_day = :day GROUP BY fare_account_id)
                SELECT b.fare_account_id FROM bill b LEFT JOIN line l USING (fare_account_id)
                WHERE b.face_minor IS NOT NULL AND (
                    b.face_minor, b.waived_minor, b.discounted_minor, b.pass_covered_minor, b.cap_covered_minor,
                    b.charged_minor) IS DISTINCT FROM (
                    coalesce(l.face_minor, 0), coalesce(l.waived_minor, 0), coalesce(l.discounted_minor, 0),
                    coalesce(l.pass_covered_minor, 0), coalesce(l.cap_covered_minor, 0), coalesce(l.charged_minor, 0))
                ORDER BY b.fare_account_id LIMIT :limit
                """
            ),
            {"day": day, "limit": limit},
        ).scalars()
    )
