"""Stays that no card's tap tells of: quote, enter, extend and leave. The caller mints each event's id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import FareAccountId, uuid8
from kernel.service_day import service_day
from parking.publish_rates import Rates
from parking.rules.errors import ImpossibleTimesError
from parking.rules.place import Place
from parking.rules.quote import Quote, quote_between
from parking.rules.session import EventKind
from parking.rules.stay import StayEvent
from parking.sessions import (
    AHEAD,
    LATE,
    Session,
    bill,
    book_at,
    find_session,
    is_again,
    lock_entry,
    lock_parker,
    lock_session,
    tell,
)
from parking.store import events as event_store
from parking.store import keys
from parking.store import stays as store
from parking.store.stays import StayRow


class PlaceFullError(DomainError):
    """Every space of the place is taken."""

    detail = "{place_id} is full: {occupied} of {capacity} spaces are taken."


class AlreadyParkedError(DomainError):
    """The card, ticket or plate has a running session at the place."""

    detail = "It is parked at {place_id} already, in session {session_id}."


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


def quote_stay(
    tx: Connection,
    place_id: str,
    vehicle_class: str,
    entered_at: datetime,
    left_at: datetime,
    *,
    user: str = "casual",
    units: Mapping[str, Decimal] | None = None,
    asked_at: datetime | None = None,
) -> Quote:
    """Return the price of a stay by the rates in force at its begin; with `asked_at` it says until when it binds.

    UnknownUnitError for one of `units` that has no price; UnknownPlaceError, UnknownVehicleClassError, NoRateError, UncoveredTimeError, ImpossibleTimesError.
    """
    book = book_at(Rates(tx), place_id, entered_at)
    table = book.table_for(place_id, vehicle_class, entered_at, user=user)
    return quote_between(table, entered_at, left_at, extras=units, asked_at=asked_at)


def enter(tx: Connection, entering: Entering, *, actor: str, now: datetime, seen: bool = False) -> Session:
    """Begin a session and return it.

    UnknownPlaceError, UnknownVehicleClassError and NoRateError before anything is written; PlaceFullError,
    AlreadyParkedError, ImpossibleTimesError (an entry in the future, or told later than LATE), SessionIdReusedError.
    What a camera has `seen` come in is in: however full the place, and however late it is told.
    """
    rates = Rates(tx)
    book = book_at(rates, entering.place_id, entering.at)
    place = book.place(entering.place_id)
    book.table_for(entering.place_id, entering.vehicle_class, entering.at, user=entering.user)
    if entering.at > now + AHEAD:
        raise ImpossibleTimesError(
            entered_at=entering.at.astimezone(place.zone).isoformat(),
            left_at=None,
            reason="it begins in the future",
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
    told_to = event_store.find_account(tx, event.event_id)
    if told_to is not None:
        return find_told(tx, told_to, event, now=now)
    if not seen and entering.at < now - LATE:
        raise ImpossibleTimesError(
            entered_at=entering.at.astimezone(place.zone).isoformat(),
            left_at=now.astimezone(place.zone).isoformat(),
            reason=f"an entry is told within {LATE.days} days",
        )
    day = service_day(event.at, place.day_starts, place.zone)
    lock_entry(tx, place.place_id, entering.subject, day, now)
    reserved = store.find_reserved(tx, place.place_id, entering.subject, at=entering.at)
    account, guest = account_of(entering.account, entering.event_id, reserved)
    lock_parker(tx, account, guest=guest, now=now)
    if is_again(tx, account, event):  # another call told it while this one waited for the lock
        return find_told(tx, account, event, now=now)
    parked = keys.find_running(tx, place.place_id, entering.subject)
    if parked is not None and not seen:
        raise AlreadyParkedError(place_id=place.place_id, session_id=str(parked))
    _miss_exits(tx, entering, place, actor=actor, now=now)
    if reserved is None and not seen:
        check_space(tx, place, now=now)
    event_store.insert_event(
        tx,
        event_store.NewEvent(
            fare_account_id=account, event_day=day, event=event, actor=actor, recorded_at=now
        ),
    )
    session_id = reserved.stay_id if reserved else uuid8("stay", event.event_id)
    return bill(tx, account, event.at, session_id, guest=guest, now=now)


def _miss_exits(tx: Connection, entering: Entering, place: Place, *, actor: str, now: datetime) -> None:
    """Write that nobody saw a guest leave where it stood before, here or at another place of the operator.

    What was paid ahead ends as if it had been told: now, or when the paid time ended.
    Guests have an account a stay, so that no fold of one account's events can conclude it as it does for a card.
    """
    for row in store.list_stays(tx, keys.list_running(tx, [entering.subject])):
        if not row.guest or row.operator_id != place.operator_id:
            continue
        if row.entered_at is None or row.entered_at >= entering.at:
            continue
        event_id = uuid8("missed exit", row.stay_id, entering.event_id)
        kind = EventKind.MISSED_EXIT if row.paid_until is None else EventKind.LEFT
        at = entering.at if row.paid_until is None else min(entering.at, row.paid_until)
        tell(tx, lock_session(tx, row.stay_id, now), kind, event_id=event_id, at=at, actor=actor, now=now)


def account_of(
    account: FareAccountId | None, event_id: UUID, reserved: StayRow | None = None
) -> tuple[FareAccountId, bool]:
    """Return what a stay is billed by and whether that is a guest: the reservation's, the card's, or a new guest's."""
    if reserved is not None:
        return reserved.fare_account_id, reserved.guest
    if account is not None:
        return account, False
    return FareAccountId(uuid8("parking guest", event_id)), True


def check_space(tx: Connection, place: Place, *, now: datetime) -> None:
    """Refuse with PlaceFullError where every space is taken or held; the caller has locked the place."""
    occupied = keys.count_taken(tx, [place.place_id], now=now).get(place.place_id, 0)
    if place.capacity is not None and occupied >= place.capacity:
        raise PlaceFullError(place_id=place.place_id, occupied=occupied, capacity=place.capacity)


def find_told(tx: Connection, account: FareAccountId, event: StayEvent, *, now: datetime) -> Session:
    """Return the session that an event began or joined before; SessionIdReusedError where it told something else."""
    known = event_store.find_event(tx, account, event.event_id)
    assert known is not None, "the account was told of it"
    is_again(tx, account, event)
    found = keys.find_stay_at(tx, account, known.subject, known.at)
    return find_session(tx, found or uuid8("stay", event.event_id), now=now, again=True)


def extend(
    tx: Connection, session_id: UUID, *, event_id: UUID, until: datetime, actor: str, now: datetime
) -> Session:
    """Extend a session to an instant; SessionStateError where it cannot be, ImpossibleTimesError for the past."""
    row = lock_session(tx, session_id, now)
    return tell(tx, row, EventKind.EXTENDED, event_id=event_id, at=now, until=until, actor=actor, now=now)


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
        asked = find_session(tx, session_id, now=quoted_at).asked
        quote = asked.quote if asked else None
        if quote is not None and quote.expires_at is not None and at <= quote.expires_at:
            kept = quoted_at
    row = lock_session(tx, session_id, now)
    return tell(tx, row, EventKind.LEFT, event_id=event_id, at=at, until=kept, actor=actor, now=now)
