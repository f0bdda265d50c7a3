"""The action list: what readers are asked to do to cards, by whom and why, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from uuid import UUID

from sqlalchemy import Connection

from access.rules.actionlist import MAX_ACTIONS, Action, ActionKind, ActionList
from access.store import card_actions as store
from access.store.card_actions import ActionRow
from access.store.cards import Card
from kernel.errors import DomainError
from kernel.ids import CardId


class ActionIdReusedError(DomainError):
    """The action's id was used before for something else."""

    detail = "Action {action_id} was asked for before, as something else."


class UnknownActionError(DomainError):
    """The card has no such action."""

    detail = "There is no action {action_id} for this card."


class ActionOutcome(Enum):
    """What became of an action."""

    DONE = "done"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


def want(
    tx: Connection,
    card: Card,
    kind: ActionKind,
    *,
    action_id: UUID,
    detail: Mapping[str, str],
    until_at: datetime,
    cause: str,
    actor: str,
    now: datetime,
) -> bool:
    """Ask readers for one action; False when this id did so before. Readers hear at the next publication.

    BadActionError, ActionIdReusedError.
    """
    asked = Action(card.serial, action_id, kind, detail, until_at)
    known = store.find(tx, card.card_id, action_id)
    if known is not None:
        if _action(known) != asked:
            raise ActionIdReusedError(action_id=str(action_id))
        return False
    store.insert(
        tx,
        ActionRow(card.card_id, action_id, card.serial, kind.value, detail, until_at, cause, actor, now),
    )
    return True


def finish(
    tx: Connection, card_id: CardId, action_id: UUID, outcome: ActionOutcome, *, by: str, now: datetime
) -> bool:
    """Record what became of an action; False when it has ended before, whatever is reported now. UnknownActionError."""
    if store.find(tx, card_id, action_id) is None:
        raise UnknownActionError(action_id=str(action_id))
    return store.insert_end(tx, card_id, action_id, outcome=outcome.value, by=by, at=now)


def find(tx: Connection, card_id: CardId, action_id: UUID) -> Action | None:
    """Return what was asked for under this id, whatever became of it; None for what was not asked of this card."""
    row = store.find(tx, card_id, action_id)
    return None if row is None else _action(row)


def list_of_card(tx: Connection, card_id: CardId) -> tuple[ActionRow, ...]:
    """Return all that was ever asked for a card, and what became of it."""
    return store.list_of_card(tx, card_id)


def publish(tx: Connection, *, now: datetime) -> ActionList:
    """Return the list as readers shall hold it: a new version only where it differs from the one before."""
    store.lock_publication(tx)
    newest = store.newest(tx)
    held = ActionList(0, ()) if newest is None else ActionList.decode(newest[1])
    made = ActionList.of(held.version + 1, (_action(row) for row in store.list_waiting(tx, now, MAX_ACTIONS)))
    if made.actions == held.actions:
        return held
    store.insert_version(tx, made.version, made.encode(), at=now)
    return made


def _action(row: ActionRow) -> Action:
    return Action(row.serial, row.action_id, ActionKind(row.action), row.detail, row.until_at)
