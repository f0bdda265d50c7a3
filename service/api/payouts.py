"""Payouts of settled days: a maker prepares, a checker approves, the release answers the payment file."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint, abort
from flask import Response, make_response, request
from pydantic import BaseModel, ConfigDict, Field

from kernel.ids import OperatorId
from kernel.money import Money, currency
from ledger import payout
from ledger.payout import Payout
from ledger.rules.payout import PayoutEvent, UnknownPayoutError
from service.api import settlement_documents as shown
from service.api.bodies import files
from service.auth import principal, require_operator, requires
from service.jobs import payouts as job
from service.jobs import statements as job_statements
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("payouts", __name__, tag="Settlement", url_prefix="/v1/payouts")
_EVIDENCE: Final = "application/x-ndjson"


class DayAsked(BaseModel):
    """The settled book day."""

    model_config = ConfigDict(extra="forbid")

    book_day: date


class Decision(StrEnum):
    """What a person says of a payout."""

    APPROVE = "approve"
    REFUSE = "refuse"
    UNDO_APPROVE = "undo_approve"
    UNDO_REFUSE = "undo_refuse"


_EVENTS: Final = {
    Decision.APPROVE: PayoutEvent.APPROVED,
    Decision.REFUSE: PayoutEvent.REFUSED,
    Decision.UNDO_APPROVE: PayoutEvent.UNDO_APPROVED,
    Decision.UNDO_REFUSE: PayoutEvent.UNDO_REFUSED,
}


class PayoutSignAsked(BaseModel):
    """The second person's word; approving confirms what our account pays in all."""

    model_config = ConfigDict(extra="forbid")

    decision: Decision
    total_minor: Annotated[int, Field(ge=0)] | None = None
    note: Annotated[str, Field(max_length=200)] = ""


class NoteAsked(BaseModel):
    """Why, or the bank's reference."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(min_length=1, max_length=200)]


@blueprint.post("")
@requires(Role.FINANCE_MAKER)
@blueprint.input(DayAsked, location="json")
@blueprint.output(shown.PayoutBody)
def prepare(json_data: DayAsked) -> dict[str, Any]:
    """Plan a settled day's payout in the fewest payments; one that stands is answered as it is."""
    running = services()
    made = running.database.run(
        lambda tx: job.prepare(
            tx,
            json_data.book_day,
            settings=running.settings,
            by=principal().actor,
            now=running.clock.now(),
        )
    )
    return _document(made)


@blueprint.get("/<book_day>")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR)
@blueprint.output(shown.PayoutBody)
def get_payout(book_day: str) -> dict[str, Any]:
    """Return the newest payout of a book day (YYYY-MM-DD)."""
    try:
        day = date.fromisoformat(book_day)
    except ValueError:
        raise UnknownPayoutError(payout=book_day) from None
    with services().database.read() as tx:
        found = payout.find_of_day(tx, day)
    if found is None:
        raise UnknownPayoutError(payout=book_day)
    return _document(found)


@blueprint.get("/<book_day>/statements/<operator_id>")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR, Role.PARKING_OPERATOR)
@blueprint.doc(responses=files(*(kind for kind, _ in job_statements.WRITERS.values()), _EVIDENCE))
def get_statement(book_day: str, operator_id: str) -> Response:
    """Return an operator's statement of a released book day; `?format=` pdf (default), xlsx, csv or evidence.

    The evidence is JSON lines; /static/check_settlement.py computes the settlement again from it.
    """
    require_operator(operator_id)
    wanted = request.args.get("format", "pdf")
    if wanted not in {*job_statements.WRITERS, "evidence"}:
        abort(422, "format is pdf, xlsx, csv or evidence.")
    try:
        day = date.fromisoformat(book_day)
    except ValueError:
        raise UnknownPayoutError(payout=book_day) from None
    running = services()
    with running.database.read() as tx:
        settled = job_statements.released(tx, day)
        if operator_id not in {one.operator_id for one in settled.settlements}:
            abort(404, f"{operator_id} has nothing on {day}.")
        operator = OperatorId(operator_id)
        if wanted == "evidence":
            kind, ending = _EVIDENCE, "evidence.jsonl"
            content = b"".join(job_statements.evidence(tx, settled, operator, running.keyring.seal_keys))
        else:
            kind, write = job_statements.WRITERS[wanted]
            ending, content = wanted, write(settled, operator, job_statements.passed_on(tx, day, operator))
    answer = make_response(content)
    answer.headers["Content-Type"] = kind
    answer.headers["Content-Disposition"] = f'attachment; filename="{operator_id}-{day}.{ending}"'
    return answer


