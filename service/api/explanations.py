"""Why a tap was charged as it was: for its rider and for staff; who asked is written down."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access.taps import UnknownTapError
from fare.explain import TapStory, explain_tap
from fare.publish import Shelf
from fare.rules.bill import Ride
from fare.rules.change import Change
from fare.store.revisions import ChargeLine
from kernel.ids import FareAccountId
from service import riders
from service.api.explanation_documents import TapStoryBody
from service.audit import Actor, ActorKind
from service.auth import acting_for, principal, require_own, requires
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("explanations", __name__, tag="Evidence")
STAFF: Final = (Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR, Role.ADMINISTRATOR)


class ExplanationAsked(BaseModel):
    """Whose tap it is, and what for."""

    model_config = ConfigDict(extra="forbid")

    fare_account_id: UUID | None = Field(
        default=None, description="The rider's fare account; a rider app's credential must name it"
    )
    purpose: str = Field(default="", max_length=200, description="Why it is looked at; kept with who did")


@blueprint.get("/v1/taps/<uuid:tap_id>/explanation")
@requires(Role.RIDER, *STAFF)
@blueprint.input(ExplanationAsked, location="query", arg_name="asked")
@blueprint.output(TapStoryBody)
def get_explanation(tap_id: UUID, asked: ExplanationAsked) -> dict[str, Any]:
    """Return why this tap was charged as it was: steps that recompute to the charge, and every revision of its day.

    A tap-off answers with the ride it ended. A rider sees the taps of its own account; another's are 404 like taps
    that do not exist. Each look by anybody else is written down for the rider.
    """
    running, caller = services(), principal()
    owner = acting_for() if asked.fare_account_id is None else require_own(asked.fare_account_id)
    with running.database.begin() as tx:
        story = look_up(
            tx,
            tap_id,
            shelf=running.shelf,
            owner=owner,
            by=caller.actor,
            purpose=asked.purpose,
            now=running.clock.now(),
            request_id=request_id(),
        )
    return document(story)


def look_up(
    tx: Connection,
    tap_id: UUID,
    *,
    shelf: Shelf,
    owner: FareAccountId | None,
    by: Actor,
    purpose: str,
    now: datetime,
    request_id: str = "",
) -> TapStory:
    """Return a tap's story and write down who looked at whose; UnknownTapError for a tap of another than `owner`."""
    story = explain_tap(tx, tap_id, books=shelf.books(tx))
    if owner is not None and story.fare_account_id != owner:
        raise UnknownTapError(tap_id=str(tap_id))
    if by.kind is not ActorKind.RIDER:
        riders.looked_at(
            tx,
            story.fare_account_id,
            by=by,
            what=f"tap:{tap_id}",
            purpose=purpose or "explanation",
            now=now,
            request_id=request_id,
        )
    return story


def document(story: TapStory) -> dict[str, Any]:
    """Return a story as JSON has it; `explanation` recomputes by `fare.rules.recompute.check`."""
    tap = story.tap
    return {
        "tap_id": str(tap.tap_id),
        "tapped_at": tap.tapped_at.isoformat(),
        "received_at": tap.received_at.isoformat(),
        "operator": tap.operator_id,
        "route": tap.route_id,
        "stop": tap.stop_id,
        "status": story.status.value,
        "reason": story.reason,
        "service_day": story.service_day.isoformat() if story.service_day else None,
        "tariff_version": story.tariff_version,
        "engine_version": story.engine_version,
        "revision": story.revision,
        "currency": story.currency,
        "charged_minor": story.charged_minor,
        "ride": _ride(story.ride),
        "booked": [_line(line) for line in story.booked],
        "agrees": story.agrees,
        "explanation": None if story.explanation is None else story.explanation.to_json(),
        "revisions": [_change(change) for change in story.changes],
        "vi": list(story.vi),
        "en": list(story.en),
    }


def _ride(ride: Ride | None) -> dict[str, Any] | None:
    if ride is None:
        return None
    return {
        "tap_on": str(ride.tap_id),
        "tap_off": None if ride.tap_off_id is None else str(ride.tap_off_id),
        "route": ride.route_id,
        "from_stop": ride.from_stop_id,
        "to_stop": ride.to_stop_id,
        "started_at": ride.started_at.isoformat(),
        "ended_at": None if ride.ended_at is None else ride.ended_at.isoformat(),
        "closed": ride.closed.value,
        "face_value": ride.face_value.to_json(),
    }


def _line(line: ChargeLine) -> dict[str, Any]:
    return {
        "component": line.component,
        "operator": line.operator_id,
        "funder": line.funder,
        "rule": line.rule,
        "minor": line.minor,
        "entry_id": None if line.entry_id is None else str(line.entry_id),
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "revision": change.revision,
        "billed_at": change.billed_at.isoformat(),
        "tariff_version": change.tariff_version,
        "engine_version": change.engine_version,
        "why": list(change.why),
        "taps": [str(one) for one in change.arrived],
        "charged_delta_minor": change.charged_delta_minor,
        "vi": change.vi,
        "en": change.en,
    }
