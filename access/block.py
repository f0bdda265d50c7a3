"""A card is blocked, reported lost, found, replaced or retired: its state, its history and the deny list in one."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from access import deny
from access.deny import DenyReason
from access.issue import UnknownCardError
from access.rules.medium import MediumEvent, MediumState, next_medium_state
from access.store import cards
from kernel.ids import CardId, uuid7

_DENIED_AS: Final[dict[MediumState, DenyReason | None]] = {
    MediumState.ACTIVE: None,
    MediumState.BLOCKED: DenyReason.BLOCKED,
    MediumState.LOST: DenyReason.LOST,
    MediumState.REPLACED: DenyReason.REPLACED,
    MediumState.RETIRED: DenyReason.REPLACED,
}
assert _DENIED_AS.keys() == set(MediumState), "every state says what readers are told"


def change_state(
    tx: Connection, card_id: CardId, event: MediumEvent, *, reason: str, actor: str, now: datetime
) -> MediumState:
    """Return the card's state after `event`, stored with who and why, the deny list brought into line.

    UnknownCardError; MediumTransitionError where the table has no such step. Debts and findings of forgery stand
    until they are lifted themselves.
    """
    card = cards.find_card(tx, card_id=card_id, lock=True)
    if card is None:
        raise UnknownCardError
    state = next_medium_state(card.state, event, card_id=str(card_id))
    cards.set_state(tx, card_id, state)
    cards.insert_event(
        tx, card_id=card_id, event_id=uuid7(now), event=event.value, reason=reason, actor=actor, at=now
    )
    before, after = _DENIED_AS[card.state], _DENIED_AS[state]
    if before is not None and before is not after:
        deny.clear(tx, (card.serial,), reason=before, cause=event.value, now=now)
    if after is not None:
        deny.deny(tx, (card.serial,), reason=after, cause=event.value, now=now)
    return state
