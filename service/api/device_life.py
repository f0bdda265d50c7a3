"""What a person decides about a device: approve, suspend, reinstate, rotate its key, retire it."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from access.rules.device import DeviceState
from kernel.ids import DeviceId
from service import devices
from service.auth import principal, requires
from service.devices import Deed
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
    return _decided(device_id, Deed.APPROVE, json_data.reason)


@blueprint.post("/<uuid:device_id>/suspend")
@requires(Role.ADMINISTRATOR)
@blueprint.input(Reason, location="json")
@blueprint.output(StateBody)
def suspend(device_id: UUID, json_data: Reason) -> Response:
    """Refuse a device's uploads and requests; it keeps its journal."""
    return _decided(device_id, Deed.SUSPEND, json_data.reason)


@blueprint.post("/<uuid:device_id>/reinstate")
@requires(Role.ADMINISTRATOR)
@blueprint.input(Reason, location="json")
@blueprint.output(StateBody)
def reinstate(device_id: UUID, json_data: Reason) -> Response:
    """Let a suspended device go on; its journal is then delivered."""
    return _decided(device_id, Deed.REINSTATE, json_data.reason)


@blueprint.post("/<uuid:device_id>/rotate")
@requires(Role.ADMINISTRATOR)
@blueprint.input(Reason, location="json")
@blueprint.output(StateBody)
def rotate_key(device_id: UUID, json_data: Reason) -> Response:
    """Ask a device for a new signing key. Both are good until the device has spoken under the new one."""
    return _decided(device_id, Deed.ROTATE, json_data.reason)


@blueprint.post("/<uuid:device_id>/retire")
@requires(Role.ADMINISTRATOR)
@blueprint.input(Retirement, location="json")
@blueprint.output(StateBody)
def retire(device_id: UUID, json_data: Retirement) -> Response:
    """End a device for good; 409 while its journal is not drained, unless it is said to be lost."""
    return _decided(device_id, Deed.GIVE_UP if json_data.lost else Deed.RETIRE, json_data.reason)


def _decided(device_id: UUID, deed: Deed, reason: str) -> Response:
    running, actor = services(), principal().actor
    state = running.database.run(
        lambda tx: devices.decide(
            tx, DeviceId(device_id), deed, reason=reason, actor=actor, now=running.clock.now()
        )
    )
    return jsonify(StateBody(device_id=device_id, state=state).model_dump(mode="json"))
