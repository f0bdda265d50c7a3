"""SQL over devices, their keys, one-time codes and life events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Row, text

from access.rules.device import DeviceKind, DeviceState
from access.store.arrays import byteas, uuids


@dataclass(frozen=True, slots=True)
class Device:
    """One enrolled device as stored."""

    device_id: UUID
    name: str
    kind: DeviceKind
    operator_id: str
    place: str
    state: DeviceState
    box_key: bytes
    enrolled_at: datetime
    rotate_asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """One signing key a device ever had."""

    key_id: bytes
    public_key: bytes
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """One event of a device's life; `actor` is whoever caused it, `reason` their words."""

    at: datetime
    event: str
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time code as stored: what it entitles to, and whether it was used."""

    name: str
    kind: DeviceKind
    operator_id: str
    place: str
    approved: bool
    expires_at: datetime
    device_id: UUID | None


_COLUMNS = "device_id, name, kind, operator_id, place, state, box_key, enrolled_at"
_READ = f"{_COLUMNS}, rotate_asked_at"


def _device(row: Row[tuple[object, ...]]) -> Device:
    return Device(
        row.device_id,
        row.name,
        DeviceKind(row.kind),
        row.operator_id,
        row.place,
        DeviceState(row.state),
        bytes(row.box_key),
        row.enrolled_at,
        row.rotate_asked_at,
    )


def _key(row: Row[tuple[object, ...]]) -> DeviceKey:
    return DeviceKey(bytes(row.key_id), bytes(row.public_key), row.revoked_at)


def find_device(tx: Connection, device_id: UUID, *, lock: bool = False) -> Device | None:
    """Return the device, its row locked if asked, or None."""
    row = tx.execute(
        text(f"SELECT {_READ} FROM device WHERE device_id = :id" + (" FOR UPDATE" if lock else "")),
        {"id": device_id},
    ).one_or_none()
    return _device(row) if row else None


def list_devices(tx: Connection, *, operator_id: str | None = None) -> tuple[Device, ...]:
    """Return all devices, or one operator's, by name."""
    rows = tx.execute(
        text(
            f"SELECT {_READ} FROM device WHERE CAST(:operator AS text) IS NULL OR operator_id = :operator"
            " ORDER BY name, device_id"
        ),
        {"operator": operator_id},
    )
    return tuple(_device(row) for row in rows)


def insert_device(tx: Connection, device: Device) -> None:
    """Store a new device."""
    tx.execute(
        text(
            f"INSERT INTO device ({_COLUMNS})"
            " VALUES (:device_id, :name, :kind, :operator_id, :place, :state, :box_key, :enrolled_at)"
        ),
        {
            "device_id": device.device_id,
            "name": device.name,
            "kind": device.kind.value,
            "operator_id": device.operator_id,
            "place": device.place,
            "state": device.state.value,
            "box_key": device.box_key,
            "enrolled_at": device.enrolled_at,
        },
    )


def set_state(tx: Connection, device_id: UUID, state: DeviceState) -> None:
    """Store the device's state; the event that led there is stored beside it."""
    tx.execute(
        text("UPDATE device SET state = :state WHERE device_id = :id"),
        {"id": device_id, "state": state.value},
    )


def set_rotation(tx: Connection, device_id: UUID, *, asked_at: datetime | None) -> None:
    """Store since when a device is asked for a new key; None once it has one."""
    tx.execute(
        text("UPDATE device SET rotate_asked_at = :at WHERE device_id = :id"),
        {"id": device_id, "at": asked_at},
    )


def insert_event(
    tx: Connection, *, device_id: UUID, event_id: UUID, event: str, reason: str, actor: str, at: datetime
) -> None:
    """Store one event of a device's life."""
    tx.execute(
        text(
            "INSERT INTO device_event (device_id, event_id, event, reason, actor, at)"
            " VALUES (:device_id, :event_id, :event, :reason, :actor, :at)"
        ),
        {
            "device_id": device_id,
            "event_id": event_id,
            "event": event,
            "reason": reason,
            "actor": actor,
            "at": at,
        },
    )


