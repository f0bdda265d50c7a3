"""SQL that reads evidence back as taps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from access.rules.coded import LAST_COUNTER
from access.rules.medium import MediumKind
from access.rules.tap import Tap
from access.store.arrays import uuids
from access.store.committed import is_committed
from kernel.ids import CardId, DeviceId, FareAccountId, JournalId, TapId
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose

# Looked up at a fifth of what calling the type costs: every tap of a day is read with each upload that adds to it.
_CLOCKS = {one.value: one for one in ClockState}
_PURPOSES = {one.value: one for one in Purpose}
_PHASES = {one.value: one for one in Phase}
_CONCESSIONS = {one.value: one for one in Concession}
_KINDS = {one.value: one for one in MediumKind}

# Of several records with a valid MAC for one counter, the first by the card's own time counts, whichever came
# first to us: so any order of uploads ends in the same bill. The sub-selects are index look-ups on the card.
# OFFSET 0, MATERIALIZED and LIMIT 1 keep the planner from reading everybody's taps to find these cards': a day
# that began after the last ANALYZE looks empty to it.
_COLUMNS = f"""t.tap_id, t.card_id, k.fare_account_id, t.device_id, t.journal_id, t.sequence, t.counter, t.tapped_at,
       t.received_at, t.clock_state, t.purpose, t.phase, t.operator_id, t.place, t.stop_id, t.route_id, t.trip_id,
       t.direction, t.vehicle_class, t.concession, t.tariff_version, t.mac_valid, k.kind,
       t.phase = 2 AND coalesce((
           SELECT true FROM tap_torn x WHERE x.card_id = t.card_id AND x.counter = t.counter AND x.tap_id = t.tap_id
            AND {is_committed("x")} LIMIT 1), false) AS proven_torn"""
_DISPLACED = """(t.mac_valid AND EXISTS (
      SELECT FROM tap_claim r WHERE r.card_id = t.card_id AND r.counter = t.counter
        AND (r.tapped_at, r.tap_id) < (t.tapped_at, t.tap_id)))"""
_RELEASED = "EXISTS (SELECT FROM tap_release f WHERE f.card_id = t.card_id AND f.tap_id = t.tap_id)"
_SELECT = f"""
WITH k AS MATERIALIZED (
    SELECT card_id, fare_account_id, kind FROM card WHERE fare_account_id = ANY(CAST(:accounts AS uuid[])))
SELECT {_COLUMNS}
FROM k CROSS JOIN LATERAL (
    SELECT * FROM tap WHERE tap.card_id = k.card_id AND tap.tap_day BETWEEN :first_day AND :last_day OFFSET 0) t
WHERE t.tapped_at >= :since AND t.tapped_at < :until
  AND (t.exception = ANY(CAST(:listed AS text[])) OR {_RELEASED})
  AND NOT {_DISPLACED}
ORDER BY k.fare_account_id, t.card_id, CASE WHEN t.counter > :codes THEN 0 ELSE t.counter END,
         CASE WHEN t.counter > :codes THEN t.tapped_at END, t.device_id, t.journal_id, t.sequence
"""


def list_taps(
    tx: Connection, accounts: Iterable[UUID], *, since: datetime, until: datetime, listed: Iterable[str]
) -> tuple[Tap, ...]:
    """Return the accounts' taps in [since, until) whose exception is one of `listed`, each card's in its order."""
    rows = tx.execute(
        text(_SELECT),
        {
            "accounts": uuids(accounts),
            "since": since,
            "until": until,
            "first_day": since.astimezone(UTC).date(),
            "last_day": until.astimezone(UTC).date(),
            "listed": list(listed),
            "codes": LAST_COUNTER,
        },
    )
    return tuple(_tap(row) for row in rows)


def find_tap(tx: Connection, tap_id: UUID) -> tuple[Tap, str, bool] | None:
    """Return a known card's tap by id, its exception (empty for none; a rival's first claim is `counter-taken`),
    and whether a person released it; None when there is no such tap or its card is not issued.
    """
    row = tx.execute(
        text(
            f"SELECT {_COLUMNS}, CASE WHEN {_DISPLACED} THEN 'counter-taken' ELSE t.exception END, {_RELEASED}"
            " FROM tap t JOIN card k ON k.card_id = t.card_id WHERE t.tap_id = :id"
        ),
        {"id": tap_id},
    ).first()
    return None if row is None else (_tap(row), row[24], row[25])


def count_vouched(tx: Connection, card_id: UUID, *, since: datetime) -> int:
    """Return how many taps of a medium rest on a valid proof and are of since then, to this moment's knowledge."""
    found = tx.execute(
        text(
            "SELECT count(*) FROM tap WHERE card_id = :card AND mac_valid AND tapped_at >= :since"
            " AND tap_day >= :day"
        ),
        {"card": card_id, "since": since, "day": since.astimezone(UTC).date()},
    )
    return int(found.scalar_one())


def release(tx: Connection, *, card_id: UUID, tap_id: UUID, reason: str, by: str, at: datetime) -> bool:
    """Let one tap through for pricing; False where it was before."""
    done = tx.execute(
        text(
            "INSERT INTO tap_release (card_id, tap_id, reason, released_by, released_at)"
            " VALUES (:card, :tap, :reason, :by, :at) ON CONFLICT ON CONSTRAINT tap_release_pk DO NOTHING"
        ),
        {"card": card_id, "tap": tap_id, "reason": reason, "by": by, "at": at},
    )
    return done.rowcount == 1


def _tap(row: Sequence[Any]) -> Tap:
    return Tap(
        TapId(row[0]),
        CardId(row[1]),
        FareAccountId(row[2]),
        DeviceId(row[3]),
        JournalId(row[4]),
        row[5],
        row[6] if row[6] <= LAST_COUNTER else 0,
        row[7],
        row[8],
        _CLOCKS[row[9]],
        _PURPOSES[row[10]],
        _PHASES[row[11]],
        row[12],
        row[13],
        row[14],
        row[15],
        row[16],
        row[17],
        row[18],
        _CONCESSIONS[row[19]],
        row[20],
        row[21],
        row[23],
        _KINDS[row[22]],
    )
