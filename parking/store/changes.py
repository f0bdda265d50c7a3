"""SQL of what changed for an operator since an instant. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from parking.store.stays import STAY_COLUMNS, StayRow, stay_of


class Between(NamedTuple):
    """A stretch of time `[after, before)`; None has no bound."""

    after: datetime | None = None
    before: datetime | None = None


EVER: Final = Between()


def list_changed(
    tx: Connection,
    operators: Iterable[str] | None,
    *,
    since: datetime,
    until: datetime,
    place_ids: Iterable[str] | None = None,
    began: Between = EVER,
    ended: Between = EVER,
    offset: int = 0,
    limit: int,
) -> tuple[tuple[StayRow, ...], int]:
    """Return a page of the stays of operators (None: all) whose newest revision is of [since, until), and their number.

    The latest change first; `place_ids` None is any place. A stay that has not ended has no end between any two.
    """
    asked = {
        "operators": None if operators is None else list(operators),
        "places": None if place_ids is None else list(place_ids),
        "since": since,
        "until": until,
        "began_after": began.after,
        "began_before": began.before,
        "ended_after": ended.after,
        "ended_before": ended.before,
    }
    where = (
        " FROM parking_stay WHERE billed_at >= :since AND billed_at < :until"
        " AND (CAST(:operators AS text[]) IS NULL OR operator_id = ANY (CAST(:operators AS text[])))"
        " AND (CAST(:places AS text[]) IS NULL OR place_id = ANY (CAST(:places AS text[])))"
        " AND (CAST(:began_after AS timestamptz) IS NULL OR first_at >= :began_after)"
        " AND (CAST(:began_before AS timestamptz) IS NULL OR first_at < :began_before)"
        " AND (CAST(:ended_after AS timestamptz) IS NULL OR left_at >= :ended_after)"
        " AND (CAST(:ended_before AS timestamptz) IS NULL OR left_at < :ended_before)"
    )
    total = tx.execute(text(f"SELECT count(*){where}"), asked).scalar_one()
    rows = tx.execute(
        text(f"SELECT {STAY_COLUMNS}{where} ORDER BY billed_at DESC, stay_id LIMIT :limit OFFSET :offset"),
        {**asked, "limit": limit, "offset": offset},
    )
    return tuple(stay_of(row) for row in rows), int(total)


def list_revisions(
    tx: Connection,
    operators: Iterable[str] | None,
    *,
    since: datetime,
    until: datetime,
    offset: int = 0,
    limit: int,
) -> tuple[StayRow, ...]:
    """Return a page of the revisions of stays of operators (None: all) of [since, until), in their order.

    They are kept only while a webhook may have to tell of them.
    """
    columns = ", ".join(f"kept.{each.name}" for each in fields(StayRow))
    rows = tx.execute(
        text(
            f"SELECT {columns} FROM parking_stay_change AS change"
            " CROSS JOIN LATERAL jsonb_populate_record(NULL::parking_stay, change.stay) AS kept"
            " WHERE change.billed_at >= :since AND change.billed_at < :until"
            " AND (CAST(:operators AS text[]) IS NULL OR change.operator_id = ANY (CAST(:operators AS text[])))"
            " ORDER BY change.billed_at, change.stay_id, change.revision LIMIT :limit OFFSET :offset"
        ),
        {
            "operators": None if operators is None else list(operators),
            "since": since,
            "until": until,
            "limit": limit,
            "offset": offset,
        },
    )
    return tuple(stay_of(row) for row in rows)


def stream_begun(
    tx: Connection, operators: Iterable[str] | None, *, since: datetime, until: datetime, size: int
) -> Iterator[tuple[StayRow, ...]]:
    """Yield the stays of operators (None: all) that began in `[since, until)`, by place and time, in parts.

    The database keeps the rest: memory does not grow with the number of stays.
    """
    asked = text(f"SELECT {STAY_COLUMNS}{_BEGUN} ORDER BY place_id, first_at, stay_id")
    # Closed also where the reader stops early: the cursor is the database's.
    with tx.execute(asked.execution_options(yield_per=size), _asked(operators, since, until)) as rows:
        for part in rows.partitions(size):
            yield tuple(stay_of(row) for row in part)


def count_begun(tx: Connection, operators: Iterable[str] | None, *, since: datetime, until: datetime) -> int:
    """Return how many stays of operators (None: all) began in `[since, until)`."""
    return int(tx.execute(text(f"SELECT count(*){_BEGUN}"), _asked(operators, since, until)).scalar_one())


_BEGUN: Final = (
    " FROM parking_stay WHERE first_at >= :since AND first_at < :until"
    " AND (CAST(:operators AS text[]) IS NULL OR operator_id = ANY (CAST(:operators AS text[])))"
)


def _asked(operators: Iterable[str] | None, since: datetime, until: datetime) -> dict[str, object]:
    return {"operators": None if operators is None else list(operators), "since": since, "until": until}
