"""Goodwill in bulk: a batch that one person makes and another signs, as one transition table."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from kernel.errors import DomainError
from kernel.ids import FareAccountId
from kernel.money import Money

MAX_LINES: Final = 5_000
MAX_LINE_MINOR: Final = 10**9


class GoodwillState(StrEnum):
    """Where a batch stands; the values are the ones the table stores."""

    PROPOSED = "proposed"
    POSTED = "posted"
    REFUSED = "refused"
    UNDO_ASKED = "undo_asked"
    UNDONE = "undone"


class GoodwillEvent(StrEnum):
    """What people do to a batch; each needs another person than the step before it."""

    APPROVED = "approved"
    REFUSED = "refused"
    UNDO_ASKED = "undo_asked"
    UNDO_APPROVED = "undo_approved"
    UNDO_REFUSED = "undo_refused"


TRANSITIONS: Final[dict[GoodwillState, dict[GoodwillEvent, GoodwillState]]] = {
    GoodwillState.PROPOSED: {
        GoodwillEvent.APPROVED: GoodwillState.POSTED,
        GoodwillEvent.REFUSED: GoodwillState.REFUSED,
    },
    GoodwillState.POSTED: {GoodwillEvent.UNDO_ASKED: GoodwillState.UNDO_ASKED},
    GoodwillState.REFUSED: {},
    GoodwillState.UNDO_ASKED: {
        GoodwillEvent.UNDO_APPROVED: GoodwillState.UNDONE,
        GoodwillEvent.UNDO_REFUSED: GoodwillState.POSTED,
    },
    GoodwillState.UNDONE: {},
}
assert TRANSITIONS.keys() == set(GoodwillState), "every state has a row, the final ones too"
SIGNED: Final = frozenset(GoodwillEvent) - {GoodwillEvent.UNDO_ASKED}
"""Events of the second person: never whoever asked for it."""


class GoodwillLinesError(DomainError):
    """The batch cannot be: `errors` names every line that is wrong."""

    detail = "The batch has {count} errors; nothing was kept."


class GoodwillStateError(DomainError):
    """The batch is not in a state that allows this."""

    detail = "Batch {batch_id} is {state}: it cannot be {event}."


class GoodwillOnePersonError(DomainError):
    """The same person asked and signed."""

    detail = "{person} asked for this and cannot sign it."


class GoodwillLine(NamedTuple):
    """An amount for a rider, with the line of the file it comes from."""

    account: FareAccountId
    amount: Money
    line_no: int


def check_lines(lines: Sequence[GoodwillLine]) -> Money:
    """Return the batch's total; GoodwillLinesError names every line that cannot be."""
    errors = []
    seen: dict[FareAccountId, int] = {}
    if not 0 < len(lines) <= MAX_LINES:
        errors.append({"line": 0, "why": f"a batch has 1 to {MAX_LINES} lines, this one {len(lines)}"})
    for line in lines:
        if not 0 < line.amount.minor <= MAX_LINE_MINOR:
            errors.append({"line": line.line_no, "why": f"an amount is 1 to {MAX_LINE_MINOR} minor units"})
        if line.account in seen:
            errors.append({"line": line.line_no, "why": f"the same rider as line {seen[line.account]}"})
        seen.setdefault(line.account, line.line_no)
    if errors:
        raise GoodwillLinesError(count=len(errors), errors=errors[:100])
    return sum((line.amount for line in lines[1:]), lines[0].amount)


def step(state: GoodwillState, event: GoodwillEvent, batch_id: UUID) -> GoodwillState:
    """Return the next state; GoodwillStateError where the table has none."""
    found = TRANSITIONS[state].get(event)
    if found is None:
        raise GoodwillStateError(batch_id=str(batch_id), state=state.value, event=event.value)
    return found


def check_second_person(asked_by: str, by: str) -> None:
    """Refuse a signature by whoever asked: GoodwillOnePersonError."""
    if not by.strip() or asked_by.strip().casefold() == by.strip().casefold():
        raise GoodwillOnePersonError(person=by)
