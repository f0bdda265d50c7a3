"""From evidence to stays: which events are one vehicle's one visit, whatever order they were learnt in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from kernel.ids import uuid8
from parking.rules.session import RUNNING, Case, EventKind, State, find_step, state_at

__all__ = ["PASSBACK", "EventKind", "Stay", "StayEvent", "fold_stays", "in_order"]

PASSBACK: Final = timedelta(minutes=5)  # a second tap at the same place within it repeats the first

# What can only follow something else comes after it, also at one instant.
_AT_ONE_INSTANT: Final = (
    EventKind.RESERVED,
    EventKind.ENTERED,
    EventKind.PAID,
    EventKind.EXTENDED,
    EventKind.EXPIRED,
    EventKind.LEFT,
    EventKind.MISSED_EXIT,
    EventKind.NO_SHOW,
    EventKind.DISPUTED,
    EventKind.UPHELD,
    EventKind.REFUNDED,
    EventKind.VOIDED,
)
assert set(_AT_ONE_INSTANT) == set(EventKind), "every kind has its turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class StayEvent:
    """One fact about a stay, with its own time.

    `subject` is what parks: a card, a ticket or a plate. `order` is the card's own order of its taps (§8.3), None
    for facts that only a clock orders. `until` is the end of time paid or extended, or of a reservation's hold; on
    an exit it is the instant of the binding quote that was paid.
    """

    event_id: UUID
    kind: EventKind
    subject: UUID
    at: datetime
    place_id: str
    gate_id: str = ""
    vehicle_class: str = ""
    user: str = "casual"
    order: tuple[int, bytes, bytes, int] | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One visit: its events in order, and what the transition table made of them."""

    stay_id: UUID
    subject: UUID
    place_id: str
    state: State
    events: tuple[StayEvent, ...]
    cases: tuple[Case, ...] = ()

    def first(self, kind: EventKind) -> StayEvent | None:
        """Return the earliest event of a kind, in the stay's order."""
        return next((each for each in self.events if each.kind is kind), None)

    @property
    def entered_at(self) -> datetime | None:
        """Return when it was first seen coming in; None where that is not known."""
        found = self.first(EventKind.ENTERED)
        return found.at if found else None

    @property
    def left_at(self) -> datetime | None:
        """Return when it was first seen going out; None where that is not known."""
        found = self.first(EventKind.LEFT)
        return found.at if found else None

    @property
    def priced_until(self) -> datetime | None:
        """Return the end that is priced: the exit, or the earlier instant of a quote that still bound at it."""
        found = self.first(EventKind.LEFT)
        return (found.until or found.at) if found else None

    @property
    def vehicle_class(self) -> str:
        """Return the class the first event that names one names."""
        return next((each.vehicle_class for each in self.events if each.vehicle_class), "")

    @property
    def user(self) -> str:
        """Return the kind of user (casual, regular) of the first event."""
        return self.events[0].user

    @property
    def paid_until(self) -> datetime | None:
        """Return the latest instant that was paid or extended to."""
        return self._latest_until(EventKind.PAID, EventKind.EXTENDED)

    @property
    def held_until(self) -> datetime | None:
        """Return until when a reservation holds its space for somebody to come."""
        return self._latest_until(EventKind.RESERVED) if self.state is State.RESERVED else None

    def _latest_until(self, *kinds: EventKind) -> datetime | None:
        found = (each.until for each in self.events if each.kind in kinds)
        return max((each for each in found if each is not None), default=None)


def in_order(events: Iterable[StayEvent]) -> list[StayEvent]:
    """Return each event once: a card's by its own counter, the others by time, merged by time.

    The result depends on the set of events alone, never on the order they were given in.
    """
    unique = {each.event_id: each for each in events}.values()
    counted = sorted((each for each in unique if each.order is not None), key=lambda each: each.order or ())
    timed = sorted(
        (each for each in unique if each.order is None),
        key=lambda each: (each.at, _AT_ONE_INSTANT.index(each.kind), each.event_id.bytes),
    )
    merged: list[StayEvent] = []
    for each in counted:
        while timed and timed[0].at <= each.at:
            merged.append(timed.pop(0))
        merged.append(each)
    return merged + timed


