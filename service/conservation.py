"""Tap conservation: accepted = priced + in exception, per device and day, with every gap named; and what came late.

Some records come to nothing by rule (refused, torn and not proven, inspections): they are counted as such.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import enrol, taps
from fare.rules.tariff import TariffBook
from kernel.service_day import day_window
from service.store import conservation as store

_NAMED: Final = 1_000  # gaps and missing taps that one report lists


@dataclass(frozen=True, slots=True)
class Gap:
    """Records of one journal that the device signed over and still holds: sequences `first` to `last`."""

    journal_id: UUID
    first: int
    last: int


@dataclass(slots=True)
class DeviceDay:
    """One device's records of a service day; `accepted` is the sum of the four fates.

    `set_aside` are bytes that came that day and are no tap of any: they wait in the queue too. `missing_taps` are
    taps that cards remember making at this device on about that day and that have not come.
    """

    device_id: UUID
    name: str
    operator_id: str
    priced: int = 0
    nothing: dict[str, int] = field(default_factory=dict)
    in_exception: dict[str, int] = field(default_factory=dict)
    unaccounted: int = 0
    set_aside: dict[str, int] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    missing_taps: int = 0

    @property
    def accepted(self) -> int:
        return self.priced + sum(self.nothing.values()) + sum(self.in_exception.values()) + self.unaccounted

    @property
    def complete(self) -> bool:
        """Return whether nothing is unaccounted for and nothing is known to be missing."""
        return not (self.unaccounted or self.gaps or self.missing_taps)


@dataclass(frozen=True, slots=True)
class Conservation:
    """A service day's records. `conserved`: everything accepted is accounted for; gaps are named beside it.

    `disagreeing` are fare accounts whose bill does not state the sums of its lines.
    """

    service_day: date
    devices: tuple[DeviceDay, ...]
    disagreeing: tuple[UUID, ...]

    @property
    def conserved(self) -> bool:
        return not self.disagreeing and all(one.unaccounted == 0 for one in self.devices)


def conserve(tx: Connection, day: date, *, book: TariffBook) -> Conservation:
    """Return what became of every record of a service day, by device; devices with nothing to say are left out."""
    window = day_window(day, book.day_starts, book.zone)
    known = {one.device_id: one for one in enrol.list_devices(tx)}
    found: dict[UUID, DeviceDay] = {}

    def of(device_id: UUID) -> DeviceDay:
        if device_id not in found:
            device = known.get(device_id)
            named = (device.name, device.operator_id) if device else ("(no device of ours)", "")
            found[device_id] = DeviceDay(device_id, *named)
        return found[device_id]

    for row in store.count_fates(tx, day, since=window.start, until=window.end):
        one = of(row.device_id)
        match row.fate:
            case "priced":
                one.priced += row.records
            case "nothing":
                one.nothing[row.why] = row.records
            case "exception":
                one.in_exception[row.why] = row.records
            case _:
                one.unaccounted += row.records
    for device_id, reasons in store.count_aside(tx, since=window.start, until=window.end).items():
        of(device_id).set_aside = reasons
    for device_id, journals in enrol.list_journals(tx, list(known)).items():
        gaps = tuple(
            Gap(one.journal_id, one.sequence + 1, one.missing_to) for one in journals if one.missing_to
        )
        if gaps:
            of(device_id).gaps = gaps
    for missing in taps.list_missing(tx, since=window.start, limit=_NAMED):
        if missing.before < window.end:
            of(missing.held_by).missing_taps += 1
    devices = tuple(sorted(found.values(), key=lambda one: (one.operator_id, one.name, one.device_id)))
    return Conservation(day, devices, tuple(store.find_disagreeing(tx, day, limit=_NAMED)))


@dataclass(frozen=True, slots=True)
class Late:
    """One device's records of one service day that came late.

    `raised` and `lowered` (minor units) are what riders' charges of that service day changed by on later book days.
    """

    device_id: UUID
    name: str
    service_day: date
    records: int
    waiting: int
    first_tapped_at: datetime
    last_received_at: datetime
    longest: timedelta
    age: timedelta
    raised: int
    lowered: int


def late(
    tx: Connection, *, book: TariffBook, now: datetime, since: datetime, later_than: timedelta
) -> tuple[Late, ...]:
    """Return what was received since then more than `later_than` after it was tapped, the oldest tap first.

    `age` is how long ago the last of it came.
    """
    starts = book.day_starts
    rows = store.count_late(
        tx,
        received_since=since,
        later_than=later_than,
        day_starts_s=starts.hour * 3600 + starts.minute * 60 + starts.second,
        zone=book.zone.key,
    )
    names = {one.device_id: one.name for one in enrol.list_devices(tx)}
    moved = store.sum_adjustments(tx, sorted({row.service_day for row in rows}))
    return tuple(
        Late(
            device_id=row.device_id,
            name=names.get(row.device_id, "(no device of ours)"),
            service_day=row.service_day,
            records=row.records,
            waiting=row.waiting,
            first_tapped_at=row.first_tapped_at,
            last_received_at=row.last_received_at,
            longest=row.longest,
            age=now - row.last_received_at,
            raised=moved.get(row.service_day, (0, 0))[0],
            lowered=moved.get(row.service_day, (0, 0))[1],
        )
        for row in rows
    )
