"""Stays that no card's tap tells of: enter, extend, leave and read them. The caller mints each event's id.

The same id with the same content is the first answer again; with other content SessionIdReusedError.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access.issue import lock_accounts
from kernel.errors import DomainError
from kernel.ids import FareAccountId, OperatorId, uuid8
from kernel.service_day import service_day
from parking.bill import bill_accounts, list_stay_events
from parking.publish_rates import Rates
from parking.rules.bill import StayBill, price_folded
from parking.rules.book import RateBook
from parking.rules.errors import (
    ImpossibleTimesError,
    NoRateError,
    UnknownPlaceError,
)
from parking.rules.quote import Quote, quote, quote_between
from parking.rules.session import EventKind, State, take_step
from parking.rules.stay import StayEvent
from parking.store import events as event_store
from parking.store import stays as store
from parking.store.stays import StayRow

AHEAD: Final = timedelta(minutes=5)  # clocks of an operator's own gates may run this far before ours


class PlaceFullError(DomainError):
    """Every space of the place is taken."""

    detail = "{place_id} is full: {occupied} of {capacity} spaces are taken."


class AlreadyParkedError(DomainError):
    """The card, ticket or plate has a running session at the place."""

    detail = "It is parked at {place_id} already, in session {session_id}."


class UnknownSessionError(DomainError):
    """No session of this id."""

    detail = "There is no parking session {session_id}."


class SessionIdReusedError(DomainError):
    """An event of this id tells of something else."""

    detail = "{event_id} was used before with another {field}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Entering:
    """What an operator tells of an entry. `account` None: a guest, who pays at the exit."""

    event_id: UUID
    place_id: str
    vehicle_class: str
    subject: UUID
    at: datetime
    user: str = "casual"
    gate_id: str = ""
    account: FareAccountId | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it stands: its row, its bill, and (while it runs) what leaving at `asked_at` would cost."""

    row: StayRow
    bill: StayBill
    asked: Quote | None
    asked_at: datetime
    again: bool = False


def quote_stay(
    tx: Connection,
    place_id: str,
    vehicle_class: str,
    entered_at: datetime,
    left_at: datetime,
    *,
    user: str = "casual",
    asked_at: datetime | None = None,
) -> Quote:
    """Return the price of a stay by the rates in force at its begin; with `asked_at` it says until when it binds.

    UnknownPlaceError, UnknownVehicleClassError, NoRateError, UncoveredTimeError, ImpossibleTimesError.
    """
    book = _book(Rates(tx), place_id, entered_at)
    table = book.table_for(place_id, vehicle_class, entered_at, user=user)
    return quote_between(table, entered_at, left_at, asked_at=asked_at)


def enter(tx: Connection, entering: Entering, *, actor: str, now: datetime) -> Session:
    """Begin a session and return it.

    UnknownPlaceError, UnknownVehicleClassError and NoRateError before anything is written; PlaceFullError,
    AlreadyParkedError, ImpossibleTimesError (an entry in the future), SessionIdReusedError.
    """
    rates = Rates(tx)
    book = _book(rates, entering.place_id, entering.at)
    place = book.place(entering.place_id)
    book.table_for(entering.place_id, entering.vehicle_class, entering.at, user=entering.user)
    if entering.at > now + AHEAD:
        raise ImpossibleTimesError(
            entered_at=entering.at.isoformat(), left_at=None, reason="it begins in the future"
        )
    event = StayEvent(
        event_id=entering.event_id,
        kind=EventKind.ENTERED,
        subject=entering.subject,
        at=entering.at,
        place_id=entering.place_id,
        gate_id=entering.gate_id,
        vehicle_class=entering.vehicle_class,
        user=entering.user,
    )
    account = entering.account or FareAccountId(uuid8("parking guest", entering.event_id))
    guest = entering.account is None
    _lock(tx, account, guest=guest)
    if _is_again(tx, account, event):
        return find_session(tx, uuid8("stay", event.event_id), now=now, again=True)
    store.lock_place(tx, place.place_id)
    parked = store.find_running(tx, place.place_id, entering.subject)
    if parked is not None:
        raise AlreadyParkedError(place_id=place.place_id, session_id=str(parked))
    occupied = store.count_running(tx, [place.place_id]).get(place.place_id, 0)
    if place.capacity is not None and occupied >= place.capacity:
        raise PlaceFullError(place_id=place.place_id, occupied=occupied, capacity=place.capacity)
    day = service_day(event.at, place.day_starts, place.zone)
    event_store.insert_event(
        tx,
        event_store.NewEvent(
            fare_account_id=account, event_day=day, event=event, actor=actor, recorded_at=now
        ),
    )
    _bill(tx, account, event.at, guest=guest, now=now)
    return find_session(tx, uuid8("stay", event.event_id), now=now)


