"""Tills of conductors, kiosks and stations: an agent's shift with its cash, and the cash office."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import issue
from kernel.ids import FareAccountId
from kernel.money import VND, Money
from ledger import cash_office
from ledger import till as verbs
from ledger.rules.till import Till, TillKind, TillShift
from service import cards_cache
from service.api import till_documents as shown
from service.api.bodies import again
from service.api.parking_shifts import CashAmount, Name
from service.api.topups import FINANCE, Amount
from service.audit import Actor
from service.auth import principal, requires
from service.jobs import tills as job
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("tills", __name__, tag="Cash", url_prefix="/v1")
T = TypeVar("T")
Answer = tuple[dict[str, Any], int, dict[str, str]]


class TillAdded(BaseModel):
    """A till, where it stands and how much cash it may hold."""

    model_config = ConfigDict(extra="forbid")

    till: Name
    kind: TillKind
    most: CashAmount


class TillShiftOpened(BaseModel):
    """An agent's shift with its float. The caller mints `shift_id` (a UUID) and saves it before sending."""

    model_config = ConfigDict(extra="forbid")

    shift_id: UUID
    agent: Name
    float: CashAmount


class CashTopup(BaseModel):
    """Cash for a card. The caller mints `topup_id` (a UUID) and saves it before sending."""

    model_config = ConfigDict(extra="forbid")

    topup_id: UUID
    card_serial: Annotated[int, Field(ge=1)]
    amount: CashAmount


class TillCash(BaseModel):
    """Cash handed in, or counted. The caller mints `event_id` (a UUID) and saves it before sending."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    amount: CashAmount


class TillClosed(BaseModel):
    """The second person's word: never the one who counted."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID


class MadeGood(TillCash):
    """Cash that an agent brings for what counts lacked."""

    agent: Name


class CashCarried(BaseModel):
    """Cash carried to the bank or drawn there for floats, with the reference on the bank's slip."""

    model_config = ConfigDict(extra="forbid")

    deposit_id: UUID
    amount: CashAmount
    slip: Annotated[str, Field(min_length=1, max_length=35)]
    direction: Literal["to_bank", "from_bank"] = "to_bank"


@blueprint.post("/tills")
@requires(Role.FINANCE_MAKER)
@blueprint.input(TillAdded, location="json")
@blueprint.output(shown.TillBody)
def add_till(json_data: TillAdded) -> dict[str, Any]:
    """Add a till; the same again changes nothing."""
    made = Till(json_data.till, json_data.kind, _money(json_data.most))
    _run(lambda tx, by, now: job.add(tx, made, by=by, now=now))
    return _till(made)


@blueprint.get("/tills")
@requires(*FINANCE, Role.AGENT)
@blueprint.output(shown.TillsBody)
def list_tills() -> dict[str, Any]:
    """Return every till, what should lie in it, its newest shift, and what should lie in the cash office."""
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        rows = verbs.list_standing(tx, now)
        office = cash_office.read_office(tx, VND, now)
    return {
        "tills": [
            _till(place) | {"cash": cash.to_json(), "shift": None if shift is None else _shift(shift)}
            for place, cash, shift in rows
        ],
        "cash_office": office.to_json(),
    }


@blueprint.post("/tills/<till>/shifts")
@requires(Role.AGENT)
@blueprint.input(TillShiftOpened, location="json")
@blueprint.output(shown.TillShiftBody)
def open_till_shift(till: str, json_data: TillShiftOpened) -> dict[str, Any]:
    """Open a shift with a float out of the cash office; the same id again is answered with the shift as it stands."""
    return _told(
        lambda tx, by, now: job.open_shift(
            tx,
            json_data.shift_id,
            till=till,
            agent=json_data.agent,
            float_=_money(json_data.float),
            by=by,
            now=now,
        )
    )


@blueprint.post("/tills/<till>/topups")
@requires(Role.AGENT)
@blueprint.input(CashTopup, location="json")
@blueprint.output(shown.CashToppedUpBody, status_code=201)
@blueprint.doc(responses=again(shown.CashToppedUpBody))
def top_up_for_cash(till: str, json_data: CashTopup) -> Answer:
    """Load a card for cash, what it owes first; the same id again changes nothing."""
    running, by = services(), principal().actor
    now = running.clock.now()

    def work(tx: Connection) -> tuple[FareAccountId, verbs.ToppedUp]:
        account = FareAccountId(issue.get_card(tx, serial=json_data.card_serial).fare_account_id)
        return account, job.top_up(
            tx,
            json_data.topup_id,
            till=till,
            serial=json_data.card_serial,
            amount=_money(json_data.amount),
            by=by,
            now=now,
        )

    account, done = running.database.run(work)
    cards_cache.refresh(running.database, running.cache, {account}, now)
    body = {
        "topup_id": str(json_data.topup_id),
        "card_serial": json_data.card_serial,
        "amount": done.amount.to_json(),
        "owed": done.owed.to_json(),
    }
    return (body, 200, {"Idempotency-Hit": "true"}) if done.again else (body, 201, {})


