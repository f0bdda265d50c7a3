"""SQL over what stored-value cards held: neighbours that do not fit, loads that nobody asked for. Inserted, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from access.store.arrays import bigints, uuids
from access.store.committed import is_committed


class Break(NamedTuple):
    """A tap that found something else on its card than the known tap before it had left there."""

    card_id: UUID
    counter: int
    tap_id: UUID
    device_id: UUID


class OddLoad(NamedTuple):
    """A tap whose load is not what was asked for; `action_id` is the one that it names."""

    card_id: UUID
    counter: int
    tap_id: UUID
    device_id: UUID
    action_id: UUID | None


# A torn tap counts once a later one proves that it had committed.
_KNOWN: Final = f"({{0}}.torn_tmv IS NULL OR {is_committed('{0}', 'torn_tmv')})"
_CHANGED: Final = """WITH n AS (SELECT DISTINCT card_id, counter
  FROM unnest(CAST(:cards AS uuid[]), CAST(:counters AS bigint[])) AS n (card_id, counter))"""


def _breaks(file: str) -> str:
    """Return the SQL for one file: pairs of taps that looked at it, with every tap between them known.

    Only pairs around a tap that is new are looked at, so that a case that a person closed is not opened again.
    """
    looked = f"{{0}}.{file}_before IS NOT NULL AND {_KNOWN}"
    of_h, of_a, of_b = (looked.format(name) for name in "hab")
    first = "SELECT h.counter FROM tap_held h WHERE h.card_id = n.card_id AND h.counter"
    return f"""{_CHANGED},
  late AS (SELECT DISTINCT n.card_id, b.counter FROM n CROSS JOIN LATERAL (
    ({first} >= n.counter AND {of_h} ORDER BY h.counter LIMIT 1)
    UNION ({first} > n.counter AND {of_h} ORDER BY h.counter LIMIT 1)) b),
  pair AS (SELECT late.card_id, a.counter AS one, late.counter AS two FROM late CROSS JOIN LATERAL (
    SELECT h.counter FROM tap_held h WHERE h.card_id = late.card_id AND h.counter < late.counter AND {of_h}
    ORDER BY h.counter DESC LIMIT 1) a)
SELECT DISTINCT b.card_id, b.counter, b.tap_id, b.device_id FROM pair p
  JOIN tap_held a ON a.card_id = p.card_id AND a.counter = p.one AND {of_a}
  JOIN tap_held b ON b.card_id = p.card_id AND b.counter = p.two AND {of_b}
WHERE a.{file}_after <> b.{file}_before AND p.two - p.one - 1 = (
  SELECT count(DISTINCT h.counter) FROM tap_held h
  WHERE h.card_id = p.card_id AND h.counter > p.one AND h.counter < p.two AND {_KNOWN.format("h")})"""


_PURSE: Final = _breaks("purse")
_TRIPS: Final = _breaks("trips")
_ASKED: Final = (
    "SELECT FROM card_action a WHERE a.card_id = h.card_id AND a.action_id = h.action_id"
    " AND a.action = 'load_purse'"
)
_LOADS: Final = f"""{_CHANGED},
  mine AS (SELECT h.card_id, h.counter, h.action_id FROM n JOIN tap_held h USING (card_id, counter)
    WHERE (h.loaded > 0 OR h.action_id IS NOT NULL) AND {_KNOWN.format("h")})
SELECT DISTINCT h.card_id, h.counter, h.tap_id, h.device_id, h.action_id
FROM mine m JOIN tap_held h ON h.card_id = m.card_id AND (h.counter = m.counter OR h.action_id = m.action_id)
WHERE {_KNOWN.format("h")} AND (h.loaded > 0 OR EXISTS ({_ASKED})) AND (
  NOT EXISTS ({_ASKED} AND CAST(a.detail->>'amount' AS bigint) = h.loaded
    AND a.detail->>'device' = CAST(h.device_id AS text) AND NOT EXISTS (
      SELECT FROM card_action_end e WHERE e.card_id = a.card_id AND e.action_id = a.action_id
       AND e.outcome = 'withdrawn'))
  OR EXISTS (SELECT FROM tap_held o WHERE o.card_id = h.card_id AND o.action_id = h.action_id
    AND o.counter <> h.counter AND o.loaded > 0 AND {_KNOWN.format("o")}))"""


def list_purse_breaks(tx: Connection, changed: Iterable[tuple[UUID, int]]) -> tuple[Break, ...]:
    """Return the taps beside these (card, counter), or at them, that found another purse than was left."""
    return tuple(Break(*row) for row in tx.execute(text(_PURSE), _keys(changed)))


def list_trips_breaks(tx: Connection, changed: Iterable[tuple[UUID, int]]) -> tuple[Break, ...]:
    """Return the same for file 05."""
    return tuple(Break(*row) for row in tx.execute(text(_TRIPS), _keys(changed)))


def list_odd_loads(tx: Connection, changed: Iterable[tuple[UUID, int]]) -> tuple[OddLoad, ...]:
    """Return the loads at these (card, counter) that were not asked for so, and all of one that was made twice."""
    return tuple(OddLoad(*row) for row in tx.execute(text(_LOADS), _keys(changed)))


def _keys(changed: Iterable[tuple[UUID, int]]) -> dict[str, object]:
    wanted = set(changed)
    return {"cards": uuids(key[0] for key in wanted), "counters": bigints(key[1] for key in wanted)}
