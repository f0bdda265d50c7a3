"""The review list: what looks like fraud or a broken device, for people to decide (DESIGN §8.13)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import cases, review
from access.cases import CaseKind
from access.deny import DenyReason
from access.review import Decided
from access.rules.finding import Finding
from access.store.reviews import CaseRow
from service import audit
from service.auth import principal, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("cases", __name__, tag="Evidence", url_prefix="/v1/cases")
_MAX_BODY: Final = 4_096


class CaseQuery(BaseModel):
    """Which open cases: of one kind, or all."""

    kind: CaseKind | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


class CaseBody(BaseModel):
    """One open case and how many pieces of evidence it has."""

    case_id: UUID
    kind: CaseKind
    subject: str
    card_id: UUID | None
    device_id: UUID | None
    opened_at: datetime
    pieces: int


class CasesBody(BaseModel):
    """The review list, oldest first."""

    cases: list[CaseBody]


class PieceBody(BaseModel):
    """One piece of evidence: a tap's id or a record's hash."""

    evidence: str
    device_id: UUID
    received_at: datetime


class CaseFileBody(CaseBody):
    """A case with its evidence, the card's serial where it is one of ours, and how it ended."""

    detail: dict[str, str]
    evidence: list[PieceBody]
    card_serial: int | None
    denied_for: list[DenyReason]
    outcome: str
    closed_by: str
    closed_at: datetime | None


class Decision(BaseModel):
    """What the reviewer found, and why."""

    model_config = ConfigDict(extra="forbid")

    finding: Finding
    reason: Annotated[str, Field(min_length=3, max_length=500)]


class DecidedBody(BaseModel):
    """What followed from the finding."""

    case_id: UUID
    finding: Finding
    restricted: bool
    lifted: bool
    suspended: bool
    free_replacement: bool


@blueprint.before_request
def _small() -> None:
    request.max_content_length = _MAX_BODY


@blueprint.get("")
@requires(Role.ADMINISTRATOR, Role.AUDITOR, Role.INSPECTOR)
@blueprint.input(CaseQuery, location="query")
@blueprint.output(CasesBody)
def list_cases(query_data: CaseQuery) -> Response:
    """Return the open cases, oldest first."""
    with services().database.read() as tx:
        found = cases.list_open(tx, kind=query_data.kind, limit=query_data.limit)
    body = CasesBody(cases=[CaseBody(**_row(each.case), pieces=each.pieces) for each in found])
    return jsonify(body.model_dump(mode="json"))


@blueprint.get("/<uuid:case_id>")
@requires(Role.ADMINISTRATOR, Role.AUDITOR, Role.INSPECTOR)
@blueprint.output(CaseFileBody)
def get_case(case_id: UUID) -> Response:
    """Return one case, open or closed, with its evidence."""
    with services().database.read() as tx:
        found = review.get_case(tx, case_id)
    body = CaseFileBody(
        **_row(found.case),
        pieces=len(found.pieces),
        detail=found.case.detail,
        evidence=[
            PieceBody(evidence=each.evidence, device_id=each.device_id, received_at=each.received_at)
            for each in found.pieces
        ],
        card_serial=found.card.serial if found.card else None,
        denied_for=list(found.denied_for),
        outcome=found.outcome,
        closed_by=found.closed_by,
        closed_at=found.closed_at,
    )
    return jsonify(body.model_dump(mode="json"))


@blueprint.post("/<uuid:case_id>/close")
@requires(Role.ADMINISTRATOR, Role.INSPECTOR)
@blueprint.input(Decision, location="json")
@blueprint.output(DecidedBody)
def close_case(case_id: UUID, json_data: Decision) -> Response:
    """Close a case with a finding: the card is restricted or lifted, the device suspended, as the finding says."""
    running = services()
    now = running.clock.now()

    def work(tx: Connection) -> Decided:
        actor = principal().actor
        decided = review.decide(
            tx, case_id, json_data.finding, reason=json_data.reason, actor=actor.actor_id, now=now
        )
        audit.record(
            tx,
            actor=actor,
            action="access.case.closed",
            subject_kind="case",
            subject_id=str(case_id),
            now=now,
            detail=review.describe(decided),
        )
        return decided

    decided = running.database.run(work)
    body = DecidedBody(
        case_id=case_id,
        finding=decided.finding,
        restricted=decided.restricted,
        lifted=decided.lifted,
        suspended=decided.suspended,
        free_replacement=decided.free_replacement,
    )
    return jsonify(body.model_dump(mode="json"))


def _row(case: CaseRow) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "kind": case.kind,
        "subject": case.subject,
        "card_id": case.card_id,
        "device_id": case.device_id,
        "opened_at": case.opened_at,
    }
