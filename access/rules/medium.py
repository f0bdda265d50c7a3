"""A medium's life, from issue to its end: one table for every kind of medium."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import Enum
from typing import Final

from kernel.errors import DomainError


class MediumKind(Enum):
    """What a rider presents. All but a card and a phone stand for the account only and hold nothing of their own."""

    TRANSIT = "transit"
    VIRTUAL = "virtual"
    """The same application on a phone."""
    QR = "qr"
    CITIZEN = "citizen"
    """A chip citizen ID by its token: its identity data is never read."""
    BANK = "bank"
    """A bank card by its payment token."""
    FELICA = "felica"
    """A FeliCa card or phone by its IDm, a number that can be copied."""


EXCLUSIVE: Final = frozenset({MediumKind.TRANSIT, MediumKind.VIRTUAL})
"""Of these one is active per person, never two (Hanoi's rule: a virtual or a physical card, never both)."""


class MediumState(Enum):
    """Where a medium stands; only ACTIVE may tap. The others are on the deny list."""

    ISSUED = "issued"
    """Made and not yet handed out: worthless to whoever steals the box."""
    ACTIVE = "active"
    BLOCKED = "blocked"
    LOST = "lost"
    REPLACED = "replaced"
    EXPIRED = "expired"
    RETURNED = "returned"
    RETIRED = "retired"


class MediumEvent(Enum):
    """What happens to a medium after issue."""

    ACTIVATED = "activated"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    REPORTED_LOST = "reported_lost"
    FOUND = "found"
    REPLACED = "replaced"
    EXPIRED = "expired"
    RETURNED = "returned"
    """Handed in by its holder, what it stored paid out."""
    RETIRED = "retired"
    """Withdrawn by the issuer; what the account holds stays there."""


class MediumTransitionError(DomainError):
    """The card's state does not allow the event."""

    detail = "Card {card_id} is {state}; it cannot be {event}."


class OneActiveError(DomainError):
    """Another card or phone of this person is active: a virtual or a physical one is, never both."""

    detail = "Another medium of this person is active; block it first."


_ENDS: Final[dict[MediumEvent, MediumState]] = {
    MediumEvent.REPLACED: MediumState.REPLACED,
    MediumEvent.RETURNED: MediumState.RETURNED,
    MediumEvent.RETIRED: MediumState.RETIRED,
}

# REPLACED, RETURNED and RETIRED are final: a replacement is a medium of its own on the same fare account. An expired
# one can still be replaced or handed in, for its account lives on. What was never activated is neither blocked nor
# lost: it is on the deny list already, and nobody may unblock it past its activation.
TRANSITIONS: Final[dict[MediumState, dict[MediumEvent, MediumState]]] = {
    MediumState.ISSUED: {
        MediumEvent.ACTIVATED: MediumState.ACTIVE,
        MediumEvent.EXPIRED: MediumState.EXPIRED,
        **_ENDS,
    },
    MediumState.ACTIVE: {
        MediumEvent.BLOCKED: MediumState.BLOCKED,
        MediumEvent.REPORTED_LOST: MediumState.LOST,
        MediumEvent.EXPIRED: MediumState.EXPIRED,
        **_ENDS,
    },
    MediumState.BLOCKED: {
        MediumEvent.UNBLOCKED: MediumState.ACTIVE,
        MediumEvent.REPORTED_LOST: MediumState.LOST,
        MediumEvent.EXPIRED: MediumState.EXPIRED,
        **_ENDS,
    },
    MediumState.LOST: {
        MediumEvent.FOUND: MediumState.ACTIVE,
        MediumEvent.REPLACED: MediumState.REPLACED,
        MediumEvent.RETIRED: MediumState.RETIRED,
    },
    MediumState.EXPIRED: _ENDS,
    MediumState.REPLACED: {},
    MediumState.RETURNED: {},
    MediumState.RETIRED: {},
}
assert TRANSITIONS.keys() == set(MediumState), "every state has a row, the final ones too"

RESULT: Final[dict[MediumEvent, MediumState]] = {
    event: state for row in TRANSITIONS.values() for event, state in row.items()
}
"""Where each event leads: always to one state, so that the same event again finds its work done."""
assert RESULT.keys() == set(MediumEvent), "no event without a step"

FINAL: Final = frozenset(state for state, row in TRANSITIONS.items() if not row)


def next_medium_state(state: MediumState, event: MediumEvent, *, card_id: str = "") -> MediumState:
    """Return the state after `event`; MediumTransitionError where the table has no such step."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise MediumTransitionError(card_id=card_id, state=state.value, event=event.value) from None


def may_be_active(kind: MediumKind, active: Iterable[MediumKind]) -> bool:
    """Return whether a medium of `kind` may become active beside those of the same person that are."""
    return kind not in EXCLUSIVE or EXCLUSIVE.isdisjoint(active)


def expired(expires_on: date, on: date) -> bool:
    """Return whether a card is past its last day; on that day itself it still taps."""
    return on > expires_on


def diagram() -> str:
    """Return the table as a Mermaid state diagram, for docs/cards.md."""
    lines = ["stateDiagram-v2", "    [*] --> issued", "    [*] --> active"]
    lines += [
        f"    {state.value} --> {after.value}: {event.value}"
        for state, row in TRANSITIONS.items()
        for event, after in row.items()
    ]
    lines += [f"    {state.value} --> [*]" for state in MediumState if state in FINAL]
    return "\n".join(lines)
