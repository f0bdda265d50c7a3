"""E-invoices for finance, each operator's own for itself; receipts find theirs by the ride, stay or pass."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint, abort
from flask import request
from pydantic import BaseModel, ConfigDict, Field

from kernel.ids import OperatorId
from ledger import invoice
from ledger.rules.invoice import Invoice, InvoiceState, Series, TaxRate
from service.api.bodies import Body, Instant, StepBody, again
from service.api.ledger_documents import MoneyBody
from service.auth import principal, require_operator, requires, scope
from service.jobs import invoices as job
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("invoices", __name__, tag="E-invoices", url_prefix="/v1/invoices")
_READERS: Final = (Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR, Role.PARKING_OPERATOR)


class SeriesAsked(BaseModel):
    """An operator's series: the symbol (C26TLT), what it invoices, the tax in its prices, and who the seller is."""

    model_config = ConfigDict(extra="forbid")

    operator_id: Annotated[str, Field(min_length=1, max_length=200)]
    symbol: Annotated[str, Field(min_length=6, max_length=6)]
    house: Annotated[str, Field(pattern="^(fare|parking)$")]
    template: Annotated[int, Field(ge=1, le=6)] = 1
    tax_rate: TaxRate
    seller_name: Annotated[str, Field(min_length=1, max_length=200)]
    seller_tax_code: Annotated[str, Field(min_length=10, max_length=14)]
    seller_address: Annotated[str, Field(min_length=1, max_length=200)]


class AmendAsked(BaseModel):
    """The right plate or the right words; amounts follow the charge alone."""

    model_config = ConfigDict(extra="forbid")

    plate: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    title: Annotated[str, Field(max_length=200)] = ""


