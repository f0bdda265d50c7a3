"""Where the reader is just now: reader.toml's words, overridden by the duty file's row of the hour.

The duty file is JSON lines, one stretch a line, in ascending `from`:
{"from": "2026-11-18T05:00:00+07:00", "stop_id", "route_id", "trip_id", "direction", "place", "purpose", "vehicle_class"}
"""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from kernel.wire.tap import Purpose
from readers.config import PURPOSES, DeviceConfig
from readers.errors import ConfigError

_TEXTS: Final = ("place", "stop_id", "route_id", "trip_id", "vehicle_class")
_LONGEST: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a tap record says of place and service."""

    place: str
    stop_id: str
    route_id: str
    trip_id: str
    direction: int
    purpose: Purpose
    vehicle_class: str


class DutyBook:
    """The stretches of one duty file. Before the first one, and without a file, the configuration holds."""

    def __init__(self, device: DeviceConfig) -> None:
        self._device = device
        self._standing = Situation(
            place=device.place,
            stop_id=device.stop_id,
            route_id=device.route_id,
            trip_id=device.trip_id,
            direction=device.direction,
            purpose=device.purpose,
            vehicle_class=device.vehicle_class,
        )
        self._starts: tuple[datetime, ...] = ()
        self._stretches: tuple[Situation, ...] = ()
        self._stamp: tuple[int, int] | None = None
        self.reload()

    def reload(self) -> bool:
        """Return whether the file had changed and was read again.

        ConfigError names file, line and field where it is wrong; the stretches read before then stay in force.
        """
        path = self._device.duty
        if path is None:
            return False
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return False
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read ({error})") from error
        rows = [self._row(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
        starts = tuple(start for start, _ in rows)
        if list(starts) != sorted(set(starts)):
            raise ConfigError(f"{path}: the stretches' `from` must ascend, each once")
        self._starts, self._stretches, self._stamp = starts, tuple(each for _, each in rows), stamp
        return True

    def at(self, now: datetime) -> Situation:
        """Return the stretch in force: the last that starts at or before `now`."""
        place = bisect_right(self._starts, now)
        return self._stretches[place - 1] if place else self._standing

    def _row(self, path: Path, number: int, line: str) -> tuple[datetime, Situation]:
        where = f"{path}, line {number}"
        try:
            raw: dict[str, Any] = json.loads(line)
            start = datetime.fromisoformat(raw.pop("from"))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"{where}: needs an object with `from` as an ISO instant ({error})") from error
        if start.tzinfo is None:
            raise ConfigError(f"{where}: `from` needs an offset, e.g. +07:00")
        fields: dict[str, Any] = {}
        for name in _TEXTS:
            value = raw.pop(name, None)
            if value is not None:
                if not isinstance(value, str) or len(value.encode()) > _LONGEST or "\x00" in value:
                    raise ConfigError(f"{where}: `{name}` must be a text of at most {_LONGEST} bytes")
                fields[name] = value
        direction = raw.pop("direction", 0)
        if type(direction) is not int or direction not in {0, 1}:
            raise ConfigError(f"{where}: `direction` must be 0 or 1")
        purpose = raw.pop("purpose", self._device.purpose.name)
        allowed = {each.name for each in PURPOSES[self._device.kind]}
        if purpose not in allowed:
            raise ConfigError(f"{where}: `purpose` must be one of {', '.join(sorted(allowed))}")
        if raw:
            raise ConfigError(f"{where}: `{min(raw)}` is not a field of a duty row")
        return start, replace(self._standing, direction=direction, purpose=Purpose[purpose], **fields)
