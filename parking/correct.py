"""Corrections of a stay: void it, dispute it, uphold or refund it. Each is an event; the books follow by difference."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from parking.rules.session import EventKind
from parking.sessions import Session, lock_session, tell

_AFTER: Final = timedelta(microseconds=1)
CORRECTIONS: Final = frozenset({EventKind.VOIDED, EventKind.DISPUTED, EventKind.UPHELD, EventKind.REFUNDED})


def correct(
    tx: Connection, session_id: UUID, kind: EventKind, *, event_id: UUID, actor: str, now: datetime
) -> Session:
    """Tell a session of one of CORRECTIONS and return it.

    UnknownSessionError, SessionStateError where the table has no row, SessionIdReusedError. A voided or refunded stay
    costs nothing: what was charged goes back to the account, what a guest paid is to be given back.
    """
    assert kind in CORRECTIONS, f"{kind} is no correction"
    row = lock_session(tx, session_id, now)
    # After all that is known of it: at one instant the order would be that of the kinds, not that of the telling.
    return tell(tx, row, kind, event_id=event_id, at=max(now, row.last_at + _AFTER), actor=actor, now=now)
