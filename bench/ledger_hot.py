"""ledger.hot: 32 clients post single taps at once, all to one operator, through `service.posting`.

Against the same load spread over 32 operators (no row may be hot), against the ledger that most people write (a
stored balance of the operator, updated in each tap's transaction), and beside it, without a goal, against `ledger.post`
in a transaction of its own for each tap. Once as the disk is, once with 2 ms added to every flush of the log by
`commit_delay` (with `commit_siblings = 0` PostgreSQL then sleeps before each flush).

The clients are threads of a few processes, because one Python process would be the limit.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import Engine, create_engine, make_url

from bench import ledger_world
from bench.ledger_world import NOW, TODAY, World
from bench.measure import Result, Stage, Work, judged, race
from kernel.clock import FixedClock
from ledger import post
from ledger.rules.entry import Entry, Posted
from ledger.store.connection import driver
from service import collector
from service.database import Database
from service.posting import Postings

CLIENTS: Final = 32
PROCESSES: Final = 2
EACH: Final = 30
DELAY_US: Final = 2_000
UNIT: Final = "taps/s"
_KINDS: Final = ("hot", "spread", "stored", "alone")
_TABLES: Final = (
    (
        "CREATE TABLE bench_hot_balance (account_id uuid PRIMARY KEY, posted bigint NOT NULL, floor bigint,"
        " CHECK (posted >= floor)) WITH (fillfactor = 50)"
    ),
    "INSERT INTO bench_hot_balance SELECT account_id, posted, floor FROM ledger_balance",
    "CREATE TABLE bench_hot_line (LIKE ledger_line, PRIMARY KEY (owner_id, entry_id, line_no, book_day))",
    "GRANT SELECT, INSERT, UPDATE ON bench_hot_balance, bench_hot_line TO lienthong_app",
)
Client = Callable[[Sequence[Entry]], int]
_LINE: Final = (
    "INSERT INTO bench_hot_line VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 1, 1, %s, %s, %s, %s, '', NULL)"
)
_TAKE: Final = "UPDATE bench_hot_balance SET posted = posted - %s WHERE account_id = %s"
_GIVE: Final = "UPDATE bench_hot_balance SET posted = posted + %s WHERE account_id = %s"


def run(stage: Stage) -> list[Result]:
    """Measure hot, spread and stored, in turn within each round; then again with slow flushes."""
    engine = create_engine(stage.servers.database_url)
    owner = create_engine(stage.servers.owner_url)
    world = ledger_world.build(engine, riders=CLIENTS * 100, operators=CLIENTS)
    with owner.begin() as tx:
        for statement in _TABLES:
            tx.exec_driver_sql(statement)
        for operator in world.operators:
            tx.exec_driver_sql("INSERT INTO bench_hot_balance VALUES (%s, 0, NULL)", (operator,))
    results = []
    with _crowd(stage.servers.database_url, world) as crowd:
        for suffix, delay, times in (("", 0, 5), ("_slow_disk", DELAY_US, 10)):
            _delay(stage, delay)
            speeds = race({kind: crowd(kind) for kind in _KINDS}, rounds=stage.rounds)
            if not delay:
                results.append(
                    judged("ledger.hot_spread", UNIT, speeds["hot"], speeds["spread"], at_least=0.95)
                )
            results.append(
                judged(f"ledger.hot_stored{suffix}", UNIT, speeds["hot"], speeds["stored"], at_least=times)
            )
            results.append(judged(f"ledger.hot_alone{suffix}", UNIT, speeds["hot"], speeds["alone"]))
        _delay(stage, 0)
    engine.dispose()
    owner.dispose()
    return results


def _delay(stage: Stage, microseconds: int) -> None:
    """Add to every flush of the log; only the superuser of these servers, which are the bench's own, may."""
    password = (Path(stage.folder) / "servers" / "password").read_text(encoding="utf-8").strip()
    url = make_url(stage.servers.owner_url).set(
        drivername="postgresql", username="postgres", password=password
    )
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET commit_siblings = 0")
        admin.execute(f"ALTER SYSTEM SET commit_delay = {microseconds:d}".encode())
        admin.execute("SELECT pg_reload_conf()")


