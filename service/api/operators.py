"""Operators' terms for finance: proposed by a maker, signed by a checker."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field

from kernel.ids import OperatorId
from ledger import terms as verbs
from ledger.rules.terms import Share, Terms
from ledger.terms import TermsRow
from service.api import settlement_documents as shown
from service.api.bodies import again
from service.auth import principal, requires
from service.jobs import operators as job
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("operators", __name__, tag="Settlement", url_prefix="/v1/operators")
_SHORT: Final = Field(min_length=1, max_length=64)


class ShareAsked(BaseModel):
    """`to` gets `per_mille` thousandths of what a house's route or place takes; route “*” is every one."""

    model_config = ConfigDict(extra="forbid")

    house: Annotated[str, Field(pattern="^(fare|parking)$")]
    route: Annotated[str, _SHORT]
    to: Annotated[str, _SHORT]
    per_mille: Annotated[int, Field(ge=1, le=1_000)]


class TermsAsked(BaseModel):
    """What holds from a book day on: where the operator is paid, what the scheme keeps, who shares."""

    model_config = ConfigDict(extra="forbid")

    valid_from: date
    name: Annotated[str, Field(min_length=1, max_length=140)]
    account: Annotated[str, Field(min_length=1, max_length=34)]
    bank: Annotated[str, Field(pattern=r"^\d{6}$")]
    bic: Annotated[str, Field(max_length=11)] = ""
    fee_basis_points: Annotated[int, Field(ge=0, le=10_000)] = 0
    fee_per_trip: Annotated[int, Field(ge=0, le=10**9)] = 0
    shares: Annotated[list[ShareAsked], Field(max_length=200)] = Field(default_factory=list)


class TermsSignAsked(BaseModel):
    """The second person's word."""

    model_config = ConfigDict(extra="forbid")

    approve: bool


@blueprint.post("/<operator_id>/terms")
@requires(Role.FINANCE_MAKER)
@blueprint.input(TermsAsked, location="json")
@blueprint.output(shown.TermsBody, status_code=201)
@blueprint.doc(responses=again(shown.TermsBody))
def propose(operator_id: str, json_data: TermsAsked) -> tuple[dict[str, Any], int]:
    """Propose terms; nothing holds before a second person signs."""
    body = json_data.model_dump(exclude={"shares"})
    shares = tuple(Share(**one.model_dump() | {"to": OperatorId(one.to)}) for one in json_data.shares)
    asked = Terms(operator_id=OperatorId(operator_id), shares=shares, **body)
    made = services().database.run(
        lambda tx: job.propose(tx, asked, by=principal().actor, now=services().clock.now())
    )
    return _document(made), 201 if made.approved is None else 200


@blueprint.post("/<operator_id>/terms/<int:version>/sign")
@requires(Role.FINANCE_CHECKER)
@blueprint.input(TermsSignAsked, location="json")
@blueprint.output(shown.TermsBody)
def sign(operator_id: str, version: int, json_data: TermsSignAsked) -> dict[str, Any]:
    """Sign or refuse terms as the second person, never the one who proposed them."""
    made = services().database.run(
        lambda tx: job.sign(
            tx,
            operator_id,
            version,
            approved=json_data.approve,
            by=principal().actor,
            now=services().clock.now(),
        )
    )
    return _document(made)


@blueprint.get("/terms")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR)
@blueprint.output(shown.TermsListBody)
def list_terms() -> dict[str, Any]:
    """Return every version of everybody's terms, oldest first."""
    with services().database.read() as tx:
        return {"terms": [_document(row) for row in verbs.list_terms(tx)]}


def _document(row: TermsRow) -> dict[str, Any]:
    return {
        "operator_id": row.terms.operator_id,
        "version": row.version,
        "valid_from": row.terms.valid_from.isoformat(),
        "state": row.state,
        "proposed_by": row.proposed_by,
        "decided_by": row.decided_by,
        **verbs.to_json(row.terms),
    }
