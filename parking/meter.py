"""The operator's meters: the leakage of each shift, and the honest cashless share of a place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import OperatorId
from kernel.money import Money
from parking.places import place_in_force
from parking.rules.cashless import CashlessShare, PaidBy, cashless_share
from parking.rules.leakage import Leakage, Seen, leakage
from parking.rules.session import State
from parking.rules.shift import Shift
from parking.rules.tickets import SeriesAccount, Ticket, TicketEnd, account_series
from parking.rules.turn import TurnEnd, TurnFacts, count_payments, turn_end
from parking.shift import UnknownShiftError, find_shift, list_shifts
from parking.store import shifts as shift_store
from parking.store import turns as store
from parking.store.turns import Count, Turn

LEAST_CAPTURE: Final = 950_000  # millionths of the turns seen: below it a shift alerts
MOST_TICKETS: Final = 1_000


class CountIdReusedError(DomainError):
    """A count of this id says something else."""

    detail = "{count_id} was used before with another {field}."


class CountTimesError(DomainError):
    """A count that ends before it begins, or in the future."""

    detail = "Nothing can be counted from {begun_at} to {ended_at}."


class TicketUnknownError(DomainError):
    """A ticket that nobody issued, or another operator did, cannot end."""

    detail = "Ticket {series} {number} was not issued here."


class VoidUnexplainedError(DomainError):
    """A ticket is voided for a reason."""

    detail = "Say in the note why the tickets are voided."


@dataclass(frozen=True, slots=True)
class ShiftReading:
    """A shift as it stands, and what it lets through."""

    shift: Shift
    reading: Leakage


def read_leakage(
    tx: Connection,
    place_id: str,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
    least_capture_millionths: int = LEAST_CAPTURE,
) -> tuple[ShiftReading, ...]:
    """Return a reading for each shift of a place opened in `[since, until)`, newest first; UnknownPlaceError.

    Witnesses are the gate's and the camera's counts and the tickets issued within the shift; without any the share is
    unknown. `received` is what guests of those turns paid, and `expected` what they owe.
    """
    place_in_force(tx, place_id, now=now)
    shifts = list_shifts(tx, place_id, since=since, until=until, now=now)
    seen = [_seen(tx, each, now) for each in shifts]
    readings = leakage(seen, least_capture_millionths=least_capture_millionths)
    return tuple(ShiftReading(*both) for both in zip(shifts, readings, strict=True))


def read_cashless(
    tx: Connection,
    place_id: str,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
    printed_total: int | None = None,
) -> CashlessShare:
    """Return how the turns that left a place in `[since, until)` were paid.

    UnknownPlaceError; PartsDoNotSumError where they are not as many as a report prints.
    """
    place_in_force(tx, place_id, now=now)
    turns = store.list_turns(tx, [place_id], since=since, until=until)
    return cashless_share(count_payments(_facts(each) for each in turns), printed_total=printed_total)


def tell_count(tx: Connection, new: Count, *, now: datetime) -> tuple[Count, bool]:
    """Store a witness's count and return it, and whether it was stored before.

    CountTimesError, CountIdReusedError.
    """
    known = store.find_count(tx, new.count_id)
    if known is None:
        if not new.begun_at <= new.ended_at <= now:
            raise CountTimesError(begun_at=new.begun_at.isoformat(), ended_at=new.ended_at.isoformat())
        if store.insert_count(tx, new):
            return new, False
        known = store.find_count(tx, new.count_id)
        assert known is not None, "its id is taken"
    for field in ("place_id", "source", "turns", "begun_at", "ended_at"):
        if getattr(known, field) != getattr(new, field):
            raise CountIdReusedError(count_id=str(new.count_id), field=field)
    return known, True


def issue_tickets(
    tx: Connection,
    series: str,
    numbers: tuple[int, ...],
    *,
    place_id: str,
    shift_id: UUID | None,
    actor: str,
    now: datetime,
) -> int:
    """Write that these numbers were handed out and return how many are new; UnknownPlaceError, UnknownShiftError.

    TicketUnknownError where a number was issued by another operator.
    """
    place = place_in_force(tx, place_id, now=now)
    if shift_id is not None and find_shift(tx, shift_id, now=now).operator_id != place.operator_id:
        raise UnknownShiftError(shift_id=str(shift_id))
    new = shift_store.insert_tickets(
        tx,
        series,
        numbers,
        place_id=place_id,
        operator_id=place.operator_id,
        shift_id=shift_id,
        at=now,
        actor=actor,
    )
    _check_owner(tx, series, numbers, place.operator_id)
    return len(new)


def end_tickets(
    tx: Connection,
    series: str,
    numbers: tuple[int, ...],
    end: TicketEnd,
    *,
    operator_id: OperatorId,
    note: str,
    actor: str,
    now: datetime,
) -> int:
    """Write that tickets were collected or voided and return how many were open.

    TicketUnknownError, VoidUnexplainedError.

    A ticket ends once: ending it again, in whatever way, changes nothing.
    """
    if end is TicketEnd.VOIDED and not note.strip():
        raise VoidUnexplainedError
    _check_owner(tx, series, numbers, operator_id)
    return len(shift_store.end_tickets(tx, series, numbers, end, note=note, at=now, actor=actor))


def account_tickets(
    tx: Connection, place_id: str, *, since: datetime, until: datetime
) -> tuple[SeriesAccount, ...]:
    """Return the account of each series issued at a place in `[since, until)`, by series."""
    found = shift_store.list_tickets(tx, place_id, since=since, until=until)
    accounts = (account_series(series, tickets) for series, tickets in sorted(found.items()))
    return tuple(each for each in accounts if each is not None)


def _check_owner(tx: Connection, series: str, numbers: tuple[int, ...], operator_id: OperatorId) -> None:
    owners = shift_store.list_ticket_operators(tx, series, numbers)
    for number in numbers:
        if owners.get(number) != operator_id:
            raise TicketUnknownError(series=series, number=number)


def _seen(tx: Connection, shift: Shift, now: datetime) -> Seen:
    until = shift.counted_at or now
    turns = store.list_turns(tx, [shift.place_id], since=shift.opened_at, until=until)
    counts = store.list_counts(tx, [shift.place_id], since=shift.opened_at, until=until)
    tickets = shift_store.list_tickets(tx, shift.place_id, since=shift.opened_at, until=until)
    ends = [turn_end(_facts(each)) for each in turns]
    guests = [each for each in turns if each.guest and each.state != State.VOIDED.value]
    unit = shift.float_.currency
    return Seen(
        place_id=shift.place_id,
        shift=str(shift.shift_id),
        attendant=shift.attendant,
        gate_turns=_witness(counts, "gate"),
        camera_turns=_witness(counts, "camera"),
        tickets_issued=_issued(tickets),
        turns_paid=ends.count(TurnEnd.PAID),
        turns_excused=ends.count(TurnEnd.EXCUSED),
        expected=Money(sum(each.charged_minor for each in guests), unit),
        received=Money(sum(each.booked_minor for each in guests), unit),
    )


def _witness(counts: tuple[Count, ...], source: str) -> int | None:
    found = [each.turns for each in counts if each.source == source]
    return sum(found) if found else None


def _issued(tickets: dict[str, list[Ticket]]) -> int | None:
    return (
        sum(each.end is not TicketEnd.VOIDED for series in tickets.values() for each in series)
        if tickets
        else None
    )


def _facts(turn: Turn) -> TurnFacts:
    return TurnFacts(
        guest=turn.guest,
        void=turn.state in {State.VOIDED.value, State.REFUNDED.value},
        charged_minor=turn.charged_minor,
        booked_minor=turn.booked_minor,
        methods=frozenset(PaidBy(each) for each in turn.methods),
    )
