"""A device's life: enrolled, approved, at work, suspended, retired. One table."""

from __future__ import annotations

from enum import Enum
from typing import Final

from kernel.errors import DomainError


class DeviceKind(Enum):
    """What the device is bolted to, or held by."""

    BUS = "bus"
    METRO = "metro"
    PARKING = "parking"
    INSPECTOR = "inspector"


class DeviceState(Enum):
    """Where a device stands; only ACTIVE may sign evidence that is taken in."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class DeviceEvent(Enum):
    """What happens to a device after it enrolled."""

    APPROVED = "approved"
    SUSPENDED = "suspended"
    REINSTATED = "reinstated"
    RETIRED = "retired"


class DeviceTransitionError(DomainError):
    """The device's state does not allow the event."""

    detail = "Device {device_id} is {state}; it cannot be {event}."


# RETIRED is final: a device that comes back enrols again, with new keys and a new name for its evidence.
TRANSITIONS: Final[dict[DeviceState, dict[DeviceEvent, DeviceState]]] = {
    DeviceState.PENDING: {
        DeviceEvent.APPROVED: DeviceState.ACTIVE,
        DeviceEvent.SUSPENDED: DeviceState.SUSPENDED,
        DeviceEvent.RETIRED: DeviceState.RETIRED,
    },
    DeviceState.ACTIVE: {
        DeviceEvent.SUSPENDED: DeviceState.SUSPENDED,
        DeviceEvent.RETIRED: DeviceState.RETIRED,
    },
    DeviceState.SUSPENDED: {
        DeviceEvent.REINSTATED: DeviceState.ACTIVE,
        DeviceEvent.RETIRED: DeviceState.RETIRED,
    },
    DeviceState.RETIRED: {},
}
assert TRANSITIONS.keys() == set(DeviceState), "every state has a row, the final ones too"


def next_device_state(state: DeviceState, event: DeviceEvent, *, device_id: str = "") -> DeviceState:
    """Return the state after `event`; DeviceTransitionError where the table has no such step."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise DeviceTransitionError(device_id=device_id, state=state.value, event=event.value) from None
