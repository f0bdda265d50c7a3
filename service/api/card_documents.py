"""Cards, and what registers a medium, as the API's description shows them."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field

from access.deny import DenyReason
from access.rules.medium import MediumEvent, MediumKind, MediumState
from service.api.bodies import Body, ConcessionName, Instant
from service.api.ledger_documents import MoneyBody


class CardBody(Body):
    """A card as it stands."""

    card_serial: int
    card_id: UUID
    fare_account_id: UUID
    kind: MediumKind
    state: MediumState
    concession: ConcessionName
    expires_on: date


class CardEventBody(Body):
    """What happened to a card, when, why, and who did it."""

    at: Instant
    event: MediumEvent
    reason: str
    by: str


class CardHistoryBody(CardBody):
    """A card, why readers refuse it if they do, and what happened to it since its issue, the oldest first."""

    denied: list[DenyReason]
    history: list[CardEventBody]


class CardReplacedBody(CardBody):
    """The card that took the place of the one with the serial `replaces`."""

    replaces: int


class CardReturnQuoteBody(Body):
    """What handing a card in would pay out."""

    card_serial: int
    refund: MoneyBody


class CardReturnedBody(CardBody):
    """A card that was handed in, and what is paid out for it."""

    refund: MoneyBody


class MediumRegisteredBody(Body):
    """A medium that stands for the account; for `qr` the certificate that the phone puts into its codes."""

    card_serial: int
    kind: MediumKind
    state: MediumState
    certificate: Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})] | None
    certified_until: Instant | None
