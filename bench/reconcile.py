"""reconcile_N: N movements on each of two sides matched, judged and booked, against one plain full join of the two.

Both end with the same pairs. Ours looks for every rule, writes a row a pair, judges what is left and books the sums;
the baseline only counts the rows of a full join on the reference.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Engine, create_engine, text

from bench.ledger_world import NOW
from bench.measure import Result, Stage, Work, judged, race
from ledger import reconcile

MOVEMENTS: Final = 200_000
_FILL: Final = """
INSERT INTO ledger_recon_item (item_id, side, pool, source_id, account, amount, fee, currency, occurred_on, identity,
    reference, end_to_end, qr_reference, payout, folded, reversal, recorded_at)
SELECT gen_random_uuid(), side, 'payos', '00000000-0000-8000-8000-000000000001', '0011', 10000 + n % 490000, 0, 'VND',
    DATE '2026-11-18' + n % 3, '', 'FT' || lpad(n::text, 10, '0'), '', '', '', '', false, :now
FROM generate_series(1, :count) n, unnest(ARRAY['ledger', 'bank']) side
"""
_JOIN: Final = """
SELECT count(*) FROM (SELECT * FROM ledger_recon_item WHERE side = 'ledger') l
FULL JOIN (SELECT * FROM ledger_recon_item WHERE side = 'bank') b ON l.reference = b.reference AND l.amount = b.amount
"""


def run(stage: Stage) -> list[Result]:
    """Return one result: movements a second, as a cost against the plain join's."""
    owner = create_engine(stage.servers.owner_url)
    try:
        with owner.begin() as tx:
            tx.execute(text(_FILL), {"now": NOW, "count": MOVEMENTS})
        with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as tx:
            tx.execute(text("VACUUM ANALYZE ledger_recon_item"))
        speeds = race(
            {"ours": lambda: _ours(owner), "join": lambda: _join(owner)}, rounds=min(stage.rounds, 5)
        )
    finally:
        owner.dispose()
    return [
        judged(
            f"ledger.reconcile_{MOVEMENTS}",
            "movements/s a side",
            speeds["ours"],
            speeds["join"],
            cost_at_most=5,
            note="all rules, pairs written, what is left judged; the join only counts",
        )
    ]


def _ours(engine: Engine) -> Work:
    with engine.begin() as tx:
        tx.execute(text("TRUNCATE ledger_recon_edge"))

    def work() -> int:
        for name, step in reconcile.steps():
            if name != "bookings":
                with engine.begin() as tx:
                    step(tx, NOW)
        return MOVEMENTS

    return work


def _join(engine: Engine) -> Work:
    def work() -> int:
        with engine.begin() as tx:
            found: int = tx.execute(text(_JOIN)).scalar_one()
        assert found == MOVEMENTS, "one row a pair"
        return found

    return work
