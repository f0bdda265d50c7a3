"""Proposed changes of places, rates and products: what they would do, and another person's yes or no."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field

from kernel.errors import DomainError
from parking import propose_rates
from parking.propose_rates import Proposal, Worked
from parking.rules.proposal import ProposalState, Word
from service.api.apds_words import note
from service.api.bodies import Body, Instant
from service.api.parking import actor_text
from service.auth import require_operator, requires, scope
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint(
    "rate_proposals", __name__, tag="Parking", url_prefix="/v1/parking/rate-proposals"
)
PROPOSERS: Final = (Role.PARKING_OPERATOR, Role.FINANCE_MAKER)
READERS: Final = (*PROPOSERS, Role.FINANCE_CHECKER, Role.AUDITOR)


class ProposalFilter(BaseModel):
    """Which proposals to list."""

    model_config = ConfigDict(extra="forbid")

    open: bool = Field(default=False, description="Only those that nobody has answered yet")


class Answer(BaseModel):
    """Why a proposal is refused or withdrawn."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field("", max_length=500)


class ProposalBody(Body):
    """A proposal; who ended it, once somebody did. While it is open and asked for alone: the rows of rate files that it
    takes away and adds, or why it cannot be approved.
    """

    proposal_id: UUID
    state: ProposalState
    action: str
    kind: str
    element_id: str
    version_read: int
    effective_at: Instant | None
    operators: list[str]
    proposed_by: str
    proposed_at: Instant
    ended_by: str | None = None
    ended_at: Instant | None = None
    note: str | None = None
    rates_version: str | None = None
    rows_gone: list[dict[str, Any]] | None = None
    rows_come: list[dict[str, Any]] | None = None
    cannot_be_approved: str | None = None


class ProposalsBody(Body):
    """The newest first."""

    proposals: list[ProposalBody]


@blueprint.get("")
@requires(*READERS)
@blueprint.input(ProposalFilter, location="query", arg_name="asked")
@blueprint.output(ProposalsBody)
def list_proposals(asked: ProposalFilter) -> dict[str, Any]:
    """Return what was proposed about the caller's places, the newest first (200 at most), and what became of it."""
    with services().database.read() as tx:
        found = propose_rates.list_proposals(tx, scope(), open_only=asked.open)
    return {"proposals": [describe(each) for each in found]}


@blueprint.get("/<uuid:proposal_id>")
@requires(*READERS)
@blueprint.output(ProposalBody)
def get_proposal(proposal_id: UUID) -> dict[str, Any]:
    """Return a proposal; while it is open, with the rows of rate files that it takes away and adds."""
    running = services()
    with running.database.read() as tx:
        found = propose_rates.get_proposal(tx, proposal_id)
        for operator_id in found.row.operators:
            require_operator(operator_id)
        if found.state is not ProposalState.PROPOSED:
            return describe(found)
        try:
            return describe(found, propose_rates.work_out(tx, found.asked, now=running.clock.now()))
        except DomainError as error:
            return {**describe(found), "cannot_be_approved": str(error)}


@blueprint.post("/<uuid:proposal_id>/approve")
@requires(Role.FINANCE_CHECKER)
@blueprint.output(ProposalBody)
def approve_proposal(proposal_id: UUID) -> dict[str, Any]:
    """Publish what another person proposed: from its `effective_at` on, or now."""
    return _say(proposal_id, Word.APPROVE, "")


@blueprint.post("/<uuid:proposal_id>/refuse")
@requires(Role.FINANCE_CHECKER)
@blueprint.input(Answer, location="json")
@blueprint.output(ProposalBody)
def refuse_proposal(proposal_id: UUID, json_data: Answer) -> dict[str, Any]:
    """Refuse what another person proposed."""
    return _say(proposal_id, Word.REFUSE, json_data.note)


@blueprint.post("/<uuid:proposal_id>/withdraw")
@requires(*PROPOSERS)
@blueprint.input(Answer, location="json")
@blueprint.output(ProposalBody)
def withdraw_proposal(proposal_id: UUID, json_data: Answer) -> dict[str, Any]:
    """Withdraw one's own proposal."""
    return _say(proposal_id, Word.WITHDRAW, json_data.note)


def _say(proposal_id: UUID, word: Word, why: str) -> dict[str, Any]:
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        ended = propose_rates.say(tx, proposal_id, word, by=actor_text(), note=why, now=now)
        if not ended.again:
            note(tx, f"parking.rates_{ended.state.value}", "rate_proposal", proposal_id, told(ended))
    return describe(ended)


def describe(one: Proposal, worked: Worked | None = None) -> dict[str, Any]:
    """Return a proposal as JSON has it."""
    row, end = one.row, one.end
    found: dict[str, Any] = {
        "proposal_id": str(row.proposal_id),
        "state": one.state.value,
        "action": row.action,
        "kind": row.kind,
        "element_id": row.element_id,
        "version_read": row.version,
        "effective_at": row.effective_at.isoformat() if row.effective_at else None,
        "operators": row.operators,
        "proposed_by": row.proposed_by,
        "proposed_at": row.proposed_at.isoformat(),
    }
    if end is not None:
        found |= {
            "ended_by": end.ended_by,
            "ended_at": end.ended_at.isoformat(),
            "note": end.note,
            "rates_version": end.rates_version or None,
        }
    if worked is not None:
        found |= {"rows_gone": worked.gone, "rows_come": worked.come}
    return found


def told(one: Proposal) -> dict[str, object]:
    """Return what the audit trail keeps of a proposal."""
    return {"action": one.row.action, "kind": one.row.kind, "id": one.row.element_id}
