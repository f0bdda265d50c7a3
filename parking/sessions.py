"""Sessions as they stand: read one with its price, lock one, and tell it an event. The caller mints each event's id.

The same id with the same content is the first answer again; with other content SessionIdReusedError.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access.issue import lock_accounts, open_guest
from kernel.errors import DomainError
from kernel.ids import FareAccountId, OperatorId
from kernel.money import Money
from ledger.post import book_day
from parking.bill import bill_accounts, list_stay_events
from parking.carry import list_touched
from parking.places import HANOI
from parking.publish_rates import Rates
from parking.rights import list_held
from parking.rules.bill import StayBill, price_folded
from parking.rules.book import RateBook
from parking.rules.errors import ImpossibleTimesError, NoRateError, SessionStateError, UnknownPlaceError
from parking.rules.session import EventKind, State, take_step
from parking.rules.stay import Stay, StayEvent, as_if_left
from parking.store import events as event_store
from parking.store import stays as store
from parking.store.keys import find_key, lock_key, lock_subject
from parking.store.rights import list_later_stays
from parking.store.stays import StayRow

AHEAD: Final = timedelta(minutes=5)  # clocks of an operator's own gates may run this far before ours
LATE: Final = timedelta(days=45)  # what is older a person does not tell, nor does a gate that was offline
# What only makes sense with an end in the future.
_UNTIL: Final = frozenset({EventKind.EXTENDED, EventKind.PAID})


class UnknownSessionError(DomainError):
    """No session of this id."""

    detail = "There is no parking session {session_id}."


class StayUnpricedError(DomainError):
    """The rates have no price for the stay."""

    detail = "Session {session_id} cannot be priced: {reason}"


class SessionIdReusedError(DomainError):
    """An event of this id tells of something else."""

    detail = "{event_id} was used before with another {field}."


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it stands: its row, its bill, and (while it runs) the bill of leaving at `asked_at`."""

    row: StayRow
    bill: StayBill
    asked: StayBill | None
    asked_at: datetime
    again: bool = False


def find_session(tx: Connection, session_id: UUID, *, now: datetime, again: bool = False) -> Session:
    """Return a session with its bill recomputed from its events; UnknownSessionError."""
    return read_session(tx, _row(tx, session_id), now=now, again=again)


def read_session(tx: Connection, row: StayRow, *, now: datetime, again: bool = False) -> Session:
    """As `find_session`, of a row that was read in this transaction."""
    rates = Rates(tx)
    stay, book = list_stay_events(tx, row, rates)
    held = list_held(tx, [(row.fare_account_id, stay)], rates)
    bill = price_folded(stay, book, held.get(stay.stay_id, ()))
    return Session(row, bill, _asked(tx, row, stay, book, rates, now), now, again)


def _asked(
    tx: Connection, row: StayRow, stay: Stay, book: RateBook, rates: Rates, now: datetime
) -> StayBill | None:
    running = row.running and row.entered_at is not None and row.entered_at <= now
    return _leaving(tx, row, stay, book, rates, now) if running else None


def operator_of(tx: Connection, session_id: UUID) -> OperatorId:
    """Return who runs the place of a session; UnknownSessionError."""
    return OperatorId(_row(tx, session_id).operator_id)


def price_until(tx: Connection, row: StayRow, until: datetime) -> Money:
    """Return what a stay costs that is paid ahead until an instant and leaves at it, less what its rights take off.

    StayUnpricedError where the rates do not price it.
    """
    rates = Rates(tx)
    stay, book = list_stay_events(tx, row, rates)
    found = _leaving(tx, row, stay, book, rates, until, paid=True)
    charged = found.charged()
    if charged is None:
        raise StayUnpricedError(session_id=str(row.stay_id), reason=found.reason)
    return charged


def _leaving(
    tx: Connection,
    row: StayRow,
    stay: Stay,
    book: RateBook,
    rates: Rates,
    at: datetime,
    *,
    paid: bool = False,
) -> StayBill:
    """Return the bill that a running stay would have if it left at an instant (`paid` ahead until then)."""
    ended = as_if_left(stay, at, paid=paid)
    held = list_held(tx, [(row.fare_account_id, ended)], rates)
    bill = price_folded(ended, book, held.get(stay.stay_id, ()))
    if bill.quote is None:
        return bill
    binding = timedelta(minutes=bill.quote.table.edges.quote_valid_min)
    return replace(bill, quote=replace(bill.quote, expires_at=at + binding))


