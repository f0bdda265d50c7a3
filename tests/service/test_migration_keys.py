"""0034 finds the stays and events of before it, and follows what an older release writes after it."""

import pytest
from alembic import command
from sqlalchemy import create_engine, pool, text

from service import migrate
from service.migrate import configuration

from .test_migrate_race import empty  # noqa: F401  (a fixture)

ACCOUNT, RUNNING, LEFT, LATER, EVENT = (f"00000000-0000-7000-8000-00000000000{digit}" for digit in "12345")
_STAY = """
INSERT INTO parking_stay (fare_account_id, stay_day, stay_id, guest, subject, place_id, operator_id, vehicle_class,
    state, cases, first_at, last_at, running, rates_version, engine_version, table_id, revision, total_minor,
    charged_minor, currency, billed_at)
VALUES ('{account}', '{day}', '{stay}', true, '{account}', 'p1', 'o', 'car', '{state}', '', '{day} 09:00+07',
    '{day} 09:00+07', {running}, 'r', 'e', '', 1, 0, 0, 'VND', '{day} 09:00+07')
"""


def stay(stay_id: str, day: str, *, running: bool) -> str:
    state = "open" if running else "left"
    return _STAY.format(account=ACCOUNT, stay=stay_id, day=day, state=state, running=running)


@pytest.mark.filterwarnings("default")
def test_stays_and_events_of_before_and_of_an_older_release_have_their_keys(empty: str) -> None:  # noqa: F811
    migrate.migrate(empty, revision="0033_ledger_recon_open")
    engine = create_engine(empty, poolclass=pool.NullPool)

    def run(statement: str) -> None:
        with engine.begin() as tx:
            tx.exec_driver_sql(statement)

    def keys() -> dict[str, tuple[str, bool]]:
        with engine.begin() as tx:
            rows = tx.execute(text("SELECT stay_id, stay_day, running FROM parking_stay_key"))
            return {str(row[0]): (str(row[1]), row[2]) for row in rows}

    run(stay(RUNNING, "2026-11-18", running=True))
    run(stay(LEFT, "2026-11-19", running=False))
    run(
        "INSERT INTO parking_event SELECT fare_account_id, stay_day, "
        f"'{EVENT}', 'entered', subject, first_at, NULL, place_id, '', '', 'casual', 'a', first_at"
        " FROM parking_stay WHERE running"
    )
    migrate.migrate(empty, revision="0034_parking_keys")
    before = {RUNNING: ("2026-11-18", True), LEFT: ("2026-11-19", False)}
    assert keys() == before
    with engine.begin() as tx:
        assert str(tx.execute(text("SELECT event_day FROM parking_event_key")).scalar_one()) == "2026-11-18"
    run(stay(LATER, "2026-11-20", running=True))
    run(f"UPDATE parking_stay SET state = 'left', running = false WHERE stay_id = '{RUNNING}'")
    assert keys() == before | {RUNNING: ("2026-11-18", False), LATER: ("2026-11-20", True)}
    config = configuration()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0033_ledger_recon_open")
    run(f"UPDATE parking_stay SET state = 'voided', running = false WHERE stay_id = '{LATER}'")
