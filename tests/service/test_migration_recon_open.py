"""0033 lets the next run find by their matches which movements of before it are open, and which payments it never saw."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, pool, text

from ledger import reconcile
from service import migrate

from .test_migrate_race import empty  # noqa: F401  (a fixture)

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
# FT1 is matched, FT2 would match and is not, FT3 is alone; the payment was never told.
PLANTED = """
INSERT INTO ledger_recon_item (item_id, side, pool, source_id, account, amount, fee, currency, occurred_on, identity,
    reference, end_to_end, qr_reference, payout, folded, reversal, recorded_at)
SELECT gen_random_uuid(), side, 'payos', '00000000-0000-8000-8000-000000000001', '', 5000, 0, 'VND', '2026-11-18', '',
    reference, '', '', '', '', false, now()
FROM (VALUES ('ledger', 'FT1'), ('bank', 'FT1'), ('ledger', 'FT2'), ('bank', 'FT2'), ('bank', 'FT3')) AS m (side, reference);
INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, made_at)
SELECT 'ledger-bank', min(item_no), max(item_no), 1, 'bank_reference', now() FROM ledger_recon_item WHERE reference = 'FT1';
INSERT INTO ledger_notification VALUES (gen_random_uuid(), 'payos', '', now());
INSERT INTO ledger_payment (payment_id, provider, identity, reference, account, amount, currency, paid_at, notification_id,
    disposition, entry_owner_id, entry_id, decided_at)
SELECT gen_random_uuid(), 'payos', 'x', 'FT9', '', 7000, 'VND', now(), notification_id, 'unknown', gen_random_uuid(),
    gen_random_uuid(), now() FROM ledger_notification;
"""


@pytest.mark.filterwarnings("default")
def test_what_was_open_before_is_found_by_the_next_run(empty: str) -> None:  # noqa: F811
    migrate.migrate(empty, revision="0032_access_felica")
    engine = create_engine(empty, poolclass=pool.NullPool)
    with engine.begin() as tx:
        tx.execute(text(PLANTED))
    migrate.migrate(empty)
    with engine.begin() as tx:
        before = reconcile.read_figures(tx)
        assert (before.movements, before.matched, before.unexplained) == (5, 2, 3)
    for work in reconcile.steps()[:-1]:
        with engine.begin() as tx:
            work(tx, NOW, lambda _: None)
    with engine.begin() as tx:
        after = reconcile.read_figures(tx)
        assert (after.movements, after.matched, after.queued, after.unexplained) == (6, 4, 2, 0)
        assert tx.execute(text("SELECT count(*) FROM ledger_recon_due")).scalar_one() == 1
