"""Statements to funders: a maker prepares, a checker approves; the bank says when the money has come."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint, abort
from flask import Response, make_response, request
from pydantic import BaseModel, ConfigDict, Field

from kernel.money import Money
from kernel.service_day import local_date
from ledger import subsidy
from ledger.rules.book_day import ZONE
from ledger.rules.subsidy import Subsidy, SubsidyEvent
from service import funder_statement
from service.api import settlement_documents as shown
from service.api.bodies import files
from service.auth import principal, requires
from service.jobs import subsidies as job
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("subsidies", __name__, tag="Settlement", url_prefix="/v1/subsidies")
_READERS: Final = (Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR)


class SubsidyAsked(BaseModel):
    """Everything that a funder was not asked for up to a book day. The caller mints `subsidy_id` and saves it first."""

    model_config = ConfigDict(extra="forbid")

    subsidy_id: UUID
    funder: Annotated[str, Field(min_length=1, max_length=100)]
    through_on: date


class SubsidyDecision(StrEnum):
    """What the second person says."""

    APPROVE = "approve"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


_EVENTS: Final = {
    SubsidyDecision.APPROVE: SubsidyEvent.APPROVED,
    SubsidyDecision.REFUSE: SubsidyEvent.REFUSED,
    SubsidyDecision.WITHDRAW: SubsidyEvent.WITHDRAWN,
}


class SubsidySignAsked(BaseModel):
    """The second person's word; approving confirms the total."""

    model_config = ConfigDict(extra="forbid")

    decision: SubsidyDecision
    total_minor: Annotated[int, Field(ge=0)] | None = None
    note: Annotated[str, Field(max_length=200)] = ""


@blueprint.post("")
@requires(Role.FINANCE_MAKER)
@blueprint.input(SubsidyAsked, location="json")
@blueprint.output(shown.SubsidyBody)
def prepare_subsidy(json_data: SubsidyAsked) -> dict[str, Any]:
    """Put a funder's open claims into a statement; the same id again is answered as the first time."""
    running = services()
    return as_document(
        running.database.run(
            lambda tx: job.prepare(
                tx,
                json_data.subsidy_id,
                funder=json_data.funder,
                through_on=json_data.through_on,
                by=principal().actor,
                now=running.clock.now(),
            )
        )
    )


@blueprint.get("")
@requires(*_READERS)
@blueprint.output(shown.SubsidiesBody)
def list_statements() -> dict[str, Any]:
    """Return the newest 200 statements, and what funders owe and were not asked for yet."""
    running = services()
    with running.database.read() as tx:
        found = subsidy.list_subsidies(tx)
        unclaimed = subsidy.list_unclaimed(tx, local_date(running.clock.now(), ZONE))
    return {
        "subsidies": [as_document(one) for one in found],
        "unclaimed": [
            {"funder": funder, "claims": claims, "total": total.to_json()}
            for funder, claims, total in unclaimed
        ],
    }


@blueprint.get("/<uuid:subsidy_id>")
@requires(*_READERS)
@blueprint.output(shown.SubsidyBody)
def get_subsidy(subsidy_id: UUID) -> dict[str, Any]:
    """Return a statement with its claims and steps."""
    with services().database.read() as tx:
        return as_document(subsidy.get(tx, subsidy_id))


@blueprint.get("/<uuid:subsidy_id>/statement")
@requires(*_READERS)
@blueprint.doc(responses=files("application/pdf", "text/csv"))
def get_funder_statement(subsidy_id: UUID) -> Response:
    """Return a statement for its funder; `?format=` pdf (default) or csv."""
    wanted = request.args.get("format", "pdf")
    if wanted not in {"pdf", "csv"}:
        abort(422, "format is pdf or csv.")
    running = services()
    with running.database.read() as tx:
        found = subsidy.get(tx, subsidy_id)
    pdf = wanted == "pdf"
    answer = make_response(
        funder_statement.write_pdf(found, running.settings) if pdf else funder_statement.write_csv(found)
    )
    answer.headers["Content-Type"] = "application/pdf" if pdf else "text/csv; charset=utf-8"
    answer.headers["Content-Disposition"] = f'attachment; filename="{found.reference}.{wanted}"'
    return answer


@blueprint.post("/<uuid:subsidy_id>/sign")
@requires(Role.FINANCE_CHECKER)
@blueprint.input(SubsidySignAsked, location="json")
@blueprint.output(shown.SubsidyBody)
def sign_subsidy(subsidy_id: UUID, json_data: SubsidySignAsked) -> dict[str, Any]:
    """Approve, refuse or withdraw as the second person, never the maker; approving names the total."""
    running = services()
    with running.database.read() as tx:
        unit = subsidy.get(tx, subsidy_id).total.currency
    confirmed = None if json_data.total_minor is None else Money(json_data.total_minor, unit)
    return as_document(
        running.database.run(
            lambda tx: job.decide(
                tx,
                subsidy_id,
                _EVENTS[json_data.decision],
                by=principal().actor,
                now=running.clock.now(),
                note=json_data.note,
                confirmed=confirmed,
            )
        )
    )


def as_document(made: Subsidy) -> dict[str, Any]:
    """Return a statement as JSON can carry it."""
    return {
        "subsidy_id": str(made.subsidy_id),
        "funder": made.funder,
        "through_on": made.through_on.isoformat(),
        "reference": made.reference,
        "total": made.total.to_json(),
        "state": made.state.value,
        "prepared_by": made.prepared_by,
        "received_on": None if made.received_on is None else made.received_on.isoformat(),
        "paid_by": None if made.paid_by is None else str(made.paid_by),
        "claims": [
            {
                "operator_id": one.operator_id,
                "house": one.house,
                "route_id": one.route_id,
                "service_day": one.service_day.isoformat(),
                "component": one.component,
                "rule": one.rule,
                "rides": one.rides,
                "amount": one.amount.to_json(),
            }
            for one in made.claims
        ],
        "steps": [
            {"event": one.event.value, "by": one.actor, "at": one.at.isoformat(), "note": one.note}
            for one in made.steps
        ],
    }
