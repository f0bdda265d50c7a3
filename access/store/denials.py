"""SQL over the deny list's changes. A local, append-only table; a change gets its version when it is published."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

# Serialises publications only; 'LTDN' as a number, unique among the program's advisory locks.
_PUBLISH_LOCK = 0x4C54444E
_LATEST = (
    "SELECT DISTINCT ON (serial, reason) serial, reason, denied FROM deny_change{where}"
    " ORDER BY serial, reason, change_no DESC"
)

_CHANGE = (
    "INSERT INTO deny_change (serial, reason, denied, cause, actor, at)"
    " SELECT s, :reason, :denied, :cause, :actor, :at FROM {source} AS s"
    " WHERE coalesce((SELECT c.denied FROM deny_change c WHERE c.serial = s AND c.reason = :reason"
    "   ORDER BY c.change_no DESC LIMIT 1), false) <> :denied"
)


def insert_changes(
    tx: Connection, serials: Sequence[int], *, reason: str, denied: bool, cause: str, actor: str, at: datetime
) -> int:
    """Store what changes for these serials under one reason, and return how many it changes for."""
    done = tx.execute(
        text(_CHANGE.format(source="unnest(CAST(:serials AS bigint[]))")),
        {
            "serials": list(serials),
            "reason": reason,
            "denied": denied,
            "cause": cause,
            "actor": actor,
            "at": at,
        },
    )
    return done.rowcount


def insert_range(
    tx: Connection, first: int, last: int, *, reason: str, denied: bool, cause: str, actor: str, at: datetime
) -> int:
    """Do as `insert_changes` for every serial from `first` to `last`."""
    done = tx.execute(
        text(_CHANGE.format(source="generate_series(CAST(:first AS bigint), CAST(:last AS bigint))")),
        {
            "first": first,
            "last": last,
            "reason": reason,
            "denied": denied,
            "cause": cause,
            "actor": actor,
            "at": at,
        },
    )
    return done.rowcount


class ChangeRow(NamedTuple):
    """One change of the list; `version` is None until readers are told."""

    serial: int
    reason: str
    denied: bool
    cause: str
    actor: str
    at: datetime
    version: int | None


def list_history(tx: Connection, serial: int) -> tuple[ChangeRow, ...]:
    """Return everything that ever changed for one serial, oldest first."""
    rows = tx.execute(
        text(
            "SELECT serial, reason, denied, cause, actor, at, version FROM deny_change"
            " WHERE serial = :serial ORDER BY change_no"
        ),
        {"serial": serial},
    )
    return tuple(ChangeRow(*row) for row in rows)


def list_serials(tx: Connection, reason: str) -> tuple[int, ...]:
    """Return every serial that stands under one reason now, published or not, ascending."""
    latest = _LATEST.format(where=" WHERE reason = :reason")
    rows = tx.execute(
        text(f"SELECT serial FROM ({latest}) AS l WHERE denied ORDER BY serial"), {"reason": reason}
    )
    return tuple(rows.scalars())


def count_denied(tx: Connection) -> dict[str, int]:
    """Return how many serials stand under each reason now, published or not."""
    latest = _LATEST.format(where="")
    rows = tx.execute(text(f"SELECT reason, count(*) FROM ({latest}) AS l WHERE denied GROUP BY reason"))
    return {row[0]: row[1] for row in rows}


def publish(tx: Connection) -> int:
    """Give every unpublished change the next version and return the newest version; 0 before the first."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PUBLISH_LOCK})
    tx.execute(
        text(
            "UPDATE deny_change SET version = (SELECT coalesce(max(version), 0) + 1 FROM deny_change)"
            " WHERE version IS NULL"
        )
    )
    return newest_version(tx)


def newest_version(tx: Connection) -> int:
    """Return the newest published version; 0 before the first."""
    return int(tx.execute(text("SELECT coalesce(max(version), 0) FROM deny_change")).scalar_one())


def changed_since(tx: Connection, version: int) -> datetime | None:
    """Return when the oldest change after a version was made; None where that version is the newest."""
    found: datetime | None = tx.execute(
        text("SELECT min(at) FROM deny_change WHERE version > :version"), {"version": version}
    ).scalar_one()
    return found


def any_unpublished(tx: Connection) -> bool:
    """Return whether a change waits for its version."""
    return bool(
        tx.execute(text("SELECT EXISTS (SELECT FROM deny_change WHERE version IS NULL)")).scalar_one()
    )


def list_denied(tx: Connection, version: int) -> list[int]:
    """Return the serials that are denied, for any reason, as of a version, ascending."""
    latest = _LATEST.format(where=" WHERE version <= :version")
    rows = tx.execute(
        text(f"SELECT DISTINCT serial FROM ({latest}) AS l WHERE denied ORDER BY serial"),
        {"version": version},
    )
    return list(rows.scalars())


def list_reasons(tx: Connection, serials: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """Return why each of these serials is denied now, published or not; others are absent."""
    latest = _LATEST.format(where=" WHERE serial = ANY(CAST(:serials AS bigint[]))")
    rows = tx.execute(
        text(f"SELECT serial, reason FROM ({latest}) AS l WHERE denied ORDER BY serial, reason"),
        {"serials": list(serials)},
    )
    found: dict[int, tuple[str, ...]] = {}
    for row in rows:
        found[row.serial] = (*found.get(row.serial, ()), row.reason)
    return found


def list_touched(tx: Connection, after: int, until: int) -> list[int]:
    """Return the serials that changed in versions (after, until], ascending."""
    rows = tx.execute(
        text(
            "SELECT DISTINCT serial FROM deny_change WHERE version > :after AND version <= :until ORDER BY serial"
        ),
        {"after": after, "until": until},
    )
    return list(rows.scalars())


def list_changed(tx: Connection, after: int, until: int) -> list[tuple[int, bool]]:
    """Return the serials that changed in versions (after, until], ascending, and whether each is denied as of `until`.

    It looks at those serials only, so its cost is the delta's and not the list's.
    """
    latest = _LATEST.format(where=" WHERE version <= :until AND serial IN (SELECT serial FROM touched)")
    rows = tx.execute(
        text(
            "WITH touched AS (SELECT DISTINCT serial FROM deny_change WHERE version > :after AND version <= :until)"
            f" SELECT serial, bool_or(denied) AS denied FROM ({latest}) AS l GROUP BY serial ORDER BY serial"
        ),
        {"after": after, "until": until},
    )
    return [(row.serial, row.denied) for row in rows]