def list_events(tx: Connection, device_id: UUID) -> tuple[LifeEvent, ...]:
    """Return what happened to the device, the newest first."""
    rows = tx.execute(
        text(
            "SELECT at, event, reason, actor FROM device_event WHERE device_id = :device_id"
            " ORDER BY at DESC, event_id DESC"
        ),
        {"device_id": device_id},
    )
    return tuple(LifeEvent(row.at, row.event, row.reason, row.actor) for row in rows)


def list_keys(tx: Connection, device_id: UUID) -> tuple[DeviceKey, ...]:
    """Return every signing key the device ever had, oldest first."""
    rows = tx.execute(
        text(
            "SELECT key_id, public_key, revoked_at FROM device_key WHERE device_id = :id ORDER BY added_at, key_id"
        ),
        {"id": device_id},
    )
    return tuple(_key(row) for row in rows)


def find_signer(tx: Connection, key_id: bytes) -> tuple[Device, DeviceKey] | None:
    """Return the signing key of this id and the device it belongs to, whatever their state, or None."""
    row = tx.execute(
        text(
            f"SELECT {_READ}, key_id, public_key, revoked_at FROM device_key JOIN device USING (device_id) WHERE key_id = :id"
        ),
        {"id": key_id},
    ).one_or_none()
    return (_device(row), _key(row)) if row else None


def insert_key(tx: Connection, *, key_id: bytes, device_id: UUID, public_key: bytes, at: datetime) -> bool:
    """Store a signing key; False when a key of this id is stored already."""
    done = tx.execute(
        text(
            "INSERT INTO device_key (key_id, device_id, public_key, added_at)"
            " VALUES (:key_id, :device_id, :public_key, :at)"
            " ON CONFLICT ON CONSTRAINT device_key_pk DO NOTHING"
        ),
        {"key_id": key_id, "device_id": device_id, "public_key": public_key, "at": at},
    )
    return done.rowcount == 1


def revoke_keys(tx: Connection, key_ids: Iterable[bytes], *, at: datetime) -> None:
    """End these signing keys."""
    tx.execute(
        text(
            "UPDATE device_key SET revoked_at = :at"
            " WHERE key_id = ANY(CAST(:ids AS bytea[])) AND revoked_at IS NULL"
        ),
        {"ids": byteas(key_ids), "at": at},
    )


def list_newest_keys(tx: Connection, device_ids: Iterable[UUID]) -> dict[UUID, datetime]:
    """Return when the newest live key of each of these devices was added."""
    rows = tx.execute(
        text(
            "SELECT device_id, max(added_at) AS added FROM device_key"
            " WHERE device_id = ANY(CAST(:ids AS uuid[])) AND revoked_at IS NULL GROUP BY device_id"
        ),
        {"ids": uuids(device_ids)},
    )
    return {row.device_id: row.added for row in rows}


def insert_code(
    tx: Connection, *, code_hash: bytes, code: Code, created_by: str, created_at: datetime
) -> None:
    """Store a one-time code by its hash."""
    tx.execute(
        text(
            "INSERT INTO device_code (code_hash, name, kind, operator_id, place, approved, created_by,"
            " created_at, expires_at)"
            " VALUES (:hash, :name, :kind, :operator, :place, :approved, :by, :at, :expires)"
        ),
        {
            "hash": code_hash,
            "name": code.name,
            "kind": code.kind.value,
            "operator": code.operator_id,
            "place": code.place,
            "approved": code.approved,
            "by": created_by,
            "at": created_at,
            "expires": code.expires_at,
        },
    )


def lock_code(tx: Connection, code_hash: bytes) -> Code | None:
    """Return the code, its row locked, or None."""
    row = tx.execute(
        text(
            "SELECT name, kind, operator_id, place, approved, expires_at, device_id FROM device_code"
            " WHERE code_hash = :hash FOR UPDATE"
        ),
        {"hash": code_hash},
    ).one_or_none()
    if row is None:
        return None
    return Code(
        row.name,
        DeviceKind(row.kind),
        row.operator_id,
        row.place,
        row.approved,
        row.expires_at,
        row.device_id,
    )


def use_code(tx: Connection, *, code_hash: bytes, device_id: UUID, at: datetime) -> None:
    """Mark a code as used by the device that enrolled with it."""
    tx.execute(
        text("UPDATE device_code SET used_at = :at, device_id = :device WHERE code_hash = :hash"),
        {"hash": code_hash, "device": device_id, "at": at},
    )
