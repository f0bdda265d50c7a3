"""What a person decides about a device: approve, suspend, reinstate, rotate its key, retire it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import enrol, rotate
from access.rules.device import DeviceEvent, DeviceState
from kernel.ids import DeviceId
from service import audit
from service.auth import principal, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("device_life", __name__, tag="Devices", url_prefix="/v1/devices")
_MAX_BODY: Final = 4_096
Why = Annotated[str, Field(min_length=3, max_length=500)]


class Reason(BaseModel):
    """Why; it is kept with who did it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Why


class Retirement(Reason):
    """Why, and whether records that the device may still hold are given up."""

    lost: bool = False


class StateBody(BaseModel):
    """Where the device stands now."""

    device_id: UUID
    state: DeviceState


@blueprint.before_request
def _small() -> None:
    request.max_content_length = _MAX_BODY


@blueprint.post("/<uuid:device_id>/approve")
@requires(Role.ADMINISTRATOR)
@blueprint.input(Reason, location="json")
@blueprint.output(StateBody)
def approve(device_id: UUID, json_data: Reason) -> Response:
    """Let an enrolled device that waits for approval begin."""
    return _step(device_id, DeviceEvent.APPROVED, json_data.reason)


@blueprint.post("/<uuid:device_id>/suspend")
@requires(Role.ADMINISTRATOR)
@blueprint.input(Reason, location="json")
@blueprint.output(StateBody)
def suspend(device_id: UUID, json_data: Reason) -> Response:
    """Refuse a device's uploads and requests; it keeps its journal."""
    return _step(device_id, DeviceEvent.SUSPENDED, json_data.reason)


@blueprint.post("/<uuid:device_id>/reinstate")
@requires(Role.ADMINISTRATOR)
@blueprint.input(Reason, location="json")
@blueprint.output(StateBody)
def reinstate(device_id: UUID, json_data: Reason) -> Response:
    """Let a suspended device go on; its journal is then delivered."""
    return _step(device_id, DeviceEvent.REINSTATED, json_data.reason)


@blueprint.post("/<uuid:device_id>/rotate")
@requires(Role.ADMINISTRATOR)
@blueprint.input(Reason, location="json")
@blueprint.output(StateBody)
def rotate_key(device_id: UUID, json_data: Reason) -> Response:
    """Ask a device for a new signing key. Both are good until the device has spoken under the new one."""

    def work(tx: Connection) -> DeviceState:
        now = services().clock.now()
        rotate.ask(
            tx, DeviceId(device_id), reason=json_data.reason, actor=principal().actor.actor_id, now=now
        )
        return DeviceState.ACTIVE

    return _done(device_id, "rotation_asked", {"reason": json_data.reason}, work)


@blueprint.post("/<uuid:device_id>/retire")
@requires(Role.ADMINISTRATOR)
@blueprint.input(Retirement, location="json")
@blueprint.output(StateBody)
def retire(device_id: UUID, json_data: Retirement) -> Response:
    """End a device for good; 409 while its journal is not drained, unless it is said to be lost."""

    def work(tx: Connection) -> DeviceState:
        enrol.retire(
            tx,
            DeviceId(device_id),
            lost=json_data.lost,
            reason=json_data.reason,
            actor=principal().actor.actor_id,
            now=services().clock.now(),
        )
        return DeviceState.RETIRED

    return _done(device_id, "retired", {"reason": json_data.reason, "lost": json_data.lost}, work)


def _step(device_id: UUID, event: DeviceEvent, reason: str) -> Response:
    def work(tx: Connection) -> DeviceState:
        return enrol.change_state(
            tx,
            DeviceId(device_id),
            event,
            reason=reason,
            actor=principal().actor.actor_id,
            now=services().clock.now(),
        )

    return _done(device_id, event.value, {"reason": reason}, work)


def _done(
    device_id: UUID, action: str, detail: dict[str, object], work: Callable[[Connection], DeviceState]
) -> Response:
    running = services()

    def audited(tx: Connection) -> DeviceState:
        state = work(tx)
        audit.record(
            tx,
            actor=principal().actor,
            action=f"access.device.{action}",
            subject_kind="device",
            subject_id=str(device_id),
            now=running.clock.now(),
            detail=detail,
        )
        return state

    state = running.database.run(audited)
    return jsonify(StateBody(device_id=device_id, state=state).model_dump(mode="json"))
