"""ledger.growth: what a posting and a balance cost when ten million lines stand there already.

Two databases with the same number of accounts, one with a hundred thousand lines and one with ten million, spread
over as many book days as there are hundred thousands; batches of 1,000 in turn. Balances are read by the verb that
everybody uses; the time is the server's, planning and execution, from EXPLAIN (ANALYZE).

It takes a quarter of an hour and 6 GB, so only BENCH_LONG=1 measures it; GROWTH_LINES=N stops at another size.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from typing import Final

from sqlalchemy import Engine, create_engine, event, make_url

from bench import ledger_world
from bench.ledger_post import PostBatches
from bench.ledger_proof import fill
from bench.ledger_world import NOW, TODAY, World
from bench.measure import Result, Stage, judged, not_measured, race
from ledger.accounts import read_balances
from service import migrate

SMALL: Final = 100_000
LARGE: Final = 10_000_000
COST_AT_MOST: Final = 1.3
READ_AT_MOST_MS: Final = 5
READS: Final = 1_000
POSTING: Final = "ledger.growth_posting"
READING: Final = "ledger.growth_balance_p99"


def run(stage: Stage) -> list[Result]:
    """Measure both, or say that nobody asked."""
    if not os.environ.get("BENCH_LONG"):
        why = "it takes long; ask with BENCH_LONG=1"
        return [
            not_measured(POSTING, "lines/s", f"cost ratio <= {COST_AT_MOST:g}", why),
            not_measured(READING, "ms", f"< {READ_AT_MOST_MS} ms", why),
        ]
    lines = int(os.environ.get("GROWTH_LINES") or LARGE)
    small, few = _ledger(stage, "bench_small", SMALL)
    large, many = _ledger(stage, "bench_large", lines)
    speeds = race(
        {"large": PostBatches(large, many, 1_000, 8), "small": PostBatches(small, few, 1_000, 8)},
        rounds=stage.rounds,
    )
    times = sorted(_read_ms(large, many))
    slowest = times[len(times) * 99 // 100]
    results = [
        judged(
            POSTING,
            "lines/s",
            speeds["large"],
            speeds["small"],
            cost_at_most=COST_AT_MOST,
            note=f"at {lines:,} lines, beside the same at {SMALL:,}",
        ),
        Result(
            READING,
            "ms",
            slowest,
            None,
            None,
            f"< {READ_AT_MOST_MS} ms",
            slowest < READ_AT_MOST_MS,
            f"of {len(times):,} balances, half riders' and half operators', at {lines:,} lines",
        ),
    ]
    small.dispose()
    large.dispose()
    return results


def _ledger(stage: Stage, name: str, lines: int) -> tuple[Engine, World]:
    owner = create_engine(stage.servers.owner_url)
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    owner.dispose()
    urls = [
        make_url(url).set(database=name).render_as_string(hide_password=False)
        for url in (stage.servers.owner_url, stage.servers.database_url)
    ]
    migrate.migrate(urls[0])
    engine = create_engine(urls[1])
    world = ledger_world.build(engine)
    print(f"{name}: filling", file=sys.stderr)
    days = max(1, lines // SMALL)
    for day in range(days):
        fill(engine, world, lines // days, TODAY - timedelta(days=days - 1 - day), quiet=day % 10 != 0)
    owner = create_engine(urls[0]).execution_options(isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    owner.dispose()
    return engine, world


def _read_ms(engine: Engine, world: World) -> list[float]:
    """Return the server's time of each read, all its statements together."""
    seen: list[tuple[str, object]] = []

    def remember(
        _connection: object, _cursor: object, statement: str, parameters: object, *_: object
    ) -> None:
        seen.append((statement, parameters))

    times: list[float] = []
    for number in range(READS):
        account = world.purses[world.chance.randrange(len(world.purses))]
        if number % 2:
            account = world.operators[number // 2 % len(world.operators)]
        with engine.connect() as connection:
            event.listen(connection, "before_cursor_execute", remember)
            read_balances(connection, [account], NOW)
            event.remove(connection, "before_cursor_execute", remember)
            spent = 0.0
            for statement, parameters in seen:
                plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
                found = plan.scalar_one()
                (root,) = json.loads(found) if isinstance(found, str) else found
                spent += root["Planning Time"] + root["Execution Time"]
            times.append(spent)
            seen.clear()
            connection.rollback()
    return times
