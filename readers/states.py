"""The reader's life as one table: every state, and which event leads where.

The diagram in docs/readers.md is generated from TRANSITIONS (`python -m readers states`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final


class State(Enum):
    """Where the daemon stands; DONE means the proof is on disk, FEEDBACK that the rider sees it."""

    BOOT = "BOOT"
    SELFTEST = "SELFTEST"
    IDLE = "IDLE"
    ACTIVATE = "ACTIVATE"
    AUTH = "AUTH"
    READ = "READ"
    DECIDE = "DECIDE"
    INTENT = "INTENT"
    COMMIT = "COMMIT"
    DONE = "DONE"
    FEEDBACK = "FEEDBACK"
    WAIT_REMOVAL = "WAIT_REMOVAL"
    DEGRADED = "DEGRADED"
    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    MAINTENANCE = "MAINTENANCE"


class Event(Enum):
    """What happened; the card, the disk, the field and the operator each speak their own words."""

    STARTED = "started"
    TEST_GOOD = "test good"
    TEST_POOR = "test poor"
    CARD_SEEN = "card seen"
    ACTIVATED = "activated"
    AUTHENTICATED = "authenticated"
    CARD_READ = "card read"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    RECOVERED = "recovered"
    REPEATED = "repeated"
    VOUCHED = "vouched for"
    INTENT_SAVED = "intent saved"
    COMMITTED = "committed"
    TORN = "torn"
    DONE_SAVED = "done saved"
    CARD_BAD = "card bad"
    SHOWN = "shown"
    REMOVED = "removed"
    BROKEN = "broken"
    REPAIRED = "repaired"
    MAINTENANCE_ASKED = "maintenance asked"
    MAINTENANCE_OVER = "maintenance over"


# A card that vanishes, lies or breaks the protocol leads to FEEDBACK, where the light is amber or red:
# the only row that leads to a green one is DONE (and DECIDE for a tap that is already proven on disk). What is shown
# instead of a card (a code, a token) has nothing to commit: VOUCHED leads past INTENT and COMMIT.
TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.BOOT: {Event.STARTED: State.SELFTEST, Event.BROKEN: State.OUT_OF_SERVICE},
    State.SELFTEST: {
        Event.TEST_GOOD: State.IDLE,
        Event.TEST_POOR: State.DEGRADED,
        Event.BROKEN: State.OUT_OF_SERVICE,
    },
    State.IDLE: {
        Event.CARD_SEEN: State.ACTIVATE,
        Event.TEST_POOR: State.DEGRADED,
        Event.BROKEN: State.OUT_OF_SERVICE,
        Event.MAINTENANCE_ASKED: State.MAINTENANCE,
    },
    State.ACTIVATE: {
        Event.ACTIVATED: State.AUTH,
        Event.CARD_BAD: State.FEEDBACK,
        Event.BROKEN: State.OUT_OF_SERVICE,
    },
    State.AUTH: {
        Event.AUTHENTICATED: State.READ,
        Event.CARD_BAD: State.FEEDBACK,
        Event.BROKEN: State.OUT_OF_SERVICE,
    },
    State.READ: {
        Event.CARD_READ: State.DECIDE,
        Event.CARD_BAD: State.FEEDBACK,
        Event.BROKEN: State.OUT_OF_SERVICE,
    },
    State.DECIDE: {
        Event.ACCEPTED: State.INTENT,
        Event.RECOVERED: State.DONE,
        Event.VOUCHED: State.DONE,
        Event.REPEATED: State.FEEDBACK,
        Event.REFUSED: State.FEEDBACK,
        Event.CARD_BAD: State.FEEDBACK,
        Event.BROKEN: State.OUT_OF_SERVICE,
    },
    State.INTENT: {Event.INTENT_SAVED: State.COMMIT, Event.BROKEN: State.OUT_OF_SERVICE},
    State.COMMIT: {
        Event.COMMITTED: State.DONE,
        Event.TORN: State.FEEDBACK,
        Event.BROKEN: State.OUT_OF_SERVICE,
    },
    State.DONE: {Event.DONE_SAVED: State.FEEDBACK, Event.BROKEN: State.OUT_OF_SERVICE},
    State.FEEDBACK: {Event.SHOWN: State.WAIT_REMOVAL},
    State.WAIT_REMOVAL: {Event.REMOVED: State.IDLE, Event.BROKEN: State.OUT_OF_SERVICE},
    State.DEGRADED: {
        Event.CARD_SEEN: State.ACTIVATE,
        Event.TEST_GOOD: State.IDLE,
        Event.BROKEN: State.OUT_OF_SERVICE,
        Event.MAINTENANCE_ASKED: State.MAINTENANCE,
    },
    State.OUT_OF_SERVICE: {Event.REPAIRED: State.SELFTEST, Event.MAINTENANCE_ASKED: State.MAINTENANCE},
    State.MAINTENANCE: {Event.MAINTENANCE_OVER: State.SELFTEST, Event.BROKEN: State.OUT_OF_SERVICE},
}
assert TRANSITIONS.keys() == set(State), "every state has a row, the final ones too"


class Machine:
    """One reader's current state; only events of its row move it."""

    def __init__(self, watch: Callable[[State, Event, State], None] | None = None) -> None:
        self.state = State.BOOT
        self._watch = watch

    def on(self, event: Event) -> State:
        """Return the state that `event` leads to.

        An event that the state's row does not name is a programmer error (AssertionError).
        """
        before = self.state
        row = TRANSITIONS[before]
        assert event in row, f"{before.value} knows no '{event.value}'"
        self.state = row[event]
        if self._watch is not None:
            self._watch(before, event, self.state)
        return self.state


def diagram() -> str:
    """Return TRANSITIONS as a Mermaid state diagram, one line an edge, for docs/readers.md."""
    edges = [
        f"    {state.value} --> {after.value}: {event.value}"
        for state, row in TRANSITIONS.items()
        for event, after in row.items()
    ]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {State.BOOT.value}", *edges])
