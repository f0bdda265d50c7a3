"""Reconciliation: bank files in, where it stands, and the queue of what is not matched."""

import io
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from ledger import recon_queue
from ledger.rules.reconcile import Resolution, Why
from ledger.take_bank_file import Taken
from service import audit
from service.api import reconciliation_documents as shown
from service.api.bodies import CountBody, again
from service.auth import principal, requires
from service.jobs import reconcile as jobs
from service.problems import request_id
from service.reconcile_words import as_document, figures_document, match_document
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("reconciliation", __name__, tag="Reconciliation")
READERS: Final = (Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR)
WORKERS: Final = (Role.FINANCE_MAKER, Role.FINANCE_CHECKER)
Ids = Annotated[list[UUID], Field(min_length=1, max_length=1_000)]
Note = Annotated[str, Field(min_length=1, max_length=500)]


class Assigned(BaseModel):
    """Exceptions and who looks after them from now on."""

    model_config = ConfigDict(extra="forbid")

    exceptions: Ids
    owner: Annotated[str, Field(min_length=1, max_length=100)]


class Proposed(BaseModel):
    """How exceptions shall end; another person approves."""

    model_config = ConfigDict(extra="forbid")

    exceptions: Ids
    resolution: Literal["written_off", "to_suspense"]
    note: Note


class Approved(BaseModel):
    """Exceptions that end as another person proposed."""

    model_config = ConfigDict(extra="forbid")

    exceptions: Ids


class HandMatch(BaseModel):
    """Movements of two sides that are the same money. The caller mints `match_id` and saves it."""

    model_config = ConfigDict(extra="forbid")

    match_id: UUID
    items: Annotated[list[UUID], Field(min_length=2, max_length=1_000)]
    note: Note


class Undone(BaseModel):
    """Why a match was wrong."""

    model_config = ConfigDict(extra="forbid")

    note: Note


@blueprint.post("/v1/bank-files")
@requires(*WORKERS)
@blueprint.output(shown.BankFileBody, status_code=201)
@blueprint.doc(responses=again(shown.BankFileBody))
def take_bank_file() -> tuple[dict[str, Any], int]:
    """Take a statement or a provider's settlement file in: the raw bytes as the body, `?name=` and `?provider=`.

    201 the first time; 200 for content we have. A quarantined file is taken too, and says why.
    """
    running = services()
    taken = jobs.take(
        running.database,
        io.BytesIO(request.get_data(cache=False)),
        name=request.args.get("name", "")[:200],
        source="api",
        provider=request.args.get("provider", "")[:40],
        settings=running.settings,
        by=principal().actor,
        now=running.clock.now(),
        request_id=request_id(),
    )
    return _taken(taken), 200 if taken.repeated else 201


def _taken(taken: Taken) -> dict[str, Any]:
    file = taken.file
    return {
        "file_id": str(file.file_id),
        "format": file.format,
        "version": file.version,
        "status": file.status,
        "reason": file.reason,
        "statements": [
            {"number": one.number, "account": one.account, "status": one.status, "reason": one.reason}
            for one in taken.statements
        ],
        "movements": taken.movements,
        "repeated": taken.repeated,
    }


@blueprint.get("/v1/reconciliation")
@requires(*READERS)
@blueprint.output(shown.FiguresBody)
def get_figures() -> dict[str, Any]:
    """Return where reconciliation stands (docs/reconciliation.md)."""
    return figures_document(jobs.figures(services().database))


@blueprint.get("/v1/reconciliation/exceptions")
@requires(*READERS)
@blueprint.output(shown.ExceptionsBody)
def list_exceptions() -> dict[str, Any]:
    """Return up to a thousand open exceptions, oldest first; `?reason=` limits them to one."""
    running = services()
    asked = request.args.get("reason", "")
    why = next((one for one in Why if one.value == asked), None)
    with running.database.read() as tx:
        rows = recon_queue.list_exceptions(tx, now=running.clock.now(), why=why, limit=1_000)
    return {"exceptions": [as_document(row) for row in rows]}


