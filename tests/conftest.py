"""Real PostgreSQL and Redis for the tests: one pair of servers a run, one migrated template, clones for the rest.

Pure tests ask for none of these fixtures and start nothing. Under xdist the controller owns the servers
and hands their URLs to the workers; without xdist the first test that needs them starts them.
"""

import contextlib
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from apiflask import APIFlask
from flask import Response
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from sqlalchemy import Connection, Engine, create_engine, make_url, pool, text
from sqlalchemy.exc import ProgrammingError
from werkzeug.routing import Rule

from access.keyring import Keyring
from service import launcher, migrate, server_binaries

# A busy machine is no defect of the code: how long an example takes is measured by the bench, never by a test.
settings.register_profile("lienthong", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lienthong")

TEMPLATE = "lienthong_template"
ROOM = 6 << 30
_controller = contextlib.ExitStack()
_urls: dict[str, str] = {}
_numbers = itertools.count(1)


def _ensure_servers() -> dict[str, str]:
    """Start the servers of this run once and leave a migrated template in them; return their URLs."""
    if not _urls:
        folder = _fresh_folder()
        for made in (folder, server_binaries.staged_folder(folder)):
            _controller.callback(shutil.rmtree, made, ignore_errors=True)
        running = _controller.enter_context(
            launcher.servers(folder, environ={"PREFER": os.environ.get("PREFER", "")})
        )
        urls = {"database": running.database_url, "owner": running.owner_url, "redis": running.redis_url}
        _administer(urls["owner"], f"CREATE DATABASE {TEMPLATE}")
        migrate.migrate(_on(urls["owner"], TEMPLATE))
        _urls.update(urls, line=running.line)
    return _urls


def _fresh_folder() -> Path:
    """Return this run's folder in the temporary directory, having swept what killed runs left behind."""
    base = _base()
    for left in base.glob(f"lienthong-tests-{os.geteuid()}-*"):
        if not Path("/proc", left.name.rpartition("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
            shutil.rmtree(server_binaries.staged_folder(left), ignore_errors=True)
    folder = base / f"lienthong-tests-{os.geteuid()}-{os.getpid()}"
    folder.mkdir(mode=0o700)
    return folder


def _base() -> Path:
    """Where the run's data stands: in memory where there is plenty, for each of a thousand clones is as many files."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK | os.X_OK) and shutil.disk_usage(memory).free >= ROOM
    return memory if roomy else Path(tempfile.gettempdir())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    node.workerinput["lienthong"] = dict(_ensure_servers())


def pytest_configure(config) -> None:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_base()))  # of every `tmp_path`
    _urls.update(getattr(config, "workerinput", {}).get("lienthong", {}))


def pytest_unconfigure(config) -> None:
    _controller.close()


def pytest_ignore_collect(collection_path: Path, config) -> bool | None:
    """Browser tests run only when they are named: `make e2e`."""
    if collection_path.name == "e2e" and not any("e2e" in argument for argument in config.args):
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests with whole towns come last: a town that stands takes time from all others until the run ends."""
    items.sort(key=lambda item: any(map(item.get_closest_marker, ("walk", "faults"))))


def pytest_terminal_summary(terminalreporter) -> None:
    """What was skipped is said loudly: a green run must not hide that something was not tested."""
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"######## {report.nodeid} was SKIPPED: {reason}", yellow=True, bold=True)

    _write_figures(terminalreporter)


def _write_figures(terminalreporter) -> None:
    """Each acceptance run with what it measured, failed ones too."""
    measured = [
        (report, figures)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        for name, figures in getattr(report, "user_properties", ())
        if name == "figures" and report.when == "call"
    ]
    if measured:
        terminalreporter.section("acceptance: what was measured")
    for report, figures in measured:
        terminalreporter.write_line(
            f"{report.outcome.upper()}  {report.nodeid.rpartition('::')[2]}", bold=True
        )
        for name, value in figures.items():
            terminalreporter.write_line(f"    {name:28} {value}")


def pytest_report_header() -> str:
    return _urls.get("line", "servers: started by the first test that needs them")


def _on(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _administer(owner_url: str, statement: str) -> None:
    engine = create_engine(owner_url, poolclass=pool.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))


def _drop(owner_url: str, name: str) -> None:
    """Drop a clone; autovacuum may be at work in it, which only a superuser may end, so wait it out."""
    for left in reversed(range(100)):
        try:
            _administer(owner_url, f"DROP DATABASE {name} WITH (FORCE)")
        except ProgrammingError:
            if not left:
                raise
            time.sleep(0.1)
        else:
            return


@dataclass(frozen=True)
class CloneDatabase:
    """A database of one's own: `engine` is the service's role, `owner_url` the migrating one."""

    url: str
    owner_url: str
    engine: Engine


@contextlib.contextmanager
def _clone() -> Iterator[CloneDatabase]:
    urls = _ensure_servers()
    name = f"lienthong_{os.getpid()}_{next(_numbers)}"
    _administer(urls["owner"], f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    engine = create_engine(_on(urls["database"], name), pool_size=10)
    try:
        yield CloneDatabase(_on(urls["database"], name), _on(urls["owner"], name), engine)
    finally:
        engine.dispose()
        _drop(urls["owner"], name)


@pytest.fixture(scope="session", autouse=True)
def _rules_compiled_once() -> Iterator[None]:
    """Werkzeug compiles a builder of URLs for each rule of each application: two thirds of what making one costs."""
    made: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}
    compiled = Rule._compile_builder

    def once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (rule.rule, repr(rule.defaults), rule.subdomain, rule.host, append_unknown)
        if key not in made:
            made[key] = compiled(rule, append_unknown)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", once)
        yield


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """A program run inside this process may narrow its umask; the next test must not inherit it."""
    had = os.umask(0o022)
    os.umask(had)
    yield
    os.umask(had)


@pytest.fixture(scope="session")
def _shared_clone() -> Iterator[CloneDatabase]:
    with _clone() as clone:
        yield clone


@pytest.fixture(scope="session")
def _owner_engine(_shared_clone: CloneDatabase) -> Iterator[Engine]:
    engine = create_engine(_shared_clone.owner_url)
    yield engine
    engine.dispose()


@pytest.fixture
def tx(_shared_clone: CloneDatabase) -> Iterator[Connection]:
    """A transaction in the service's role, rolled back at the end."""
    with _shared_clone.engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


@pytest.fixture
def owner_tx(_owner_engine: Engine) -> Iterator[Connection]:
    """A transaction in the owner's role, rolled back at the end."""
    with _owner_engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


@pytest.fixture
def database() -> Iterator[CloneDatabase]:
    """A fresh clone of the migrated template, for tests that commit or race."""
    with _clone() as clone:
        yield clone


@pytest.fixture(scope="session")
def clone() -> Callable[[], contextlib.AbstractContextManager[CloneDatabase]]:
    """Makes fresh clones of the template, for what lives longer than one test."""
    return _clone


@pytest.fixture
def redis_url() -> str:
    """An empty Redis database of this worker's own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    url = f"{_ensure_servers()['redis'].rpartition('/')[0]}/{int(worker) % 16}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def app(database: CloneDatabase, redis_url: str, now: datetime, keyring: Keyring) -> Iterator[APIFlask]:
    """The service on a fresh database, its clock standing at `now`."""
    # Imported late: tests of pure rules must not depend on the whole service importing.
    from service.app import create_app
    from service.services import EXTENSION
    from service.settings import Settings

    settings = Settings(
        database_url=database.url,
        redis_url=redis_url,
        session_key="a key for the tests, long enough",
        clock=f"fixed:{now.isoformat()}",
        provider_checksum_key="provider",
    )
    made = create_app(settings, keyring=keyring)
    yield made
    made.extensions[EXTENSION].close()


@pytest.fixture
def described(app: APIFlask) -> Iterator[None]:
    """Hold every answer of the test against the API's description."""
    from tests import described as held  # late, as the service is above

    found: list[str] = []

    @app.after_request
    def look(answer: Response) -> Response:
        found.extend(held.mistakes(answer))
        return answer

    yield
    assert found == []


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    """A browser or machine that calls the service."""
    return app.test_client()


@pytest.fixture
def now() -> datetime:
    """09:00 on Wednesday 18 November 2026 in Hanoi."""
    return datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def keyring() -> Keyring:
    """Fresh card, look-up and bundle keys, written nowhere."""
    return Keyring.ephemeral()