class CancelAsked(BaseModel):
    """Why; it stands in the notice to the tax authority."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=3, max_length=200)]


class InvoiceBody(Body):
    """An invoice; `tax` is the part of the total that is tax, `facts` what the document says besides."""

    invoice_id: UUID
    operator_id: str
    name: str
    symbol: str
    number: int
    house: str
    subject_id: UUID
    revision: int
    replaces: UUID | None
    issued_on: date
    happened_at: Instant
    title: str
    plate: str | None
    facts: dict[str, str]
    total: MoneyBody
    tax: MoneyBody
    tax_rate: TaxRate
    state: InvoiceState


class InvoiceStepsBody(InvoiceBody):
    """An invoice and what happened to it."""

    steps: list[StepBody]


class SeriesBody(Body):
    """A series and the number that its next invoice gets."""

    operator_id: str
    symbol: str
    next_number: int


class InvoicesOfBody(Body):
    """Every invoice about one ride, stay or pass, oldest first."""

    invoices: list[InvoiceBody]


class InvoicesBody(InvoicesOfBody):
    """Invoices by operator and number, and the series of their operators."""

    series: list[SeriesBody]


@blueprint.get("")
@requires(*_READERS)
@blueprint.output(InvoicesBody)
def list_invoices() -> dict[str, Any]:
    """Return up to 1,000 invoices by operator and number; `?day=`, `?state=` and `?operator=` limit them.

    A caller limited to operators sees theirs.
    """
    try:
        day = date.fromisoformat(request.args["day"]) if "day" in request.args else None
        state = InvoiceState(request.args["state"]) if "state" in request.args else None
    except ValueError:
        abort(422, "day is YYYY-MM-DD; state is issued, sent, accepted, replaced or cancelled.")
    limited = scope()
    asked = request.args.get("operator")
    operators = limited if asked is None else {OperatorId(asked)} & (limited or {OperatorId(asked)})
    with services().database.read() as tx:
        found = invoice.list_invoices(tx, operators=operators, day=day, state=state)
        series = invoice.list_series(tx, operators)
    return {
        "invoices": [as_document(one) for one in found],
        "series": [
            {"operator_id": one.operator_id, "symbol": one.symbol, "next_number": one.next_number}
            for one in series
        ],
    }


@blueprint.get("/<uuid:invoice_id>")
@requires(*_READERS)
@blueprint.output(InvoiceStepsBody)
def get_invoice(invoice_id: UUID) -> dict[str, Any]:
    """Return an invoice and what happened to it."""
    with services().database.read() as tx:
        found = invoice.get(tx, invoice_id)
        require_operator(found.operator_id)
        steps = invoice.list_steps(tx, invoice_id)
    return as_document(found) | {
        "steps": [
            {"event": one.event, "by": one.actor, "at": one.at.isoformat(), "note": one.note} for one in steps
        ]
    }


@blueprint.get("/of/<uuid:subject_id>")
@requires(*_READERS)
@blueprint.output(InvoicesOfBody)
def list_of_subject(subject_id: UUID) -> dict[str, Any]:
    """Return every invoice about a ride (the id of its first tap), a stay, or a pass (the entry that paid for it, or the right), oldest first."""
    with services().database.read() as tx:
        found = invoice.list_of(tx, subject_id)
    limited = scope()
    return {"invoices": [as_document(one) for one in found if limited is None or one.operator_id in limited]}


@blueprint.post("/series")
@requires(Role.FINANCE_MAKER, Role.ADMINISTRATOR)
@blueprint.input(SeriesAsked, location="json")
@blueprint.output(SeriesBody, status_code=201)
@blueprint.doc(responses=again(SeriesBody))
def open_series(json_data: SeriesAsked) -> tuple[dict[str, Any], int]:
    """Open a series at number 1; opening it again with the same facts answers it as it stands."""
    asked = Series(**json_data.model_dump() | {"operator_id": OperatorId(json_data.operator_id)})
    require_operator(asked.operator_id)
    made = services().database.run(
        lambda tx: job.open_series(tx, asked, by=principal().actor, now=services().clock.now())
    )
    return {
        "operator_id": made.operator_id,
        "symbol": made.symbol,
        "next_number": made.next_number,
    }, 201 if made.next_number == 1 else 200


@blueprint.post("/<uuid:invoice_id>/amend")
@requires(Role.FINANCE_MAKER)
@blueprint.input(AmendAsked, location="json")
@blueprint.output(InvoiceBody)
def amend(invoice_id: UUID, json_data: AmendAsked) -> dict[str, Any]:
    """Replace an invoice with a wrong plate or wording by a new one that names it, and return the new one."""
    made = services().database.run(
        lambda tx: job.amend(
            tx,
            invoice_id,
            plate=json_data.plate,
            title=json_data.title,
            by=principal().actor,
            now=services().clock.now(),
        )
    )
    return as_document(made)


@blueprint.post("/<uuid:invoice_id>/cancel")
@requires(Role.FINANCE_MAKER)
@blueprint.input(CancelAsked, location="json")
@blueprint.output(InvoiceBody)
def cancel(invoice_id: UUID, json_data: CancelAsked) -> dict[str, Any]:
    """Cancel an invoice; its number is never used again."""
    made = services().database.run(
        lambda tx: job.cancel(
            tx, invoice_id, reason=json_data.reason, by=principal().actor, now=services().clock.now()
        )
    )
    return as_document(made)


def as_document(one: Invoice) -> dict[str, Any]:
    """Return an invoice as JSON has it."""
    return {
        "invoice_id": str(one.invoice_id),
        "operator_id": one.operator_id,
        "name": one.name,
        "symbol": one.symbol,
        "number": one.number,
        "house": one.house,
        "subject_id": str(one.subject_id),
        "revision": one.revision,
        "replaces": str(one.replaces) if one.replaces else None,
        "issued_on": one.issued_on.isoformat(),
        "happened_at": one.happened_at.isoformat(),
        "title": one.title,
        "plate": one.plate,
        "facts": dict(one.facts),
        "total": one.total.to_json(),
        "tax": one.tax.to_json(),
        "tax_rate": one.tax_rate.value,
        "state": one.state.value,
    }
