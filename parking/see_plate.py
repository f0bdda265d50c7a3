"""Cameras at gates: a reading joins the session that a card or ticket began, or begins and ends one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access.exceptions import House, Raised, raise_many
from kernel.errors import DomainError
from kernel.ids import FareAccountId, OperatorId, uuid8
from kernel.service_day import service_day
from ledger.post import book_day
from parking.enter import Entering, enter
from parking.places import stay_day
from parking.publish_rates import Rates
from parking.rules.errors import ImpossibleTimesError, UnknownPlaceError
from parking.rules.place import Place
from parking.rules.plate import PlateMatch
from parking.rules.plate_event import (
    LEAST_CONFIDENCE_PCT,
    Direction,
    Joined,
    PlateSeen,
    join_entry,
    join_exit,
    join_late,
)
from parking.rules.session import EventKind, State
from parking.rules.stay import StayEvent, fold_stays
from parking.sessions import (
    AHEAD,
    LATE,
    Session,
    bill,
    find_session,
    lock_parker,
    lock_session,
    tell,
)
from parking.store import events as event_store
from parking.store import plates as store
from parking.store import stays as stay_store
from parking.store.stays import StayRow

UNREAD = "plate_unread"
LONGEST_STAY: Final = timedelta(days=30)


class PlateEventIdReusedError(DomainError):
    """A reading of this id says something else."""

    detail = "{event_id} was used before with another {field}."


@dataclass(frozen=True, slots=True)
class Read:
    """What became of a reading: its session (None: nobody's, a case is open) and how it was found."""

    seen: PlateSeen
    session: Session | None
    how: str
    again: bool = False


def place_of_gate(tx: Connection, gate_id: str, *, now: datetime) -> Place:
    """Return the place that a gate opens to; UnknownPlaceError."""
    book = Rates(tx).at(now)
    place = book.place_of_gate(gate_id) if book else None
    if place is None:
        raise UnknownPlaceError(place_id=gate_id, what="gate")
    return place


def see_plate(
    tx: Connection,
    seen: PlateSeen,
    *,
    near: Mapping[UUID, PlateMatch],
    vehicle_class: str,
    actor: str,
    now: datetime,
) -> Read:
    """Take a reading in and return what it did. Evidence is never refused for what it leads to.

    In: it joins the session that a card or ticket has just begun, or begins a guest's. Out: it ends the session whose
    plate it is (or, where only one is nearly alike, that one); one that nobody entered for is a stay of its own with a
    case. A reading below LEAST_CONFIDENCE_PCT joins what it can and otherwise opens a case.
    UnknownPlaceError, ImpossibleTimesError (from the future), PlateEventIdReusedError.
    """
    place = place_of_gate(tx, seen.gate_id, now=now)
    if seen.at > now + AHEAD:
        raise ImpossibleTimesError(
            entered_at=seen.at.astimezone(place.zone).isoformat(),
            left_at=None,
            reason="the reading is from the future",
        )
    book_day(tx, service_day(seen.at, place.day_starts, place.zone), now)
    stay_store.lock_place(tx, place.place_id)
    if not store.insert_seen(
        tx, seen, place_id=place.place_id, operator_id=place.operator_id, actor=actor, now=now
    ):
        return _again(tx, seen, now)
    inside = store.list_inside(tx, place.place_id, near=seen.at)
    entering = seen.direction is Direction.IN
    joined = join_entry(seen, inside) if entering else join_exit(seen, inside, near)
    if joined is not None:
        return _join(tx, seen, joined, actor=actor, now=now)
    if seen.confidence_pct < LEAST_CONFIDENCE_PCT:
        _open_case(tx, seen, place.operator_id, now)
        return Read(seen, None, "unread")
    session = (
        _begin(tx, seen, place, vehicle_class, actor=actor, now=now)
        if entering
        else _leave_unseen(tx, seen, place, actor=actor, now=now)
    )
    store.insert_join(tx, seen.event_id, seen.subject, session.row.stay_id, "began", now=now)
    return Read(seen, session, "began")


def _join(tx: Connection, seen: PlateSeen, joined: Joined, *, actor: str, now: datetime) -> Read:
    how = joined.match.value
    store.insert_join(tx, seen.event_id, seen.subject, joined.session_id, how, now=now)
    if seen.direction is Direction.IN:
        return Read(seen, find_session(tx, joined.session_id, now=now), how)
    row = lock_session(tx, joined.session_id, now)
    _leave(tx, row, seen, actor=actor, now=now)
    return Read(seen, find_session(tx, row.stay_id, now=now), how)


def _leave(tx: Connection, row: StayRow, seen: PlateSeen, *, actor: str, now: datetime) -> None:
    """Add an exit by plate to a locked session, also to one whose exit is known: the first of them counts."""
    event = StayEvent(
        event_id=uuid8("plate out", seen.event_id),
        kind=EventKind.LEFT,
        subject=row.subject,
        at=max(seen.at, row.entered_at or seen.at),
        place_id=row.place_id,
        gate_id=seen.gate_id,
    )
    written = event_store.NewEvent(
        fare_account_id=row.fare_account_id,
        event_day=row.stay_day,
        event=event,
        actor=actor,
        recorded_at=now,
    )
    if event_store.insert_event(tx, written):
        bill(tx, row.fare_account_id, row.first_at, row.stay_id, guest=row.guest, now=now)


def _begin(
    tx: Connection, seen: PlateSeen, place: Place, vehicle_class: str, *, actor: str, now: datetime
) -> Session:
    entering = Entering(
        event_id=uuid8("plate in", seen.event_id),
        place_id=place.place_id,
        vehicle_class=vehicle_class or place.default_class,
        subject=seen.subject,
        at=seen.at,
        gate_id=seen.gate_id,
    )
    return enter(tx, entering, actor=actor, now=now, seen=True)


def _leave_unseen(tx: Connection, seen: PlateSeen, place: Place, *, actor: str, now: datetime) -> Session:
    """Write an exit that nobody entered for: a stay of its own, with its case, until its entry is learnt of."""
    event = StayEvent(
        event_id=uuid8("plate out", seen.event_id),
        kind=EventKind.LEFT,
        subject=seen.subject,
        at=seen.at,
        place_id=place.place_id,
        gate_id=seen.gate_id,
    )
    account = FareAccountId(uuid8("parking guest", event.event_id))
    lock_parker(tx, account, guest=True, now=now)
    (stay,) = fold_stays([event])
    assert stay.state is State.LEFT, "the table has a row for an exit without entry"
    event_store.insert_event(
        tx,
        event_store.NewEvent(
            fare_account_id=account,
            event_day=stay_day(stay, Rates(tx).at(seen.at)),
            event=event,
            actor=actor,
            recorded_at=now,
        ),
    )
    return bill(tx, account, event.at, stay.stay_id, guest=True, now=now)


def list_late(tx: Connection, *, now: datetime) -> tuple[tuple[UUID, UUID, UUID], ...]:
    """Return (reading, the guest's session it stands for, the card's session it belongs to) of what is known by now.

    A gate that was offline told of the card's entry after a camera had begun or ended a session by the plate alone.
    """
    strays = store.list_strays(tx, since=now - LATE)
    places: dict[str, list[store.Stray]] = {}
    for each in strays:
        places.setdefault(each.place_id, []).append(each)
    found: list[tuple[UUID, UUID, UUID]] = []
    for place_id, some in sorted(places.items()):
        carded = store.list_carded(tx, place_id, since=some[0].seen.at - LONGEST_STAY)
        joined = join_late([each.seen for each in some], carded)
        # The exits that ended a session move with the reading that began it.
        moved = {each.session_id: joined[each.seen.event_id] for each in some if each.seen.event_id in joined}
        found += [
            (each.seen.event_id, each.session_id, moved[each.session_id])
            for each in some
            if each.session_id in moved
        ]
    return tuple(found)


def rejoin(
    tx: Connection, event_id: UUID, guest_id: UUID, session_id: UUID, *, actor: str, now: datetime
) -> bool:
    """Join a reading to the card's session that it belongs to; False where that was done meanwhile.

    The guest's session was never one: it is voided, and what was paid for it is to be given back.
    """
    joined, seen = store.find_join(tx, event_id), store.find_seen(tx, event_id)
    if joined is None or seen is None or joined[0] != guest_id:
        return False
    guest = lock_session(
        tx, guest_id, now
    )  # before the card's: who enters has the plate first, then an account
    row = lock_session(tx, session_id, now)
    if State(guest.state) is not State.VOIDED:
        void = uuid8("joined late", guest_id)
        at = max(guest.last_at, guest.first_at)
        tell(tx, guest, EventKind.VOIDED, event_id=void, at=at, actor=actor, now=now)
    store.insert_rejoin(tx, event_id, seen.subject, session_id, now=now)
    if seen.direction is Direction.OUT:
        _leave(tx, row, seen, actor=actor, now=now)
    return True


def _open_case(tx: Connection, seen: PlateSeen, operator_id: OperatorId, now: datetime) -> None:
    raise_many(
        tx,
        [
            Raised(
                house=House.PARKING,
                reason=UNREAD,
                ref=f"plate:{seen.event_id}",
                fare_account_id=None,
                service_day=None,
                detail={
                    "gate": seen.gate_id,
                    "operator": operator_id,
                    "confidence_pct": str(seen.confidence_pct),
                    "image": seen.image_ref,
                },
            )
        ],
        now=now,
    )


def _again(tx: Connection, seen: PlateSeen, now: datetime) -> Read:
    known = store.find_seen(tx, seen.event_id)
    assert known is not None, "its id is taken"
    for field in ("gate_id", "subject", "direction", "at", "confidence_pct", "image_ref"):
        if getattr(known, field) != getattr(seen, field):
            raise PlateEventIdReusedError(event_id=str(seen.event_id), field=field)
    joined = store.find_join(tx, seen.event_id)
    if joined is None:
        return Read(known, None, "unread", again=True)
    return Read(known, find_session(tx, joined[0], now=now), joined[1], again=True)
