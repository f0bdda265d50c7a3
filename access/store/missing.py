"""SQL over taps that cards remember and nobody has delivered."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from access.rules.coded import LAST_COUNTER


class Missing(NamedTuple):
    """A tap that a card remembers and nobody has delivered: its counter, the reader that holds it, the tap after."""

    card_id: UUID
    counter: int
    held_by: UUID
    before: datetime


def list_missing(tx: Connection, *, since: datetime, limit: int) -> tuple[Missing, ...]:
    """Return the taps missing right before one made since then, the oldest first; proven torn ones are known."""
    rows = tx.execute(
        text(
            "SELECT c.card_id, c.counter - 1, c.previous_reader, c.tapped_at FROM tap_claim c"
            " WHERE c.tapped_at >= :since AND c.counter BETWEEN 2 AND :last"
            " AND NOT EXISTS (SELECT FROM tap_claim p WHERE p.card_id = c.card_id AND p.counter = c.counter - 1)"
            " AND NOT EXISTS (SELECT FROM tap_torn t WHERE t.card_id = c.card_id AND t.counter = c.counter - 1"
            "   AND t.tmv = c.prior_tmv)"
            " ORDER BY c.tapped_at, c.card_id LIMIT :limit"
        ),
        {"since": since, "limit": limit, "last": LAST_COUNTER},
    )
    return tuple(Missing(*row) for row in rows)
