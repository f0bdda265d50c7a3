"""0040 finds whose the tills are that car parks used before it."""

import pytest
from sqlalchemy import create_engine, pool, text

from service import migrate

from .test_migrate_race import empty  # noqa: F401  (a fixture)

ID = "00000000-0000-7000-8000-0000000000"
_SHIFT = """
INSERT INTO parking_shift VALUES ('{id}{number}', 'p', '{operator}', '{till}', 'An', 0, 'VND', '{day} 08:00+07', 'an')
"""
_PAID = """
INSERT INTO parking_payment VALUES
    ('{id}{number}', '{id}{number}', '{id}{number}', 'p', '{operator}', 'cash', 1, 'VND', '{till}', NULL,
     '{day} 09:00+07', 'an')
"""
_SOLD = """
INSERT INTO parking_right VALUES
    ('{id}{number}', '{id}{number}', 's', 'r', 'p', '{operator}', NULL, NULL, NULL, '{day} 09:00+07',
     '{day} 10:00+07', 1, 'VND', '{till}', '{day} 09:00+07', 'an')
"""


@pytest.mark.filterwarnings("default")
def test_a_till_of_before_is_its_first_operators(empty: str) -> None:  # noqa: F811
    migrate.migrate(empty, revision="0039_access_tap_held")
    engine = create_engine(empty, poolclass=pool.NullPool)
    used = (
        (_SHIFT, "11", "late", "gate-1", "2026-11-19"),
        (_SHIFT, "12", "early", "gate-1", "2026-11-18"),
        (_PAID, "13", "early", "gate-2", "2026-11-18"),
        (_SOLD, "14", "late", "gate-3", "2026-11-18"),
        (_SOLD, "15", "late", "", "2026-11-18"),
        (_SHIFT, "16", "early", "kiosk-7", "2026-11-18"),
    )
    with engine.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO ledger_till VALUES ('kiosk-7', 'kiosk', 9, 'VND', 'mai', '2026-11-01 08:00+07')"
            )
        )
        for row, number, operator, till, day in used:
            tx.exec_driver_sql(row.format(id=ID, number=number, operator=operator, till=till, day=day))
    migrate.migrate(empty, revision="0040_ledger_till_owner")
    with engine.begin() as tx:
        rows = tx.execute(text("SELECT till, operator_id FROM ledger_operator_till ORDER BY till"))
        assert [tuple(row) for row in rows] == [("gate-1", "early"), ("gate-2", "early"), ("gate-3", "late")]
    engine.dispose()
