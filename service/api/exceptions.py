"""The exception queue: what cannot be priced or placed, with its reason and age; run again, given away, or closed."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field

from access import exceptions
from access.exceptions import House, Waiting
from service import audit
from service.api import evidence_documents as shown
from service.auth import principal, requires
from service.jobs.rerun import Rerun, can_rerun, rerun_many, rerun_one
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("exceptions", __name__, tag="Evidence", url_prefix="/v1/exceptions")
ACTORS: Final = (Role.FINANCE_MAKER, Role.ADMINISTRATOR)
READERS: Final = (*ACTORS, Role.FINANCE_CHECKER, Role.AUDITOR)
Why = Annotated[str, Field(min_length=1, max_length=500)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ExceptionQuery(_Body):
    """Which open exceptions."""

    house: House | None = None
    reason: Annotated[str, Field(max_length=100)] | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


class RerunAsked(_Body):
    """Why one is run again; a tap that a plausibility check stopped is let through with these words."""

    why: Why


class RerunManyAsked(RerunAsked):
    """Which are run again, the oldest first."""

    house: House
    reason: Annotated[str, Field(min_length=1, max_length=100)]
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


class ResolveAsked(_Body):
    """What was decided about it, without running it again."""

    resolution: Why


class AssignAsked(_Body):
    """Who looks after it."""

    to: Annotated[str, Field(min_length=1, max_length=100)]


@blueprint.get("")
@requires(*READERS)
@blueprint.input(ExceptionQuery, location="query", arg_name="query")
@blueprint.output(shown.OpenExceptionsBody)
def list_exceptions(query: ExceptionQuery) -> dict[str, Any]:
    """Return the open exceptions, oldest first, and how many there are by house and reason."""
    running = services()
    with running.database.read() as tx:
        found = exceptions.list_open(
            tx, now=running.clock.now(), house=query.house, reason=query.reason, limit=query.limit
        )
        counts = exceptions.count_open(tx)
    return {
        "exceptions": [exception_document(one) for one in found],
        "counts": [
            {"house": house.value, "reason": reason, "open": count}
            for (house, reason), count in counts.items()
        ],
    }


@blueprint.post("/rerun")
@requires(*ACTORS)
@blueprint.input(RerunManyAsked, location="json")
@blueprint.output(shown.ExceptionRerunsBody)
def rerun_exceptions(json_data: RerunManyAsked) -> dict[str, Any]:
    """Run all of one house and reason again, each committed on its own; what fails again keeps its place and age."""
    running = services()
    done = rerun_many(
        running.database,
        shelf=running.shelf,
        by=principal().actor,
        why=json_data.why,
        now=running.clock.now,
        house=json_data.house,
        reason=json_data.reason,
        limit=json_data.limit,
    )
    return {"reruns": [rerun_document(one) for one in done]}


@blueprint.post("/<uuid:exception_id>/rerun")
@requires(*ACTORS)
@blueprint.input(RerunAsked, location="json")
@blueprint.output(shown.ExceptionRerunBody)
def rerun_exception(exception_id: UUID, json_data: RerunAsked) -> dict[str, Any]:
    """Run one again from its stored evidence, however late it is; 409 where that cannot cure it."""
    running = services()
    caller = principal().actor
    done = running.database.run(
        lambda tx: rerun_one(
            tx,
            exception_id,
            shelf=running.shelf,
            by=caller,
            why=json_data.why,
            now=running.clock.now(),
            request_id=request_id(),
        )
    )
    return rerun_document(done)


@blueprint.post("/<uuid:exception_id>/resolve")
@requires(*ACTORS)
@blueprint.input(ResolveAsked, location="json")
@blueprint.output(shown.ExceptionResolvedBody)
def resolve_exception(exception_id: UUID, json_data: ResolveAsked) -> dict[str, Any]:
    """Close one without running it again, saying what was decided; the evidence stays and is still counted."""
    running, caller = services(), principal().actor
    now = running.clock.now()
    with running.database.begin() as tx:
        exceptions.resolve_one(
            tx, exception_id, resolution=json_data.resolution, actor=caller.actor_id, now=now
        )
        audit.record(
            tx,
            actor=caller,
            action="evidence.resolve",
            subject_kind="exception",
            subject_id=str(exception_id),
            now=now,
            request_id=request_id(),
            detail={"resolution": json_data.resolution},
        )
    return {"exception_id": str(exception_id), "resolution": json_data.resolution}


@blueprint.post("/<uuid:exception_id>/assign")
@requires(*ACTORS)
@blueprint.input(AssignAsked, location="json")
@blueprint.output(shown.ExceptionAssignedBody)
def assign_exception(exception_id: UUID, json_data: AssignAsked) -> dict[str, Any]:
    """Say who looks after one."""
    running, caller = services(), principal().actor
    now = running.clock.now()
    with running.database.begin() as tx:
        exceptions.assign(tx, exception_id, to=json_data.to)
        audit.record(
            tx,
            actor=caller,
            action="evidence.assign",
            subject_kind="exception",
            subject_id=str(exception_id),
            now=now,
            request_id=request_id(),
            detail={"to": json_data.to},
        )
    return {"exception_id": str(exception_id), "assigned_to": json_data.to}


def exception_document(one: Waiting) -> dict[str, Any]:
    """Return one open exception as JSON has it; `rerunnable` says whether running it again may cure it."""
    raised = one.raised
    return {
        "exception_id": str(one.exception_id),
        "house": raised.house.value,
        "reason": raised.reason,
        "ref": raised.ref,
        "fare_account_id": None if raised.fare_account_id is None else str(raised.fare_account_id),
        "service_day": raised.service_day.isoformat() if raised.service_day else None,
        "detail": dict(raised.detail),
        "raised_at": one.raised_at.isoformat(),
        "age_s": int(one.age.total_seconds()),
        "assigned_to": one.assigned_to,
        "rerunnable": can_rerun(raised),
    }


def rerun_document(one: Rerun) -> dict[str, Any]:
    """Return what a rerun came to as JSON has it."""
    return {
        "exception_id": str(one.exception_id),
        "reason": one.reason,
        "outcome": one.outcome.value,
        "entries": one.entries,
    }
