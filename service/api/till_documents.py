"""Tills and the cash office as the API's description shows them."""

from __future__ import annotations

from uuid import UUID

from ledger.rules.till import TillKind, TillShiftState
from service.api.bodies import Body, Instant
from service.api.ledger_documents import MoneyBody


class TillBody(Body):
    """A till and how much cash it may hold."""

    till: str
    kind: TillKind
    most: MoneyBody


class TillShiftBody(Body):
    """An agent's shift; what was counted, by whom, and what lacks, once it was."""

    shift_id: UUID
    till: str
    agent: str
    state: TillShiftState
    float: MoneyBody
    opened_by: str
    opened_at: Instant
    topped_up: MoneyBody
    remitted: MoneyBody
    counted: MoneyBody | None
    counted_by: str | None
    short: MoneyBody | None


class TillStandingBody(TillBody):
    """A till, what should lie in it, and its newest shift."""

    cash: MoneyBody
    shift: TillShiftBody | None


class TillsBody(Body):
    """Every till, and what should lie in the cash office."""

    tills: list[TillStandingBody]
    cash_office: MoneyBody


class CashToppedUpBody(Body):
    """A card that was loaded for cash; `owed` of it went to what the card owed."""

    topup_id: UUID
    card_serial: int
    amount: MoneyBody
    owed: MoneyBody


class MadeGoodBody(Body):
    """What an agent still lacks."""

    agent: str
    lacks: MoneyBody


class CarriedBody(Body):
    """Cash that was carried to the bank; drawn from it, where negative."""

    deposit_id: UUID
    amount: MoneyBody
    slip: str
