"""Run migrations: one at a time in the whole cluster, each in its own transaction, never waiting long for a lock."""

import os
from pathlib import Path

from alembic import context
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool, text

# Any constant will do that no other program on the same database uses: "lienthong" in ASCII, cut to 8 bytes.
ADVISORY_KEY = 0x6C69656E74686F6E
# A migration that cannot have its lock at once would queue every tap behind it: give up and be run again.
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "15min"
# A second `migrate` waits for the first instead of failing.
TURN_TIMEOUT = "10min"
MAX_REVISION_LENGTH = 32  # alembic_version.version_num is VARCHAR(32)


def check_names(scripts: ScriptDirectory) -> None:
    """Refuse a tree of migrations that would fail half-way or differ from what the head file announces."""
    for script in scripts.walk_revisions():
        stem = Path(script.path).stem
        if script.revision != stem or len(stem) > MAX_REVISION_LENGTH:
            raise RuntimeError(
                f"migration {stem}: revision must equal the file's stem, at most 32 characters"
            )
    announced = Path(scripts.dir, "head.txt").read_text(encoding="utf-8").strip()
    if scripts.get_heads() != [announced]:
        raise RuntimeError(f"migrations/head.txt says {announced}, the files say {scripts.get_heads()}")


def run(connection: Connection) -> None:
    connection.execute(text(f"SET statement_timeout = '{TURN_TIMEOUT}'"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_KEY})
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
    connection.commit()
    try:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_KEY})
        connection.execute(text("RESET lock_timeout"))
        connection.execute(text("RESET statement_timeout"))
        connection.commit()


def main() -> None:
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    check_names(context.script)
    given = context.config.attributes.get("connection")
    if given is not None:
        run(given)
        return
    url = context.config.get_main_option("sqlalchemy.url") or os.environ["LIENTHONG_MIGRATION_URL"]
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        run(connection)


main()
