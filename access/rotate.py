"""A device changes its signing key: asked for here, made there, both good until the new one has spoken.

    asked → the device is told by its next heartbeat → it makes a key and offers it, signed by the old one, with the
    new one's own signature over the offer → two live keys → its first heartbeat under the new key ends the old one.

Whatever is lost on the way is said again: an offer of the same key gets the same answer. Records that were written
under the old key stay good for ever, for a record's key need only be one the device ever had; only an upload's
signature must be by a live one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from access.enrol import DeviceKeyRefusedError, UnknownDeviceError
from access.rules.device import DeviceState, DeviceTransitionError
from access.store import devices
from kernel.crypto.ed25519 import VerifyKey
from kernel.ids import DeviceId, uuid7
from kernel.wire.rotation import CONTEXT, offer_message

LIVE_KEYS: Final = 2


def ask(tx: Connection, device_id: DeviceId, *, reason: str, actor: str, now: datetime) -> None:
    """Ask a device for a new signing key; it hears of it in the answer to its next heartbeat.

    UnknownDeviceError; DeviceTransitionError for one that is not at work, which would never hear of it.
    """
    device = devices.find_device(tx, device_id, lock=True)
    if device is None:
        raise UnknownDeviceError(device_id=str(device_id))
    if device.state is not DeviceState.ACTIVE:
        raise DeviceTransitionError(device_id=str(device_id), state=device.state.value, event="rotated")
    devices.set_rotation(tx, device_id, asked_at=now)
    _tell(tx, device_id, "rotation_asked", reason=reason, actor=actor, now=now)


def offer(
    tx: Connection, device_id: DeviceId, *, public_key: bytes, proof: bytes, now: datetime
) -> VerifyKey:
    """Return the key that a device offered, live beside the one that signed its request.

    `proof` is the new key's signature over the offer: nobody can have a key made theirs that they do not hold.
    DeviceKeyRefusedError where it is malformed, another device's or an old one, or two keys are live already.
    """
    try:
        key = VerifyKey(public_key)
        held = key.verify(CONTEXT, offer_message(device_id, public_key), proof)
    except ValueError as error:
        raise DeviceKeyRefusedError(key="signing key", why=str(error)) from None
    if not held:
        raise DeviceKeyRefusedError(key="signing key", why="its holder did not sign the offer")
    devices.find_device(tx, device_id, lock=True)
    known = devices.list_keys(tx, device_id)
    live = [each.key_id for each in known if each.revoked_at is None]
    if key.key_id in live:
        return key
    if len(live) >= LIVE_KEYS:
        raise DeviceKeyRefusedError(key="signing key", why="two keys are live already; use the newer one")
    if not devices.insert_key(tx, key_id=key.key_id, device_id=device_id, public_key=key.raw, at=now):
        raise DeviceKeyRefusedError(key="signing key", why="it was enrolled before")
    _tell(tx, device_id, "key_offered", reason=key.key_id.hex(), actor="device", now=now)
    return key


def settle(tx: Connection, device_id: DeviceId, *, key_id: bytes, now: datetime) -> tuple[bytes, ...]:
    """Return which keys ended because a device has spoken under `key_id`: all that were added before it.

    None, mostly: a device whose word comes under the older of two keys has not yet heard that the newer is good.
    """
    live = [each for each in devices.list_keys(tx, device_id) if each.revoked_at is None]
    if len(live) < LIVE_KEYS or live[-1].key_id != key_id:
        return ()
    # Again under the lock: two heartbeats may race.
    devices.find_device(tx, device_id, lock=True)
    live = [each for each in devices.list_keys(tx, device_id) if each.revoked_at is None]
    if not live or live[-1].key_id != key_id:
        return ()
    ended = tuple(each.key_id for each in live[:-1])
    devices.revoke_keys(tx, ended, at=now)
    devices.set_rotation(tx, device_id, asked_at=None)
    for each in ended:
        _tell(tx, device_id, "key_ended", reason=each.hex(), actor="device", now=now)
    return ended


def _tell(tx: Connection, device_id: DeviceId, event: str, *, reason: str, actor: str, now: datetime) -> None:
    devices.insert_event(
        tx, device_id=device_id, event_id=uuid7(now), event=event, reason=reason, actor=actor, at=now
    )
