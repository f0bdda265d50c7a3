"""`lienthong tariff publish` and `export`: who may stand for a tariff, and what comes out of one."""

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from fare.gtfs.load import check_tariff
from service import staff
from service.audit import Actor, ActorKind
from service.cli import main
from service.commands import context
from service.staff import Grant, Role

TARIFF = Path(__file__).parents[1] / "fare" / "tariffs" / "mta"
NOW = datetime(2026, 11, 18, tzinfo=UTC)
BY = Actor(ActorKind.COMMAND, "test")


@pytest.fixture
def publish(database, tmp_path, monkeypatch):
    """Publish the test tariff as two people; mai and tuan work here, hoa has left."""
    for name, value in {
        "DATABASE_URL": database.url, "KEYRING_FILE": str(tmp_path / "keyring.json"), "KEK_FILE": str(tmp_path / "kek"),
    }.items():  # fmt: skip
        monkeypatch.setenv(f"LIENTHONG_{name}", value)
    context.settings.cache_clear()
    context.shelf.cache_clear()
    made = CliRunner().invoke(main, ["keys", "init", "--session-key", str(tmp_path / "session")])
    assert made.exit_code == 0, made.output
    with database.engine.begin() as tx:
        for name in ("mai", "tuan", "hoa"):
            staff.add(
                tx, email=f"{name}@example.org", display_name=name, password="a long enough one",
                grants=(Grant(Role.ADMINISTRATOR, ""),), by=BY, now=NOW,
            )  # fmt: skip
        tx.execute(text("UPDATE staff_user SET active = false WHERE email = 'hoa@example.org'"))

    def run(prepared: str, approved: str):
        people = ("--prepared-by", f"{prepared}@example.org", "--approved-by", f"{approved}@example.org")
        return CliRunner().invoke(main, ["tariff", "publish", str(TARIFF), *people])

    yield run
    context.settings.cache_clear()
    context.shelf.cache_clear()


@pytest.mark.parametrize(
    ("prepared", "approved", "told"),
    [
        ("mai", "mai", "cannot both prepare and approve"),
        ("mai", "MAI", "cannot both prepare and approve"),
        ("mai", "hoa", "not active"),
        ("hoa", "mai", "not active"),
        ("mai", "nobody", "no staff user"),
    ],
)
def test_only_two_active_people_can_publish(publish, database, prepared, approved, told):
    done = publish(prepared, approved)
    assert done.exit_code == 1
    assert told in done.output
    with database.engine.connect() as tx:
        assert tx.execute(text("SELECT count(*) FROM fare_tariff")).scalar_one() == 0


def test_two_people_publish_and_the_trail_names_both(publish, database):
    done = publish("MAI", "tuan")
    assert done.exit_code == 0, done.output
    with database.engine.connect() as tx:
        row = tx.execute(text("SELECT prepared_by, approved_by FROM fare_tariff")).one()
        detail = tx.execute(text("SELECT detail FROM audit_trail WHERE action = 'fare.publish'")).scalar_one()
    assert tuple(row) == ("mai@example.org", "tuan@example.org")
    assert detail["approved_by"] == "tuan@example.org"


def test_a_tariff_is_exported_once_whole_and_plain(tmp_path):
    def run(*arguments: str):
        return CliRunner().invoke(main, ["tariff", "export", str(TARIFF), *arguments])

    whole, plain = tmp_path / "whole", tmp_path / "plain.zip"
    assert run(str(whole)).exit_code == 0
    assert check_tariff(whole).book is not None
    done = run(str(plain), "--plain", "--on", "2026-11-18")
    assert done.exit_code == 0, done.output
    assert "extension_file_dropped" in done.stderr
    assert "tariff.txt" not in zipfile.ZipFile(plain).namelist()
    again = run(str(whole))
    assert (again.exit_code, "is there already" in again.output) == (1, True)
