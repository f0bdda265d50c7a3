"""ledger.proof: the proof of a sealed day of a million lines, and of what came after it.

- Full: `prove` with two workers against the server hashing the same rows (what the seal hashes) in one statement.
- Incremental: `prove` since the next day, with a tenth of the lines, against the full one, cost a line.

PROOF_LINES=N measures another size than a million.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, create_engine

from bench import ledger_world
from bench.ledger_world import NOW, TODAY, World
from bench.measure import Result, Stage, Work, judged, race
from kernel.crypto.ed25519 import SigningKey
from ledger import close_period, post
from ledger.prove import prove
from ledger.rules.row import COLUMNS

LINES: Final = 1_000_000
BATCH: Final = 8_000
UNIT: Final = "lines/s"
_HASH: Final = f"""
SELECT count(sha256('\\x00'::bytea || record_send(ROW({", ".join("l." + name for name in COLUMNS)}))))
FROM ledger_line l WHERE l.book_day = %s
"""


def run(stage: Stage) -> list[Result]:
    """Measure both proofs on one ledger."""
    lines = int(os.environ.get("PROOF_LINES") or LINES)
    engine = create_engine(stage.servers.database_url)
    world = ledger_world.build(engine)
    key = SigningKey.generate()
    tomorrow = TODAY + timedelta(days=1)
    for day, number in ((TODAY, lines), (tomorrow, lines // 10)):
        fill(engine, world, number, day)
        with engine.begin() as tx:
            close_period.close(tx, day, NOW + timedelta(days=3), signer=key)
    with (
        create_engine(stage.servers.owner_url)
        .execution_options(isolation_level="AUTOCOMMIT")
        .connect() as admin
    ):
        admin.exec_driver_sql("VACUUM ANALYZE")
    with engine.begin() as tx:
        old = _count(tx, TODAY)
        new = _count(tx, tomorrow)
    speeds = race(
        {
            "full": _proof(engine, None, old + new),
            "new": _proof(engine, tomorrow, new),
            "hash": lambda: lambda: _hash(engine, (TODAY, tomorrow), old + new),
        },
        rounds=stage.rounds,
    )
    engine.dispose()
    return [
        judged("ledger.proof_full", UNIT, speeds["full"], speeds["hash"], cost_at_most=3),
        judged(
            "ledger.proof_incremental",
            UNIT,
            speeds["new"],
            speeds["full"],
            cost_at_most=1.3,
            note=f"cost a new line of {new:,} after {old:,} old ones, beside a line of the full proof",
        ),
    ]


def fill(engine: Engine, world: World, lines: int, day: date, *, quiet: bool = False) -> None:
    """Post so many fares on a book day, saying how far it is."""
    later = (day - TODAY).days
    for start in range(0, lines, BATCH):
        fares = world.fares(min(BATCH, lines - start), days=later)
        with engine.begin() as tx:
            post.post(tx, fares, NOW + timedelta(days=later))
        if not quiet and start // BATCH % 50 == 0:
            print(f"  {day}: {start:,} of {lines:,} lines posted", file=sys.stderr)


def _proof(engine: Engine, since: date | None, lines: int) -> Callable[[], Work]:
    def work() -> int:
        for step in prove(engine.begin, since=since, workers=2):
            assert not step.faults, step
        return lines

    return lambda: work


def _hash(engine: Engine, days: tuple[date, ...], lines: int) -> int:
    with engine.begin() as tx:
        assert sum(tx.exec_driver_sql(_HASH, (day,)).scalar_one() for day in days) == lines
    return lines


def _count(tx: Connection, day: date) -> int:
    found = tx.exec_driver_sql("SELECT count(*) FROM ledger_line WHERE book_day = %s", (day,))
    return int(found.scalar_one())
