"""The demo's city, started for real: servers from wheels, gunicorn, a bank, readers and cards as processes.

Everything goes through the doors that anyone has: the command line, HTTP and files.
"""

import contextlib
import fcntl
import io
import json
import os
import shutil
import socket
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import click

from demo.plan import DAY, READERS, Reader
from demo.processes import Child, Crew, DemoError, crew, wait_for_http
from kernel.clock import SystemClock
from kernel.wire.cardinfo import Concession
from service import cli as command_line
from service import launcher
from service.commands import context

HOUSE: Final = Path(__file__).resolve().parents[1]
TARIFF: Final = HOUSE / "fare" / "tariffs" / "hanoi"
RATES: Final = HOUSE / "parking" / "rates" / "hanoi"
STAFF: Final = (
    ("mai@lienthong.example", "Mai (finance, prepares)", ("finance_maker",)),
    ("tuan@lienthong.example", "Tuấn (finance, approves)", ("finance_checker",)),
    ("lan@lienthong.example", "Lan (auditor)", ("auditor",)),
    ("dung@lienthong.example", "Dũng (car parks)", ("parking_operator:dongda-parking",)),
    ("hoa@lienthong.example", "Hoa (administrator)", ("administrator",)),
)
PASSWORD: Final = "xin-chao-ha-noi"  # noqa: S105  (the demo's sign-ins, printed on purpose)


@dataclass(slots=True)
class World:
    """The running city: its folder, its processes, and where the service answers."""

    home: Path
    crew: Crew
    url: str
    environment: dict[str, str]
    service: Child | None = None
    readers: dict[str, Child] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def lienthong(self, *arguments: str) -> str:
        """Run one command of the product and return what it printed; DemoError when it fails.

        In this process, because starting an interpreter for each of some thirty would take half a minute.
        """
        printed = io.StringIO()
        before = dict(os.environ)
        os.environ.update(self.environment)
        context.settings.cache_clear()
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
                command_line.main(list(arguments), prog_name="lienthong", standalone_mode=False)
        except click.ClickException as error:
            raise DemoError(f"lienthong {' '.join(arguments)}: {error.format_message()}") from error
        except SystemExit as ended:
            if ended.code:
                said = printed.getvalue()
                raise DemoError(
                    f"lienthong {' '.join(arguments)} ended with {ended.code}:\n{said}"
                ) from ended
        finally:
            os.environ.clear()
            os.environ.update(before)
            context.settings.cache_clear()
        return printed.getvalue()

    def start_service(self, clock: str) -> None:
        """Start gunicorn on this clock, in place of one that runs."""
        if self.service is not None:
            self.service.stop()
        self.environment["LIENTHONG_CLOCK"] = clock
        self.service = self.crew.start("service", "-m", "service", "serve", extra=self.environment)
        wait_for_http(f"{self.url}/health/ready", self.service)

    def config(self, name: str) -> Path:
        return self.home / "readers" / name / "reader.toml"

    def start_reader(self, name: str) -> Child:
        """Start a reader's daemon."""
        child = self.crew.start(name, "-m", "readers", "run", "--config", str(self.config(name)))
        self.readers[name] = child
        return child

    def reader_says(self, name: str) -> dict[str, Any]:
        """What a reader says of itself."""
        text = self.crew.call("-m", "readers", "status", "--config", str(self.config(name)), "--json")
        found = json.loads(text)
        assert isinstance(found, dict)
        return found

    def ask(self, method: str, path: str, token: str, body: object = None) -> Any:
        """One request to the service with a bearer token; the JSON answer."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


def scaled(world_start: datetime, rate: float) -> str:
    """A clock text that every process reads alike: world time from now on, `rate` times as fast."""
    return f"scaled;{world_start.isoformat()};{SystemClock().now().timestamp():.3f};{rate:g}"


@contextmanager
def world(
    home: Path, announce: Callable[[str], None], given: Mapping[str, str] | None = None
) -> Iterator[World]:
    """A fresh city under `home`; what an earlier demo left there is removed. Everything ends with the block.

    Servers whose addresses are `given` (LIENTHONG_DATABASE_URL with LIENTHONG_MIGRATION_URL,
    LIENTHONG_REDIS_URL) are used as they are; the others are started.
    """
    fresh_home(home)
    url = f"http://127.0.0.1:{launcher.free_port()}"
    environment = {
        "LIENTHONG_KEYRING_FILE": str(home / "keyring.json"),
        "LIENTHONG_KEK_FILE": str(home / "kek"),
        "LIENTHONG_BIND": url.removeprefix("http://"),
        "LIENTHONG_PUBLIC_URL": url,
        # World time runs up to a thousand times as fast: five minutes of world time are 0.3 s of ours.
        "LIENTHONG_SIGNATURE_SKEW_S": "36000",
        "LIENTHONG_PASSBACK_S": "1200",
    }
    private = {name: value for name, value in os.environ.items() if not name.startswith("LIENTHONG_")}
    with launcher.servers(home / "servers", environ={**private, **(given or {})}) as running:
        announce(running.line)
        with crew(home / "logs", {}) as hands:
            yield World(home, hands, url, {**environment, **running.environment()})


def fresh_home(home: Path) -> None:
    """Empty the demo's own folder, and nothing that is not it; DemoError when a demo runs there."""
    marker = home / ".lienthong-demo"
    if home.exists() and any(home.iterdir()) and not marker.exists():
        raise DemoError(f"{home} holds something else: name an empty folder")
    lock = home / "servers" / "lock"
    if lock.exists():
        with launcher_free(lock):
            shutil.rmtree(home)
    elif home.exists():
        shutil.rmtree(home)
    home.mkdir(parents=True)
    marker.touch()


