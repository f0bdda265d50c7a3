"""ledger.settle: the close of a day with a million taps and 50,000 stays.

- Aggregation: lines and claims of both houses against the plain GROUP BY over the same bill lines.
- Whole close with seal and settlement, once a day, against the server hashing the same ledger lines in one statement.

SETTLE_TAPS=N measures another size than a million. Peak memory of the process is told in the note.
"""

from __future__ import annotations

import os
import resource
import sys
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Engine, create_engine, text

from bench import ledger_world
from bench.ledger_proof import fill
from bench.ledger_world import NOW, TODAY
from bench.measure import Result, Stage, judged, race
from fare.store import book_day as fare_day
from kernel.crypto.ed25519 import SigningKey
from kernel.money import VND
from ledger import close_period, settle
from ledger.rules.row import COLUMNS
from ledger.rules.settlement import HouseDay
from parking.settle_lines import settle_lines as parking_lines

TAPS: Final = 1_000_000
DAYS: Final = 3
_BILLS: Final = """
INSERT INTO fare_bill_line (fare_account_id, service_day, revision, line_no, tap_id, component, operator_id, funder,
    route_id, rule, currency, delta_minor, trips_delta, book_day, entry_id)
SELECT l.owner_id, l.service_day, 1 + row_number() OVER (PARTITION BY l.owner_id ORDER BY l.entry_id), 1, l.entry_id,
    'charged', a.owner_name, 'rider', 'route-' || abs(hashtext(l.entry_id::text)) % 128, 'bench', 'VND', l.amount, 1, l.book_day,
    l.entry_id
FROM ledger_line l JOIN ledger_account a ON a.account_id = l.credit_id AND a.owner_kind = 'operator'
WHERE l.book_day = :day
"""
_WAIVED: Final = """
INSERT INTO fare_bill_line (fare_account_id, service_day, revision, line_no, tap_id, component, operator_id, funder,
    route_id, rule, currency, delta_minor, trips_delta, book_day, entry_id)
SELECT fare_account_id, service_day, revision, 2, tap_id, 'pass_covered', operator_id, 'rider', route_id, 'passes:bench',
    'VND', 1000, 0, book_day, NULL FROM fare_bill_line WHERE book_day = :day AND revision % 20 = 0
"""
_STAYS: Final = """
INSERT INTO parking_bill_line (fare_account_id, stay_day, stay_id, revision, line_no, component, operator_id, place_id,
    funder, rule, currency, delta_minor, stays_delta, book_day, entry_id)
SELECT gen_random_uuid(), :day, gen_random_uuid(), 1, 1, 'pass_covered', 'parking', 'place-' || n % 99, '', 'bench',
    'VND', 25000, 1, :day, NULL FROM generate_series(1, :stays) n
"""
_PLAIN: Final = """
SELECT operator_id, route_id, component, sum(delta_minor), sum(trips_delta) FROM fare_bill_line
WHERE book_day = :day GROUP BY operator_id, route_id, component
UNION ALL
SELECT operator_id, place_id, component, sum(delta_minor), sum(stays_delta) FROM parking_bill_line
WHERE book_day = :day GROUP BY operator_id, place_id, component
"""
_HASH: Final = f"""
SELECT count(sha256('\\x00'::bytea || record_send(ROW({", ".join("l." + name for name in COLUMNS)}))))
FROM ledger_line l WHERE l.book_day = :day
"""


def run(stage: Stage) -> list[Result]:
    """Measure aggregation in interleaved rounds, and one whole close a day."""
    taps = int(os.environ.get("SETTLE_TAPS") or TAPS)
    engine, owner = create_engine(stage.servers.database_url), create_engine(stage.servers.owner_url)
    world = ledger_world.build(engine)
    days = [TODAY + timedelta(days=n) for n in range(DAYS)]
    for day in days:
        fill(engine, world, taps, day)
        with owner.begin() as tx:
            tx.execute(text(_BILLS), {"day": day})
            tx.execute(text(_WAIVED), {"day": day})
            tx.execute(text(_STAYS), {"day": day, "stays": taps // 20})
        print(f"  {day}: bill lines written", file=sys.stderr)
    with owner.execution_options(isolation_level="AUTOCOMMIT").connect() as admin:
        admin.exec_driver_sql("VACUUM ANALYZE")
    aggregated = race(
        {
            "ours": lambda: lambda: _aggregate(engine, days[0], taps),
            "plain": lambda: lambda: _plain(engine, days[0], taps),
        },
        rounds=stage.rounds,
    )
    key, left = SigningKey.generate(), list(days)
    whole = race(
        {
            "ours": lambda: lambda: _close(engine, left.pop(0), key, taps),
            "hash": lambda: lambda: _hash(engine, days[-1], taps),
        },
        rounds=DAYS - 1,
    )
    engine.dispose()
    owner.dispose()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    note = f"{taps:,} taps and {taps // 20:,} stays a day; peak memory of the process {peak:,} MB"
    return [
        judged(
            "ledger.settle_aggregate",
            "taps/s",
            aggregated["ours"],
            aggregated["plain"],
            cost_at_most=3,
            note=note,
        ),
        judged("ledger.settle_close", "taps/s", whole["ours"], whole["hash"], cost_at_most=3, note=note),
    ]


def _lines(engine: Engine, day: date) -> HouseDay:
    with engine.begin() as tx:
        rows = fare_day.list_totals(tx, day)
        assert fare_day.list_claims(tx, day) == ()
        stays = parking_lines(tx, day)
    assert rows
    return stays


def _aggregate(engine: Engine, day: date, taps: int) -> int:
    _lines(engine, day)
    return taps


def _plain(engine: Engine, day: date, taps: int) -> int:
    with engine.begin() as tx:
        assert tx.execute(text(_PLAIN), {"day": day}).all()
    return taps


def _hash(engine: Engine, day: date, taps: int) -> int:
    with engine.begin() as tx:
        assert tx.execute(text(_HASH), {"day": day}).scalar_one() >= taps
    return taps


def _close(engine: Engine, day: date, key: SigningKey, taps: int) -> int:
    now = NOW + timedelta(days=DAYS + 1)
    stays = _lines(engine, day)
    with engine.begin() as tx:
        close_period.take_open(tx, day, now)
        settle.charge(tx, day, stays, now)
        close_period.close(tx, day, now, signer=key)
    with engine.begin() as tx:
        settle.settle(tx, day, stays, now, unit=VND)
    return taps
