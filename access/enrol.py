"""Devices join once with a one-time code and the public halves of keys that they made themselves."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access.keyring import Keyring
from access.rules.alarm import drained
from access.rules.device import DeviceEvent, DeviceKind, DeviceState, next_device_state
from access.store import devices, heads, heartbeats
from access.store.devices import Code, Device, DeviceKey, LifeEvent
from access.store.heads import Journal
from kernel.crypto.ed25519 import VerifyKey
from kernel.crypto.sealing import box_to
from kernel.errors import DomainError
from kernel.ids import DeviceId, uuid7

# Crockford's letters without I, L, O, U: read out over a radio without mistakes. 12 of them are 60 bits.
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUPS: Final = 3
_GROUP: Final = 4
_KIND: Final = b"device-code"
CODE_LIFETIME: Final = timedelta(hours=24)


class CodeRefusedError(DomainError):
    """The one-time code is unknown, expired, or was used by another device; which, is not told."""

    detail = "The one-time code is not valid."


class DeviceKeyRefusedError(DomainError):
    """A key sent for enrolment is malformed or belongs to another device."""

    detail = "The device's {key} cannot be used: {why}."


class DeviceNotDrainedError(DomainError):
    """The device holds, or may hold, records that are not stored here yet. `unsent` is what it last said, if it did."""

    detail = "Device {device_id} may still hold records; let it deliver them, or say that it is lost."


class UnknownDeviceError(DomainError):
    """No device has this id."""

    detail = "There is no device {device_id}."


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What the device keeps: its names, and the server's bundle key, which it pins from now on."""

    device_id: DeviceId
    key_id: bytes
    name: str
    kind: DeviceKind
    operator_id: str
    place: str
    state: DeviceState
    bundle_key: bytes


def create_code(
    tx: Connection,
    *,
    keyring: Keyring,
    name: str,
    kind: DeviceKind,
    operator_id: str,
    place: str,
    actor: str,
    now: datetime,
    lifetime: timedelta = CODE_LIFETIME,
    approved: bool = True,
) -> str:
    """Return a one-time code, e.g. "4F7K-9QXD-2M0A", that entitles one device to enrol until `lifetime` is over.

    Only its keyed hash is stored: the code is shown this once. With `approved` False the device stays PENDING
    until a person approves it.
    """
    code = "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    stored = Code(name, kind, operator_id, place, approved, now + lifetime, None)
    devices.insert_code(
        tx, code_hash=_code_hash(keyring, code), code=stored, created_by=actor, created_at=now
    )
    return code


def enrol(
    tx: Connection, *, keyring: Keyring, code: str, public_key: bytes, box_key: bytes, now: datetime
) -> Enrolled:
    """Return the identity of the device that sent these public keys (Ed25519 and X25519) with a valid code.

    The same code with the same keys gets the same answer again while the code lives, so a lost answer is no lost
    device. CodeRefusedError and DeviceKeyRefusedError otherwise.
    """
    code_hash = _code_hash(keyring, code)
    found = devices.lock_code(tx, code_hash)
    if found is None or now >= found.expires_at:
        raise CodeRefusedError
    key = _checked(public_key, box_key)
    if found.device_id is not None:
        return _again(tx, DeviceId(found.device_id), key, box_key, keyring)
    device_id = DeviceId(uuid7(now))
    state = DeviceState.ACTIVE if found.approved else DeviceState.PENDING
    device = Device(device_id, found.name, found.kind, found.operator_id, found.place, state, box_key, now)
    devices.insert_device(tx, device)
    if not devices.insert_key(tx, key_id=key.key_id, device_id=device_id, public_key=key.raw, at=now):
        raise DeviceKeyRefusedError(key="signing key", why="it is enrolled already")
    devices.use_code(tx, code_hash=code_hash, device_id=device_id, at=now)
    devices.insert_event(
        tx, device_id=device_id, event_id=uuid7(now), event="enrolled", reason="", actor="device", at=now
    )
    return _enrolled(device, key.key_id, keyring)


def change_state(
    tx: Connection, device_id: DeviceId, event: DeviceEvent, *, reason: str, actor: str, now: datetime
) -> DeviceState:
    """Return the device's state after `event`, stored with who did it and why.

    UnknownDeviceError; DeviceTransitionError where the table has no such step.
    """
    device = devices.find_device(tx, device_id, lock=True)
    if device is None:
        raise UnknownDeviceError(device_id=str(device_id))
    state = next_device_state(device.state, event, device_id=str(device_id))
    devices.set_state(tx, device_id, state)
    devices.insert_event(
        tx, device_id=device_id, event_id=uuid7(now), event=event.value, reason=reason, actor=actor, at=now
    )
    return state


