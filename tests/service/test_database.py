"""The one commit point: it commits, it rolls back, it repeats what may be repeated, and it counts that."""

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from service import metrics
from service.database import Database
from service.settings import Settings


@pytest.fixture
def db(database):
    opened = Database(database.url, retries=3)
    yield opened
    opened.dispose()


def add(tx, name):
    tx.execute(
        text(
            "INSERT INTO staff_user (staff_id, email, display_name, created_at)"
            " VALUES (gen_random_uuid(), :email, '', now())"
        ),
        {"email": f"{name}@example.org"},
    )


def count(db):
    with db.read() as tx:
        return tx.execute(text("SELECT count(*) FROM staff_user")).scalar_one()


def repeats():
    return sum(
        sample.value
        for sample in metrics.TRANSACTION_RETRIES.collect()[0].samples
        if sample.name.endswith("_total")
    )


def test_block_when_it_ends_is_committed(db):
    with db.begin() as tx:
        add(tx, "a")
    assert count(db) == 1


def test_block_when_it_raises_is_rolled_back(db):
    def work(tx):
        add(tx, "a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.run(work)
    assert count(db) == 0


def test_read_cannot_write(db):
    with pytest.raises(DBAPIError, match="read-only"), db.read() as tx:
        add(tx, "a")


def test_glance_sees_what_is_committed_and_cannot_write(db):
    with db.begin() as tx:
        add(tx, "a")
    with db.glance() as tx:
        assert tx.execute(text("SELECT count(*) FROM staff_user")).scalar_one() == 1
    with pytest.raises(DBAPIError, match="read-only"), db.glance() as tx:
        add(tx, "b")
    assert count(db) == 1


def test_deadlock_is_repeated_counted_and_ends_well(db):
    """Two transactions that lock two rows in opposite order: PostgreSQL kills one, which then succeeds."""
    with db.begin() as tx:
        add(tx, "a")
        add(tx, "b")
    before, meet, attempts = repeats(), threading.Barrier(2, timeout=20), []

    def swap(first, second):
        def work(tx):
            attempts.append(first)
            for name in (first, second):
                tx.execute(
                    text("UPDATE staff_user SET display_name = display_name || :n WHERE email = :e"),
                    {"n": first, "e": f"{name}@example.org"},
                )
                if len(attempts) <= 2 and name == first:
                    meet.wait()

        db.run(work)

    threads = [threading.Thread(target=swap, args=order) for order in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with db.read() as tx:
        names = tx.execute(text("SELECT display_name FROM staff_user")).scalars().all()
    assert [sorted(name) for name in names] == [["a", "b"], ["a", "b"]]
    # On a busy machine the one that was repeated may be the victim once more.
    assert repeats() == before + len(attempts) - 2 > before


def test_serialization_failure_that_never_ends_is_raised_after_the_set_repeats(db):
    tries = []

    def work(tx):
        tries.append(1)
        tx.execute(text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"))

    with pytest.raises(OperationalError):
        db.run(work)
    assert len(tries) == 4


def test_other_errors_are_not_repeated(db):
    tries = []

    def work(tx):
        tries.append(1)
        tx.execute(text("SELECT nothing"))

    with pytest.raises(ProgrammingError):
        db.run(work)
    assert len(tries) == 1


def test_statement_that_runs_too_long_is_given_up(database):
    db = Database(database.url, statement_timeout_ms=100)
    with pytest.raises(OperationalError, match="statement timeout"), db.read() as tx:
        tx.execute(text("SELECT pg_sleep(5)"))
    db.dispose()


def test_connections_speak_utc(db):
    with db.read() as tx:
        assert tx.execute(text("SHOW timezone")).scalar_one() == "UTC"


def test_defaults_of_the_settings_build_a_database():
    settings = Settings()
    assert settings.database_retries == 5