def lock_session(tx: Connection, session_id: UUID, now: datetime) -> StayRow:
    """Return a session as it stands once its plate (or ticket, or card) and account are locked; UnknownSessionError.

    Its book day is held open before (§8.5).
    """
    key = find_key(tx, session_id)
    if key is None:
        raise UnknownSessionError(session_id=str(session_id))
    book_day(tx, key.stay_day, now)
    lock_key(tx, session_id)
    lock_accounts(tx, [key.fare_account_id])
    return store.get_stay(tx, key)


def lock_entry(tx: Connection, place_id: str, subject: UUID, day: date, now: datetime) -> None:
    """Hold the day open that a stay is booked on (§8.5), and lock a place and who comes to it: before any account."""
    book_day(tx, day, now)
    store.lock_place(tx, place_id)
    lock_subject(tx, subject)


def lock_parker(tx: Connection, account: FareAccountId, *, guest: bool, now: datetime) -> None:
    """Lock the account that a stay is billed by; a guest's is opened first."""
    if guest:
        open_guest(tx, account, now)
    lock_accounts(tx, [account])


def tell(
    tx: Connection,
    row: StayRow,
    kind: EventKind,
    *,
    event_id: UUID,
    at: datetime,
    actor: str,
    now: datetime,
    until: datetime | None = None,
) -> Session:
    """Add an event to a locked session and bill it; SessionStateError where it cannot happen, ImpossibleTimesError."""
    event = StayEvent(
        event_id=event_id, kind=kind, subject=row.subject, at=at, place_id=row.place_id, until=until
    )
    if is_again(tx, row.fare_account_id, event):
        return read_session(tx, row, now=now, again=True)
    take_step(State(row.state), kind)
    if kind is EventKind.LEFT and row.state == State.LEFT.value:
        # An exit repeats itself at a gate, never through the API.
        raise SessionStateError(state=row.state, event=kind.value)
    reason = ""
    if at > now + AHEAD:
        reason = "it lies in the future"
    elif row.entered_at is not None and at < row.entered_at:
        reason = "it ends before it begins"
    elif kind in _UNTIL and until is not None and until <= at:
        reason = "that instant is over"
    if reason:
        raise ImpossibleTimesError(
            entered_at=row.entered_at.astimezone(HANOI).isoformat() if row.entered_at else None,
            left_at=(until or at).astimezone(HANOI).isoformat(),
            reason=reason,
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
    return bill(tx, row.fare_account_id, row.first_at, row.stay_id, guest=row.guest, now=now)


def is_told(tx: Connection, row: StayRow, event_id: UUID) -> bool:
    """Return whether a session was told an event of this id before."""
    return event_store.find_event(tx, row.fare_account_id, event_id) is not None


def is_again(tx: Connection, account: FareAccountId, event: StayEvent) -> bool:
    """Return whether the account has this event already; SessionIdReusedError where it tells of something else."""
    known = event_store.find_event(tx, account, event.event_id)
    if known is None:
        return False
    for name in ("kind", "subject", "place_id", "vehicle_class", "user", "until"):
        if getattr(known, name) != getattr(event, name):
            raise SessionIdReusedError(event_id=str(event.event_id), field=name)
    return True


def bill(
    tx: Connection, account: FareAccountId, at: datetime, session_id: UUID, *, guest: bool, now: datetime
) -> Session:
    """Bill one locked account's stays from an instant on, and return one of its sessions as it stands then."""
    rates = Rates(tx)
    guests = frozenset({account}) if guest else frozenset[FareAccountId]()
    billed = bill_accounts(tx, {account: at}, now=now, guests=guests, rates=rates)
    for row in billed.stays:
        _carry_on(tx, row, rates, now)
    standing = billed.now.get(session_id)
    if standing is None:
        return find_session(tx, session_id, now=now)
    row, own = standing
    book = rates.version(row.rates_version)
    return Session(row, own, _asked(tx, row, own.stay, book, rates, now), now)


def _carry_on(tx: Connection, row: StayRow, rates: Rates, now: datetime) -> None:
    """Bill again the guests' stays that the paid time of a changed stay, or a ticket for one, covers or no longer does."""
    later = list_touched(tx, row, rates)
    if row.guest:
        others = store.list_stays(tx, list_later_stays(tx, row.subject, after=row.first_at))
        later |= {each.fare_account_id: each.first_at for each in others if each.guest}
    if later:
        lock_accounts(tx, list(later))
        bill_accounts(tx, later, now=now, guests=frozenset(later), rates=rates)


def book_at(rates: Rates, place_id: str, at: datetime) -> RateBook:
    """Return the rates in force at an instant, which know the place; NoRateError, UnknownPlaceError."""
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
