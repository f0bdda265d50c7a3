"""Bring a database to the newest schema."""

import importlib.util
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, pool, text


def configuration() -> Config:
    """Return Alembic's configuration for the migrations that are installed with this program."""
    spec = importlib.util.find_spec("migrations")
    assert spec is not None, "the distribution carries its migrations"
    assert spec.submodule_search_locations is not None, "migrations is a folder"
    config = Config()
    config.set_main_option(
        "script_location", str(Path(spec.submodule_search_locations[0])).replace("%", "%%")
    )
    return config


def migrate(owner_url: str, *, revision: str = "head") -> str:
    """Run all missing migrations as the owner role and return the revision that the database now has.

    `owner_url` must reach PostgreSQL itself, not a pooler in transaction mode: the turn is taken by a
    session-level advisory lock. Refuses by raising what the failing statement raised; each migration is
    one transaction, so the ones before it stay.
    """
    engine = create_engine(owner_url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        now: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        return now


def expected_revision() -> str:
    """Return the revision that this program was written for."""
    head = ScriptDirectory.from_config(configuration()).get_current_head()
    assert head is not None, "there is at least one migration"
    return head