def fold_stays(events: Iterable[StayEvent], *, passback: timedelta = PASSBACK) -> tuple[Stay, ...]:
    """Return the stays that these events tell of, subject by subject, each in the order it happened.

    A second entry within `passback` at the same place repeats the first, and so does a second exit. A later entry,
    there or elsewhere, closes a stay whose exit nobody saw; an exit nobody entered for is a stay of its own.
    Nothing is dropped: an event out of turn stays with its stay and opens a case.
    """
    subjects: dict[UUID, list[StayEvent]] = {}
    for each in events:
        subjects.setdefault(each.subject, []).append(each)
    found: list[Stay] = []
    for subject in sorted(subjects, key=lambda each: each.bytes):
        found += _fold_subject(in_order(subjects[subject]), passback)
    return tuple(found)


def as_if_left(stay: Stay, at: datetime, *, paid: bool = False) -> Stay:
    """Return a running stay as it would be if it left at an instant, with `paid` having paid ahead until then."""
    # After all that is known of it, whatever the clocks say; what is priced is `at`.
    told_at = max(at, *(each.at + timedelta(microseconds=1) for each in stay.events))
    ends = [
        StayEvent(
            event_id=uuid8("as if", kind.value, stay.stay_id),
            kind=kind,
            subject=stay.subject,
            at=told_at,
            place_id=stay.place_id,
            until=at,
        )
        for kind in ((EventKind.PAID, EventKind.LEFT) if paid else (EventKind.LEFT,))
    ]
    return next(each for each in fold_stays([*stay.events, *ends]) if each.stay_id == stay.stay_id)


def _fold_subject(events: list[StayEvent], passback: timedelta) -> Iterator[Stay]:
    current: Stay | None = None
    for event in events:
        if current is not None and _begins_anew(current, event, passback):
            if current.state in RUNNING:
                current = _take(current, _missed_exit(current, event))
            yield current
            current = None
        current = _take(current or _blank(event), event)
    if current is not None:
        yield current


def _blank(event: StayEvent) -> Stay:
    return Stay(
        stay_id=uuid8("stay", event.event_id),
        subject=event.subject,
        place_id=event.place_id,
        state=State.EXPECTED,
        events=(),
    )


def _begins_anew(stay: Stay, event: StayEvent, passback: timedelta) -> bool:
    match event.kind:
        case EventKind.RESERVED:
            return stay.state is not State.RESERVED
        case EventKind.ENTERED:
            if event.place_id != stay.place_id:
                return True
            if stay.state not in RUNNING:
                return stay.state is not State.RESERVED
            entry = stay.first(EventKind.ENTERED)
            return entry is not None and abs(event.at - entry.at) > passback
        case EventKind.LEFT:
            if event.place_id != stay.place_id:
                return True
            left = stay.first(EventKind.LEFT)
            if left is not None:
                return abs(event.at - left.at) > passback
            return stay.state in {State.VOIDED, State.REFUNDED}
        case _:
            return False


def _missed_exit(stay: Stay, event: StayEvent) -> StayEvent:
    return replace(
        event,
        event_id=uuid8("missed-exit", stay.stay_id, event.event_id),
        kind=EventKind.MISSED_EXIT,
        place_id=stay.place_id,
        gate_id="",
        vehicle_class="",
        until=None,
    )


def _take(stay: Stay, event: StayEvent) -> Stay:
    state, cases = state_at(stay.state, stay.paid_until, event.at), stay.cases
    step = find_step(state, event.kind)
    if step is None:
        case: Case | None = Case.OUT_OF_TURN
    else:
        state, case = step
    if case is not None and case not in cases:
        cases = (*cases, case)
    return replace(stay, state=state, events=(*stay.events, event), cases=cases)
