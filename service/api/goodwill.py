"""Goodwill in bulk: a file with a reason by one person, signed by another, posted once, taken back by two."""

from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field, RootModel
from sqlalchemy import Connection

from ledger import goodwill
from ledger.goodwill import Batch
from ledger.rules.goodwill import GoodwillEvent, GoodwillState
from service import goodwill_file
from service.api.bodies import AGAIN, Body, Instant, StepBody, answers
from service.api.ledger_documents import MoneyBody
from service.auth import principal, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("goodwill", __name__, tag="Goodwill", url_prefix="/v1/goodwill")


class BatchAsked(BaseModel):
    """A file (CSV: card_serial, amount) and why; with `dry_run` it is only read and totalled."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=3, max_length=200)]
    csv: Annotated[str, Field(min_length=1, max_length=goodwill_file.MAX_BYTES)]
    dry_run: bool = False


class Signature(StrEnum):
    """What a second person says."""

    APPROVE = "approve"
    REFUSE = "refuse"
    UNDO_APPROVE = "undo_approve"
    UNDO_REFUSE = "undo_refuse"


class BatchSigned(BaseModel):
    """A second person's word."""

    model_config = ConfigDict(extra="forbid")

    decision: Signature
    note: Annotated[str, Field(max_length=200)] = ""


class UndoAsked(BaseModel):
    """Why a posted batch shall be taken back."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(min_length=3, max_length=200)]


_EVENTS: Final = {
    Signature.APPROVE: GoodwillEvent.APPROVED,
    Signature.REFUSE: GoodwillEvent.REFUSED,
    Signature.UNDO_APPROVE: GoodwillEvent.UNDO_APPROVED,
    Signature.UNDO_REFUSE: GoodwillEvent.UNDO_REFUSED,
}


class BatchBody(Body):
    """A batch as it stands; `kept` are riders who had spent it when it was taken back."""

    batch_id: UUID
    reason: str
    state: GoodwillState
    lines: int
    total: MoneyBody
    made_by: str
    made_at: Instant
    kept: list[UUID]
    steps: list[StepBody]


class BatchesBody(Body):
    """The newest first."""

    batches: list[BatchBody]


class DryRunBody(Body):
    """What a file comes to; nothing was written."""

    dry_run: bool
    lines: int
    total: MoneyBody


class ProposedBody(RootModel[BatchBody | DryRunBody]):
    """A batch that waits for a second person; with `dry_run`, what its file comes to."""


@blueprint.post("")
@requires(Role.FINANCE_MAKER)
@blueprint.input(BatchAsked, location="json")
@blueprint.output(ProposedBody, status_code=201)
@blueprint.doc(responses=answers(200, ProposedBody.__name__, f"A dry run. {AGAIN}"))
def create_batch(json_data: BatchAsked) -> tuple[dict[str, Any], int]:
    """Propose a batch: nothing is booked before a second person signs. A dry run answers the totals."""
    running = services()
    now, content = running.clock.now(), json_data.csv.encode()
    if json_data.dry_run:
        with running.database.read() as tx:
            file = goodwill_file.read(tx, content, now)
        return {"dry_run": True, "lines": len(file.lines), "total": file.total.to_json()}, 200

    def work(tx: Connection) -> Batch:
        return goodwill_file.propose(tx, content, reason=json_data.reason, by=principal().actor, now=now)

    made = running.database.run(work)
    return _document(made), 200 if made.again else 201


@blueprint.get("")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR)
@blueprint.output(BatchesBody)
def list_batches() -> dict[str, Any]:
    """Return the newest hundred batches."""
    with services().database.read() as tx:
        return {"batches": [_document(Batch(row, ())) for row in goodwill.list_batches(tx)]}


@blueprint.get("/<uuid:batch_id>")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR)
@blueprint.output(BatchBody)
def get_batch(batch_id: UUID) -> dict[str, Any]:
    """Return a batch with its steps."""
    with services().database.read() as tx:
        return _document(goodwill.get_batch(tx, batch_id))


@blueprint.post("/<uuid:batch_id>/sign")
@requires(Role.FINANCE_CHECKER)
@blueprint.input(BatchSigned, location="json")
@blueprint.output(BatchBody)
def sign_batch(batch_id: UUID, json_data: BatchSigned) -> dict[str, Any]:
    """Sign as the second person, never the one who asked: approving posts every line, once."""
    return _decided(batch_id, _EVENTS[json_data.decision], json_data.note)


@blueprint.post("/<uuid:batch_id>/undo")
@requires(Role.FINANCE_MAKER)
@blueprint.input(UndoAsked, location="json")
@blueprint.output(BatchBody)
def ask_undo(batch_id: UUID, json_data: UndoAsked) -> dict[str, Any]:
    """Ask that a posted batch be taken back; a second person signs that too."""
    return _decided(batch_id, GoodwillEvent.UNDO_ASKED, json_data.note)


def _decided(batch_id: UUID, event: GoodwillEvent, note: str) -> dict[str, Any]:
    running = services()
    now = running.clock.now()

    def work(tx: Connection) -> Batch:
        batch = goodwill.get_batch(tx, batch_id)
        return goodwill_file.decide(tx, batch, event, by=principal().actor, note=note, now=now)

    return _document(running.database.run(work))


def _document(batch: Batch) -> dict[str, Any]:
    row = batch.row
    return {
        "batch_id": str(row.batch_id),
        "reason": row.reason,
        "state": row.state,
        "lines": row.line_count,
        "total": batch.total.to_json(),
        "made_by": row.made_by,
        "made_at": row.made_at.isoformat(),
        "kept": [str(account) for account in batch.kept],
        "steps": [
            {"event": one.event, "by": one.actor, "at": one.at.isoformat(), "note": one.note}
            for one in batch.steps
        ],
    }
