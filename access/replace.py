"""A card is replaced: its fare account stays, with balance, passes and history; only the medium changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import block, issue
from access.issue import IssuedCard, NewCard, UnknownCardError
from access.keyring import Keyring
from access.rules.medium import MediumEvent, MediumState
from access.store import card_events, cards
from access.store.cards import Card
from kernel.ids import CardId, FareAccountId

_SERIAL: Final = "replacement_serial"


@dataclass(frozen=True, slots=True)
class Replaced:
    """The card that was, and its replacement; `made` is None when the same request was carried out before."""

    old: Card
    new: Card
    made: IssuedCard | None


def replace_card(
    tx: Connection,
    card_id: CardId,
    asked: NewCard,
    *,
    keyring: Keyring,
    event_id: UUID,
    reason: str,
    actor: str,
    now: datetime,
) -> Replaced:
    """Return the replacement of a card, issued on the same fare account; the old one is denied for good.

    The replacement is active only where the old card was (or was lost): it inherits no block. The same `event_id`
    again returns the first replacement. UnknownCardError, MediumTransitionError, CardIssuedError,
    EventIdReusedError. The fare account is locked by the caller.
    """
    old = cards.find_card(tx, card_id=card_id, lock=True)
    if old is None:
        raise UnknownCardError
    known = card_events.find_event(tx, card_id, event_id)
    if known is not None:
        if known.event != MediumEvent.REPLACED.value:
            raise block.EventIdReusedError(event_id=str(event_id))
        new = issue.get_card(tx, serial=int(known.detail[_SERIAL]))
        kept = asked.random_uid or asked.stored_value
        if new.uid_hash != issue.uid_hash(keyring, asked.uid) or (new.uid_sealed is not None) != kept:
            raise block.EventIdReusedError(event_id=str(event_id))
        return Replaced(old, new, None)
    (serial,) = cards.next_serials(tx, 1)
    block.change_state(
        tx,
        card_id,
        MediumEvent.REPLACED,
        reason=reason,
        actor=actor,
        now=now,
        event_id=event_id,
        detail={_SERIAL: str(serial)},
    )
    (made,) = issue.issue_cards(
        tx,
        keyring=keyring,
        asked=(
            replace(
                asked,
                active=asked.active
                and old.state in {MediumState.ACTIVE, MediumState.LOST, MediumState.EXPIRED},
                fare_account_id=FareAccountId(old.fare_account_id),
            ),
        ),
        now=now,
        serials=(serial,),
    )
    return Replaced(old, issue.get_card(tx, serial=serial), made)
