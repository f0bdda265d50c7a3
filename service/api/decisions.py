"""`POST /v1/decisions`: an online validator asks before it lets a card through. Advice with a hold, never evidence."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from access import issue
from access.issue import UnknownCardError
from access.rules.medium import MediumState
from kernel.ids import FareAccountId
from kernel.money import VND, Money, currency
from service import cards_cache
from service.auth import device_signed, signing_device
from service.cards_cache import CardState, Held
from service.services import Services, services

blueprint: Final = APIBlueprint("decisions", __name__, tag="Devices")
_MAX_BODY: Final = 2_048


class Advice(StrEnum):
    """What the lamp should show."""

    ACCEPT = "accept"
    REFUSE = "refuse"


class Source(StrEnum):
    """Where the answer came from: Redis, with a hold, or the database, without."""

    CACHE = "cache"
    DATABASE = "database"


class Amount(BaseModel):
    """An amount in minor units; VND has none."""

    model_config = ConfigDict(extra="forbid", strict=True)

    minor: Annotated[int, Field(ge=0, le=10**12)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class Question(BaseModel):
    """Which card, and how much the tap may come to at most: that much is held against use elsewhere."""

    model_config = ConfigDict(extra="forbid", strict=True)

    card_serial: Annotated[int, Field(ge=1, le=2**63 - 1)]
    amount: Amount | None = None


class AmountBody(BaseModel):
    """An amount in minor units."""

    minor: int
    currency: str


class DecisionBody(BaseModel):
    """The advice, why, and the balance as it was at `as_of`. `held` is what other devices hold of it now."""

    decision: Advice
    reason: str = Field(
        description="Empty, or: unknown-card, a card state, a deny reason, balance, held-elsewhere"
    )
    balance: AmountBody | None
    held: AmountBody | None
    as_of: datetime | None
    hold_until: datetime | None
    source: Source


@blueprint.post("/v1/decisions")
@device_signed
@blueprint.input(Question, location="json")
@blueprint.output(DecisionBody)
def post_decision(json_data: Question) -> Response:
    """Answer from Redis in a few ms; with Redis gone or stale from the database: slower, right, and without a hold.

    The tap that follows is the evidence; a stale answer may cost one fare, never the ledger's floor.
    """
    running = services()
    now = running.clock.now()
    asked = json_data.amount
    amount = Money(asked.minor, currency(asked.currency)) if asked else Money.zero(VND)
    device = str(signing_device().device_id)
    max_age = timedelta(seconds=running.settings.decision_max_age_s)
    serial = json_data.card_serial
    held = cards_cache.decide(running.cache, serial, device=device, amount=amount, now=now, max_age=max_age)
    if held is not None:
        return _answer(_body(held, amount, Source.CACHE, now))
    card = _read(running, serial, now)
    if card is None:
        return _answer(_unknown())
    # Put it back, and ask again so that the hold is placed; with Redis gone the database's word stands alone.
    if cards_cache.write(running.cache, (card,)):
        held = cards_cache.decide(
            running.cache, serial, device=device, amount=amount, now=now, max_age=max_age
        )
        if held is not None:
            return _answer(_body(held, amount, Source.DATABASE, now))
    alone = Held(card, Money.zero(card.balance.currency), placed=False)
    return _answer(_body(alone, amount, Source.DATABASE, now))


@blueprint.before_request
def _small() -> None:
    request.max_content_length = _MAX_BODY


def _read(running: Services, serial: int, now: datetime) -> CardState | None:
    with running.database.read() as tx:
        try:
            card = issue.get_card(tx, serial=serial)
        except UnknownCardError:
            return None
        states = cards_cache.read_states(tx, (FareAccountId(card.fare_account_id),), now)
    return next(state for state in states if state.serial == serial)


def _reason(found: Held, amount: Money) -> str:
    card = found.card
    if card.state is not MediumState.ACTIVE:
        return str(card.state.value)
    if card.denied:
        return card.denied[0]
    if card.balance < amount:
        return "balance"
    return "held-elsewhere" if card.balance - found.held < amount else ""


def _body(found: Held, amount: Money, source: Source, now: datetime) -> DecisionBody:
    reason = _reason(found, amount)
    return DecisionBody(
        decision=Advice.REFUSE if reason else Advice.ACCEPT,
        reason=reason,
        balance=AmountBody.model_validate(found.card.balance.to_json()),
        held=AmountBody.model_validate(found.held.to_json()),
        as_of=found.card.as_of,
        hold_until=now + cards_cache.HOLD if found.placed else None,
        source=source,
    )


def _unknown() -> DecisionBody:
    return DecisionBody(
        decision=Advice.REFUSE,
        reason="unknown-card",
        balance=None,
        held=None,
        as_of=None,
        hold_until=None,
        source=Source.DATABASE,
    )


def _answer(body: DecisionBody) -> Response:
    return jsonify(body.model_dump(mode="json"))
