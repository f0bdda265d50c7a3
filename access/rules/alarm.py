"""When a device needs a person: its latest heartbeat held against what the back office knows. Pure; one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from access.rules.device import DeviceState

SILENT_AFTER: Final = timedelta(minutes=5)
"""Five missed heartbeats: one may be a tunnel."""
UNSENT_AGE: Final = timedelta(hours=26)
"""A bus that only uploads in its yard does so once a day; two hours of grace."""
UNSENT_MANY: Final = 10_000
"""Half of what the bundle lets a reader hold before it refuses cards (access.bundle.UNSENT_MAX)."""
CLOCK_OFF: Final = timedelta(seconds=5)
OWN_P99: Final = timedelta(milliseconds=50)
TOTAL_P99: Final = timedelta(milliseconds=300)
TORN_AT_LEAST: Final = 10
TORN_PERCENT: Final = 2
DISK_LOW_MB: Final = 64
BUNDLE_OLD: Final = timedelta(hours=26)
DENY_BEHIND: Final = timedelta(minutes=15)
KEY_OLD: Final = timedelta(days=400)


JOURNAL_ASIDE: Final = "journal-aside"
"""A reader's word for a journal that it had to set aside and that nobody has sent and taken away."""


class Alarm(StrEnum):
    """One thing that a person should look at; the words are stable."""

    NEVER_HEARD = "never-heard"
    SILENT = "silent"
    NOT_IN_SERVICE = "not-in-service"
    DEGRADED = "degraded"
    JOURNAL_GAP = "journal-gap"
    JOURNAL_ROLLED_BACK = "journal-rolled-back"
    UNSENT_OLD = "unsent-old"
    UNSENT_MANY = "unsent-many"
    CLOCK_OFF = "clock-off"
    SLOW = "slow"
    TORN = "torn"
    DISK_LOW = "disk-low"
    BUNDLE_OLD = "bundle-old"
    DENY_BEHIND = "deny-behind"
    TARIFF_BEHIND = "tariff-behind"
    PAID_NOT_PASSED = "paid-not-passed"
    KEY_OLD = "key-old"
    ROTATION_OPEN = "rotation-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A device's latest heartbeat. Latencies and offsets are None where it has none to tell yet."""

    received_at: datetime
    said_at: datetime
    key_id: bytes
    state: str
    why: tuple[str, ...]
    software: str
    journal_id: UUID | None
    sequence: int
    unsent: int
    oldest_unsent_at: datetime | None
    bundle_version: int
    bundle_made_at: datetime | None
    tariff_version: str
    deny_version: int
    action_version: int
    generations: tuple[int, ...]
    clock_state: str
    clock_offset: timedelta | None
    taps: int
    torn: int
    own_p99: timedelta | None
    total_p99: timedelta | None
    fsync: timedelta
    disk_mb: int
    paid_not_passed: int
    passed_unpaid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the back office holds of the same device.

    `stored` is the chained head of each journal that nothing was added to since the device spoke, `waiting` whether
    records lie beyond a gap. `deny_since` is when the oldest deny list change after the device's version was published,
    None when it has them all.
    """

    state: DeviceState
    enrolled_at: datetime
    stored: Mapping[UUID, int]
    waiting: bool
    tariff_version: str
    deny_since: datetime | None
    key_added_at: datetime | None
    rotate_asked_at: datetime | None


_Rule = Callable[[Said, Known, datetime], bool]

_RULES: Final[dict[Alarm, _Rule]] = {
    Alarm.SILENT: lambda said, _, now: now - said.received_at > SILENT_AFTER,
    Alarm.NOT_IN_SERVICE: lambda said, _, __: (
        said.state in {"OUT_OF_SERVICE", "MAINTENANCE", "BOOT", "SELFTEST"}
    ),
    Alarm.DEGRADED: lambda said, _, __: bool(said.why) and said.state != "OUT_OF_SERVICE",
    Alarm.JOURNAL_ROLLED_BACK: lambda said, known, _: (
        said.journal_id is not None and known.stored.get(said.journal_id, 0) > said.sequence
    ),
    Alarm.UNSENT_OLD: lambda said, _, now: (
        said.oldest_unsent_at is not None and now - said.oldest_unsent_at > UNSENT_AGE
    ),
    Alarm.UNSENT_MANY: lambda said, _, __: said.unsent >= UNSENT_MANY,
    Alarm.CLOCK_OFF: lambda said, _, __: (
        said.clock_state == "UNSYNCED"
        or (said.clock_offset is not None and abs(said.clock_offset) > CLOCK_OFF)
    ),
    Alarm.SLOW: lambda said, _, __: (
        (said.own_p99 is not None and said.own_p99 > OWN_P99)
        or (said.total_p99 is not None and said.total_p99 > TOTAL_P99)
    ),
    Alarm.TORN: lambda said, _, __: said.torn >= TORN_AT_LEAST and said.torn * 100 > said.taps * TORN_PERCENT,
    Alarm.DISK_LOW: lambda said, _, __: said.disk_mb < DISK_LOW_MB,
    Alarm.BUNDLE_OLD: lambda said, _, now: (
        said.bundle_made_at is None or now - said.bundle_made_at > BUNDLE_OLD
    ),
    Alarm.DENY_BEHIND: lambda _, known, now: (
        known.deny_since is not None and now - known.deny_since > DENY_BEHIND
    ),
    Alarm.TARIFF_BEHIND: lambda said, known, now: (
        bool(known.tariff_version)
        and said.tariff_version != known.tariff_version
        and (said.bundle_made_at is None or now - said.bundle_made_at > DENY_BEHIND)
    ),
    Alarm.PAID_NOT_PASSED: lambda said, _, __: (
        said.paid_not_passed >= TORN_AT_LEAST and said.paid_not_passed * 100 > said.taps * TORN_PERCENT
    ),
}
_ALWAYS: Final[dict[Alarm, Callable[[Known, datetime], bool]]] = {
    Alarm.JOURNAL_GAP: lambda known, _: known.waiting,
    Alarm.KEY_OLD: lambda known, now: known.key_added_at is not None and now - known.key_added_at > KEY_OLD,
    Alarm.ROTATION_OPEN: lambda known, now: (
        known.rotate_asked_at is not None and now - known.rotate_asked_at > UNSENT_AGE
    ),
}
assert _RULES.keys() | _ALWAYS.keys() | {Alarm.NEVER_HEARD} == set(Alarm), "every alarm has its rule"


def alarms(said: Said | None, known: Known, now: datetime) -> tuple[Alarm, ...]:
    """Return what is wrong with a device at `now`, in the order of `Alarm`; empty when it is well.

    Only a device that shall be at work can alarm: one that waits for approval, is suspended or retired is silent by
    decision. One that enrolled less than SILENT_AFTER ago may not have spoken yet. A silent device's last word is
    old, so what it said then raises nothing more beside SILENT than age does.
    """
    if known.state is not DeviceState.ACTIVE:
        return ()
    found = {alarm for alarm, rule in _ALWAYS.items() if rule(known, now)}
    if said is None:
        if now - known.enrolled_at > SILENT_AFTER:
            found.add(Alarm.NEVER_HEARD)
    else:
        found |= {alarm for alarm, rule in _RULES.items() if rule(said, known, now)}
    return tuple(alarm for alarm in Alarm if alarm in found)


def drained(said: Said | None, stored: Mapping[UUID, int], *, waiting: bool, unheard: bool) -> bool:
    """Return whether everything a device ever recorded is stored here without a gap.

    `stored` is the chained head of each of its journals. A device that never spoke and never delivered has nothing;
    one that delivered but never said how far its journal goes may hold more. So may one that is `unheard`, its uploads and
    heartbeats being refused: its last word is of before, and it may have gone on; so may one that cannot open its journal,
    and one that had to set a journal aside.
    """
    if waiting:
        return False
    if said is None:
        return not any(stored.values())
    if unheard or said.unsent or JOURNAL_ASIDE in said.why:
        return False
    if said.journal_id is None:
        return said.sequence == 0 and not any(stored.values())
    return stored.get(said.journal_id, 0) >= said.sequence
