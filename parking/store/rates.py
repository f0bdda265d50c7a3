"""SQL of published rates. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text


def lock_publications(tx: Connection) -> None:
    """Let one publication happen at a time."""
    tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('parking-rates', 0))"))


def insert_rates(
    tx: Connection,
    version: str,
    files: bytes,
    *,
    effective_at: datetime,
    published_at: datetime,
    prepared_by: str,
    approved_by: str,
) -> None:
    """Write a publication."""
    tx.execute(
        text(
            """
            INSERT INTO parking_rates (version, effective_at, published_at, prepared_by, approved_by, files)
            VALUES (:version, :effective_at, :published_at, :prepared_by, :approved_by, :files)
            """
        ),
        {
            "version": version,
            "effective_at": effective_at,
            "published_at": published_at,
            "prepared_by": prepared_by,
            "approved_by": approved_by,
            "files": files,
        },
    )


def list_versions(tx: Connection) -> list[tuple[datetime, str]]:
    """Return (effective_at, version) of every publication, oldest first."""
    rows = tx.execute(text("SELECT effective_at, version FROM parking_rates ORDER BY effective_at"))
    return [(row[0], row[1]) for row in rows]


def find_files(tx: Connection, version: str) -> bytes | None:
    """Return the packed files of a version."""
    found = tx.execute(
        text("SELECT files FROM parking_rates WHERE version = :version"), {"version": version}
    ).scalar()
    return None if found is None else bytes(found)
