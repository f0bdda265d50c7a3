"""Disputes as the API's description shows them."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from ledger.rules.dispute import DisputeEvent, DisputeState
from service.api.bodies import Body, Instant
from service.api.ledger_documents import MoneyBody


class DisputeBody(Body):
    """What a rider says of a charge; `disputed` is what was left of it when the dispute was raised."""

    dispute_id: UUID
    fare_account_id: UUID
    entry_id: UUID
    disputed: MoneyBody
    reason: str
    state: DisputeState
    raised_at: Instant
    answer_by: Instant


class DisputesBody(Body):
    """A rider's disputes, the newest first."""

    disputes: list[DisputeBody]


class OpenDisputeBody(DisputeBody):
    """An unanswered dispute; `overdue` after `answer_by`."""

    overdue: bool


class OpenDisputesBody(Body):
    """Unanswered disputes, the most urgent first."""

    disputes: list[OpenDisputeBody]


class ChargeLineBody(Body):
    """A booked line of a charge or of what corrects it; `metadata` is the JSON text that the seal covers."""

    entry_id: UUID
    kind: str
    amount: MoneyBody
    service_day: date
    posted_at: Instant
    metadata: str


class DisputeEvidenceBody(Body):
    """The charge as booked, what corrected it since, and what is left; `explanation` is where it is explained, if it is."""

    cause: str
    charge: list[ChargeLineBody]
    corrections: list[ChargeLineBody]
    left: MoneyBody
    explanation: str


class DisputeStepBody(Body):
    """What happened to a dispute, where it stood then, and what was given back by which entry."""

    event: DisputeEvent
    state: DisputeState
    at: Instant
    note: str
    refund: MoneyBody | None
    entry_id: UUID | None


class DisputeFileBody(DisputeBody):
    """A dispute with its evidence and steps."""

    evidence: DisputeEvidenceBody
    steps: list[DisputeStepBody]
