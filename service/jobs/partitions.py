"""Day partitions ahead of time (DESIGN §7): rows of a day without one go to the default partition and stay there."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection

from service.store import partitions as store


@dataclass(frozen=True, slots=True)
class Partitioned:
    """What one run did; `kept` names tables and days whose rows are in the default partition already."""

    created: int
    kept: tuple[str, ...]


def ensure_partitions(tx: Connection, first: date, days: int) -> Partitioned:
    """Create the partitions of `days` days from `first` on, for every partitioned table. May be repeated.

    A day that has rows in the default partition keeps them there: nothing is moved, everything is still found.
    """
    created, kept = 0, []
    for table, column in store.list_parents(tx):
        for day in (first + timedelta(days=n) for n in range(days)):
            if store.exists(tx, table, day):
                continue
            if store.has_rows(tx, table, column, day):
                kept.append(f"{table} {day}")
                continue
            store.create(tx, table, day)
            created += 1
    return Partitioned(created, tuple(kept))
