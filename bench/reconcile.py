"""reconcile_N: N movements on each of two sides matched and judged, against one plain full join of the two.

The bank's lines come in nearly the books' order. Of a thousand, a few are twins, lost their reference and are found
by the QR's, have another amount, or are on one side alone. Ours looks for every rule, writes a row a pair and queues
the rest with reasons; the baseline only counts the rows of a full join on reference and amount.
RECONCILE_MOVEMENTS=N measures another size than a million.
"""

from __future__ import annotations

import os
from typing import Final

from sqlalchemy import Engine, create_engine, text

from bench.ledger_world import NOW
from bench.measure import Result, Stage, Work, judged, race
from ledger import reconcile

MOVEMENTS: Final = 1_000_000
_FILL: Final = """
INSERT INTO ledger_recon_item (item_id, side, pool, source_id, account, amount, fee, currency, occurred_on, identity,
    reference, end_to_end, qr_reference, payout, folded, reversal, recorded_at)
SELECT gen_random_uuid(), CAST(:side AS text), CASE CAST(:side AS text) WHEN 'ledger' THEN 'payos' ELSE '' END,
    '00000000-0000-8000-8000-000000000001', '0011',
    10000 + twin % 490000 + CASE WHEN CAST(:side AS text) = 'bank' AND n % 1000 = 1 THEN 9 ELSE 0 END, 0, 'VND',
    DATE '2026-11-18' + (n * 3 / :count)::int, '',
    CASE WHEN CAST(:side AS text) = 'bank' AND n % 1000 IN (2, 3) THEN '' ELSE 'FT' || lpad(twin::text, 10, '0') END,
    '', 'LT' || lpad(n::text, 13, '0'), '', 'NAPTHELT' || lpad(n::text, 13, '0'), false, :now
FROM generate_series(1::bigint, :count) n, LATERAL (SELECT n - (n % 1000 = 8)::int AS twin) t
WHERE n % 1000 <> :without
ORDER BY n + n * 7919 % :jitter
"""
_JOIN: Final = """
SELECT count(*) FROM (SELECT * FROM ledger_recon_item WHERE side = 'ledger') l
FULL JOIN (SELECT * FROM ledger_recon_item WHERE side = 'bank') b ON l.reference = b.reference AND l.amount = b.amount
"""

_AGAIN: Final = (
    "ALTER TABLE ledger_recon_exception_end DISABLE TRIGGER USER",
    "ALTER TABLE ledger_recon_proposal DISABLE TRIGGER USER",
    (
        "TRUNCATE ledger_recon_edge, ledger_recon_exception, ledger_recon_exception_end, ledger_recon_proposal, "
        "ledger_recon_open, ledger_recon_due, ledger_recon_total, ledger_recon_arrival"
    ),
    (
        "INSERT INTO ledger_recon_arrival (first_no, last_no, currency, movements, moved) "
        "SELECT min(item_no), max(item_no), 'VND', count(*), sum(amount) FROM ledger_recon_item"
    ),
)


def run(stage: Stage) -> list[Result]:
    """Return one result: movements a second, as a cost against the plain join's."""
    movements = int(os.environ.get("RECONCILE_MOVEMENTS") or MOVEMENTS)
    owner = create_engine(stage.servers.owner_url)
    try:
        with owner.begin() as tx:
            for side, without, jitter in (("ledger", 5, 1), ("bank", 6, 997)):
                tx.execute(
                    text(_FILL),
                    {"now": NOW, "count": movements, "side": side, "without": without, "jitter": jitter},
                )
        with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as tx:
            tx.execute(text("VACUUM ANALYZE ledger_recon_item"))
        speeds = race(
            {"ours": lambda: _ours(owner, movements), "join": lambda: _join(owner, movements)},
            rounds=min(stage.rounds, 5),
        )
    finally:
        owner.dispose()
    return [
        judged(
            f"ledger.reconcile_{movements}",
            "movements/s a side",
            speeds["ours"],
            speeds["join"],
            cost_at_most=5,
            note="all rules, pairs written, the rest queued with reasons; the join only counts",
        )
    ]


def _ours(engine: Engine, movements: int) -> Work:
    with engine.begin() as tx:
        for statement in _AGAIN:
            tx.execute(text(statement))

    def work() -> int:
        for step in reconcile.steps()[:-1]:  # bookings post to the ledger, which has its own bench
            with engine.begin() as tx:
                step(tx, NOW, _quiet)
        return movements

    return work


def _quiet(_: reconcile.Step) -> None:
    """Hear no progress."""


def _join(engine: Engine, movements: int) -> Work:
    def work() -> int:
        with engine.begin() as tx:
            found: int = tx.execute(text(_JOIN)).scalar_one()
        assert found >= movements, "one row a pair, and what is on one side alone"
        return movements

    return work
