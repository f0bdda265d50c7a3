"""SQL of the day partitions. Runs in the owning role; names come from the catalogue, never from a request."""

from datetime import date, timedelta

from sqlalchemy import Connection, text

_PARENTS = """
SELECT c.relname, a.attname FROM pg_partitioned_table p
JOIN pg_class c ON c.oid = p.partrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
WHERE c.relnamespace = 'public'::regnamespace ORDER BY c.relname
"""


def list_parents(tx: Connection) -> tuple[tuple[str, str], ...]:
    """Every partitioned table with the date column that it is partitioned by."""
    return tuple((row[0], row[1]) for row in tx.execute(text(_PARENTS)))


def exists(tx: Connection, table: str, day: date) -> bool:
    """Whether the table has a partition of this day."""
    return tx.execute(text("SELECT to_regclass(:name)"), {"name": _name(table, day)}).scalar() is not None


def has_rows(tx: Connection, table: str, column: str, day: date) -> bool:
    """Whether the default partition holds rows of this day, which a new partition would shut out."""
    found = tx.execute(
        text(f"SELECT EXISTS (SELECT FROM {table}_default WHERE {column} = :day)"), {"day": day}
    )
    return bool(found.scalar_one())


def create(tx: Connection, table: str, day: date) -> None:
    """Create one day's partition; no statement empties it, like the table's other parts."""
    name = _name(table, day)
    tx.execute(
        text(
            f"CREATE TABLE {name} PARTITION OF {table} "
            f"FOR VALUES FROM ('{day.isoformat()}') TO ('{(day + timedelta(days=1)).isoformat()}')"
        )
    )
    tx.execute(
        text(
            f"CREATE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
    )


def _name(table: str, day: date) -> str:
    return f"{table}_p{day:%Y%m%d}"