@contextmanager
def launcher_free(lock: Path) -> Iterator[None]:
    """Refuse to remove a folder whose servers run."""
    with lock.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f"servers run in {lock.parent} (process {lock.read_text('ascii').strip()}): "
                "end `make run` or the other demo first"
            ) from None
        yield


def prepare(city: World) -> None:
    """Schema, keys, staff, the published tariff and parking rates."""
    session_key, provider_key = city.home / "session_key", city.home / "provider_key"
    provider_key.touch(mode=0o600)
    provider_key.write_text(os.urandom(32).hex(), "ascii")
    city.lienthong("migrate")
    city.lienthong("partition", "--from", DAY.isoformat(), "--days", "3")
    city.lienthong("keys", "init", "--session-key", str(session_key))
    city.environment["LIENTHONG_SESSION_KEY_FILE"] = str(session_key)
    city.environment["LIENTHONG_PROVIDER_CHECKSUM_KEY_FILE"] = str(provider_key)
    for email, name, roles in STAFF:
        grants = [part for role in roles for part in ("--role", role)]
        city.lienthong("user", "add", email, "--name", name, "--password", PASSWORD, *grants)
    sign_ins = "\n".join(f"  {email}  {PASSWORD}  {name}" for email, name, _ in STAFF)
    (city.home / "sign-ins.txt").write_text(sign_ins + "\n", "utf-8")
    two = ("--prepared-by", STAFF[0][0], "--approved-by", STAFF[1][0])
    city.lienthong("tariff", "publish", str(TARIFF), *two)
    city.lienthong("parking", "publish", "--rates", str(RATES), "--from", "2026-01-01T00:00+07:00", *two)


def udp_port() -> int:
    """A loopback UDP port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_reader(city: World, reader: Reader, *, url: str, clock: str) -> None:
    """Write one reader's configuration, and its duty where it has one."""
    folder = city.config(reader.name).parent
    folder.mkdir(parents=True, exist_ok=True)
    port = city.ports.setdefault(reader.name, udp_port())
    device = {
        "name": reader.name,
        "kind": reader.kind,
        "operator": reader.operator,
        "place": reader.place,
        "purpose": reader.purpose,
    }
    if reader.kind == "parking":
        device["vehicle_class"] = "car_le9"
    if reader.duties:
        duty = "".join(json.dumps(stretch) + "\n" for stretch in reader.duties)
        (folder / "duty.jsonl").write_text(duty, "utf-8")
        device["duty"] = "duty.jsonl"
    tables: dict[str, dict[str, object]] = {
        "device": dict(device),
        "state": {"dir": "state"},
        "reader": {"path": f"udp:localhost:{port}", "wait_removal_ms": 0, "poll_ms": 20},
        "server": {
            "url": url,
            "linger_ms": 200,
            "retry_min_ms": 100,
            "retry_max_s": 1,
            "bundle_every_s": 2,
            "heartbeat_every_s": 5,
        },
        "clock": {"text": clock},
        "lamp": {"terminal": False, "events": "lamp.jsonl"},
    }
    lines = [
        line
        for name, table in tables.items()
        for line in (f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()))
    ]
    city.config(reader.name).write_text("\n".join(lines) + "\n", "utf-8")


def enrol_readers(city: World, clock: str, readers: Sequence[Reader] = READERS) -> None:
    """A one-time code for each reader, and its enrolment with keys of its own making."""
    codes = []
    for reader in readers:
        write_reader(city, reader, url=city.url, clock=clock)
        printed = city.lienthong(
            "device", "code", reader.name,
            "--kind", reader.kind, "--operator", reader.operator, "--place", reader.place,
        )  # fmt: skip
        codes.append(printed.split()[0])

    def enrol(reader: Reader, code: str) -> None:
        city.crew.call("-m", "readers", "enrol", "--config", str(city.config(reader.name)), "--code", code)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(enrol, readers, codes))


def issue_cards(
    city: World,
    concessions: Iterable[Concession],
    *,
    first: int = 1,
    file: str = "cards.json",
    more: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Issue cards from a personalisation file, their UIDs counted from `first`; what software cards are made of."""
    wanted = city.home / "personalise.csv"
    rows = [
        f"04{number:012x},{concession.name},2030-12-31"
        for number, concession in enumerate(concessions, first)
    ]
    wanted.write_text("uid,concession,expiry\n" + "\n".join(rows) + "\n", "ascii")
    out = city.home / file
    city.lienthong("card", "issue", "--bulk", str(wanted), "--out", str(out), *more)
    cards = json.loads(out.read_text("ascii"))
    assert isinstance(cards, list)
    return cards


def fare_account(card: Mapping[str, Any]) -> UUID:
    return UUID(card["fare_account_id"])
