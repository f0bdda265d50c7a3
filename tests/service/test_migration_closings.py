"""0009 gives guarded accounts the closings that append-only ones have, for every day that was closed before it."""

import pytest
from sqlalchemy import create_engine, pool, text

from service import migrate

from .test_migrate_race import empty  # noqa: F401  (a fixture)

PURSE = "00000000-0000-7000-8000-00000000000a"
BANK = "00000000-0000-7000-8000-00000000000b"
OWNER = "00000000-0000-7000-8000-000000000001"
HOUSE = "00000000-0000-7000-8000-000000000002"

# Days 16 and 18 are closed, 19 is open: 100 loaded on the 16th, 30 spent and 5 given back on the 18th, 1 spent since.
PLANTED = f"""
INSERT INTO ledger_account VALUES
    ('{OWNER}', '{PURSE}', 'rider_stored_value', 'liability', 'VND', 'rider', 'x', true, 0, 'open', now(), now()),
    ('{HOUSE}', '{BANK}', 'bank_guarantee', 'asset', 'VND', 'bank', 'x', false, 0, 'open', now(), now());
INSERT INTO ledger_balance (owner_id, account_id, kind, currency, normal, open, posted, pending, floor, version)
    VALUES ('{OWNER}', '{PURSE}', 'rider_stored_value', 'VND', 1, true, 74, 0, 0, 4);
INSERT INTO ledger_line SELECT '{OWNER}', gen_random_uuid(), debit::uuid, credit::uuid, amount, now(), now(), day::date,
        day::date, 1, 1, 'VND', 'x', '', '', '', NULL
    FROM (VALUES ('{BANK}', '{PURSE}', 100, '2026-11-16'), ('{PURSE}', '{BANK}', 30, '2026-11-18'),
                 ('{BANK}', '{PURSE}', 5, '2026-11-18'), ('{PURSE}', '{BANK}', 1, '2026-11-19'))
        AS l (debit, credit, amount, day);
INSERT INTO ledger_seal_key VALUES ('\\x0000000000000001', sha256('k'), now());
INSERT INTO ledger_seal SELECT day::date, position, 1, sha256('r'), sha256('p'), sha256('h'),
        '\\x0000000000000001', sha256('a') || sha256('b'), now()
    FROM (VALUES ('2026-11-16', 1), ('2026-11-18', 2)) AS s (day, position);
INSERT INTO ledger_closing VALUES ('{HOUSE}', '{BANK}', '2026-11-16', 100, 0), ('{HOUSE}', '{BANK}', '2026-11-18', 105, 30);
INSERT INTO ledger_settlement_day VALUES ('2026-11-16', 'VND', sha256('d'), 0, 0, 0, 0, now());
"""


@pytest.mark.filterwarnings("default")
def test_closings_of_days_that_were_closed_before(empty: str) -> None:  # noqa: F811
    migrate.migrate(empty, revision="0008_service_views")
    engine = create_engine(empty, poolclass=pool.NullPool)
    with engine.begin() as tx:
        tx.execute(text(PLANTED.replace(":", "\\:")))
    migrate.migrate(empty, revision="0009_ledger_proof")
    with engine.begin() as tx:
        rows = tx.execute(
            text("SELECT account_id::text, book_day::text, debits, credits FROM ledger_closing ORDER BY 1, 2")
        ).all()
        assert [tuple(row) for row in rows] == [
            (PURSE, "2026-11-16", 0, 100),
            (PURSE, "2026-11-18", 30, 105),
            (BANK, "2026-11-16", 100, 0),
            (BANK, "2026-11-18", 105, 30),
        ]
        assert tx.execute(text("SELECT sealed_on FROM ledger_settlement_day")).scalar_one() is None
        assert tx.execute(text("SELECT posted FROM ledger_balance")).scalar_one() == 74