@blueprint.post("/tills/<till>/remittances")
@requires(Role.AGENT)
@blueprint.input(TillCash, location="json")
@blueprint.output(shown.TillShiftBody)
def remit_cash(till: str, json_data: TillCash) -> dict[str, Any]:
    """Hand cash in to the office during a shift; the same id again changes nothing."""
    cash = _money(json_data.amount)
    return _told(
        lambda tx, by, now: job.remit(tx, json_data.event_id, till=till, amount=cash, by=by, now=now)
    )


@blueprint.post("/tills/<till>/counts")
@requires(Role.AGENT)
@blueprint.input(TillCash, location="json")
@blueprint.output(shown.TillShiftBody)
def count_till(till: str, json_data: TillCash) -> dict[str, Any]:
    """Count what lies in the till: it takes no cash until another person closes the shift."""
    cash = _money(json_data.amount)
    return _told(
        lambda tx, by, now: job.count(tx, json_data.event_id, till=till, amount=cash, by=by, now=now)
    )


@blueprint.post("/tills/<till>/close")
@requires(Role.AGENT, Role.FINANCE_MAKER, Role.FINANCE_CHECKER)
@blueprint.input(TillClosed, location="json")
@blueprint.output(shown.TillShiftBody)
def close_till_shift(till: str, json_data: TillClosed) -> dict[str, Any]:
    """Close a shift that another person counted: the cash goes to the office."""
    return _told(lambda tx, by, now: job.close(tx, json_data.event_id, till=till, by=by, now=now))


@blueprint.post("/cash-office/made-good")
@requires(Role.FINANCE_MAKER)
@blueprint.input(MadeGood, location="json")
@blueprint.output(shown.MadeGoodBody)
def make_good(json_data: MadeGood) -> dict[str, Any]:
    """Take from an agent what counts lacked; return what still lacks."""
    left = _run(
        lambda tx, by, now: job.make_good(
            tx, json_data.event_id, agent=json_data.agent, amount=_money(json_data.amount), by=by, now=now
        )
    )
    return {"agent": json_data.agent, "lacks": left.to_json()}


@blueprint.post("/cash-office/deposits")
@requires(Role.FINANCE_MAKER)
@blueprint.input(CashCarried, location="json")
@blueprint.output(shown.CarriedBody)
def carry_cash(json_data: CashCarried) -> dict[str, Any]:
    """Note cash that was carried to the bank, or drawn; reconciliation books it from the statement with the slip."""
    cash = _money(json_data.amount)
    moved = cash if json_data.direction == "to_bank" else -cash
    _run(lambda tx, by, now: job.carry(tx, json_data.deposit_id, moved, slip=json_data.slip, by=by, now=now))
    return {"deposit_id": str(json_data.deposit_id), "amount": moved.to_json(), "slip": json_data.slip}


def _money(asked: Amount) -> Money:
    return Money.from_json(asked.model_dump())


def _run(work: Callable[[Connection, Actor, datetime], T]) -> T:
    running, by = services(), principal().actor
    return running.database.run(lambda tx: work(tx, by, running.clock.now()))


def _told(work: Callable[[Connection, Actor, datetime], TillShift]) -> dict[str, Any]:
    return _shift(_run(work))


def _till(place: Till) -> dict[str, Any]:
    return {"till": place.name, "kind": place.kind.value, "most": place.most.to_json()}


def _shift(shift: TillShift) -> dict[str, Any]:
    return {
        "shift_id": str(shift.shift_id),
        "till": shift.till,
        "agent": shift.agent,
        "state": shift.state.value,
        "float": shift.float_.to_json(),
        "opened_by": shift.opened_by,
        "opened_at": shift.opened_at.isoformat(),
        "topped_up": shift.topped_up.to_json(),
        "remitted": shift.remitted.to_json(),
        "counted": None if shift.counted is None else shift.counted.to_json(),
        "counted_by": shift.counted_by or None,
        "short": None if shift.short is None else shift.short.to_json(),
    }
