"""Where the reader is just now: reader.toml's words, overridden by the duty file's row of the hour.

The duty file is JSON lines, one stretch a line, in ascending `from`:
{"from": "2026-11-18T05:00:00+07:00", "stop_id", "route_id", "trip_id", "direction", "place", "purpose", "vehicle_class"}
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from kernel.wire.tap import Purpose
from readers.config import PURPOSES, DeviceConfig
from readers.errors import ConfigError
from readers.parsing import parse_json

_TEXTS: Final = ("place", "stop_id", "route_id", "trip_id", "vehicle_class")
_LONGEST: Final = 64
_TAIL: Final = 4096


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
        self._position = PositionFeed(device)
        self.reload()

    def reload(self) -> bool:
        """Return whether the file had changed and was read again; the position feed is read in any case.

        ConfigError names file, line and field where it is wrong; the stretches read before then stay in force.
        """
        self._position.reload()
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
        """Return the stretch in force, the last that starts at or before `now`, where the vehicle is just now."""
        place = bisect_right(self._starts, now)
        stretch = self._stretches[place - 1] if place else self._standing
        return self._position.applied(stretch, now)

    def _row(self, path: Path, number: int, line: str) -> tuple[datetime, Situation]:
        where = f"{path}, line {number}"
        try:
            raw: dict[str, Any] = parse_json(line)
            start = datetime.fromisoformat(raw.pop("from"))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"{where}: needs an object with `from` as an ISO instant ({error})") from error
        if start.tzinfo is None:
            raise ConfigError(f"{where}: `from` needs an offset, e.g. +07:00")
        fields: dict[str, Any] = {}
        for name in _TEXTS:
            value = raw.pop(name, None)
            if value is not None:
                if not is_word(value):
                    raise ConfigError(f"{where}: `{name}` must be a text of at most {_LONGEST} bytes")
                fields[name] = value
        direction = raw.pop("direction", 0)
        if type(direction) is not int or direction not in {0, 1}:
            raise ConfigError(f"{where}: `direction` must be 0 or 1")
        purpose = raw.pop("purpose", self._device.purpose.name)
        allowed = {each.name for each in PURPOSES[self._device.kind]}
        if not isinstance(purpose, str) or purpose not in allowed:
            raise ConfigError(f"{where}: `purpose` must be one of {', '.join(sorted(allowed))}")
        if raw:
            raise ConfigError(f"{where}: `{min(raw)}` is not a field of a duty row")
        return start, replace(self._standing, direction=direction, purpose=Purpose[purpose], **fields)


class PositionFeed:
    """The vehicle's own word of where it is, or the driver's: the last whole line of a file that only grows.

        {"at": "2026-11-18T07:12:30+07:00", "stop_id": "26-05", "route_id"?, "trip_id"?, "direction"?}

    A line that is none is passed over: a position feed comes from other makers' devices, and a tap without a stop is
    better than no tap. Older than `position_s`, or from a future further away than that, it is not believed.
    """

    def __init__(self, device: DeviceConfig) -> None:
        self._path, self._limit = device.position, timedelta(seconds=device.position_s)
        self._stamp: tuple[int, int] | None = None
        self._last: tuple[datetime, dict[str, Any]] | None = None

    def reload(self) -> None:
        """Read the file's end when it has changed."""
        if self._path is None:
            return
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return
            with self._path.open("rb") as file:
                file.seek(max(0, status.st_size - _TAIL))
                lines = file.read().split(b"\n")[:-1]
        except OSError:
            return
        self._stamp = stamp
        for line in reversed(lines):
            found = _position(line)
            if found is not None:
                self._last = found
                return

    def applied(self, stretch: Situation, now: datetime) -> Situation:
        """Return the stretch with what the feed says of it, where that is fresh."""
        if self._last is None or abs(now - self._last[0]) > self._limit:
            return stretch
        return replace(stretch, **self._last[1])


def is_word(value: object) -> bool:
    """Return whether a record can hold it: a text of at most 64 bytes, without NUL or half a surrogate pair."""
    if not isinstance(value, str) or "\x00" in value:
        return False
    try:
        return len(value.encode()) <= _LONGEST
    except UnicodeEncodeError:
        return False


def _position(line: bytes) -> tuple[datetime, dict[str, Any]] | None:
    try:
        raw = parse_json(line)
        at = datetime.fromisoformat(raw["at"])
    except (ValueError, TypeError, KeyError):
        return None
    said = {name: raw[name] for name in ("stop_id", "route_id", "trip_id") if name in raw}
    if at.tzinfo is None or "stop_id" not in said:
        return None
    if not all(map(is_word, said.values())):
        return None
    if raw.get("direction") in (0, 1) and type(raw["direction"]) is int:
        said["direction"] = raw["direction"]
    return at, said
