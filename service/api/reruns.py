"""Announced reruns: who wants history priced again, who approved it, and how far it has come."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from fare import rerun
from fare.store.reruns import Announced, Progress
from service import audit
from service.api import evidence_documents as shown
from service.auth import principal, requires
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("reruns", __name__, tag="Evidence", url_prefix="/v1/reruns")


class RerunAnnounced(BaseModel):
    """A run that is announced. The caller mints `run_id` and saves it before sending."""

    model_config = ConfigDict(extra="forbid")

    run_id: UUID
    tariff_version: Annotated[str, Field(min_length=1, max_length=100)]
    first_day: date
    last_day: date
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    not_before: AwareDatetime | None = Field(default=None, description="Earliest start; now, if left out")


@blueprint.get("")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR, Role.ADMINISTRATOR)
@blueprint.output(shown.RunsBody)
def list_reruns() -> dict[str, Any]:
    """Return every run that was ever announced, the newest first, and how far it has come."""
    with services().database.read() as tx:
        found = [rerun_document(one, rerun.progress(tx, one)) for one in rerun.list_all(tx)]
    return {"reruns": found}


@blueprint.post("")
@requires(Role.FINANCE_MAKER)
@blueprint.input(RerunAnnounced, location="json")
@blueprint.output(shown.RunBody, status_code=201)
def announce_rerun(json_data: RerunAnnounced) -> dict[str, Any]:
    """Announce a run over service days that are over; nothing is priced before another person approves it.

    It is carried out by `lienthong rebill run`.
    """
    running, caller = services(), principal().actor
    now = running.clock.now()
    with running.database.begin() as tx:
        made = rerun.announce(
            tx,
            run_id=json_data.run_id,
            tariff_version=json_data.tariff_version,
            first_day=json_data.first_day,
            last_day=json_data.last_day,
            reason=json_data.reason,
            not_before=json_data.not_before or now,
            books=running.shelf.books(tx),
            by=caller.actor_id,
            now=now,
        )
        audit.record(
            tx,
            actor=caller,
            action="fare.rerun.announced",
            subject_kind="fare_rerun",
            subject_id=str(made.run_id),
            now=now,
            request_id=request_id(),
            detail={"tariff": made.tariff_version, "reason": made.reason},
        )
        return rerun_document(made, rerun.progress(tx, made))


@blueprint.post("/<uuid:run_id>/approve")
@requires(Role.FINANCE_CHECKER)
@blueprint.output(shown.RunBody)
def approve_rerun(run_id: UUID) -> dict[str, Any]:
    """Let an announced run begin; the one who announced it cannot."""
    return _say(run_id, "approved")


@blueprint.post("/<uuid:run_id>/withdraw")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER)
@blueprint.output(shown.RunBody)
def withdraw_rerun(run_id: UUID) -> dict[str, Any]:
    """Take an announcement back; what the run has booked already stays."""
    return _say(run_id, "withdrawn")


def _say(run_id: UUID, word: str) -> dict[str, Any]:
    running, caller = services(), principal().actor
    now = running.clock.now()
    verb = rerun.approve if word == "approved" else rerun.withdraw
    with running.database.begin() as tx:
        one = verb(tx, run_id, by=caller.actor_id, now=now)
        audit.record(
            tx,
            actor=caller,
            action=f"fare.rerun.{word}",
            subject_kind="fare_rerun",
            subject_id=str(run_id),
            now=now,
            request_id=request_id(),
        )
        return rerun_document(one, rerun.progress(tx, one))


def rerun_document(one: Announced, progress: Progress) -> dict[str, Any]:
    """Return a run as JSON has it; amounts in minor units of the tariff's currency."""
    return {
        "run_id": str(one.run_id),
        "state": rerun.state_of(one).value,
        "tariff_version": one.tariff_version,
        "engine_version": one.engine_version,
        "first_day": one.first_day.isoformat(),
        "last_day": one.last_day.isoformat(),
        "reason": one.reason,
        "announced_by": one.announced_by,
        "announced_at": one.announced_at.isoformat(),
        "not_before": one.not_before.isoformat(),
        "events": [
            {"event": event, "by": who, "at": at.isoformat()}
            for event, (who, at) in sorted(one.events.items(), key=lambda each: each[1][1])
        ],
        "done": progress.done,
        "left": progress.left,
        "revisions": progress.revisions,
        "change_minor": progress.change_minor,
    }
