"""Signed receipts as the API's description shows them. Their bytes are what is signed: this only describes them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from fare.rules.bill import Closed
from fare.rules.bill import Component as RideComponent
from parking.rules.payment import Method
from parking.rules.session import State
from service.api.bodies import Body, Instant
from service.api.ledger_documents import MoneyBody
from service.api.parking_documents import ParkingQuoteBody, StayLineBody

Hex = Annotated[str, Field(pattern="^([0-9a-f]{2})+$")]
Step = dict[str, Any]


class ReceiptKeyBody(Body):
    """A public key (Ed25519, in hexadecimal) and its id."""

    key_id: Hex
    ed25519: Hex


class ReceiptKeysBody(Body):
    """The keys that receipts are and were signed with, the oldest first."""

    keys: list[ReceiptKeyBody]


class ReceiptInvoiceBody(Body):
    """An e-invoice about what the receipt is for."""

    number: str
    operator_id: str
    issued_on: date
    total: MoneyBody
    tax: MoneyBody


class _ReceiptBody(Body):
    format: Literal["lienthong-receipt-1"]
    receipt_id: UUID
    issued_at: Instant


class ReceiptPlaceBody(Body):
    """Where a vehicle stood."""

    place_id: str
    name: str


class ReceiptPaymentBody(Body):
    """Money that a guest paid; negative, where it was given back."""

    payment_id: UUID
    method: Method
    amount: MoneyBody
    paid_at: Instant


class StayReceiptBody(_ReceiptBody):
    """What a stay cost; `proof` is null where nothing was priced."""

    kind: Literal["parking_stay"]
    operator_id: str
    place: ReceiptPlaceBody
    session_id: UUID
    revision: int
    state: State
    vehicle_class: str | None
    entered_at: Instant | None
    left_at: Instant | None
    total: MoneyBody
    charged: MoneyBody
    paid_from: Literal["guest", "account"]
    lines: list[StayLineBody]
    payments: list[ReceiptPaymentBody]
    invoices: list[ReceiptInvoiceBody]
    proof: ParkingQuoteBody | None


class RideLineBody(Body):
    """One part of a ride's face value, owed by `funder` to the operator."""

    component: RideComponent
    operator_id: str
    funder: str
    rule: str
    amount: MoneyBody


class SentencesBody(Body):
    """Sentences in Vietnamese and in English."""

    vi: list[str]
    en: list[str]


class RideExplanationBody(Body):
    """What recomputes to the charge: steps in order, each with its `op` and the numbers its amount follows from."""

    tap_id: UUID
    closed: str
    charged_minor: int
    parts: dict[str, int]
    shares: list[Step]
    steps: list[Step]
    considered: list[Step]
    caps: list[Step]
    windows: list[Step]
    vi: list[str]
    en: list[str]


class RideReceiptBody(_ReceiptBody):
    """What a ride cost and why; `explanation` is null where the evidence now says otherwise than is booked."""

    kind: Literal["ride"]
    operator_id: str
    tap_id: UUID
    tap_off_id: UUID | None
    service_day: date | None
    revision: int
    tariff_version: str
    route: str
    from_stop: str
    to_stop: str
    started_at: Instant
    ended_at: Instant | None
    closed: Closed
    face_value: MoneyBody
    charged: MoneyBody
    lines: list[RideLineBody]
    why: SentencesBody
    explanation: RideExplanationBody | None
    invoices: list[ReceiptInvoiceBody]


class TopupReceiptBody(_ReceiptBody):
    """What was received for a top-up."""

    kind: Literal["topup"]
    fare_account_id: UUID
    topup_id: UUID
    payment_id: UUID
    provider: str
    reference: str
    asked: MoneyBody
    received: MoneyBody
    paid_at: Instant


class SignatureBody(Body):
    """The signature (Base64) over `context` and the receipt's canonical form, by one of the keys."""

    algorithm: Literal["Ed25519"]
    context: Literal["lienthong receipt v1"]
    key_id: Hex
    value: str


class SignedStayReceiptBody(Body):
    """A stay's receipt, signed."""

    receipt: StayReceiptBody
    signature: SignatureBody


class SignedRideReceiptBody(Body):
    """A ride's receipt, signed."""

    receipt: RideReceiptBody
    signature: SignatureBody


class SignedTopupReceiptBody(Body):
    """A top-up's receipt, signed."""

    receipt: TopupReceiptBody
    signature: SignatureBody
