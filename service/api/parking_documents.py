"""Sessions, their price proofs and their payments as the API's description shows them."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import Field

from parking.rules.bill import Component
from parking.rules.payment import Method
from parking.rules.quote import Basis
from parking.rules.session import Case, State
from parking.rules.settled import Held, Settling
from parking.rules.walk import Kind
from service.api.bodies import Body, Instant
from service.api.ledger_documents import MoneyBody


class ProofLineBody(Body):
    """One amount of a proof: `units` times `unit_price` where a rate line made it; `quantity` is counted, not timed."""

    kind: Kind
    ref: str
    description: str
    since: Instant = Field(alias="from")
    to: Instant
    units: int
    quantity: str | None
    unit_price: MoneyBody | None
    amount: MoneyBody
    decision: str


class ParkingQuoteBody(Body):
    """A price with its proof; it binds until `expires_at`, null where it prices a stay that has ended."""

    place_id: str
    vehicle_class: str
    user: str
    engine_version: str
    rates_version: str
    table_id: str
    edition: date | None
    decision: str
    source: str
    zone: str
    basis: Basis
    since: Instant = Field(alias="from")
    to: Instant
    measured_s: int
    extras: dict[str, str]
    lines: list[ProofLineBody]
    total: MoneyBody
    expires_at: Instant | None


class EarningRideBody(Body):
    """The ride that earned a cut: when, and what it was of what rates name."""

    at: Instant
    words: list[str]


class CutBody(Body):
    """What a ride took off: `amount` of what was left to pay, `of`."""

    spec_id: str
    rule: str
    funder: str
    ride: EarningRideBody
    of: MoneyBody
    amount: MoneyBody


class ParkingProofBody(ParkingQuoteBody):
    """A session's price proof, with what rides took off it."""

    park_and_ride: list[CutBody]


class StayLineBody(Body):
    """One part of the face value: `funder` pays it, by `rule`."""

    component: Component
    funder: str
    rule: str
    amount: MoneyBody


class LeaveNowBody(Body):
    """What leaving at `asked_at` would cost and who would pay it; `reason` says why it cannot be priced."""

    charged: MoneyBody | None
    lines: list[StayLineBody]
    reason: str | None


class ParkingSessionBody(Body):
    """A session with the proof of its price; while it runs, of what leaving now would cost."""

    session_id: UUID
    place_id: str
    operator_id: str
    vehicle_class: str
    state: State
    cases: list[Case]
    entered_at: Instant | None
    left_at: Instant | None
    held_until: Instant | None
    paid_until: Instant | None
    payment: Literal["open", "due_at_exit", "account"]
    lines: list[StayLineBody]
    asked_at: Instant | None
    leave_now: LeaveNowBody | None
    proof: ParkingProofBody | None


class SettledPartBody(Body):
    """Money that came one way: since when and by whose word it is settled, or what it waits for."""

    method: str
    amount: MoneyBody
    ref: str
    settled_at: Instant | None
    by: list[str]
    why: Held | None
    detail: str | None


class SettledStayBody(Body):
    """Whether a session's money is settled or held, since when, by whose word, and why it is held."""

    state: Settling
    settled_at: Instant | None
    by: list[str]
    why: Held | None
    parts: list[SettledPartBody]


class ParkingSessionSettledBody(ParkingSessionBody):
    """A session, and where its money stands."""

    settlement: SettledStayBody


class PlateSessionBody(Body):
    """What a camera's reading did: it joined a session (same, minor), began one, or is unread and a case is open."""

    event_id: UUID
    how: Literal["same", "minor", "began", "unread"]
    session: ParkingSessionBody | None


class StayPaymentBody(Body):
    """Money paid for a session; negative, where it was given back."""

    payment_id: UUID
    method: Method
    amount: MoneyBody
    till: str | None
    paid_until: Instant | None
    paid_at: Instant


class StayPaymentsBody(Body):
    """What a session costs by now, what was paid, and what is due; `to_give_back` once it has ended."""

    session_id: UUID
    state: State
    price: MoneyBody
    paid: MoneyBody
    due: MoneyBody
    to_give_back: MoneyBody | None
    payments: list[StayPaymentBody]
