"""Actions that readers carried out: a tap's record names the one, and the card's own proof vouches for it."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access import actions
from access.actions import ActionOutcome, UnknownActionError
from access.intake.examine import Seen
from access.rules.actionlist import REASON
from kernel.ids import CardId


def end_actions(tx: Connection, seen: Iterable[Seen], faulty: Container[int], *, now: datetime) -> None:
    """End the actions that these fresh records name, once each.

    Only a record with a valid MAC and no fault counts. A name that is none of this card's actions changes nothing:
    evidence never fails for it.
    """
    for one in seen:
        named = one.record.reason
        if not named.startswith(REASON) or one.card is None or not one.proof or one.record.sequence in faulty:
            continue
        try:
            action_id = UUID(named.removeprefix(REASON))
            actions.finish(
                tx,
                CardId(one.card.card_id),
                action_id,
                ActionOutcome.DONE,
                by=f"device {one.record.device_id}",
                now=now,
            )
        except (ValueError, UnknownActionError):
            continue
