"""fare.ingest: uploads of 1,000 taps over HTTP, accepted, priced and posted, against a bare COPY of the rows.

Ours is the whole way under gunicorn with a durable database: the journal's signature and hashes, every card's MAC,
evidence sealed, the account-days priced, differences posted to the ledger, the answer's verdicts. Four buses upload
at once, each upload over a connection of its own as the proxy in front makes them. Each carries 500 riders who board
and alight: once in the morning, once in the evening, so half of all uploads price a day again that stood already.

The baseline writes, from as many threads and in as many transactions, prebuilt bytes of the same evidence rows and
the same fare lines of the ledger into plain tables with the same primary keys: what no software above it can beat.

The goal is the small machine of the design: 10,000 taps a second on two cores, PostgreSQL and workers together.
When the goal was set, on two shared cores of an AMD EPYC, the baseline wrote 70,000 to 88,000 taps a second, so
the goal is GOAL / COPY_SPEED of it on any machine: one eighth.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final, cast

import psycopg
from sqlalchemy import Engine, create_engine, text

from bench import web
from bench.city import Bus, City
from bench.measure import Result, Stage, Work, compare

BUSES: Final = 4
RIDERS: Final = 500
TAPS: Final = 2 * RIDERS
GOAL: Final = 10_000
COPY_SPEED: Final = 80_000
_TIMES: Final = (
    datetime(2026, 11, 18, 0, 0, tzinfo=UTC),
    datetime(2026, 11, 18, 10, 0, tzinfo=UTC),
)
_ROUTES: Final = ("01", "03A", "26", "32")
_TABLES: Final = (
    "CREATE TABLE bench_tap (LIKE tap, PRIMARY KEY (card_id, tap_day, tap_id))",
    "CREATE TABLE bench_line (LIKE ledger_line, PRIMARY KEY (owner_id, entry_id, line_no, book_day))",
)
# Rows that stand there already, under fresh ids: the same sizes, the same spread of keys.
_EVIDENCE: Final = "tap WHERE device_id = '{device}' ORDER BY sequence DESC LIMIT {taps}"
_FARES: Final = "ledger_line WHERE kind = 'fare.charged' ORDER BY posted_at DESC LIMIT {riders}"


def run(stage: Stage) -> list[Result]:
    """Measure taps a second."""
    city = City(stage, "ingest")
    owner = create_engine(stage.servers.owner_url)
    try:
        version = city.publish()
        buses = [city.bus(f"bench bus {route}", route, version) for route in _ROUTES]
        with owner.begin() as tx:
            for table in _TABLES:
                tx.exec_driver_sql(table)
        with web.gunicorn("service.app:create_app()", city.environment) as address:
            ours = _Ours(city, buses, address)
            ours()()
            return [
                compare(
                    "fare.ingest",
                    "taps/s",
                    ours,
                    _Copied(owner, buses),
                    at_least=GOAL / COPY_SPEED,
                    rounds=stage.rounds,
                )
            ]
    finally:
        city.close()
        owner.dispose()


class _Ours:
    def __init__(self, city: City, buses: Sequence[Bus], address: web.Address) -> None:
        self.city, self.buses, self.address = city, buses, address

    def __call__(self) -> Work:
        journeys = []
        for bus in self.buses:
            riders = self.city.riders(RIDERS)
            journeys.append([web.post("/v1/taps", bus.ride(riders, start), {}) for start in _TIMES])

        def upload(number: int) -> int:
            for request in journeys[number]:
                # A kept connection stays with one worker: all four may meet in one while the other idles.
                connection = self.address.connect()
                (answer,) = web.load([connection], [request])
                assert answer.count(b'"accepted"') == TAPS, answer[:2_000]
                connection.close()
            return TAPS * len(journeys[number])

        return lambda: _together(upload, len(journeys))


class _Copied:
    def __init__(self, engine: Engine, buses: Sequence[Bus]) -> None:
        self.engine, self.buses = engine, buses
        self.lock = threading.Lock()

    def __call__(self) -> Work:
        payloads = [[self._payloads(bus) for _ in _TIMES] for bus in self.buses]

        def write(number: int) -> int:
            for taps, lines in payloads[number]:
                with self.engine.begin() as tx:
                    driver = cast("psycopg.Connection[object]", tx.connection.driver_connection)
                    for table, rows in (("bench_tap", taps), ("bench_line", lines)):
                        with (
                            driver.cursor() as cursor,
                            cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)".encode()) as copy,
                        ):
                            copy.write(rows)
            return TAPS * len(payloads[number])

        return lambda: _together(write, len(payloads))

    def _payloads(self, bus: Bus) -> tuple[bytes, bytes]:
        evidence = _EVIDENCE.format(device=bus.device_id, taps=TAPS)
        return (
            self._rows("tap", "tap_id", evidence),
            self._rows("ledger_line", "entry_id", _FARES.format(riders=RIDERS)),
        )

    def _rows(self, table: str, fresh: str, source: str) -> bytes:
        with self.engine.begin() as tx:
            columns = tx.execute(
                text(
                    "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) AND attnum > 0"
                    " AND NOT attisdropped ORDER BY attnum"
                ),
                {"table": table},
            ).scalars()
            wanted = ", ".join("gen_random_uuid()" if name == fresh else name for name in columns)
            driver = cast("psycopg.Connection[object]", tx.connection.driver_connection)
            with (
                driver.cursor() as cursor,
                cursor.copy(
                    f"COPY (SELECT {wanted} FROM {source}) TO STDOUT (FORMAT BINARY)".encode()
                ) as copy,
            ):
                return b"".join(bytes(part) for part in copy)


def _together(work: Callable[[int], int], number: int) -> int:
    with ThreadPoolExecutor(number) as pool:
        return sum(pool.map(work, range(number)))
