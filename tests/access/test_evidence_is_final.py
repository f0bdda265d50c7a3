"""Two locks on the door: no right to change evidence, and a trigger against the owner's slip of the hand."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

TABLES = (
    "tap",
    "tap_claim",
    "tap_torn",
    "tap_prior",
    "tap_held",
    "tap_aside",
    "device_event",
    "card_event",
    "case_evidence",
)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["DELETE FROM {0}", "TRUNCATE {0}", "UPDATE {0} SET {1} = {1}"])
def test_the_service_may_not_change_evidence(tx, table, statement):
    column = tx.execute(
        text("SELECT column_name FROM information_schema.columns WHERE table_name = :t LIMIT 1"), {"t": table}
    ).scalar_one()
    with pytest.raises(DBAPIError, match="permission denied"):
        tx.execute(text(statement.format(table, column)))


@pytest.mark.parametrize(
    "statement", ["DELETE FROM tap", "UPDATE tap SET place = ''", "DELETE FROM tap_default"]
)
def test_the_owner_is_stopped_by_the_trigger(database, keyring, now, world_on, statement):
    from sqlalchemy import create_engine

    from access.take_in import take_in

    with database.engine.begin() as tx:
        world = world_on(tx)
        reader, card = world.reader(), world.card()
        reader.tap(card)
        take_in(tx, reader.upload(), keyring=keyring, now=now)
    engine = create_engine(database.owner_url)
    with engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text(statement))
    with engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text("TRUNCATE tap_default"))
    engine.dispose()
