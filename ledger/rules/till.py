"""A conductor's, a kiosk's or a station's till: what it may hold, and a shift's states as one table. Pure.

What should lie in a till is what the books say lies in it: float and takings, less what was remitted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final, NewType
from uuid import UUID

from kernel.errors import DomainError
from kernel.money import Money

ShiftId = NewType("ShiftId", UUID)


class TillKind(Enum):
    """Where a till stands."""

    CONDUCTOR = "conductor"
    KIOSK = "kiosk"
    STATION = "station"


class TillShiftState(Enum):
    """Where a shift stands; cash is taken only while it is open."""

    OPEN = "open"
    COUNTED = "counted"
    CLOSED = "closed"


class TillEvent(Enum):
    """What happens in a shift after it was opened with its float."""

    TOPPED_UP = "topped_up"
    REMITTED = "remitted"
    COUNTED = "counted"
    CLOSED = "closed"


TRANSITIONS: Final[dict[TillShiftState, dict[TillEvent, TillShiftState]]] = {
    TillShiftState.OPEN: {
        TillEvent.TOPPED_UP: TillShiftState.OPEN,
        TillEvent.REMITTED: TillShiftState.OPEN,
        TillEvent.COUNTED: TillShiftState.COUNTED,
    },
    TillShiftState.COUNTED: {
        TillEvent.COUNTED: TillShiftState.COUNTED,
        TillEvent.CLOSED: TillShiftState.CLOSED,
    },
    TillShiftState.CLOSED: {},
}
assert TRANSITIONS.keys() == set(TillShiftState), "every state has a row, the final ones too"


class UnknownTillError(DomainError):
    """No till of this name was ever added."""

    detail = "There is no till “{till}”."


class TillDiffersError(DomainError):
    """The till was added before as something else."""

    detail = "Till “{till}” was added before with another {field}."


class TillTakenError(DomainError):
    """The name is a till of somebody else's."""

    detail = "Till “{till}” is not yours: give your own another name."


class NoOpenShiftError(DomainError):
    """Nobody has a shift at this till."""

    detail = "Till “{till}” has no shift: open one with its float first."


class TillShiftOpenError(DomainError):
    """The till's last shift is not closed."""

    detail = "Till “{till}” has a shift of {agent} that is not closed."


class TillShiftStateError(DomainError):
    """The event cannot happen to a shift in this state."""

    detail = "A shift that is {state} cannot be {event}."


class TillFullError(DomainError):
    """The till would hold more cash than it may: remit first."""

    detail = "Till “{till}” may hold {most} and would hold {cash}: hand cash in first."


class TillShortError(DomainError):
    """More is to leave the till or the office than lies there."""

    detail = "{asked} is to be taken where {there} lies."


class TillRefusedError(DomainError):
    """The rider's account takes no money."""

    detail = "The card cannot be loaded: {reason}."


class CountedBySameError(DomainError):
    """Who counted a till does not close its shift."""

    detail = "{actor} counted the till: another person must close the shift."


class TillMovedError(DomainError):
    """Cash moved after the count."""

    detail = "The books have {expected} in till “{till}” since it was counted: count it again."


@dataclass(frozen=True, slots=True)
class Till:
    """A till and how much cash it may hold."""

    name: str
    kind: TillKind
    most: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class TillFact:
    """One event of a shift; `expected` is what the books had in the till when it was counted."""

    event_id: UUID
    event: TillEvent
    amount: Money
    actor: str
    at: datetime
    expected: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TillShift:
    """A shift as its events leave it. `short` is what was lacking when it was closed (negative: too much)."""

    shift_id: ShiftId
    till: str
    agent: str
    float_: Money
    opened_by: str
    opened_at: datetime
    state: TillShiftState = TillShiftState.OPEN
    topped_up: Money
    remitted: Money
    counted: Money | None = None
    counted_by: str = ""
    expected: Money | None = None

    @property
    def short(self) -> Money | None:
        """Return what lacked at the count (negative: too much); None before it."""
        if self.counted is None or self.expected is None:
            return None
        return self.expected - self.counted


def step(shift: TillShift, event: TillEvent) -> TillShiftState:
    """Return the state after `event`; TillShiftStateError where the table has none."""
    to = TRANSITIONS[shift.state].get(event)
    if to is None:
        raise TillShiftStateError(state=shift.state.value, event=event.value)
    return to


def fold_shift(opened: TillShift, facts: Iterable[TillFact]) -> TillShift:
    """Return a shift with its events applied in order."""
    shift = opened
    for fact in facts:
        shift = replace(shift, state=step(shift, fact.event))
        match fact.event:
            case TillEvent.TOPPED_UP:
                shift = replace(shift, topped_up=shift.topped_up + fact.amount)
            case TillEvent.REMITTED:
                shift = replace(shift, remitted=shift.remitted + fact.amount)
            case TillEvent.COUNTED:
                shift = replace(shift, counted=fact.amount, counted_by=fact.actor, expected=fact.expected)
            case TillEvent.CLOSED:
                pass
    return shift


def check_room(till: Till, cash: Money, more: Money) -> None:
    """Refuse with TillFullError what the till may not hold besides `cash`."""
    if cash + more > till.most:
        raise TillFullError(till=till.name, most=till.most, cash=cash + more)


def check_there(asked: Money, there: Money) -> None:
    """Refuse with TillShortError to take what does not lie there."""
    if not Money.zero(asked.currency) < asked <= there:
        raise TillShortError(asked=asked, there=there)


def check_close(shift: TillShift, expected: Money, closer: str) -> None:
    """Refuse to close a shift by its counter (CountedBySameError), or after cash moved (TillMovedError)."""
    step(shift, TillEvent.CLOSED)
    if closer == shift.counted_by:
        raise CountedBySameError(actor=closer)
    if expected != shift.expected:
        raise TillMovedError(till=shift.till, expected=expected)
