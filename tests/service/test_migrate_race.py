"""Two `lienthong migrate` at once on an empty database: one goes first, both end well, the schema stands once."""

import os
import subprocess
import sys
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, pool, text

from service.migrate import expected_revision


@pytest.fixture
def empty(database):
    """The owner's URL of a new database with nothing in it."""
    admin = create_engine(database.owner_url, poolclass=pool.NullPool, isolation_level="AUTOCOMMIT")
    name = f"lienthong_empty_{uuid4().hex[:12]}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    yield make_url(database.owner_url).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_two_migrations_at_once_make_one_schema(empty):
    environment = {**os.environ, "LIENTHONG_MIGRATION_URL": empty}
    command = [sys.executable, "-m", "service", "migrate"]
    running = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(3)
    ]
    told = [child.communicate(timeout=120)[0] for child in running]
    assert [child.returncode for child in running] == [0, 0, 0], told
    engine = create_engine(empty, poolclass=pool.NullPool)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    assert found == [expected_revision()]
