"""A medium's life: a card from issue to replacement. One table."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Final

from kernel.errors import DomainError


class MediumState(Enum):
    """Where a card stands; only ACTIVE may tap. The others are on the deny list."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    LOST = "lost"
    REPLACED = "replaced"
    RETIRED = "retired"


class MediumEvent(Enum):
    """What happens to a card after issue."""

    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    REPORTED_LOST = "reported_lost"
    FOUND = "found"
    REPLACED = "replaced"
    RETIRED = "retired"


class MediumTransitionError(DomainError):
    """The card's state does not allow the event."""

    detail = "Card {card_id} is {state}; it cannot be {event}."


# REPLACED and RETIRED are final: the replacement is a medium of its own on the same fare account.
TRANSITIONS: Final[dict[MediumState, dict[MediumEvent, MediumState]]] = {
    MediumState.ACTIVE: {
        MediumEvent.BLOCKED: MediumState.BLOCKED,
        MediumEvent.REPORTED_LOST: MediumState.LOST,
        MediumEvent.REPLACED: MediumState.REPLACED,
        MediumEvent.RETIRED: MediumState.RETIRED,
    },
    MediumState.BLOCKED: {
        MediumEvent.UNBLOCKED: MediumState.ACTIVE,
        MediumEvent.REPORTED_LOST: MediumState.LOST,
        MediumEvent.REPLACED: MediumState.REPLACED,
        MediumEvent.RETIRED: MediumState.RETIRED,
    },
    MediumState.LOST: {
        MediumEvent.FOUND: MediumState.ACTIVE,
        MediumEvent.REPLACED: MediumState.REPLACED,
        MediumEvent.RETIRED: MediumState.RETIRED,
    },
    MediumState.REPLACED: {},
    MediumState.RETIRED: {},
}
assert TRANSITIONS.keys() == set(MediumState), "every state has a row, the final ones too"


def next_medium_state(state: MediumState, event: MediumEvent, *, card_id: str = "") -> MediumState:
    """Return the state after `event`; MediumTransitionError where the table has no such step."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise MediumTransitionError(card_id=card_id, state=state.value, event=event.value) from None


def expired(expires_on: date, on: date) -> bool:
    """Return whether a card is past its last day; on that day itself it still taps."""
    return on > expires_on