def suspend(tx: Connection, device_id: DeviceId, *, reason: str, actor: str, now: datetime) -> bool:
    """Suspend a device and return True; False when it is suspended or retired already."""
    device = devices.find_device(tx, device_id, lock=True)
    if device is None:
        raise UnknownDeviceError(device_id=str(device_id))
    if device.state in {DeviceState.SUSPENDED, DeviceState.RETIRED}:
        return False
    change_state(tx, device_id, DeviceEvent.SUSPENDED, reason=reason, actor=actor, now=now)
    return True


def retire(
    tx: Connection, device_id: DeviceId, *, lost: bool = False, reason: str, actor: str, now: datetime
) -> None:
    """Retire a device whose journal is drained; `lost` gives up what a stolen or broken one still held.

    UnknownDeviceError; DeviceTransitionError; DeviceNotDrainedError where records are, or may be, still on it:
    retired, it could never deliver them.
    """
    device = devices.find_device(tx, device_id, lock=True)
    if device is None:
        raise UnknownDeviceError(device_id=str(device_id))
    journals = heads.list_heads(tx, (device_id,)).get(device_id, [])
    stored = {each.journal_id: each.sequence for each in journals}
    said = heartbeats.list_latest(tx, (device_id,)).get(device_id)
    waiting, unheard = any(each.waiting for each in journals), device.state is DeviceState.SUSPENDED
    if not lost and not drained(said, stored, waiting=waiting, unheard=unheard):
        raise DeviceNotDrainedError(device_id=str(device_id), unsent=said.unsent if said else None)
    told = f"{reason} (given up: its journal was not drained)" if lost else reason
    change_state(tx, device_id, DeviceEvent.RETIRED, reason=told, actor=actor, now=now)


def get_device(tx: Connection, device_id: DeviceId) -> Device:
    """Return the device; UnknownDeviceError."""
    device = devices.find_device(tx, device_id)
    if device is None:
        raise UnknownDeviceError(device_id=str(device_id))
    return device


def list_devices(tx: Connection, *, operator_id: str | None = None) -> tuple[Device, ...]:
    """Return all devices, or one operator's, by name."""
    return devices.list_devices(tx, operator_id=operator_id)


def list_events(tx: Connection, device_id: DeviceId) -> tuple[LifeEvent, ...]:
    """Return what happened to the device, the newest first."""
    return devices.list_events(tx, device_id)


def list_journals(tx: Connection, device_ids: Iterable[UUID]) -> dict[UUID, tuple[Journal, ...]]:
    """Return how far each of these devices' journals is stored, by device, the longest unchanged first."""
    return {device: tuple(heads_) for device, heads_ in heads.list_heads(tx, device_ids).items()}


def active_key(tx: Connection, device_id: DeviceId, key_id: bytes) -> tuple[Device, VerifyKey] | None:
    """Return an active device and its live signing key of this id, else None."""
    found = find_device_by_key(tx, key_id)
    return found if found and found[0].device_id == device_id else None


def find_device_by_key(tx: Connection, key_id: bytes) -> tuple[Device, VerifyKey] | None:
    """Return the active device whose live signing key has this id (RFC 9421's `keyid`), else None.

    One query: every request that a device signs asks this first.
    """
    found = devices.find_signer(tx, key_id)
    if found is None or found[0].state is not DeviceState.ACTIVE:
        return None
    device, stored = found
    key = live_key((stored,), key_id)
    return (device, key) if key else None


def live_key(keys: tuple[DeviceKey, ...], key_id: bytes) -> VerifyKey | None:
    """Return the key of this id unless it was revoked."""
    for key in keys:
        if key.key_id == key_id and key.revoked_at is None:
            return VerifyKey(key.public_key)
    return None


def _code_hash(keyring: Keyring, code: str) -> bytes:
    plain = code.strip().upper().replace("-", "").replace("O", "0").replace("I", "1").replace("L", "1")
    return keyring.lookup(_KIND, plain.encode())


def _checked(public_key: bytes, box_key: bytes) -> VerifyKey:
    try:
        key = VerifyKey(public_key)
        key.verify(b"lienthong/enrol", b"", b"")
    except ValueError as error:
        raise DeviceKeyRefusedError(key="signing key", why=str(error)) from None
    try:
        box_to(box_key, b"")
    except ValueError as error:
        raise DeviceKeyRefusedError(key="box key", why=str(error)) from None
    return key


def _again(tx: Connection, device_id: DeviceId, key: VerifyKey, box_key: bytes, keyring: Keyring) -> Enrolled:
    device = devices.find_device(tx, device_id)
    assert device is not None, "a used code names a stored device"
    known = live_key(devices.list_keys(tx, device_id), key.key_id)
    if known != key or device.box_key != box_key:
        raise CodeRefusedError
    return _enrolled(device, key.key_id, keyring)


def _enrolled(device: Device, key_id: bytes, keyring: Keyring) -> Enrolled:
    return Enrolled(
        DeviceId(device.device_id),
        key_id,
        device.name,
        device.kind,
        device.operator_id,
        device.place,
        device.state,
        keyring.bundle_key.public.raw,
    )
