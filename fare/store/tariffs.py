"""SQL of published tariffs. Takes `tx`, decides nothing, commits nothing."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class PublishedTariff:
    """One published bundle: immutable, signed, and the two people behind it."""

    version: str
    sha256: bytes
    bundle: bytes
    signature: bytes
    key_id: str
    prepared_by: str
    approved_by: str
    published_at: datetime


_COLUMNS = "version, sha256, bundle, signature, key_id, prepared_by, approved_by, published_at"


def insert(tx: Connection, tariff: PublishedTariff) -> bool:
    """Store a bundle; False, and nothing stored, where its version is already there."""
    done = tx.execute(
        text(
            f"INSERT INTO fare_tariff ({_COLUMNS}) VALUES (:version, :sha256, :bundle, :signature, :key_id, "
            ":prepared_by, :approved_by, :published_at) ON CONFLICT (version) DO NOTHING"
        ),
        {name: getattr(tariff, name) for name in PublishedTariff.__slots__},
    )
    return done.rowcount == 1


def find(tx: Connection, version: str) -> PublishedTariff | None:
    """Return a published tariff with its bundle, or None."""
    row = tx.execute(
        text(f"SELECT {_COLUMNS} FROM fare_tariff WHERE version = :version"), {"version": version}
    ).one_or_none()
    if row is None:
        return None
    return PublishedTariff(
        version=row.version,
        sha256=bytes(row.sha256),
        bundle=bytes(row.bundle),
        signature=bytes(row.signature),
        key_id=row.key_id,
        prepared_by=row.prepared_by,
        approved_by=row.approved_by,
        published_at=row.published_at,
    )


def list_versions(tx: Connection) -> tuple[tuple[str, bytes], ...]:
    """Return version and digest of every published tariff, the newest last."""
    rows = tx.execute(text("SELECT version, sha256 FROM fare_tariff ORDER BY published_at, version"))
    return tuple((str(row[0]), bytes(row[1])) for row in rows)
