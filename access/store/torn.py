"""SQL over torn taps whose end became known only later: by what the card said, or did, at another tap."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from access.store.arrays import bigints, uuids
from access.store.committed import is_committed
from access.store.evidence import SealedTap


class SettledTorn(NamedTuple):
    """A torn tap, and whether its card had committed it."""

    card_id: UUID
    tap: SealedTap
    committed: bool


def list_settled_of_waiting(tx: Connection, keys: Iterable[tuple[UUID, int]]) -> tuple[SettledTorn, ...]:
    """Return the torn taps at these (card, counter) whose end is known, of cards that an action waits for.

    One had committed when a later tap of the card read its MAC value from file 0F. It had not when another transaction
    of the card has its counter.
    """
    wanted = set(keys)
    found = tx.execute(
        text(
            f"SELECT * FROM (SELECT t.card_id, t.tap_id, t.tapped_at, {is_committed('t')} AS committed,"
            "  EXISTS (SELECT FROM tap_claim c WHERE c.card_id = t.card_id AND c.counter = t.counter"
            "   AND c.tmv <> t.tmv) AS displaced"
            "  FROM unnest(CAST(:cards AS uuid[]), CAST(:counters AS bigint[])) AS n (card_id, counter)"
            "  JOIN tap_torn t ON t.card_id = n.card_id AND t.counter = n.counter"
            "  WHERE EXISTS (SELECT FROM card_action a WHERE a.card_id = t.card_id AND NOT EXISTS"
            "   (SELECT FROM card_action_end e WHERE e.card_id = a.card_id AND e.action_id = a.action_id))) AS torn"
            " WHERE committed OR displaced"
        ),
        {"cards": uuids(key[0] for key in wanted), "counters": bigints(key[1] for key in wanted)},
    ).all()
    return tuple(_settled(tx, *row[:4]) for row in found)


def _settled(tx: Connection, card_id: UUID, tap_id: UUID, at: datetime, committed: bool) -> SettledTorn:
    # By its day, and only where there is one: planning a statement over every day's taps takes longer than an upload's.
    row = tx.execute(
        text(
            "SELECT tap_id, record_hash, sealed_under, sealed FROM tap"
            " WHERE tap_day = :day AND card_id = :card AND tap_id = :tap"
        ),
        {"day": at.astimezone(UTC).date(), "card": card_id, "tap": tap_id},
    ).one()
    return SettledTorn(card_id, SealedTap(row[0], bytes(row[1]), row[2], bytes(row[3])), committed)
