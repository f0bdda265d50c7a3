"""What happens to a card after its issue: its state, its history and the deny list in one step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import deny, link
from access.deny import DenyReason
from access.issue import UnknownCardError
from access.rules.medium import (
    RESULT,
    MediumEvent,
    MediumState,
    OneActiveError,
    may_be_active,
    next_medium_state,
)
from access.store import card_events, cards
from access.store.card_events import EventRow
from access.store.cards import Card
from kernel.errors import DomainError
from kernel.ids import CardId, FareAccountId, uuid7

_DENIED_AS: Final[dict[MediumState, DenyReason | None]] = {
    MediumState.ISSUED: DenyReason.NOT_ACTIVE,
    MediumState.ACTIVE: None,
    MediumState.BLOCKED: DenyReason.BLOCKED,
    MediumState.LOST: DenyReason.LOST,
    MediumState.REPLACED: DenyReason.REPLACED,
    MediumState.EXPIRED: DenyReason.EXPIRED,
    MediumState.RETURNED: DenyReason.RETURNED,
    MediumState.RETIRED: DenyReason.REPLACED,
}
assert _DENIED_AS.keys() == set(MediumState), "every state says what readers are told"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class EventIdReusedError(DomainError):
    """The event's id was used before for something else that happened to this card."""

    detail = "Event {event_id} of this card was recorded before, as something else."


def change_state(
    tx: Connection,
    card_id: CardId,
    event: MediumEvent,
    *,
    reason: str,
    actor: str,
    now: datetime,
    event_id: UUID | None = None,
    detail: Mapping[str, str] = _NOTHING,
) -> MediumState:
    """Return the card's state after `event`, stored with who and why, the deny list brought into line.

    With an `event_id` of the caller's own the same event again changes nothing; another under it is
    EventIdReusedError. UnknownCardError; MediumTransitionError where the table has no such step; OneActiveError where
    another medium of the same person is active. Debts and findings of forgery stand until they are lifted
    themselves. The fare account is locked by the caller.
    """
    card = cards.find_card(tx, card_id=card_id, lock=True)
    if card is None:
        raise UnknownCardError
    if event_id is not None and (known := card_events.find_event(tx, card_id, event_id)) is not None:
        if known.event != event.value:
            raise EventIdReusedError(event_id=str(event_id))
        return RESULT[event]
    state = next_medium_state(card.state, event, card_id=str(card_id))
    if state is MediumState.ACTIVE:
        _check_alone(tx, card, now)
    cards.set_state(tx, card_id, state)
    made = EventRow(card_id, event_id or uuid7(now), event.value, reason, actor, now, detail)
    card_events.insert_event(tx, made)
    before, after = _DENIED_AS[card.state], _DENIED_AS[state]
    if before is not None and before is not after:
        deny.clear(tx, (card.serial,), reason=before, cause=event.value, now=now, actor=actor)
    if after is not None:
        deny.deny(tx, (card.serial,), reason=after, cause=event.value, now=now, actor=actor)
    return state


def list_history(tx: Connection, card_id: CardId) -> tuple[EventRow, ...]:
    """Return what happened to a card since its issue, oldest first."""
    return card_events.list_events(tx, card_id)


def list_expiring(tx: Connection, on: date, *, limit: int = 1_000) -> tuple[CardId, ...]:
    """Return cards that are past their last day on this date and not yet marked so, oldest first."""
    return tuple(CardId(card_id) for card_id in card_events.list_expiring(tx, on, limit))


def _check_alone(tx: Connection, card: Card, now: datetime) -> None:
    home = FareAccountId(card.fare_account_id)
    account = link.current(tx, home, at=now)
    beside = [
        other.kind
        for other in link.list_media(tx, (account,), at=now)
        if other.state is MediumState.ACTIVE and other.card_id != card.card_id
    ]
    if not may_be_active(card.kind, beside):
        raise OneActiveError
