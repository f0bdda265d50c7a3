"""A rider's own parking: start, extend and stop by phone, and see what it costs."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from parking import enter as verbs
from parking.places import list_own
from parking.reserve_space import Reserving, reserve
from parking.sessions import UnknownSessionError, find_session
from service import parks
from service.api import rider_documents as shown
from service.api.bodies import again
from service.api.parking import ExtendAsked, LeaveAsked, actor_text, answer, record, session_body
from service.api.parking_documents import ParkingSessionBody
from service.auth import require_own, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint(
    "rider_parking", __name__, tag="Riders", url_prefix="/v1/riders/<uuid:fare_account_id>/parking"
)
Name = Annotated[str, Field(min_length=1, max_length=80)]


class StartAsked(BaseModel):
    """A session begun by phone. The caller mints `event_id`; with `held_until` the space is held, not entered."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    place_id: Name
    vehicle_class: Name
    plate: Name
    held_until: AwareDatetime | None = None


@blueprint.get("")
@requires(Role.RIDER)
@blueprint.output(shown.OwnStaysBody)
def list_sessions(fare_account_id: UUID) -> dict[str, Any]:
    """Return the rider's last hundred sessions, the newest first."""
    account = require_own(fare_account_id)
    with services().database.read() as tx:
        rows = list_own(tx, account)
    return {
        "sessions": [
            {
                "session_id": str(row.stay_id),
                "place_id": row.place_id,
                "state": row.state,
                "entered_at": row.entered_at.isoformat() if row.entered_at else None,
                "left_at": row.left_at.isoformat() if row.left_at else None,
                "paid_until": row.paid_until.isoformat() if row.paid_until else None,
                "charged": {"minor": row.charged_minor, "currency": row.currency},
            }
            for row in rows
        ]
    }


@blueprint.post("")
@requires(Role.RIDER)
@blueprint.input(StartAsked, location="json")
@blueprint.output(ParkingSessionBody, status_code=201)
@blueprint.doc(responses=again(ParkingSessionBody))
def start_session(fare_account_id: UUID, json_data: StartAsked) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Begin a session for a plate, charged to the rider's account, or hold a space for it."""
    running = services()
    account, now = require_own(fare_account_id), running.clock.now()
    subject = parks.subject(running.keyring, parks.Medium(kind="plate", value=json_data.plate))
    with running.database.begin() as tx:
        if json_data.held_until is not None:
            asked = Reserving(
                event_id=json_data.event_id,
                place_id=json_data.place_id,
                vehicle_class=json_data.vehicle_class,
                subject=subject,
                account=account,
                held_until=json_data.held_until,
            )
            made = reserve(tx, asked, actor=actor_text(), now=now)
        else:
            entering = verbs.Entering(
                event_id=json_data.event_id,
                place_id=json_data.place_id,
                vehicle_class=json_data.vehicle_class,
                subject=subject,
                account=account,
                at=now,
            )
            made = verbs.enter(tx, entering, actor=actor_text(), now=now)
        record(tx, "parking.start", made)
    return answer(made, 201)


@blueprint.get("/<uuid:session_id>")
@requires(Role.RIDER)
@blueprint.output(ParkingSessionBody)
def get_session(fare_account_id: UUID, session_id: UUID) -> dict[str, Any]:
    """Return one of the rider's sessions with the proof of its price; 404 for anybody else's."""
    running = services()
    account = require_own(fare_account_id)
    with running.database.read() as tx:
        found = find_session(tx, session_id, now=running.clock.now())
    if found.row.fare_account_id != account:
        raise UnknownSessionError(session_id=str(session_id))
    return session_body(found)


@blueprint.post("/<uuid:session_id>/extend")
@requires(Role.RIDER)
@blueprint.input(ExtendAsked, location="json")
@blueprint.output(ParkingSessionBody)
def extend_session(
    fare_account_id: UUID, session_id: UUID, json_data: ExtendAsked
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Extend a session to an instant."""
    running = services()
    account, now = require_own(fare_account_id), running.clock.now()
    with running.database.begin() as tx:
        if find_session(tx, session_id, now=now).row.fare_account_id != account:
            raise UnknownSessionError(session_id=str(session_id))
        made = verbs.extend(
            tx, session_id, event_id=json_data.event_id, until=json_data.until, actor=actor_text(), now=now
        )
        record(tx, "parking.extend", made)
    return answer(made, 200)


@blueprint.post("/<uuid:session_id>/stop")
@requires(Role.RIDER)
@blueprint.input(LeaveAsked, location="json")
@blueprint.output(ParkingSessionBody)
def stop_session(
    fare_account_id: UUID, session_id: UUID, json_data: LeaveAsked
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """End a session now; its price is charged to the account."""
    running = services()
    account, now = require_own(fare_account_id), running.clock.now()
    with running.database.begin() as tx:
        if find_session(tx, session_id, now=now).row.fare_account_id != account:
            raise UnknownSessionError(session_id=str(session_id))
        made = verbs.leave(
            tx,
            session_id,
            event_id=json_data.event_id,
            at=now,
            quoted_at=json_data.quoted_at,
            actor=actor_text(),
            now=now,
        )
        record(tx, "parking.stop", made)
    return answer(made, 200)
