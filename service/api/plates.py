"""Cameras (ANPR) at gates: what they read, with confidence and where the picture is kept."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from parking.rules.plate_event import Direction, PlateSeen
from parking.see_plate import place_of_gate, see_plate
from service import parks
from service.api import parking_documents as shown
from service.api.bodies import again
from service.api.parking import actor_text, session_body
from service.auth import require_operator, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("plates", __name__, tag="Parking", url_prefix="/v1/parking")


class PlateRead(BaseModel):
    """One reading. The camera mints `event_id` (a UUID) and saves it before sending. The plate is hashed, not stored."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    gate_id: Annotated[str, Field(min_length=1, max_length=80)]
    plate: Annotated[str, Field(min_length=1, max_length=40)]
    direction: Literal["in", "out"]
    at: AwareDatetime
    confidence_pct: Annotated[int, Field(ge=0, le=100)]
    image_ref: Annotated[str, Field(max_length=200)] = ""
    vehicle_class: Annotated[str, Field(max_length=80, description="Without it, the place's default")] = ""


@blueprint.post("/plate-events")
@requires(Role.PARKING_OPERATOR)
@blueprint.input(PlateRead, location="json")
@blueprint.output(shown.PlateSessionBody, status_code=201)
@blueprint.doc(responses=again(shown.PlateSessionBody))
def create_plate_event(json_data: PlateRead) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Take a camera's reading in; `how` says what it did: same, minor, began, or unread (a case is open)."""
    running = services()
    now = running.clock.now()
    medium = parks.Medium(kind="plate", value=json_data.plate)
    seen = PlateSeen(
        event_id=json_data.event_id,
        gate_id=json_data.gate_id,
        subject=parks.subject(running.keyring, medium),
        direction=Direction(json_data.direction),
        at=json_data.at,
        confidence_pct=json_data.confidence_pct,
        image_ref=json_data.image_ref,
    )
    with running.database.begin() as tx:
        require_operator(place_of_gate(tx, json_data.gate_id, now=now).operator_id)
        read = see_plate(
            tx,
            seen,
            near=parks.subjects_like(running.keyring, medium),
            vehicle_class=json_data.vehicle_class,
            actor=actor_text(),
            now=now,
        )
    body = {
        "event_id": str(read.seen.event_id),
        "how": read.how,
        "session": session_body(read.session) if read.session else None,
    }
    return (body, 200, {"Idempotency-Hit": "true"}) if read.again else (body, 201, {})
