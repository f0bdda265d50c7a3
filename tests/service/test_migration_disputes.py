"""0019 names the cause of every dispute that was raised before it, so that its refund follows the charge too."""

import pytest
from sqlalchemy import create_engine, pool, text

from service import migrate

from .test_migrate_race import empty  # noqa: F401  (a fixture)

OWNER, ENTRY, DISPUTE = (f"00000000-0000-7000-8000-00000000000{digit}" for digit in "123")
PLANTED = f"""
INSERT INTO ledger_line SELECT '{OWNER}', '{ENTRY}', gen_random_uuid(), gen_random_uuid(), 5000, now(), now(),
        '2026-11-18', '2026-11-18', number, 2, 'VND', 'fare.charged', 'tap:7', '', '', NULL
    FROM (VALUES (1), (2)) AS l (number);
INSERT INTO ledger_dispute VALUES
    ('{OWNER}', '{DISPUTE}', '{ENTRY}', 10000, 'VND', 'not mine', 'refunded', 'rider:1', now(), now());
"""


@pytest.mark.filterwarnings("default")
def test_disputes_of_before_name_their_cause(empty: str) -> None:  # noqa: F811
    migrate.migrate(empty, revision="0018_ledger_reconcile")
    engine = create_engine(empty, poolclass=pool.NullPool)
    with engine.begin() as tx:
        tx.execute(text(PLANTED.replace(":", "\\:")))
    migrate.migrate(empty, revision="0019_ledger_disputes")
    with engine.begin() as tx:
        assert tx.execute(text("SELECT cause FROM ledger_dispute")).scalar_one() == "tap:7"
