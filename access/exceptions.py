"""The exception queue, shared by the houses above: what cannot be priced or placed, with a reason, and counted.

One open row a (house, reason, ref); a fault that comes again after it was resolved opens a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection

from access.store import queue
from kernel.errors import DomainError
from kernel.ids import FareAccountId, uuid7


class House(StrEnum):
    """Who raised it."""

    ACCESS = "access"
    LEDGER = "ledger"
    FARE = "fare"
    PARKING = "parking"


class ExceptionUnknownError(DomainError):
    """No open exception has this id."""

    detail = "There is no open exception {exception_id}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One thing that needs a person or another run. `ref` names it in its house's own terms; no personal data."""

    house: House
    reason: str
    ref: str
    fare_account_id: FareAccountId | None = None
    service_day: date | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One open row of the queue, with its age."""

    exception_id: UUID
    raised: Raised
    raised_at: datetime
    assigned_to: str | None
    age: timedelta


def raise_many(tx: Connection, raised: Sequence[Raised], *, now: datetime) -> int:
    """Queue these and return how many are new; one that is open already stays as it is, with its age."""
    ordered = sorted({(each.house, each.reason, each.ref): each for each in raised}.items())
    if not ordered:
        return 0
    return queue.insert_open(
        tx,
        [
            queue.Row(
                uuid7(now),
                each.house.value,
                each.reason,
                each.ref,
                each.fare_account_id,
                each.service_day,
                dict(each.detail),
            )
            for _, each in ordered
        ],
        at=now,
    )


def settle_days(
    tx: Connection,
    house: House,
    days: Iterable[tuple[FareAccountId, date]],
    still: Sequence[Raised],
    *,
    actor: str,
    now: datetime,
) -> int:
    """Queue what `still` is wrong with these account-days, close the rest of what was open; return how many are new.

    For a house that has just judged whole account-days again: what it no longer names has come right.
    """
    standing = {(each.reason, each.ref) for each in still}
    closed = [
        exception_id
        for exception_id, reason, ref in queue.list_open_of_days(tx, house.value, sorted(set(days)))
        if (reason, ref) not in standing
    ]
    if closed:
        queue.close_many(tx, closed, resolution="came right", by=actor, at=now)
    return raise_many(tx, still, now=now)


def resolve(
    tx: Connection, house: House, refs: Iterable[str], *, resolution: str, actor: str, now: datetime
) -> int:
    """Close every open exception of `house` about these refs and return how many there were."""
    return queue.close_refs(tx, house.value, sorted(set(refs)), resolution=resolution, by=actor, at=now)


def resolve_one(tx: Connection, exception_id: UUID, *, resolution: str, actor: str, now: datetime) -> None:
    """Close one open exception; ExceptionUnknownError when there is none of this id."""
    if not queue.close_one(tx, exception_id, resolution=resolution, by=actor, at=now):
        raise ExceptionUnknownError(exception_id=str(exception_id))


def assign(tx: Connection, exception_id: UUID, *, to: str) -> None:
    """Say who looks after an open exception; ExceptionUnknownError when there is none of this id."""
    if not queue.assign(tx, exception_id, to=to):
        raise ExceptionUnknownError(exception_id=str(exception_id))


def get_open(tx: Connection, exception_id: UUID, *, now: datetime) -> Waiting:
    """Return one open exception; ExceptionUnknownError when there is none of this id."""
    found = queue.list_open(tx, None, 1, exception_id=exception_id)
    if not found:
        raise ExceptionUnknownError(exception_id=str(exception_id))
    return _waiting(*found[0], now)


def find_open(tx: Connection, raised: Raised) -> Raised | None:
    """Return this very exception while it is open, else None."""
    if raised.fare_account_id is None or raised.service_day is None:
        return None
    listed = queue.list_open_of_days(tx, raised.house.value, [(raised.fare_account_id, raised.service_day)])
    return raised if any((reason, ref) == (raised.reason, raised.ref) for _, reason, ref in listed) else None


def list_open(
    tx: Connection,
    *,
    now: datetime,
    house: House | None = None,
    reason: str | None = None,
    limit: int = 100,
) -> tuple[Waiting, ...]:
    """Return the open exceptions, oldest first."""
    found = queue.list_open(tx, house.value if house else None, limit, reason=reason)
    return tuple(_waiting(*each, now) for each in found)


def _waiting(row: queue.Row, raised_at: datetime, assigned_to: str | None, now: datetime) -> Waiting:
    return Waiting(
        exception_id=row.exception_id,
        raised=Raised(
            house=House(row.house),
            reason=row.reason,
            ref=row.ref,
            fare_account_id=FareAccountId(row.fare_account_id) if row.fare_account_id else None,
            service_day=row.service_day,
            detail=row.detail,
        ),
        raised_at=raised_at,
        assigned_to=assigned_to,
        age=now - raised_at,
    )


def count_open(tx: Connection) -> dict[tuple[House, str], int]:
    """Return how many are open, by house and reason."""
    return {(House(house), reason): count for house, reason, count in queue.count_open(tx)}
