"""Exposure, the deny list and what readers are asked to do, as the API's description shows them."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from access.deny import DenyReason
from access.rules.actionlist import ActionKind
from fare.rules.risk import RiskMode
from service.api.bodies import Body, Instant
from service.api.ledger_documents import MoneyBody


class ExposureBody(Body):
    """What all riders owe, the limit and what is left of it (null: nobody has decided one), and denied cards by reason."""

    owed: MoneyBody
    limit: MoneyBody | None
    headroom: MoneyBody | None
    cover: MoneyBody
    mode: RiskMode
    denied: dict[DenyReason, int]


class DenialChangeBody(Body):
    """A card denied or cleared, and in which version of the list readers are told; null until they are."""

    at: Instant
    reason: DenyReason
    denied: bool
    cause: str
    by: str
    version: int | None


class DenialBody(Body):
    """Why readers refuse a card now, and every change so far, the oldest first."""

    card_serial: int
    denied: list[DenyReason]
    history: list[DenialChangeBody]


class RangeDeniedBody(Body):
    """For how many serials that is new."""

    changed: int


class ActionAskedBody(Body):
    """The action that readers are asked for; `again` where they were asked before."""

    action_id: UUID
    again: bool


class CardActionBody(Body):
    """What readers were asked to do to a card, and what became of it."""

    action_id: UUID
    action: ActionKind
    detail: dict[str, str]
    until: Instant
    cause: str
    by: str
    outcome: Literal["waiting", "done", "withdrawn", "expired"]


class CardActionsBody(Body):
    """What was asked of readers for a card."""

    actions: list[CardActionBody]
