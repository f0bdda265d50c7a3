"""Parking enforcement: is a vehicle paid, and what an officer or a camera saw. Every check is in the access log."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access.issue import get_card
from parking import check as verbs
from parking.places import place_in_force
from parking.rules.check import Checked
from parking.rules.plate import PlateMatch
from parking.store.observations import Observation
from service import audit, parks
from service.api import parking_place_documents as shown
from service.api.bodies import again
from service.api.parking import actor_text
from service.auth import principal, require_operator, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("enforcement", __name__, tag="Parking", url_prefix="/v1/parking")
Name = Annotated[str, Field(min_length=1, max_length=80)]


class CardNumber(BaseModel):
    """A transit card by the serial printed on it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["card"]
    value: Annotated[int, Field(ge=1)]


class CheckAsked(BaseModel):
    """What to check, and where it stands."""

    model_config = ConfigDict(extra="forbid")

    place_id: Name
    medium: Annotated[parks.Medium | CardNumber, Field(discriminator="kind")]


class ObservationMade(CheckAsked):
    """What was seen. The caller mints `observation_id` (a UUID) and saves it before sending."""

    observation_id: UUID
    observed_at: AwareDatetime
    confidence_pct: Annotated[int, Field(ge=0, le=100, description="The camera's own; 100 for a person")] = (
        100
    )
    image_ref: Annotated[
        str, Field(max_length=200, description="Where the picture is kept; never the picture")
    ] = ""
    note: Annotated[str, Field(max_length=200)] = ""


class ObservationWindow(BaseModel):
    """Which observations to list; at most 500, newest first."""

    model_config = ConfigDict(extra="forbid")

    place_id: Name
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


@blueprint.post("/checks")
@requires(Role.PARKING_OPERATOR, Role.INSPECTOR)
@blueprint.input(CheckAsked, location="json")
@blueprint.output(shown.VehicleCheckBody)
def create_check(json_data: CheckAsked) -> dict[str, Any]:
    """Say whether a plate, card or ticket is paid here, until when and by what.

    A plate that differs by one character (or by 0/O, 1/I) answers `perhaps`: look again, never a notice.
    """
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        require_operator(place_in_force(tx, json_data.place_id, now=now).operator_id)
        said = verbs.check_vehicle(tx, json_data.place_id, _subjects(tx, json_data), now=now)
        audit.record(
            tx,
            actor=principal().actor,
            action="parking.check",
            subject_kind="parking_session",
            subject_id=str(said.running.session_id) if said.running else "",
            now=now,
            detail={
                "place_id": json_data.place_id,
                "by": json_data.medium.kind,
                "verdict": said.verdict.value,
            },
        )
    return {"checked_at": now.isoformat(), **_checked(said)}


@blueprint.post("/observations")
@requires(Role.PARKING_OPERATOR, Role.INSPECTOR)
@blueprint.input(ObservationMade, location="json")
@blueprint.output(shown.ObservedBody, status_code=201)
@blueprint.doc(responses=again(shown.ObservedBody))
def create_observation(json_data: ObservationMade) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Keep what was seen as evidence, with what the check says now; the same observation again is answered alike."""
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        require_operator(place_in_force(tx, json_data.place_id, now=now).operator_id)
        seen = verbs.Seen(
            observation_id=json_data.observation_id,
            place_id=json_data.place_id,
            subjects=_subjects(tx, json_data),
            observed_at=json_data.observed_at,
            confidence_pct=json_data.confidence_pct,
            image_ref=json_data.image_ref,
            note=json_data.note,
        )
        made, again = verbs.observe(tx, seen, observed_by=actor_text(), now=now)
        if not again:
            audit.record(
                tx,
                actor=principal().actor,
                action="parking.observe",
                subject_kind="parking_observation",
                subject_id=str(made.observation_id),
                now=now,
                detail={"place_id": made.place_id, "verdict": made.verdict},
            )
    return (_observed(made), 200, {"Idempotency-Hit": "true"}) if again else (_observed(made), 201, {})


@blueprint.get("/observations")
@requires(Role.PARKING_OPERATOR, Role.AUDITOR)
@blueprint.input(ObservationWindow, location="query")
@blueprint.output(shown.ObservedListBody)
def list_observations(query_data: ObservationWindow) -> dict[str, Any]:
    """Return a place's observations, newest first; without times, those of the last 24 hours."""
    running = services()
    until = query_data.until or running.clock.now()
    since = query_data.since or until - timedelta(days=1)
    with running.database.read() as tx:
        place = place_in_force(tx, query_data.place_id, now=running.clock.now())
        require_operator(place.operator_id)
        found = verbs.list_observed(tx, place.place_id, since=since, until=until)
    return {"observations": [_observed(each) for each in found]}


def _subjects(tx: Connection, asked: CheckAsked) -> dict[UUID, PlateMatch]:
    if isinstance(asked.medium, CardNumber):
        return {get_card(tx, serial=asked.medium.value).card_id: PlateMatch.SAME}
    return dict(parks.subjects_like(services().keyring, asked.medium))


def _checked(said: Checked) -> dict[str, Any]:
    running = said.running
    return {
        "verdict": said.verdict.value,
        "may_notify": said.may_notify,
        "paid_with": said.paid_with.value if said.paid_with else None,
        "until": said.until.isoformat() if said.until else None,
        "session": None
        if running is None
        else {
            "session_id": str(running.session_id),
            "place_id": running.place_id,
            "state": running.state.value,
            "entered_at": running.entered_at.isoformat() if running.entered_at else None,
        },
    }


def _observed(each: Observation) -> dict[str, Any]:
    return {
        "observation_id": str(each.observation_id),
        "place_id": each.place_id,
        "observed_at": each.observed_at.isoformat(),
        "verdict": each.verdict,
        "may_notify": each.may_notify,
        "session_id": str(each.session_id) if each.session_id else None,
        "confidence_pct": each.confidence_pct,
        "image_ref": each.image_ref,
        "note": each.note,
        "observed_by": each.observed_by,
    }
