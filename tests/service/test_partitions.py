"""Day partitions: made ahead, once, and as immutable as what they are part of."""

from datetime import date

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from service.jobs.partitions import ensure_partitions
from service.store.partitions import list_parents

DAY = date(2026, 11, 18)


@pytest.fixture
def owner(database):
    engine = create_engine(database.owner_url)
    yield engine
    engine.dispose()


def test_every_partitioned_table_gets_its_days_and_a_second_run_makes_none(owner):
    with owner.begin() as tx:
        parents = list_parents(tx)
        assert {"tap", "fare_bill", "fare_bill_line", "ledger_line"} <= {table for table, _ in parents}
        first = ensure_partitions(tx, DAY, 3)
        again = ensure_partitions(tx, DAY, 3)
    assert (first.created, first.kept) == (3 * len(parents), ())
    assert (again.created, again.kept) == (0, ())


def test_a_row_lands_in_its_day_and_a_late_partition_leaves_it_where_it_is(owner):
    insert = text(
        "INSERT INTO fare_bill VALUES (gen_random_uuid(), :day, 1, 't', '1', now(), '{}', '{}', '[]', '[]', false)"
    )
    with owner.begin() as tx:
        tx.execute(insert, {"day": DAY})
        assert ensure_partitions(tx, DAY, 2).kept == (f"fare_bill {DAY}",)
        tx.execute(insert, {"day": date(2026, 11, 19)})
        found = tx.execute(text("SELECT tableoid::regclass::text FROM fare_bill ORDER BY service_day"))
        assert found.scalars().all() == ["fare_bill_default", "fare_bill_p20261119"]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE fare_bill SET revision = 2", "DELETE FROM fare_bill", "TRUNCATE fare_bill_p20261118"],
)
def test_a_partition_is_as_immutable_as_its_table(owner, statement):
    with owner.begin() as tx:
        ensure_partitions(tx, DAY, 1)
        tx.execute(
            text(
                "INSERT INTO fare_bill VALUES"
                " (gen_random_uuid(), :day, 1, 't', '1', now(), '{}', '{}', '[]', '[]', false)"
            ),
            {"day": DAY},
        )
    with pytest.raises(DBAPIError, match="append-only"), owner.begin() as tx:
        tx.execute(text(statement))


def test_the_service_reads_and_writes_through_the_parent_only(owner, database):
    with owner.begin() as tx:
        ensure_partitions(tx, DAY, 1)
    with pytest.raises(DBAPIError, match="permission denied"), database.engine.begin() as tx:
        tx.execute(text("SELECT * FROM fare_bill_p20261118"))
    with database.engine.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM fare_bill")).scalar_one() == 0
