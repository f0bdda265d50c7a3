"""The first migration and the fixtures that every database test stands on."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from service import migrate


def plant(tx):
    tx.execute(
        text(
            "INSERT INTO audit_trail (audit_id, at, actor_kind, actor_id, action, subject_kind, subject_id)"
            " VALUES (gen_random_uuid(), now(), 'command', 'test', 'a', 'b', 'c')"
        )
    )


@pytest.mark.parametrize("statement", ["UPDATE audit_trail SET action = 'x'", "DELETE FROM audit_trail"])
def test_audit_trail_when_the_service_rewrites_it_refuses_by_rights(tx, statement):
    plant(tx)
    with pytest.raises(ProgrammingError, match="permission denied"):
        tx.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_trail SET action = 'x'", "DELETE FROM audit_trail", "TRUNCATE audit_trail"],
)
def test_audit_trail_when_the_owner_rewrites_it_refuses_by_trigger(owner_tx, statement):
    plant(owner_tx)
    with pytest.raises(ProgrammingError, match="append-only"):
        owner_tx.execute(text(statement))


def test_migrate_when_run_again_changes_nothing(database):
    assert migrate.migrate(database.owner_url) == migrate.expected_revision()


def test_tx_is_the_service_role_and_cannot_make_tables(tx):
    assert tx.execute(text("SELECT current_user")).scalar_one() == "lienthong"
    with pytest.raises(ProgrammingError, match="permission denied"):
        tx.execute(text("CREATE TABLE mine (x int)"))
