"""reader.toml → one frozen Config; every complaint names the file and the key."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from kernel.wire.tap import Purpose
from readers.config_table import Table
from readers.errors import ConfigError


class Kind(Enum):
    """What the reader is bolted to."""

    BUS = "bus"
    METRO = "metro"
    PARKING = "parking"
    INSPECTOR = "inspector"
    """A handheld: every tap is a check, never a ride."""


PURPOSES: Final[dict[Kind, tuple[Purpose, ...]]] = {
    Kind.BUS: (Purpose.AUTO, Purpose.BOARD, Purpose.ALIGHT, Purpose.INSPECT),
    Kind.METRO: (Purpose.AUTO, Purpose.BOARD, Purpose.ALIGHT, Purpose.INSPECT),
    Kind.PARKING: (Purpose.PARK_IN, Purpose.PARK_OUT),
    Kind.INSPECTOR: (Purpose.INSPECT,),
}
_USUAL: Final[dict[Kind, str | None]] = {
    Kind.BUS: Purpose.AUTO.name,
    Kind.METRO: Purpose.AUTO.name,
    Kind.PARKING: None,
    Kind.INSPECTOR: Purpose.INSPECT.name,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """Who and where the reader is. `duty` (JSON lines) overrides stop, route, trip by the clock.

    `position` (JSON lines) is where the vehicle says it is, or the driver: its last line overrides both while it is
    less than `position_s` old.
    """

    name: str
    kind: Kind
    operator: str
    place: str
    purpose: Purpose
    stop_id: str = ""
    route_id: str = ""
    trip_id: str = ""
    direction: int = 0
    vehicle_class: str = ""
    duty: Path | None = None
    position: Path | None = None
    position_s: int = 180
    zone: ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConfig:
    """The antenna: an nfcpy path, how long after a card leaves the same UID is ignored, and the slowest good tap.

    `felica` is the system code of FeliCa tokens that are looked for; empty: none are.
    """

    path: str
    wait_removal_ms: int
    poll_ms: int
    tap_warn_ms: int
    felica: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerConfig:
    """The port that a code scanner, a chip terminal or an acquirer's terminal writes lines to; None: there is none."""

    path: Path | None
    baud: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalConfig:
    """Where evidence is kept, at most how much (0: no limit), the slowest good fsync, how little disk alarms."""

    path: Path
    fsync_warn_ms: int
    disk_low_mb: int
    max_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """The back office: how often and how much to send, how long to wait."""

    url: str
    timeout_s: float
    batch: int
    linger_ms: int
    retry_min_ms: int
    retry_max_s: float
    bundle_every_s: float
    heartbeat_every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LampConfig:
    """Where the light is shown: the terminal, and a JSON-lines file for the demo and the tests."""

    terminal: bool
    events: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """The barrier's pulse file, the passage sensor's file and how long a passage may take."""

    barrier: Path | None
    passage: Path | None
    passage_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything reader.toml says, checked."""

    file: Path
    device: DeviceConfig
    field: FieldConfig
    state_dir: Path
    journal: JournalConfig
    server: ServerConfig
    clock: str
    lamp: LampConfig
    gate: GateConfig
    scanner: ScannerConfig


def load_config(file: Path) -> Config:
    """Return the checked configuration of `file`; relative paths in it are relative to its folder.

    Refuses with ConfigError naming file and key: missing, of the wrong type, out of range, unknown.
    """
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: is not TOML: {error}") from error
    tables = {
        n: Table(file, n, raw)
        for n in ("device", "reader", "state", "server", "clock", "lamp", "gate", "scanner")
    }
    if raw:
        raise ConfigError(f"{file}: [{min(raw)}] is not a table of reader.toml; see docs/readers.md")
    state = tables["state"]
    state_dir = state.path("dir")
    if state_dir is None:
        raise ConfigError(f"{file}: state.dir is missing; write the folder for keys, journal and bundle")
    config = Config(
        file=file,
        device=_device(file, tables["device"]),
        field=_field(file, tables["reader"]),
        state_dir=state_dir,
        journal=_journal(state, state_dir),
        server=_server(tables["server"]),
        clock=tables["clock"].text("text", "system", limit=200),
        lamp=LampConfig(
            terminal=tables["lamp"].flag("terminal", default=True), events=tables["lamp"].path("events")
        ),
        gate=_gate(tables["gate"]),
        scanner=_scanner(tables["scanner"]),
    )
    for table in tables.values():
        table.close()
    return config


def _device(file: Path, table: Table) -> DeviceConfig:
    kind = Kind(table.choice("kind", tuple(k.value for k in Kind)))
    allowed = tuple(p.name for p in PURPOSES[kind])
    device = DeviceConfig(
        name=table.text("name"),
        kind=kind,
        operator=table.text("operator"),
        place=table.text("place"),
        purpose=Purpose[table.choice("purpose", allowed, _USUAL[kind])],
        stop_id=table.text("stop_id", ""),
        route_id=table.text("route_id", ""),
        trip_id=table.text("trip_id", ""),
        direction=table.whole("direction", 0, low=0, high=1),
        vehicle_class=table.text("vehicle_class", ""),
        duty=table.path("duty"),
        position=table.path("position"),
        position_s=table.whole("position_s", 180, low=1, high=86_400),
        zone=table.zone("zone", "Asia/Ho_Chi_Minh"),
    )
    if kind is Kind.PARKING and not device.vehicle_class and device.duty is None:
        raise ConfigError(f"{file}: device.vehicle_class is missing; a car-park gate says which lane it is")
    return device


def _field(file: Path, table: Table) -> FieldConfig:
    path, felica = table.text("path", limit=255), table.hexadecimal("felica", 2)
    if felica and path.startswith("pcsc:"):
        raise ConfigError(f"{file}: reader.felica needs a reader that nfcpy drives, not {path!r}")
    return FieldConfig(
        path=path,
        felica=felica,
        wait_removal_ms=table.whole("wait_removal_ms", 300, low=0, high=5000),
        poll_ms=table.whole("poll_ms", 200, low=5, high=2000),
        tap_warn_ms=table.whole("tap_warn_ms", 300, low=1, high=10_000),
    )


def _journal(table: Table, state_dir: Path) -> JournalConfig:
    return JournalConfig(
        path=table.path("journal") or state_dir / "journal.sqlite",
        fsync_warn_ms=table.whole("fsync_warn_ms", 40, low=1, high=10_000),
        disk_low_mb=table.whole("disk_low_mb", 64, low=0, high=1_000_000),
        max_mb=table.whole("journal_max_mb", 0, low=0, high=1_000_000),
    )


def _server(table: Table) -> ServerConfig:
    return ServerConfig(
        url=table.url("url"),
        timeout_s=table.number("timeout_s", 10, low=0.1, high=120),
        batch=table.whole("batch", 200, low=1, high=1000),
        linger_ms=table.whole("linger_ms", 500, low=0, high=60_000),
        retry_min_ms=table.whole("retry_min_ms", 500, low=1, high=60_000),
        retry_max_s=table.number("retry_max_s", 60, low=0.01, high=3600),
        bundle_every_s=table.number("bundle_every_s", 60, low=0.05, high=86_400),
        heartbeat_every_s=table.number("heartbeat_every_s", 60, low=0.05, high=86_400),
    )


def _scanner(table: Table) -> ScannerConfig:
    baud = int(table.choice("baud", ("9600", "19200", "38400", "115200"), "9600"))
    return ScannerConfig(path=table.path("path"), baud=baud)


def _gate(table: Table) -> GateConfig:
    return GateConfig(
        barrier=table.path("barrier"),
        passage=table.path("passage"),
        passage_s=table.number("passage_s", 8, low=0.01, high=600),
    )
