"""What a person decides about a device, the same at every door: API, console and command. Each is audited."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from access import enrol, rotate
from access.rules.device import TRANSITIONS, DeviceEvent, DeviceState
from kernel.ids import DeviceId
from service import audit
from service.audit import Actor


class Deed(StrEnum):
    """One decision about one device."""

    APPROVE = "approve"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    ROTATE = "rotate"
    RETIRE = "retire"
    GIVE_UP = "give-up"
    """Retire it although records may still be on it: it was stolen, burnt or is broken."""


_EVENTS: Final[Mapping[Deed, DeviceEvent]] = {
    Deed.APPROVE: DeviceEvent.APPROVED,
    Deed.SUSPEND: DeviceEvent.SUSPENDED,
    Deed.REINSTATE: DeviceEvent.REINSTATED,
    Deed.RETIRE: DeviceEvent.RETIRED,
    Deed.GIVE_UP: DeviceEvent.RETIRED,
}


def allowed(state: DeviceState) -> tuple[Deed, ...]:
    """Return what can be decided about a device in this state, in the order of `Deed`."""
    return tuple(
        deed
        for deed in Deed
        if (state is DeviceState.ACTIVE if deed is Deed.ROTATE else _EVENTS[deed] in TRANSITIONS[state])
    )


def decide(
    tx: Connection, device_id: DeviceId, deed: Deed, *, reason: str, actor: Actor, now: datetime
) -> DeviceState:
    """Carry a decision out and return the device's state.

    UnknownDeviceError; DeviceTransitionError where its state does not allow it; DeviceNotDrainedError.
    """
    by = actor.actor_id
    detail: dict[str, object] = {"reason": reason}
    match deed:
        case Deed.ROTATE:
            rotate.ask(tx, device_id, reason=reason, actor=by, now=now)
            state = DeviceState.ACTIVE
        case Deed.RETIRE | Deed.GIVE_UP:
            lost = detail["lost"] = deed is Deed.GIVE_UP
            enrol.retire(tx, device_id, lost=lost, reason=reason, actor=by, now=now)
            state = DeviceState.RETIRED
        case _:
            state = enrol.change_state(tx, device_id, _EVENTS[deed], reason=reason, actor=by, now=now)
    audit.record(
        tx,
        actor=actor,
        action=f"access.device.{'rotation_asked' if deed is Deed.ROTATE else _EVENTS[deed].value}",
        subject_kind="device",
        subject_id=str(device_id),
        now=now,
        detail=detail,
    )
    return state