def extend(
    tx: Connection, session_id: UUID, *, event_id: UUID, until: datetime, actor: str, now: datetime
) -> Session:
    """Extend a session to an instant; SessionStateError where it cannot be, ImpossibleTimesError for the past."""
    return _tell(tx, session_id, EventKind.EXTENDED, event_id, now, actor=actor, now=now, until=until)


def leave(
    tx: Connection,
    session_id: UUID,
    *,
    event_id: UUID,
    at: datetime,
    actor: str,
    now: datetime,
    quoted_at: datetime | None = None,
) -> Session:
    """End a session and book its bill; SessionStateError where it has ended, ImpossibleTimesError.

    `quoted_at` is the instant of a quote for it: until that quote expires the exit costs what it said, later the
    time parked.
    """
    kept = None
    if quoted_at is not None and quoted_at <= at:
        session = find_session(tx, session_id, now=quoted_at)
        if (
            session.asked is not None
            and session.asked.expires_at is not None
            and at <= session.asked.expires_at
        ):
            kept = quoted_at
    return _tell(tx, session_id, EventKind.LEFT, event_id, at, actor=actor, now=now, until=kept)


def find_session(tx: Connection, session_id: UUID, *, now: datetime, again: bool = False) -> Session:
    """Return a session with its bill recomputed from its events; UnknownSessionError."""
    row = _row(tx, session_id)
    rates = Rates(tx)
    stay, book = list_stay_events(tx, row, rates)
    bill = price_folded(stay, book)
    asked = None
    if row.running and row.entered_at is not None and row.entered_at <= now:
        vehicle_class = stay.vehicle_class or book.place(row.place_id).default_class
        table = book.table_for(row.place_id, vehicle_class, row.first_at, user=stay.user)
        asked = quote(stay.events, table, asked_at=now)
    return Session(row, bill, asked, now, again)


def operator_of(tx: Connection, session_id: UUID) -> OperatorId:
    """Return who runs the place of a session; UnknownSessionError."""
    return OperatorId(_row(tx, session_id).operator_id)


def _tell(
    tx: Connection,
    session_id: UUID,
    kind: EventKind,
    event_id: UUID,
    at: datetime,
    *,
    actor: str,
    now: datetime,
    until: datetime | None,
) -> Session:
    row = _row(tx, session_id)
    _lock(tx, row.fare_account_id, guest=row.guest)
    row = _row(tx, session_id)  # as it stands under the lock
    event = StayEvent(
        event_id=event_id, kind=kind, subject=row.subject, at=at, place_id=row.place_id, until=until
    )
    if _is_again(tx, row.fare_account_id, event):
        return find_session(tx, session_id, now=now, again=True)
    take_step(State(row.state), kind)
    if kind is EventKind.LEFT and row.state == State.LEFT.value:
        take_step(State.VOIDED, kind)  # an exit repeats itself at a gate, never through the API
    if at > now + AHEAD or (row.entered_at is not None and at < row.entered_at) or _is_past(kind, until, at):
        raise ImpossibleTimesError(
            entered_at=row.entered_at.isoformat() if row.entered_at else None,
            left_at=(until or at).isoformat(),
            reason="it would end before it begins, or lies in the future",
        )
    event_store.insert_event(
        tx,
        event_store.NewEvent(
            fare_account_id=row.fare_account_id,
            event_day=row.stay_day,
            event=event,
            actor=actor,
            recorded_at=now,
        ),
    )
    _bill(tx, row.fare_account_id, row.first_at, guest=row.guest, now=now)
    return find_session(tx, session_id, now=now)


def _is_past(kind: EventKind, until: datetime | None, at: datetime) -> bool:
    return kind is EventKind.EXTENDED and until is not None and until <= at


def _book(rates: Rates, place_id: str, at: datetime) -> RateBook:
    book = rates.at(at)
    if book is None:
        raise NoRateError(
            place_id=place_id,
            vehicle_class="any class",
            user="anybody",
            entered_at=at.isoformat(),
            reason="no rates were published by then",
        )
    if place_id not in book.places:
        raise UnknownPlaceError(place_id=place_id)
    return book


def _row(tx: Connection, session_id: UUID) -> StayRow:
    found = store.find_stay(tx, session_id)
    if found is None:
        raise UnknownSessionError(session_id=str(session_id))
    return found


def _lock(tx: Connection, account: FareAccountId, *, guest: bool) -> None:
    if guest:
        store.lock_guest(tx, account)
    else:
        lock_accounts(tx, [account])


def _is_again(tx: Connection, account: FareAccountId, event: StayEvent) -> bool:
    known = event_store.find_event(tx, account, event.event_id)
    if known is None:
        return False
    for name in ("kind", "subject", "place_id", "vehicle_class", "user", "until"):
        if getattr(known, name) != getattr(event, name):
            raise SessionIdReusedError(event_id=str(event.event_id), field=name)
    return True


def _bill(tx: Connection, account: FareAccountId, at: datetime, *, guest: bool, now: datetime) -> None:
    bill_accounts(tx, {account: at}, now=now, guests=frozenset({account}) if guest else frozenset())
