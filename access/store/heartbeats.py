"""SQL over the latest heartbeat of each device. A local table, one row a device."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from access.rules.alarm import Said
from access.store.arrays import uuids

_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_COLUMNS = (
    "received_at, said_at, key_id, state, why, software, journal_id, sequence, unsent, oldest_unsent_at,"
    " bundle_version, bundle_made_at, tariff_version, deny_version, action_version, generations, clock_state, clock_offset_ms,"
    " taps, torn, own_p99_us, total_p99_us, fsync_us, disk_mb, paid_not_passed, passed_unpaid"
)
_NAMES = tuple(_COLUMNS.replace(" ", "").split(","))


def keep(tx: Connection, device_id: UUID, said: Said) -> None:
    """Store a device's word in place of the one before; an older one that comes late changes nothing."""
    values: dict[str, Any] = {
        name: getattr(said, name) for name in _NAMES if not name.endswith(("_us", "_ms"))
    }
    values |= {
        "why": list(said.why),
        "generations": list(said.generations),
        "clock_offset_ms": _count(said.clock_offset, _MILLISECOND),
        "own_p99_us": _count(said.own_p99, _MICROSECOND),
        "total_p99_us": _count(said.total_p99, _MICROSECOND),
        "fsync_us": _count(said.fsync, _MICROSECOND),
    }
    tx.execute(
        text(
            f"INSERT INTO device_heartbeat (device_id, {_COLUMNS})"
            f" VALUES (:device_id, {', '.join(':' + name for name in _NAMES)})"
            " ON CONFLICT ON CONSTRAINT device_heartbeat_pk DO UPDATE SET"
            f" {', '.join(f'{name} = excluded.{name}' for name in _NAMES)}"
            " WHERE device_heartbeat.said_at <= excluded.said_at"
            " OR device_heartbeat.received_at < excluded.received_at - interval '1 minute'"
        ),
        {"device_id": device_id, **values},
    )


def list_latest(tx: Connection, device_ids: Iterable[UUID]) -> dict[UUID, Said]:
    """Return the latest word of each of these devices that ever spoke."""
    rows = tx.execute(
        text(
            f"SELECT device_id, {_COLUMNS} FROM device_heartbeat WHERE device_id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"ids": uuids(device_ids)},
    )
    return {row.device_id: _said(row) for row in rows}


def _said(row: Row[Any]) -> Said:
    return Said(
        received_at=row.received_at,
        said_at=row.said_at,
        key_id=bytes(row.key_id),
        state=row.state,
        why=tuple(row.why),
        software=row.software,
        journal_id=row.journal_id,
        sequence=row.sequence,
        unsent=row.unsent,
        oldest_unsent_at=row.oldest_unsent_at,
        bundle_version=row.bundle_version,
        bundle_made_at=row.bundle_made_at,
        tariff_version=row.tariff_version,
        deny_version=row.deny_version,
        action_version=row.action_version,
        generations=tuple(row.generations),
        clock_state=row.clock_state,
        clock_offset=None if row.clock_offset_ms is None else row.clock_offset_ms * _MILLISECOND,
        taps=row.taps,
        torn=row.torn,
        own_p99=None if row.own_p99_us is None else row.own_p99_us * _MICROSECOND,
        total_p99=None if row.total_p99_us is None else row.total_p99_us * _MICROSECOND,
        fsync=row.fsync_us * _MICROSECOND,
        disk_mb=row.disk_mb,
        paid_not_passed=row.paid_not_passed,
        passed_unpaid=row.passed_unpaid,
    )


def _count(span: timedelta | None, unit: timedelta) -> int | None:
    return None if span is None else span // unit
