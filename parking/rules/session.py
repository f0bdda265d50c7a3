"""The states of a parking session (APDS) and the one table of what moves it; missing events have rows and cases."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

from parking.rules.errors import SessionStateError


class State(Enum):
    """Where a session stands. EXPECTED is before anything is known of it."""

    EXPECTED = "expected"
    RESERVED = "reserved"
    OPEN = "open"
    EXTENDED = "extended"
    PAID_AHEAD = "paid_ahead"
    OVERSTAYED = "overstayed"
    LEFT = "left"
    DISPUTED = "disputed"
    REFUNDED = "refunded"
    VOIDED = "voided"


class EventKind(Enum):
    """What can happen to a session. EXPIRED is concluded from the events around it, and so is a card's MISSED_EXIT."""

    RESERVED = "reserved"
    ENTERED = "entered"
    PAID = "paid"
    EXTENDED = "extended"
    EXPIRED = "expired"
    LEFT = "left"
    MISSED_EXIT = "missed_exit"
    NO_SHOW = "no_show"
    VOIDED = "voided"
    DISPUTED = "disputed"
    UPHELD = "upheld"
    REFUNDED = "refunded"


class Case(Enum):
    """Why somebody should look at a stay; it goes to the exception queue and stays counted."""

    MISSING_ENTRY = "missing_entry"
    MISSING_EXIT = "missing_exit"
    NO_SHOW = "no_show"
    CLOCKS_DISAGREE = "clocks_disagree"
    OUT_OF_TURN = "out_of_turn"
    NO_RATE = "no_rate"
    UNKNOWN_PLACE = "unknown_place"
    MERGED = "merged"  # its events belong to another stay, since an earlier one was learnt of


class Step(NamedTuple):
    """The state that follows, and the case that the step opens."""

    to: State
    case: Case | None = None


_RUNNING: Final = {
    EventKind.ENTERED: Step(State.OPEN),
    EventKind.PAID: Step(State.PAID_AHEAD),
    EventKind.EXTENDED: Step(State.EXTENDED),
    EventKind.LEFT: Step(State.LEFT),
    EventKind.MISSED_EXIT: Step(State.LEFT, Case.MISSING_EXIT),
    EventKind.VOIDED: Step(State.VOIDED),
}
TRANSITIONS: Final[dict[State, dict[EventKind, Step]]] = {
    State.EXPECTED: {
        EventKind.RESERVED: Step(State.RESERVED),
        EventKind.ENTERED: Step(State.OPEN),
        EventKind.PAID: Step(State.PAID_AHEAD),
        EventKind.LEFT: Step(State.LEFT, Case.MISSING_ENTRY),
    },
    State.RESERVED: {
        EventKind.ENTERED: Step(State.OPEN),
        EventKind.PAID: Step(State.RESERVED),
        EventKind.EXTENDED: Step(State.RESERVED),
        EventKind.LEFT: Step(State.LEFT, Case.MISSING_ENTRY),
        EventKind.NO_SHOW: Step(State.VOIDED, Case.NO_SHOW),
        EventKind.VOIDED: Step(State.VOIDED),
    },
    State.OPEN: {**_RUNNING},
    State.EXTENDED: {
        **_RUNNING,
        EventKind.ENTERED: Step(State.EXTENDED),
        EventKind.EXPIRED: Step(State.OVERSTAYED),
    },
    State.PAID_AHEAD: {
        **_RUNNING,
        EventKind.ENTERED: Step(State.PAID_AHEAD),
        EventKind.EXPIRED: Step(State.OVERSTAYED),
    },
    State.OVERSTAYED: {**_RUNNING, EventKind.ENTERED: Step(State.OVERSTAYED)},
    State.LEFT: {
        EventKind.LEFT: Step(State.LEFT),
        EventKind.MISSED_EXIT: Step(State.LEFT),  # the exit was learnt of after all
        EventKind.DISPUTED: Step(State.DISPUTED),
        EventKind.REFUNDED: Step(State.REFUNDED),
        EventKind.VOIDED: Step(State.VOIDED),
    },
    State.DISPUTED: {
        EventKind.UPHELD: Step(State.LEFT),
        EventKind.REFUNDED: Step(State.REFUNDED),
        EventKind.VOIDED: Step(State.VOIDED),
    },
    State.REFUNDED: {},
    State.VOIDED: {},
}
assert TRANSITIONS.keys() == set(State), "every state has a row, the final ones too"

RUNNING: Final = frozenset({State.OPEN, State.EXTENDED, State.PAID_AHEAD, State.OVERSTAYED})
PRICED: Final = frozenset({State.LEFT, State.DISPUTED})


def find_step(state: State, event: EventKind) -> Step | None:
    """Return the step an event makes from a state, or None where the table has no row."""
    return TRANSITIONS[state].get(event)


def take_step(state: State, event: EventKind) -> Step:
    """Return the step an event makes from a state; SessionStateError where the table has no row."""
    step = find_step(state, event)
    if step is None:
        raise SessionStateError(state=state.value, event=event.value)
    return step


def state_at(state: State, paid_until: datetime | None, at: datetime) -> State:
    """Return a state as it is by an instant: where paid time has ended by then, a session is overstayed."""
    ended = paid_until is not None and at > paid_until
    step = find_step(state, EventKind.EXPIRED) if ended else None
    return step.to if step else state


def diagram() -> str:
    """Return the table as a Mermaid state diagram, as docs/parking.md shows it."""
    lines = ["stateDiagram-v2", "    [*] --> expected"]
    for state, row in TRANSITIONS.items():
        for event, step in row.items():
            case = f" (case: {step.case.value})" if step.case else ""
            lines.append(f"    {state.value} --> {step.to.value}: {event.value}{case}")
        if not row:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join(lines)
