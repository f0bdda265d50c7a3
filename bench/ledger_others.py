"""ledger.others: `post` in batches of 1,000 against ledgers that post one tap at a time.

- the naive ORM posting that a user would write first (`naive_orm.py`), with stored balances on both sides;
- django-hordak from PyPI, by its own verb `transfer_to`, which keeps no balance and checks no floor;
- TigerBeetle in batches of 1,000 too, when TIGERBEETLE names its server's binary: printed beside, no goal.

All are durable and on the same server. A package that cannot be had is said so, not left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from bench import ledger_world, naive_orm, tigerbeetle
from bench.children import AbsentError, child
from bench.ledger_post import PostBatches
from bench.ledger_world import World
from bench.measure import Result, Stage, Work, judged, not_measured, race

ORM: Final = "ledger.others_orm"
HORDAK: Final = "ledger.others_hordak"
TIGERBEETLE: Final = "ledger.others_tigerbeetle"
PACKAGES: Final = ("django-hordak==2.0.0", "psycopg[binary]>=3.2")
UNIT: Final = "taps/s"
SINGLE: Final = 200


def run(stage: Stage) -> list[Result]:
    """Measure all that can be had, in turn within each round."""
    engine = create_engine(stage.servers.database_url)
    owner = create_engine(stage.servers.owner_url)
    world = ledger_world.build(engine)
    naive_orm.build(owner, list(world.purses), list(world.operators), ledger_world.LOADED)
    contestants = {"ours": PostBatches(engine, world, 1_000, 8), ORM: _Orm(owner, world)}
    refused: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for name, other in (
            (HORDAK, _hordak(stage, owner)),
            (TIGERBEETLE, tigerbeetle.running(Path(stage.folder), 8_000)),
        ):
            try:
                work = stack.enter_context(other)
            except AbsentError as error:
                refused[name] = str(error)
            else:
                contestants[name] = lambda work=work: work
        speeds = race(contestants, rounds=stage.rounds)
    engine.dispose()
    owner.dispose()
    results = []
    for name, goal in ((ORM, 200), (HORDAK, 100), (TIGERBEETLE, None)):
        if name in speeds:
            results.append(judged(name, UNIT, speeds["ours"], speeds[name], at_least=goal))
        else:
            results.append(not_measured(name, UNIT, f"ratio >= {goal}" if goal else "", refused[name]))
    return results


class _Orm:
    def __init__(self, engine: Engine, world: World) -> None:
        self.engine, self.world = engine, world

    def __call__(self) -> Work:
        entries = self.world.fares(SINGLE)

        def work() -> int:
            for entry in entries:
                with Session(self.engine) as session, session.begin():
                    assert naive_orm.post(session, entry), "the bench's riders have money"
            return SINGLE

        return work


@contextlib.contextmanager
def _hordak(stage: Stage, owner: Engine) -> Iterator[Work]:
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CREATE DATABASE bench_hordak")
    url = owner.url.set(drivername="postgresql", database="bench_hordak")
    environment = {"DATABASE_URL": url.render_as_string(hide_password=False)}
    with child(Path(stage.folder) / "hordak", PACKAGES, "hordak_child.py", environment, SINGLE) as work:
        yield work
