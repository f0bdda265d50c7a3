"""Proposed changes of places, rates and products: what they would do, and another person's yes or no."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field

from parking import proposals
from parking.proposals import Proposal
from parking.rules.proposal import ProposalState, Word
from parking.show_proposal import Shown, show
from service import rate_proposals
from service.api.bodies import Body, Instant
from service.auth import principal, requires, scope
from service.rate_proposals import READERS, SPEAKERS, get_seen
from service.services import services

blueprint: Final = APIBlueprint(
    "rate_proposals", __name__, tag="Parking", url_prefix="/v1/parking/rate-proposals"
)


class ProposalFilter(BaseModel):
    """Which proposals to list."""

    model_config = ConfigDict(extra="forbid")

    open: bool = Field(default=False, description="Only those that nobody has answered yet")


class Answer(BaseModel):
    """Why a proposal is refused or withdrawn."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field("", max_length=500)


class ProposalBody(Body):
    """A proposal; who ended it, once somebody did. Asked for alone, and not refused: the rows of rate files that it
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
        found = proposals.list_proposals(tx, scope(), open_only=asked.open)
    return {"proposals": [describe(each) for each in found]}


@blueprint.get("/<uuid:proposal_id>")
@requires(*READERS)
@blueprint.output(ProposalBody)
def get_proposal(proposal_id: UUID) -> dict[str, Any]:
    """Return a proposal; one that is open or was published with the rows of rate files that go and come."""
    running = services()
    with running.database.read() as tx:
        found = get_seen(tx, proposal_id)
        return describe(found, show(tx, found, now=running.clock.now()))


@blueprint.post("/<uuid:proposal_id>/approve")
@requires(*SPEAKERS[Word.APPROVE])
@blueprint.output(ProposalBody)
def approve_proposal(proposal_id: UUID) -> dict[str, Any]:
    """Publish what another person proposed: from its `effective_at` on, or now."""
    return _say(proposal_id, Word.APPROVE, "")


@blueprint.post("/<uuid:proposal_id>/refuse")
@requires(*SPEAKERS[Word.REFUSE])
@blueprint.input(Answer, location="json")
@blueprint.output(ProposalBody)
def refuse_proposal(proposal_id: UUID, json_data: Answer) -> dict[str, Any]:
    """Refuse what another person proposed."""
    return _say(proposal_id, Word.REFUSE, json_data.note)


@blueprint.post("/<uuid:proposal_id>/withdraw")
@requires(*SPEAKERS[Word.WITHDRAW])
@blueprint.input(Answer, location="json")
@blueprint.output(ProposalBody)
def withdraw_proposal(proposal_id: UUID, json_data: Answer) -> dict[str, Any]:
    """Withdraw one's own proposal."""
    return _say(proposal_id, Word.WITHDRAW, json_data.note)


def _say(proposal_id: UUID, word: Word, why: str) -> dict[str, Any]:
    running = services()
    with running.database.begin() as tx:
        if word is not Word.WITHDRAW:  # which only who proposed it may
            get_seen(tx, proposal_id)
        ended = rate_proposals.say(
            tx, proposal_id, word, note=why, actor=principal().actor, now=running.clock.now()
        )
    return describe(ended)


def describe(one: Proposal, shown: Shown | None = None) -> dict[str, Any]:
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
    if shown is not None and shown.refused is not None:
        found["cannot_be_approved"] = str(shown.refused)
    elif shown is not None and shown.currency:
        found |= {"rows_gone": shown.gone, "rows_come": shown.come}
    return found
