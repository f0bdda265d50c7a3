"""How devices are: each one's latest word, what is stored of it, and the alarms that follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access import rotate
from access.rules.alarm import Alarm, Known, Said, alarms
from access.rules.device import DeviceState
from access.store import denials, devices, heads, heartbeats
from access.store.devices import Device
from access.store.heads import Journal
from kernel.ids import DeviceId


@dataclass(frozen=True, slots=True)
class Orders:
    """What a device is told in return for its word."""

    rotate_key: bool


@dataclass(frozen=True, slots=True)
class Health:
    """One device as the console lists it."""

    device: Device
    said: Said | None
    journals: tuple[Journal, ...]
    alarms: tuple[Alarm, ...]


def hear(tx: Connection, device_id: DeviceId, said: Said, *, now: datetime) -> Orders:
    """Store a device's heartbeat and return its orders. Speaking under a new key ends the old one (access.rotate)."""
    heartbeats.keep(tx, device_id, said)
    rotate.settle(tx, device_id, key_id=said.key_id, now=now)
    device = devices.find_device(tx, device_id)
    return Orders(rotate_key=device is not None and device.rotate_asked_at is not None)


def list_health(
    tx: Connection, *, now: datetime, tariff_version: str = "", operator_id: str | None = None
) -> tuple[Health, ...]:
    """Return every device, or one operator's, by name, each with what is wrong with it.

    `tariff_version` is the one in force; empty where none is published, and then no reader is behind.
    """
    found = devices.list_devices(tx, operator_id=operator_id)
    ids = [each.device_id for each in found]
    said, journals = heartbeats.list_latest(tx, ids), heads.list_heads(tx, ids)
    keys = devices.list_newest_keys(tx, ids)
    behind = {
        version: denials.changed_since(tx, version)
        for version in {each.deny_version for each in said.values()}
    }
    made = []
    for device in found:
        own = tuple(journals.get(device.device_id, ()))
        word = said.get(device.device_id)
        known = Known(
            state=device.state,
            enrolled_at=device.enrolled_at,
            # What came after its last word does not contradict it.
            stored=stored_heads(each for each in own if word is None or each.changed_at <= word.received_at),
            waiting=any(journal.waiting for journal in own),
            tariff_version=tariff_version,
            deny_since=behind[word.deny_version] if word else None,
            key_added_at=keys.get(device.device_id),
            rotate_asked_at=device.rotate_asked_at,
        )
        made.append(Health(device, word, own, alarms(word, known, now)))
    return tuple(made)


def count_alarms(found: tuple[Health, ...]) -> Mapping[Alarm, int]:
    """Return how many of these devices each alarm stands for; alarms nobody has are absent."""
    return {
        alarm: count
        for alarm in Alarm
        if (count := sum(alarm in each.alarms for each in found if each.device.state is DeviceState.ACTIVE))
    }


def stored_heads(journals: Iterable[Journal]) -> dict[UUID, int]:
    """Return up to which record each journal is stored without a gap."""
    return {journal.journal_id: journal.sequence for journal in journals}