@blueprint.post("/<uuid:payout_id>/sign")
@requires(Role.FINANCE_CHECKER)
@blueprint.input(PayoutSignAsked, location="json")
@blueprint.output(shown.PayoutBody)
def sign(payout_id: UUID, json_data: PayoutSignAsked) -> dict[str, Any]:
    """Approve or refuse as the second person, never the one who asked; approving names the total."""
    with services().database.read() as tx:
        unit = currency(payout.get(tx, payout_id).row.currency)
    confirmed = None if json_data.total_minor is None else Money(json_data.total_minor, unit)
    return _decided(payout_id, _EVENTS[json_data.decision], json_data.note, confirmed)


@blueprint.post("/<uuid:payout_id>/release")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER)
@blueprint.doc(responses=files("application/xml", empty="Nobody is paid from our account"))
def release(payout_id: UUID) -> Response:
    """Book an approved payout in the open day and return its pain.001 file; again: the same file.

    204 where nobody is paid from our account.
    """
    running = services()
    made, content = running.database.run(
        lambda tx: job.release(
            tx, payout_id, settings=running.settings, by=principal().actor, now=running.clock.now()
        )
    )
    answer = make_response(content, 200 if content else 204)
    answer.headers["Content-Type"] = "application/xml"
    answer.headers["Content-Disposition"] = f'attachment; filename="pain-{made.row.book_day}.xml"'
    return answer


@blueprint.post("/<uuid:payout_id>/undo")
@requires(Role.FINANCE_MAKER)
@blueprint.input(NoteAsked, location="json")
@blueprint.output(shown.PayoutBody)
def ask_undo(payout_id: UUID, json_data: NoteAsked) -> dict[str, Any]:
    """Ask that a released payout be taken back before the bank executes it; a second person signs that too."""
    return _decided(payout_id, PayoutEvent.UNDO_ASKED, json_data.note, None)


@blueprint.post("/<uuid:payout_id>/executed")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER)
@blueprint.input(NoteAsked, location="json")
@blueprint.output(shown.PayoutBody)
def executed(payout_id: UUID, json_data: NoteAsked) -> dict[str, Any]:
    """Write down that the bank has executed it: from here on it cannot be taken back."""
    return _decided(payout_id, PayoutEvent.EXECUTED, json_data.note, None)


def _decided(payout_id: UUID, event: PayoutEvent, note: str, confirmed: Money | None) -> dict[str, Any]:
    running = services()
    made = running.database.run(
        lambda tx: job.decide(
            tx,
            payout_id,
            event,
            by=principal().actor,
            now=running.clock.now(),
            note=note,
            confirmed=confirmed,
        )
    )
    return _document(made)


def _document(made: Payout) -> dict[str, Any]:
    row = made.row
    unit = currency(row.currency)
    return {
        "payout_id": str(row.payout_id),
        "book_day": row.book_day.isoformat(),
        "revision": row.revision,
        "state": row.state.value,
        "execute_on": row.execute_on.isoformat(),
        "total": made.total.to_json(),
        "prepared_by": row.prepared_by,
        "payments": [
            {
                "end_to_end": one.end_to_end,
                "payer": one.payer,
                "payee": one.payee,
                "amount": Money(one.minor, unit).to_json(),
                "name": one.name,
                "account": one.account,
                "bank": one.bank,
            }
            for one in made.payments
        ],
        "subsidies": [{"operator_id": owner, "amount": amount.to_json()} for owner, amount in made.subsidies],
        "steps": [
            {"event": one.event.value, "by": one.actor, "at": one.at.isoformat(), "note": one.note}
            for one in made.steps
        ],
    }