class _Crowd:
    """32 clients in a few processes."""

    def __init__(self, pipes: Sequence[Pipe]) -> None:
        self.pipes = pipes

    def __call__(self, kind: str) -> object:
        def prepare() -> Work:
            self._each((kind, False))
            return lambda: sum(self._each((kind, True)))

        return prepare

    def _each(self, order: tuple[str, bool]) -> list[int]:
        for pipe in self.pipes:
            pipe.send(order)
        return [pipe.recv() for pipe in self.pipes]


@contextlib.contextmanager
def _crowd(url: str, world: World) -> Iterator[_Crowd]:
    context = multiprocessing.get_context("spawn")
    ends = [context.Pipe() for _ in range(PROCESSES)]
    children = [
        context.Process(target=_serve, args=(theirs, url, world, number), daemon=True)
        for number, (_, theirs) in enumerate(ends)
    ]
    for child, (_, theirs) in zip(children, ends, strict=True):
        child.start()
        # Ours would keep the pipe open when the child fails, and wait for ever.
        theirs.close()
    try:
        yield _Crowd([ours for ours, _ in ends])
    finally:
        for ours, _ in ends:
            ours.send("end")
        for child in children:
            child.join(30)


def _serve(pipe: Pipe, url: str, world: World, number: int) -> None:
    """One process: (kind, False) prepares a round of hot, spread or stored; (kind, True) runs it and says how many."""
    share = CLIENTS // PROCESSES
    clients = range(number * share, (number + 1) * share)
    database = Database(url, pool_size=share)
    works = {
        "hot": _together(database),
        "spread": _together(database),
        "stored": _stored(database.engine),
        "alone": _alone(database.engine),
    }
    world.chance.seed(number)
    collector.calm()
    with ThreadPoolExecutor(share) as pool:
        prepared: dict[str, list[list[Entry]]] = {}
        while (order := pipe.recv()) != "end":
            kind, go = order
            if go:
                pipe.send(sum(pool.map(works[kind], prepared[kind])))
            else:
                prepared[kind] = [_taps(world, client, spread=kind == "spread") for client in clients]
                pipe.send(0)
    database.dispose()


def _taps(world: World, client: int, *, spread: bool) -> list[Entry]:
    operator = world.operators[client if spread else 0]
    return [world.fare(client * 100 + world.chance.randrange(100), operator) for _ in range(EACH)]


def _together(database: Database) -> Client:
    postings = Postings(database, FixedClock(NOW))

    def work(entries: Sequence[Entry]) -> int:
        for entry in entries:
            outcome = postings.post(entry)
            assert isinstance(outcome, Posted), outcome
        return len(entries)

    return work


def _alone(engine: Engine) -> Client:
    def work(entries: Sequence[Entry]) -> int:
        for entry in entries:
            with engine.begin() as tx:
                (outcome,) = post.post(tx, [entry], NOW)
            assert isinstance(outcome, Posted), outcome
        return len(entries)

    return work


def _stored(engine: Engine) -> Client:
    def work(entries: Sequence[Entry]) -> int:
        for entry in entries:
            (line,) = entry.lines
            amount = line.amount.minor
            with engine.begin() as tx:
                connection = driver(tx)
                # One round trip for all three, the hot row last: its lock is held for the commit only.
                with connection.pipeline():
                    connection.execute(
                        _LINE,
                        (
                            *(entry.owner_id, entry.entry_id, line.debit, line.credit, amount),
                            *(entry.effective_at, NOW, TODAY, entry.service_day),
                            *("VND", entry.kind, entry.cause, entry.narrative),
                        ),
                    )
                    connection.execute(_TAKE, (amount, line.debit))
                    connection.execute(_GIVE, (amount, line.credit))
        return len(entries)

    return work
