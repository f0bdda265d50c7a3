"""Paying riders back: one person asks, another approves, and one payment file takes what is approved to the bank."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, make_response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection

from kernel.money import VND, Money
from ledger import pay_back as verbs
from ledger.rails.pain001 import Party, Version
from ledger.rules.pay_back import Order, OrderState, Payee
from service.api.bodies import Body, Instant, again, files
from service.api.ledger_documents import MoneyBody
from service.api.topups import FINANCE, Amount
from service.audit import Actor
from service.auth import principal, requires
from service.jobs import pay_backs as job
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("pay_backs", __name__, tag="Top-up", url_prefix="/v1/pay-backs")
Note = Annotated[str, Field(min_length=1, max_length=200)]


class PaidBack(BaseModel):
    """Who is paid, at which account; `bic` names the bank where known."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=70)]
    account: Annotated[str, Field(min_length=1, max_length=34)]
    bic: Annotated[str, Field(max_length=11)] = ""


class PayBackAsked(BaseModel):
    """What somebody is to be paid back. The caller mints `order_id` (a UUID) and saves it before sending.

    With `payment_id` a top-up goes back to its source, to whoever paid it where the provider said so; without, it is of
    what is owed already, and `payee` says to whom.
    """

    model_config = ConfigDict(extra="forbid")

    order_id: UUID
    amount: Amount
    note: Note
    payee: PaidBack | None = None
    payment_id: UUID | None = None

    @model_validator(mode="after")
    def _somebody(self) -> PayBackAsked:
        if self.payee is None and self.payment_id is None:
            raise ValueError("name a payee, or a payment whose provider said who paid")
        return self


class PayBackNote(BaseModel):
    """Why, or what the bank said."""

    model_config = ConfigDict(extra="forbid")

    note: Note


class PayBackFile(BaseModel):
    """A payment file. The caller mints `file_id` (a UUID): the same id again is the same file."""

    model_config = ConfigDict(extra="forbid")

    file_id: UUID
    bic: Annotated[str, Field(max_length=11)] = ""
    version: Version = Version.V09


class PayBacksWanted(BaseModel):
    """Orders of one state, or all."""

    model_config = ConfigDict(extra="forbid")

    state: OrderState | None = None


class PayeeBody(Body):
    """Who is paid, at which account."""

    name: str
    account: str


class PayBackBody(Body):
    """An order as it stands; `file` is the payment file that took it, `paid_on` the bank's day."""

    order_id: UUID
    state: OrderState
    amount: MoneyBody
    payee: PayeeBody
    cause: str
    payment_id: UUID | None
    asked_by: str
    asked_at: Instant
    end_to_end: str
    file: UUID | None
    paid_on: date | None


class PayBacksBody(Body):
    """Orders, oldest first, and what is owed and not ordered yet."""

    owed: MoneyBody
    orders: list[PayBackBody]


@blueprint.post("")
@requires(Role.FINANCE_MAKER)
@blueprint.input(PayBackAsked, location="json")
@blueprint.output(PayBackBody, status_code=201)
@blueprint.doc(responses=again(PayBackBody))
def ask_pay_back(json_data: PayBackAsked) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Ask to pay somebody back; books nothing. The same id again is answered with the order as it stands."""
    running = services()
    asked = json_data.payee
    payee = None if asked is None else Payee(asked.name, asked.account, asked.bic)

    def work(tx: Connection) -> tuple[Order, bool]:
        again = verbs.find(tx, json_data.order_id) is not None
        order = job.ask(
            tx,
            json_data.order_id,
            amount=Money.from_json(json_data.amount.model_dump()),
            payee=payee,
            payment_id=json_data.payment_id,
            note=json_data.note,
            by=principal().actor,
            now=running.clock.now(),
        )
        return order, again

    order, again = running.database.run(work)
    return (
        (job.document(order), 200, {"Idempotency-Hit": "true"}) if again else (job.document(order), 201, {})
    )


@blueprint.get("")
@requires(*FINANCE)
@blueprint.input(PayBacksWanted, location="query")
@blueprint.output(PayBacksBody)
def list_pay_backs(query_data: PayBacksWanted) -> dict[str, Any]:
    """Return orders, oldest first, and what is owed and not ordered yet."""
    running = services()
    with running.database.begin() as tx:
        orders = verbs.list_orders(tx, state=query_data.state)
        owed = verbs.read_owed(tx, VND, running.clock.now())
    return {"owed": owed.to_json(), "orders": [job.document(one) for one in orders]}


@blueprint.get("/<uuid:order_id>")
@requires(*FINANCE)
@blueprint.output(PayBackBody)
def get_pay_back(order_id: UUID) -> dict[str, Any]:
    """Return an order as it stands."""
    with services().database.read() as tx:
        return job.document(verbs.get(tx, order_id))


@blueprint.post("/<uuid:order_id>/approve")
@requires(Role.FINANCE_CHECKER)
@blueprint.output(PayBackBody)
def approve_pay_back(order_id: UUID) -> dict[str, Any]:
    """Agree as the second person, never the one who asked. A top-up's money leaves the card here."""
    return _done(lambda tx, by, now: job.approve(tx, order_id, by=by, now=now))


@blueprint.post("/<uuid:order_id>/reject")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER)
@blueprint.input(PayBackNote, location="json")
@blueprint.output(PayBackBody)
def reject_pay_back(order_id: UUID, json_data: PayBackNote) -> dict[str, Any]:
    """Refuse, or withdraw, an order that nobody has approved yet."""
    return _done(lambda tx, by, now: job.reject(tx, order_id, note=json_data.note, by=by, now=now))


@blueprint.post("/<uuid:order_id>/return")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER)
@blueprint.input(PayBackNote, location="json")
@blueprint.output(PayBackBody)
def return_pay_back(order_id: UUID, json_data: PayBackNote) -> dict[str, Any]:
    """Note that the bank sent an order's money back: it is owed again."""
    return _done(lambda tx, by, now: job.take_return(tx, order_id, note=json_data.note, by=by, now=now))


@blueprint.post("/files")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER)
@blueprint.input(PayBackFile, location="json")
@blueprint.doc(responses=files("application/xml", empty="Nothing is approved"))
def send_pay_backs(json_data: PayBackFile) -> Response:
    """Return one pain.001 with every approved order, each in one file, ever; the same id again: the same file.

    204 where nothing is approved.
    """
    running = services()
    settings = running.settings
    debtor = Party(name=settings.topup_account_name, account=settings.topup_account, bic=json_data.bic)
    file, payments = running.database.run(
        lambda tx: job.send(
            tx,
            json_data.file_id,
            debtor=debtor,
            version=json_data.version,
            by=principal().actor,
            now=running.clock.now(),
        )
    )
    answer = make_response(file, 200 if payments else 204)
    answer.headers["Content-Type"] = "application/xml"
    answer.headers["Content-Disposition"] = f'attachment; filename="pain-{json_data.file_id}.xml"'
    return answer


def _done(work: Callable[[Connection, Actor, datetime], Order]) -> dict[str, Any]:
    running, by = services(), principal().actor
    return job.document(running.database.run(lambda tx: work(tx, by, running.clock.now())))
