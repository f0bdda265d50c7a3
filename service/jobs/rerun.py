"""Run waiting exceptions again: one or many, each in its own transaction, from stored evidence, with who asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import exceptions, issue, taps
from access.exceptions import House, Raised
from access.rules.verdict import Reason
from access.taps import RELEASABLE
from fare.publish import Shelf
from kernel.errors import DomainError
from kernel.ids import FareAccountId
from service import audit
from service.audit import Actor
from service.database import Database
from service.jobs.bill_batch import bill_stored, bill_touched

_ALL: Final = 100_000
_EVER: Final = 36_500  # a person asked for it, so no day is too late
# What billing again cannot cure: money of another kind, or a history that takes an announced run (DESIGN §8.7).
_NEVER: Final = frozenset({"engine-retired"})


class NotRerunnableError(DomainError):
    """Running the exception again cannot cure it: it takes another decision."""

    detail = "Exception {exception_id} ({reason}) is not cured by running it again."


class Outcome(StrEnum):
    """What a rerun came to."""

    REPAIRED = "repaired"
    WAITS = "waits"  # it failed again and keeps its place and age


@dataclass(frozen=True, slots=True)
class Rerun:
    """One exception run again; `entries` is what that posted."""

    exception_id: UUID
    reason: str
    outcome: Outcome
    entries: int


def can_rerun(raised: Raised) -> bool:
    """Return whether running this exception again may cure it."""
    if raised.house is House.ACCESS:
        return raised.reason in {*RELEASABLE, Reason.UNKNOWN_CARD.value}
    if raised.house not in {House.FARE, House.PARKING} or raised.reason in _NEVER:
        return False
    return raised.fare_account_id is not None and raised.service_day is not None


def rerun_one(
    tx: Connection,
    exception_id: UUID,
    *,
    shelf: Shelf,
    by: Actor,
    why: str,
    now: datetime,
    request_id: str = "",
) -> Rerun:
    """Run one open exception again, in this transaction; its day is billed from its evidence however late it is.

    A tap that only a plausibility check stopped is let through first, by `by` and with `why`. ExceptionUnknownError,
    NotRerunnableError.
    """
    waiting = exceptions.get_open(tx, exception_id, now=now)
    raised = waiting.raised
    if not can_rerun(raised):
        raise NotRerunnableError(exception_id=str(exception_id), reason=raised.reason)
    if raised.house is House.ACCESS:
        entries, repaired = _let_through(tx, raised, shelf=shelf, by=by, why=why, now=now)
    else:
        assert raised.fare_account_id is not None, "can_rerun asked"
        assert raised.service_day is not None, "can_rerun asked"
        entries, repaired = _bill(tx, raised.fare_account_id, raised.service_day, shelf=shelf, now=now)
        still = exceptions.find_open(tx, raised) is not None
        repaired = repaired and not still
    if repaired:
        exceptions.resolve(
            tx, raised.house, [raised.ref], resolution=why or "run again", actor=by.actor_id, now=now
        )
    outcome = Outcome.REPAIRED if repaired else Outcome.WAITS
    audit.record(
        tx,
        actor=by,
        action="evidence.rerun",
        subject_kind="exception",
        subject_id=str(exception_id),
        now=now,
        request_id=request_id,
        detail={"house": raised.house.value, "reason": raised.reason, "why": why, "outcome": outcome.value},
    )
    return Rerun(exception_id, raised.reason, outcome, entries)


def rerun_many(
    database: Database,
    *,
    shelf: Shelf,
    by: Actor,
    why: str,
    now: Callable[[], datetime],
    house: House | None = None,
    reason: str | None = None,
    limit: int = _ALL,
) -> Iterator[Rerun]:
    """Yield each open exception of this house and reason as it is run again and committed, the oldest first.

    What cannot be cured this way, and what another one's rerun cured meanwhile, is passed over. May be killed and
    repeated.
    """
    with database.read() as tx:
        waiting = exceptions.list_open(tx, now=now(), house=house, reason=reason, limit=limit)
    for one in waiting:
        if not can_rerun(one.raised):
            continue

        def work(tx: Connection, exception_id: UUID = one.exception_id) -> Rerun | None:
            try:
                return rerun_one(tx, exception_id, shelf=shelf, by=by, why=why, now=now())
            except exceptions.ExceptionUnknownError:
                return None

        done = database.run(work)
        if done is not None:
            yield done


def _let_through(
    tx: Connection, raised: Raised, *, shelf: Shelf, by: Actor, why: str, now: datetime
) -> tuple[int, bool]:
    """Bill the day of a tap that access had stopped; a card that is still unknown keeps waiting."""
    tap_id = UUID(raised.ref)
    try:
        found = taps.get_tap(tx, tap_id)
    except taps.UnknownTapError:
        return 0, False
    if raised.reason in RELEASABLE:
        taps.release_tap(tx, tap_id, reason=why or "run again", actor=by.actor_id, now=now)
    tap = found.tap
    issue.lock_accounts(tx, (tap.fare_account_id,))
    done = bill_touched(
        tx, frozenset({(tap.fare_account_id, tap.tapped_at)}), (tap,), shelf=shelf, now=now, late_days=_EVER
    )
    return done.entries, tap.fare_account_id not in done.faulted


def _bill(
    tx: Connection, account: FareAccountId, day: date, *, shelf: Shelf, now: datetime
) -> tuple[int, bool]:
    issue.lock_accounts(tx, (account,))
    done = bill_stored(tx, account, [day], shelf=shelf, now=now, late_days=_EVER)
    return done.entries, account not in done.faulted
