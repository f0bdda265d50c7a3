"""Reservations: hold a space until somebody comes, give it up, and write down who never came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import FareAccountId, uuid8
from kernel.service_day import service_day
from parking.enter import account_of, check_space, find_told
from parking.publish_rates import Rates
from parking.rules.errors import ImpossibleTimesError
from parking.rules.session import EventKind, State
from parking.rules.stay import StayEvent
from parking.sessions import (
    Session,
    bill,
    book_at,
    is_again,
    lock_entry,
    lock_parker,
    lock_session,
    tell,
)
from parking.store import events as event_store
from parking.store import keys
from parking.store import stays as store

LONGEST_HOLD: Final = timedelta(days=1)
# A gate that was offline may still tell of somebody who came in time.
PATIENCE: Final = timedelta(minutes=15)


class AlreadyReservedError(DomainError):
    """The card, ticket or plate holds a space at the place."""

    detail = "A space at {place_id} is held for it already, by session {session_id}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserving:
    """What is asked for. `account` None: a guest, who cannot be charged for not coming."""

    event_id: UUID
    place_id: str
    vehicle_class: str
    subject: UUID
    held_until: datetime
    user: str = "casual"
    account: FareAccountId | None = None


def reserve(tx: Connection, asked: Reserving, *, actor: str, now: datetime) -> Session:
    """Hold a space from now until an instant and return the reserved session.

    UnknownPlaceError, UnknownVehicleClassError, NoRateError, ImpossibleTimesError (not in the future, or held for
    longer than a day), AlreadyReservedError, PlaceFullError, SessionIdReusedError.
    """
    book = book_at(Rates(tx), asked.place_id, now)
    place = book.place(asked.place_id)
    book.table_for(asked.place_id, asked.vehicle_class, now, user=asked.user)
    event = StayEvent(
        event_id=asked.event_id,
        kind=EventKind.RESERVED,
        subject=asked.subject,
        at=now,
        place_id=asked.place_id,
        vehicle_class=asked.vehicle_class,
        user=asked.user,
        until=asked.held_until,
    )
    told_to = event_store.find_account(tx, event.event_id)
    if told_to is not None:
        return find_told(tx, told_to, event, now=now)
    if not now < asked.held_until <= now + LONGEST_HOLD:
        raise ImpossibleTimesError(
            entered_at=now.astimezone(place.zone).isoformat(),
            left_at=asked.held_until.astimezone(place.zone).isoformat(),
            reason="a space is held for a day at most, from now on",
        )
    day = service_day(now, place.day_starts, place.zone)
    lock_entry(tx, place.place_id, asked.subject, day, now)
    account, guest = account_of(asked.account, asked.event_id)
    lock_parker(tx, account, guest=guest, now=now)
    if is_again(tx, account, event):
        return find_told(tx, account, event, now=now)
    held = store.find_reserved(tx, place.place_id, asked.subject, at=now)
    if held is not None:
        raise AlreadyReservedError(place_id=place.place_id, session_id=str(held.stay_id))
    check_space(tx, place, now=now)
    event_store.insert_event(
        tx,
        event_store.NewEvent(
            fare_account_id=account,
            event_day=day,
            event=event,
            actor=actor,
            recorded_at=now,
        ),
    )
    return bill(tx, account, now, uuid8("stay", event.event_id), guest=guest, now=now)


def list_lapsed(tx: Connection, *, now: datetime, limit: int = 1_000) -> tuple[UUID, ...]:
    """Return reservations that nobody came for, oldest first: `note_no_show` writes each down."""
    return keys.list_lapsed_holds(tx, before=now - PATIENCE, limit=limit)


def note_no_show(tx: Connection, session_id: UUID, *, now: datetime) -> Session | None:
    """Write down that nobody came for a reservation and charge its fee; None where somebody came meanwhile.

    May be repeated: the event's id is derived from the session.
    """
    row = lock_session(tx, session_id, now)
    if row.state != State.RESERVED.value or row.held_until is None or row.held_until > now - PATIENCE:
        return None
    return tell(
        tx,
        row,
        EventKind.NO_SHOW,
        event_id=uuid8("no show", session_id),
        at=row.held_until,
        actor="sweep",
        now=now,
    )


def list_paid_out(tx: Connection, *, now: datetime, limit: int = 1_000) -> tuple[tuple[UUID, datetime], ...]:
    """Return (session, paid until) of sessions at places without gates whose paid time has ended: they stop then."""
    book = Rates(tx).at(now)
    gated = {*(book.gates.values() if book else ())}
    return keys.list_paid_out(tx, before=now - PATIENCE, gated=gated, limit=limit)


def stop(tx: Connection, session_id: UUID, at: datetime, *, now: datetime) -> Session | None:
    """End a session at the instant it was paid until; None where it was extended or ended meanwhile."""
    row = lock_session(tx, session_id, now)
    if not row.running or row.paid_until != at:
        return None
    return tell(
        tx,
        row,
        EventKind.LEFT,
        event_id=uuid8("auto stop", session_id, at.isoformat()),
        at=at,
        actor="sweep",
        now=now,
    )
