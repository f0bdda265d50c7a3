"""Reservations, and corrections of sessions by the operator of their place."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kernel.ids import FareAccountId
from parking.correct import correct
from parking.places import place_in_force
from parking.reserve_space import Reserving, reserve
from parking.rules.session import EventKind
from parking.sessions import operator_of
from service import parks
from service.api import parking_documents as shown
from service.api.bodies import again
from service.api.parking import actor_text, answer, record
from service.auth import require_operator, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("parking_changes", __name__, tag="Parking", url_prefix="/v1/parking")
Name = Annotated[str, Field(min_length=1, max_length=80)]


class ReserveAsked(BaseModel):
    """A space to hold from now on. The caller mints `event_id` (a UUID) and saves it before sending.

    With `fare_account_id` the stay, and the fee for not coming, are charged to that account.
    """

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    place_id: Name
    vehicle_class: Name
    user: Name = "casual"
    medium: parks.Medium
    fare_account_id: UUID | None = None
    held_until: AwareDatetime


class StayCorrectionAsked(BaseModel):
    """A correction, with the reason for the audit trail."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    correction: Literal["voided", "disputed", "upheld", "refunded"]
    note: Annotated[str, Field(min_length=1, max_length=500)]


@blueprint.post("/reservations")
@requires(Role.PARKING_OPERATOR)
@blueprint.input(ReserveAsked, location="json")
@blueprint.output(shown.ParkingSessionBody, status_code=201)
@blueprint.doc(responses=again(shown.ParkingSessionBody))
def create_reservation(json_data: ReserveAsked) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Hold a space until an instant; entering with the same plate or ticket makes it an open session."""
    running = services()
    now = running.clock.now()
    asked = Reserving(
        event_id=json_data.event_id,
        place_id=json_data.place_id,
        vehicle_class=json_data.vehicle_class,
        user=json_data.user,
        subject=parks.subject(running.keyring, json_data.medium),
        account=FareAccountId(json_data.fare_account_id) if json_data.fare_account_id else None,
        held_until=json_data.held_until,
    )
    with running.database.begin() as tx:
        require_operator(place_in_force(tx, json_data.place_id, now=now).operator_id)
        made = reserve(tx, asked, actor=actor_text(), now=now)
        record(tx, "parking.reserve", made)
    return answer(made, 201)


@blueprint.post("/sessions/<uuid:session_id>/corrections")
@requires(Role.PARKING_OPERATOR)
@blueprint.input(StayCorrectionAsked, location="json")
@blueprint.output(shown.ParkingSessionBody)
def create_correction(
    session_id: UUID, json_data: StayCorrectionAsked
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Void, dispute, uphold or refund a session; the books follow by linked entries, and nothing is deleted."""
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        require_operator(operator_of(tx, session_id))
        made = correct(
            tx,
            session_id,
            EventKind(json_data.correction),
            event_id=json_data.event_id,
            actor=actor_text(),
            now=now,
        )
        record(tx, f"parking.{json_data.correction}", made, json_data.note)
    return answer(made, 200)
