"""How taps become rides: the one transition table; `fare.rules.journey` carries its acts out.

Its words are numbers, because looking those up costs a fifth: every tap of every rider passes here.
"""

from enum import IntEnum, auto
from typing import Final

from fare.rules.bill import Closed


class State(IntEnum):
    IDLE = auto()
    RIDING = auto()


class Event(IntEnum):
    ON = auto()
    OFF = auto()
    STRAY_OFF = auto()  # an off that cannot belong to the open ride
    LATE_OFF = auto()  # an off after the journey time limit
    REPEAT = auto()  # the same medium at the same place inside the passback interval
    COMPANION = auto()  # such a repeat where the tariff lets companions ride
    CONTINUED = auto()  # on again in another vehicle of the route, soon after
    INSPECTED = auto()  # shown to an inspector
    TORN = auto()  # the rider saw no green
    DAY_ENDS = auto()  # nothing more can be known of the open ride
    DAY_STAYS = auto()  # the open ride may still be closed


class Act(IntEnum):
    BEGIN = auto()
    FINISH = auto()
    FINISH_LATE = auto()
    ORPHAN = auto()
    ABANDON_BEGIN = auto()
    ABANDON_ORPHAN = auto()
    ABANDON = auto()
    ACCOMPANY = auto()
    REOPEN = auto()
    NOTE = auto()
    REST = auto()


TRANSITIONS: Final[dict[State, dict[Event, tuple[Act, State]]]] = {
    State.IDLE: {
        Event.ON: (Act.BEGIN, State.RIDING),
        Event.OFF: (Act.ORPHAN, State.IDLE),
        Event.REPEAT: (Act.NOTE, State.IDLE),
        Event.COMPANION: (Act.NOTE, State.IDLE),
        Event.CONTINUED: (Act.REOPEN, State.RIDING),
        Event.INSPECTED: (Act.NOTE, State.IDLE),
        Event.TORN: (Act.NOTE, State.IDLE),
        Event.DAY_ENDS: (Act.REST, State.IDLE),
    },
    State.RIDING: {
        Event.ON: (Act.ABANDON_BEGIN, State.RIDING),
        Event.OFF: (Act.FINISH, State.IDLE),
        Event.STRAY_OFF: (Act.ABANDON_ORPHAN, State.IDLE),
        Event.LATE_OFF: (Act.FINISH_LATE, State.IDLE),
        Event.REPEAT: (Act.NOTE, State.RIDING),
        Event.COMPANION: (Act.ACCOMPANY, State.RIDING),
        Event.CONTINUED: (Act.NOTE, State.RIDING),
        Event.INSPECTED: (Act.NOTE, State.RIDING),
        Event.TORN: (Act.NOTE, State.RIDING),
        Event.DAY_ENDS: (Act.ABANDON, State.IDLE),
        Event.DAY_STAYS: (Act.REST, State.RIDING),
    },
}
assert TRANSITIONS.keys() == set(State), "every state has a row, the final ones too"

# What a tap that makes no ride is noted as.
NOTED: Final[dict[Event, Closed]] = {
    Event.TORN: Closed.TORN,
    Event.REPEAT: Closed.PASSBACK,
    Event.COMPANION: Closed.PASSBACK,
    Event.CONTINUED: Closed.CONTINUED,
    Event.INSPECTED: Closed.INSPECTED,
}
assert {
    event for row in TRANSITIONS.values() for event, (act, _) in row.items() if act is Act.NOTE
} <= NOTED.keys()
