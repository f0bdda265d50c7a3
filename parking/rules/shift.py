"""An attendant's shift at a till: float, takings, drops, a count, a variance explained, and two signatures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

from kernel.errors import DomainError
from kernel.money import Money


class ShiftState(Enum):
    """Where a shift stands."""

    OPEN = "open"
    COUNTED = "counted"
    EXPLAINED = "explained"
    CLOSED = "closed"


class ShiftEventKind(Enum):
    """What happens to a shift after it was opened."""

    DROPPED = "dropped"
    COUNTED = "counted"
    EXPLAINED = "explained"
    CLOSED = "closed"


TRANSITIONS: Final[dict[ShiftState, dict[ShiftEventKind, ShiftState]]] = {
    ShiftState.OPEN: {
        ShiftEventKind.DROPPED: ShiftState.OPEN,
        ShiftEventKind.COUNTED: ShiftState.COUNTED,
    },
    ShiftState.COUNTED: {
        ShiftEventKind.COUNTED: ShiftState.COUNTED,
        ShiftEventKind.EXPLAINED: ShiftState.EXPLAINED,
        ShiftEventKind.CLOSED: ShiftState.CLOSED,
    },
    ShiftState.EXPLAINED: {
        ShiftEventKind.COUNTED: ShiftState.COUNTED,
        ShiftEventKind.CLOSED: ShiftState.CLOSED,
    },
    ShiftState.CLOSED: {},
}
assert TRANSITIONS.keys() == set(ShiftState), "every state has a row, the final ones too"


class ShiftStateError(DomainError):
    """The event cannot happen to a shift in this state."""

    detail = "A shift that is {state} cannot be {event}."


class VarianceUnexplainedError(DomainError):
    """Cash counted and cash expected differ, and nobody has said why."""

    detail = (
        "{counted} was counted where {expected} is expected: explain {variance} before the shift is closed."
    )


class SameSignerError(DomainError):
    """The one who counted a shift cannot close it: it is signed from both sides."""

    detail = "The shift was counted by the same person: another one closes it."


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftEvent:
    """One fact about a shift. `amount` is what was dropped or counted."""

    event_id: UUID
    kind: ShiftEventKind
    at: datetime
    actor: str
    amount: Money | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A shift as its events leave it. `taken` is cash in, less cash given back, until the count (or now)."""

    shift_id: UUID
    place_id: str
    operator_id: str
    till: str
    attendant: str
    opened_at: datetime
    opened_by: str
    float_: Money
    taken: Money
    dropped: Money
    state: ShiftState = ShiftState.OPEN
    counted: Money | None = None
    counted_at: datetime | None = None
    counted_by: str = ""
    explanation: str = ""
    closed_at: datetime | None = None
    closed_by: str = ""

    @property
    def expected(self) -> Money:
        """Return the cash that should lie in the till."""
        return self.float_ + self.taken - self.dropped

    @property
    def variance(self) -> Money | None:
        """Return what was counted beyond what is expected (negative: short); None before the count."""
        return None if self.counted is None else self.counted - self.expected


def fold_shift(opened: Shift, events: Iterable[ShiftEvent]) -> Shift:
    """Return a shift with its events applied in order; ShiftStateError where the table has no row."""
    shift = opened
    for event in events:
        shift = _step(shift, event)
    return shift


def check_close(shift: Shift, closer: str) -> None:
    """Refuse to close a shift that its counter closes (SameSignerError) or whose variance nobody has explained."""
    if closer == shift.counted_by:
        raise SameSignerError
    variance = shift.variance
    if shift.state is ShiftState.COUNTED and variance:
        raise VarianceUnexplainedError(
            counted=str(shift.counted), expected=str(shift.expected), variance=str(variance)
        )


def _step(shift: Shift, event: ShiftEvent) -> Shift:
    state = TRANSITIONS[shift.state].get(event.kind)
    if state is None:
        raise ShiftStateError(state=shift.state.value, event=event.kind.value)
    shift = replace(shift, state=state)
    match event.kind:
        case ShiftEventKind.DROPPED:
            assert event.amount is not None, "a drop has an amount"
            return replace(shift, dropped=shift.dropped + event.amount)
        case ShiftEventKind.COUNTED:
            return replace(
                shift, counted=event.amount, counted_at=event.at, counted_by=event.actor, explanation=""
            )
        case ShiftEventKind.EXPLAINED:
            return replace(shift, explanation=event.note)
        case ShiftEventKind.CLOSED:
            return replace(shift, closed_at=event.at, closed_by=event.actor)
