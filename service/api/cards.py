"""Cards: their state and history, every step of their life, replacement, and handing one in for what it stores."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import block, deny, issue
from access.issue import NewCard
from access.replace import Replaced
from access.rules.medium import MediumEvent, MediumKind
from access.store.cards import Card
from kernel.crypto.card_keys import UID_SIZE
from kernel.ids import CardId, FareAccountId
from kernel.money import Money
from kernel.wire.cardinfo import Concession
from service import cards_cache, looks
from service.api import card_documents as shown
from service.api.bodies import again
from service.auth import acting_for, principal, require_own, requires
from service.errors import MalformedRequestError, not_allowed
from service.jobs import cards as jobs
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("cards", __name__, tag="Cards", url_prefix="/v1/cards")
DESK: Final = (Role.AGENT, Role.ADMINISTRATOR)


class Step(StrEnum):
    """What may be asked for here; replacing and returning have doors of their own."""

    ACTIVATED = "activated"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    REPORTED_LOST = "reported_lost"
    FOUND = "found"
    RETIRED = "retired"


OWN: Final = frozenset({Step.BLOCKED, Step.REPORTED_LOST})
"""What riders may do to their own card: take it out of use. Putting one back takes a desk that sees the person."""


class Asked(BaseModel):
    """A step with an id that the caller mints and saves before sending."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    reason: Annotated[str, Field(min_length=1, max_length=200)]


class StepAsked(Asked):
    """One step of the card's life."""

    event: Step


class ReplacementAsked(Asked):
    """The card that takes its place: its own UID, 14 hexadecimal digits, and how long it is good for."""

    uid: Annotated[str, Field(pattern="^[0-9a-fA-F]{14}$")]
    expires_on: Annotated[date, Field(ge=date(2020, 1, 1), lt=date(2199, 1, 1))]
    kind: MediumKind = MediumKind.TRANSIT
    stored_value: bool = False


class Amount(BaseModel):
    """An amount in minor units."""

    model_config = ConfigDict(extra="forbid")

    minor: Annotated[int, Field(ge=0, le=10**12)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class ReturnAsked(Asked):
    """A card handed in; `confirmed` is the amount that was shown and agreed to."""

    confirmed: Amount


@blueprint.get("/<int:serial>")
@requires(Role.RIDER, *DESK, Role.AUDITOR)
@blueprint.output(shown.CardHistoryBody)
def get_card(serial: int) -> dict[str, Any]:
    """Return a card's state, why readers refuse it if they do, and what happened to it since its issue."""
    with services().database.begin() as tx:
        card = issue.get_card(tx, serial=serial)
        account = require_own(card.fare_account_id)
        body = _shown(card) | {
            "denied": list(deny.reasons(tx, serial)),
            "history": [
                {"at": row.at.isoformat(), "event": row.event, "reason": row.reason, "by": row.actor}
                for row in block.list_history(tx, CardId(card.card_id))
            ],
        }
        looks.by_another(tx, account, what="card", purpose="card service")
    return body


@blueprint.post("/<int:serial>/events")
@requires(Role.RIDER, *DESK)
@blueprint.input(StepAsked, location="json")
@blueprint.output(shown.CardBody)
def post_event(serial: int, json_data: StepAsked) -> dict[str, Any]:
    """Take one step; the same `event_id` again changes nothing. Riders may block their own card or report it lost."""
    running = services()
    now = running.clock.now()
    if acting_for() is not None and json_data.event not in OWN:
        raise not_allowed(DESK)

    def work(tx: Connection) -> jobs.Changed:
        _own(tx, serial)
        return jobs.change_card(
            tx,
            serial,
            MediumEvent(json_data.event.value),
            reason=json_data.reason,
            by=principal().actor,
            now=now,
            event_id=json_data.event_id,
            request_id=request_id(),
        )

    done = running.database.run(work)
    cards_cache.refresh(running.database, running.cache, done.accounts, now)
    return _shown(done.card)


@blueprint.post("/<int:serial>/replacement")
@requires(*DESK)
@blueprint.input(ReplacementAsked, location="json")
@blueprint.output(shown.CardReplacedBody, status_code=201)
@blueprint.doc(responses=again(shown.CardReplacedBody))
def post_replacement(serial: int, json_data: ReplacementAsked) -> tuple[dict[str, Any], int]:
    """Put another card on the same account and deny this one for good; balance, passes and history stay.

    The answer holds no keys: `lienthong card replace` with the same id writes those where the card is made.
    """
    if json_data.kind not in {MediumKind.TRANSIT, MediumKind.VIRTUAL}:
        raise MalformedRequestError(errors=[{"at": "kind", "what": "transit or virtual"}])
    running = services()
    now = running.clock.now()
    uid = bytes.fromhex(json_data.uid)
    assert len(uid) == UID_SIZE, "the pattern says so"

    def work(tx: Connection) -> tuple[Replaced, frozenset[FareAccountId]]:
        concession = Concession(issue.get_card(tx, serial=serial).concession)
        asked = NewCard(
            uid=uid,
            concession=concession,
            expires_on=json_data.expires_on,
            kind=json_data.kind,
            stored_value=json_data.stored_value,
        )
        return jobs.replace(
            tx,
            serial,
            asked,
            keyring=running.keyring,
            event_id=json_data.event_id,
            reason=json_data.reason,
            by=principal().actor,
            now=now,
            request_id=request_id(),
        )

    done, accounts = running.database.run(work)
    cards_cache.refresh(running.database, running.cache, accounts, now)
    return _shown(done.new) | {"replaces": serial}, 201 if done.made else 200


@blueprint.get("/<int:serial>/return")
@requires(Role.RIDER, *DESK)
@blueprint.output(shown.CardReturnQuoteBody)
def quote_return(serial: int) -> dict[str, Any]:
    """Return what handing the card in would pay out now; nothing changes."""
    running = services()
    with running.database.read() as tx:
        require_own(issue.get_card(tx, serial=serial).fare_account_id)
        amount = jobs.quote_return(tx, serial, now=running.clock.now())
    return {"card_serial": serial, "refund": amount.to_json()}


@blueprint.post("/<int:serial>/return")
@requires(*DESK)
@blueprint.input(ReturnAsked, location="json")
@blueprint.output(shown.CardReturnedBody)
def post_return(serial: int, json_data: ReturnAsked) -> dict[str, Any]:
    """Take the card back for good and book what it stores as to be paid out; refused while the account owes."""
    running = services()
    now = running.clock.now()
    confirmed = Money.from_json(json_data.confirmed.model_dump())

    def work(tx: Connection) -> jobs.Returned:
        return jobs.return_card(
            tx,
            serial,
            confirmed=confirmed,
            event_id=json_data.event_id,
            reason=json_data.reason,
            by=principal().actor,
            now=now,
            request_id=request_id(),
        )

    done = running.database.run(work)
    cards_cache.refresh(running.database, running.cache, done.accounts, now)
    return _shown(done.card) | {"refund": done.refund.to_json()}


def _own(tx: Connection, serial: int) -> Card:
    card = issue.get_card(tx, serial=serial)
    require_own(card.fare_account_id)
    return card


def _shown(card: Card) -> dict[str, Any]:
    return {
        "card_serial": card.serial,
        "card_id": str(card.card_id),
        "fare_account_id": str(card.fare_account_id),
        "kind": card.kind.value,
        "state": card.state.value,
        "concession": card.concession.name.lower(),
        "expires_on": card.expires_on.isoformat(),
    }
