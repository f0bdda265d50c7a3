"""ledger.post_N: `post` against the limit A, a bare COPY of two rows a line into a table with the same key.

Ours checks ids, account states and floors, keeps guarded balances, control sums and roll-ups, and commits;
A copies prebuilt bytes of the same columns (one row a side) and commits. Both are durable.
"""

from __future__ import annotations

import struct
from typing import Final, cast

import psycopg
from sqlalchemy import Engine, create_engine

from bench import ledger_world
from bench.ledger_world import NOW, World
from bench.measure import Result, Stage, Work, compare
from ledger import post
from ledger.rules.entry import Entry, Posted
from ledger.rules.row import era_days, era_micros

# What two-row ledgers keep a row: the entry's columns on both sides, the account, a signed amount.
_TABLE: Final = """
CREATE TABLE {name} (
    owner_id     uuid        NOT NULL,
    entry_id     uuid        NOT NULL,
    account_id   uuid        NOT NULL,
    amount       bigint      NOT NULL,
    effective_at timestamptz NOT NULL,
    posted_at    timestamptz NOT NULL,
    book_day     date        NOT NULL,
    service_day  date        NOT NULL,
    line_no      smallint    NOT NULL,
    currency     text        NOT NULL,
    kind         text        NOT NULL,
    cause        text        NOT NULL,
    narrative    text        NOT NULL,
    PRIMARY KEY (owner_id, entry_id, line_no, book_day)
)
"""


def _field(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def _payload(entries: list[Entry]) -> bytes:
    out = [b"PGCOPY\n\xff\r\n\x00", bytes(8)]
    day = struct.pack(">i", era_days(ledger_world.TODAY))
    for entry in entries:
        (line,) = entry.lines
        for number, (account, sign) in enumerate(((line.debit, 1), (line.credit, -1)), 1):
            out.append(struct.pack(">h", 13))
            out += map(
                _field,
                (
                    entry.owner_id.bytes,
                    entry.entry_id.bytes,
                    account.bytes,
                    struct.pack(">q", sign * line.amount.minor),
                    struct.pack(">q", era_micros(entry.effective_at)),
                    struct.pack(">q", era_micros(NOW)),
                    day,
                    day,
                    struct.pack(">h", number),
                    b"VND",
                    entry.kind.encode(),
                    entry.cause.encode(),
                    entry.narrative.encode(),
                ),
            )
    out.append(b"\xff\xff")
    return b"".join(out)


def run(stage: Stage) -> list[Result]:
    """Measure batches of 1,000 and of 8,000 lines."""
    engine = create_engine(stage.servers.database_url)
    owner = create_engine(stage.servers.owner_url)
    world = ledger_world.build(engine)
    results = []
    for size, batches, goal in ((1_000, 8, 0.60), (8_000, 2, 0.75)):
        name = f"bench_two_rows_{size}"
        with owner.begin() as tx:
            tx.exec_driver_sql(_TABLE.format(name=name))
        results.append(
            compare(
                f"ledger.post_{size}",
                "lines/s",
                PostBatches(engine, world, size, batches),
                _Bare(owner, world, name, size, batches),
                at_least=goal,
                rounds=stage.rounds,
            )
        )
    engine.dispose()
    owner.dispose()
    return results


class PostBatches:
    """Post prepared batches of fares, each in a transaction of its own."""

    def __init__(self, engine: Engine, world: World, size: int, batches: int) -> None:
        self.engine, self.world, self.size, self.batches = engine, world, size, batches

    def __call__(self) -> Work:
        prepared = [self.world.fares(self.size) for _ in range(self.batches)]

        def work() -> int:
            for entries in prepared:
                with self.engine.begin() as tx:
                    outcomes = post.post(tx, entries, NOW)
                assert isinstance(outcomes[0], Posted), "fresh ids are booked"
            return self.size * self.batches

        return work


class _Bare:
    def __init__(self, engine: Engine, world: World, table: str, size: int, batches: int) -> None:
        self.engine, self.world, self.table, self.size, self.batches = engine, world, table, size, batches

    def __call__(self) -> Work:
        prepared = [_payload(self.world.fares(self.size)) for _ in range(self.batches)]
        statement = f"COPY {self.table} FROM STDIN (FORMAT BINARY)".encode()

        def work() -> int:
            for payload in prepared:
                with self.engine.begin() as tx:
                    connection = cast("psycopg.Connection[object]", tx.connection.driver_connection)
                    with connection.cursor() as cursor, cursor.copy(statement) as copy:
                        copy.write(payload)
            return self.size * self.batches

        return work
