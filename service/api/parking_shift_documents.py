"""Shifts, paper tickets and the operator's meters as the API's description shows them."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from parking.rules.shift import ShiftState
from service.api.bodies import Body, Instant
from service.api.ledger_documents import MoneyBody


class ParkingShiftBody(Body):
    """A shift at a till; what was counted, by whom, and how far it is off, once it was; `explanation` where one was given."""

    shift_id: UUID
    place_id: str
    till: str
    attendant: str
    state: ShiftState
    opened_at: Instant
    float: MoneyBody
    taken: MoneyBody
    dropped: MoneyBody
    expected: MoneyBody
    counted: MoneyBody | None
    counted_at: Instant | None
    counted_by: str | None
    variance: MoneyBody | None
    explanation: str | None
    closed_at: Instant | None
    closed_by: str | None


class ParkingShiftsBody(Body):
    """A place's shifts, the newest first."""

    shifts: list[ParkingShiftBody]


class TicketsIssuedBody(Body):
    """How many numbers are newly issued, and how many were known."""

    series: str
    issued: int
    known: int


class TicketsEndedBody(Body):
    """How many tickets ended now, and how many had before."""

    series: str
    ended: int
    known: int


class GapBody(Body):
    """Numbers from first to last that nobody issued."""

    first: int
    last: int


class TicketSeriesBody(Body):
    """A series accounted for: issued = collected + voided + open; `missing` numbers lie in `gaps`."""

    series: str
    first: int
    last: int
    issued: int
    collected: int
    voided: int
    open: int
    missing: int
    gaps: list[GapBody]


class TicketSeriesListBody(Body):
    """A place's series."""

    series: list[TicketSeriesBody]


class CountKeptBody(Body):
    """What a witness counted."""

    count_id: UUID
    source: Literal["gate", "camera", "present"]
    turns: int


class LeakageShiftBody(Body):
    """What one shift let through; a witness that saw nothing of it is null, and so is the share where nobody did."""

    shift_id: str
    attendant: str
    state: ShiftState
    gate_turns: int | None
    camera_turns: int | None
    tickets_issued: int | None
    turns_seen: int
    turns_paid: int
    turns_excused: int
    turns_unpaid: int
    witnesses_apart: int
    capture_millionths: int | None
    expected: MoneyBody
    received: MoneyBody
    missing: MoneyBody
    variance: MoneyBody | None
    alert: bool


class LeakageBody(Body):
    """What witnesses saw against what was paid, by shift, and how many shifts alert."""

    place_id: str
    alerts: int
    shifts: list[LeakageShiftBody]


class CashlessBody(Body):
    """Turns by how they were paid; free ones are none of them. The share is null where nobody paid."""

    place_id: str
    since: Instant
    until: Instant
    turns: int
    cashless: int
    cash: int
    cash_by_proxy: int
    share_millionths: int | None