@blueprint.get("/v1/reconciliation/movements/<uuid:item_id>/matches")
@requires(*READERS)
@blueprint.output(shown.MatchesBody)
def list_matches(item_id: UUID) -> dict[str, Any]:
    """Return a movement's matches, in force or taken apart, newest first, with what people did with them."""
    with services().database.read() as tx:
        found = recon_queue.list_matches(tx, item_id)
    return {"matches": [match_document(one) for one in found]}


@blueprint.post("/v1/reconciliation/assign")
@requires(*WORKERS)
@blueprint.input(Assigned, location="json")
@blueprint.output(CountBody)
def assign(json_data: Assigned) -> dict[str, Any]:
    """Give exceptions an owner; all or none."""
    with services().database.begin() as tx:
        count = recon_queue.assign(tx, json_data.exceptions, json_data.owner)
        _audit(tx, "assign", json_data.exceptions, owner=json_data.owner)
    return {"count": count}


@blueprint.post("/v1/reconciliation/propose")
@requires(*WORKERS)
@blueprint.input(Proposed, location="json")
@blueprint.output(CountBody)
def propose(json_data: Proposed) -> dict[str, Any]:
    """Propose to write exceptions off or to move them to suspense. Books nothing."""
    with services().database.begin() as tx:
        count = recon_queue.propose(
            tx,
            json_data.exceptions,
            Resolution(json_data.resolution),
            note=json_data.note,
            actor=principal().actor.actor_id,
            now=services().clock.now(),
        )
        _audit(tx, "propose", json_data.exceptions, resolution=json_data.resolution)
    return {"count": count}


@blueprint.post("/v1/reconciliation/approve")
@requires(*WORKERS)
@blueprint.input(Approved, location="json")
@blueprint.output(shown.ApprovedBody)
def approve(json_data: Approved) -> dict[str, Any]:
    """End exceptions as another person proposed, and book it; 403 for the same person."""
    with services().database.begin() as tx:
        made = recon_queue.approve(
            tx, json_data.exceptions, actor=principal().actor.actor_id, now=services().clock.now()
        )
        _audit(tx, "approve", json_data.exceptions)
    return {"entries": [None if one is None else str(one) for one in made]}


@blueprint.post("/v1/reconciliation/matches")
@requires(*WORKERS)
@blueprint.input(HandMatch, location="json")
@blueprint.output(CountBody)
def match(json_data: HandMatch) -> dict[str, Any]:
    """Match movements by hand; the same `match_id` again changes nothing."""
    with services().database.begin() as tx:
        count = recon_queue.match_by_hand(
            tx,
            json_data.match_id,
            json_data.items,
            note=json_data.note,
            actor=principal().actor.actor_id,
            now=services().clock.now(),
        )
        _audit(tx, "match", [json_data.match_id])
    return {"count": count}


@blueprint.post("/v1/reconciliation/matches/<uuid:match_id>/undo")
@requires(*WORKERS)
@blueprint.input(Undone, location="json")
@blueprint.output(CountBody)
def undo(match_id: UUID, json_data: Undone) -> dict[str, Any]:
    """Take a match apart; the next run takes its booking back."""
    with services().database.begin() as tx:
        count = recon_queue.undo_match(
            tx, match_id, note=json_data.note, actor=principal().actor.actor_id, now=services().clock.now()
        )
        _audit(tx, "undo", [match_id])
    return {"count": count}


def _audit(tx: Connection, verb: str, subjects: list[UUID], **detail: object) -> None:
    for subject in subjects:
        audit.record(
            tx,
            actor=principal().actor,
            action=f"reconcile.{verb}",
            subject_kind="reconciliation",
            subject_id=str(subject),
            now=services().clock.now(),
            request_id=request_id(),
            detail=detail,
        )
