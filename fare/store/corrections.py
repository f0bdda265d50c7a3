"""SQL of what riders said of rides without a tap-off. Takes `tx`, decides nothing, commits nothing."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId


@dataclass(frozen=True, slots=True)
class Said:
    """One correction as it was made."""

    fare_account_id: FareAccountId
    tap_id: UUID
    correction_id: UUID
    service_day: date
    stop_id: str
    left_at: datetime
    made_by: str
    made_at: datetime


_COLUMNS = ", ".join(Said.__slots__)


def insert(tx: Connection, said: Said) -> None:
    """Write a correction; its ride has none yet (the account is locked)."""
    tx.execute(
        text(
            f"INSERT INTO fare_correction ({_COLUMNS}) VALUES ({', '.join(f':{n}' for n in Said.__slots__)})"
        ),
        {name: getattr(said, name) for name in Said.__slots__},
    )


def find(tx: Connection, account: FareAccountId, *, tap_id: UUID, correction_id: UUID) -> tuple[Said, ...]:
    """Return what was said of this ride or under this id: at most two."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM fare_correction WHERE fare_account_id = :account"
            " AND (tap_id = :tap OR correction_id = :id) ORDER BY made_at"
        ),
        {"account": account, "tap": tap_id, "id": correction_id},
    )
    return tuple(Said(*row) for row in rows)


def count(tx: Connection, account: FareAccountId, first: date, last: date) -> int:
    """Return how many rides of these service days are mended."""
    found = tx.execute(
        text(
            "SELECT count(*) FROM fare_correction"
            " WHERE fare_account_id = :account AND service_day BETWEEN :first AND :last"
        ),
        {"account": account, "first": first, "last": last},
    )
    return int(found.scalar_one())
