"""Price history again: only by an announced run that two people stand behind (DESIGN §8.7).

A run names a published tariff, today's engine, service days that are over, and when it may begin at the earliest.
What it books are differences, linked to what they correct; another run with the former tariff takes them back.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection

from fare.bill import Again, Books, NotBilled, bill
from fare.rules.bill import ENGINE_VERSION, Component
from fare.store import reruns
from fare.store.reruns import Announced, Progress
from kernel.errors import DomainError
from kernel.ids import FareAccountId
from kernel.service_day import service_day
from ledger import post


class State(StrEnum):
    """Where a run stands, by what was said of it."""

    ANNOUNCED = "announced"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"
    FINISHED = "finished"


class UnknownRerunError(DomainError):
    """No run of this id was announced."""

    detail = "There is no announced run {run_id}."


class RerunIdReusedError(DomainError):
    """The run's id was used before for another announcement."""

    detail = "Run {run_id} was announced before, as something else."


class RerunDaysError(DomainError):
    """The days are not over, or end before they begin."""

    detail = "A run takes days that are over, in order: {first_day} to {last_day} are not."


class RerunNoticeError(DomainError):
    """The run would begin before it is announced."""

    detail = "A run may begin at {announced_at} at the earliest, not at {not_before}."


class RerunOnePersonError(DomainError):
    """The person who announced a run cannot approve it."""

    detail = "“{person}” announced this run; another person must approve it."


class RerunStateError(DomainError):
    """What was asked of the run does not fit where it stands."""

    detail = "Run {run_id} is {state}."


class RerunEngineError(DomainError):
    """The run was announced for another version of the engine than the one that is running."""

    detail = "Run {run_id} was announced for engine {announced}; this is engine {engine}."


@dataclass(frozen=True, slots=True)
class Repriced:
    """One account priced again: revisions and entries written, and what changed by operator and component.

    `owing`: the account owes more than before. `exceptions` are what its `days` leave for people to look at.
    """

    fare_account_id: FareAccountId
    revisions: int
    entries: int
    changes: dict[tuple[str, str], int]
    days: tuple[date, ...]
    exceptions: tuple[NotBilled, ...]
    owing: bool

    @property
    def charged(self) -> int:
        """Return what the rider's charges changed by, in minor units."""
        return sum(
            minor for (_, component), minor in self.changes.items() if component == Component.CHARGED.value
        )


def state_of(one: Announced) -> State:
    """Return where a run stands; the last word counts, and nothing follows a withdrawal or the end."""
    for state in (State.FINISHED, State.WITHDRAWN, State.APPROVED):
        if state.value in one.events:
            return state
    return State.ANNOUNCED


def announce(
    tx: Connection,
    *,
    run_id: UUID,
    tariff_version: str,
    first_day: date,
    last_day: date,
    reason: str,
    not_before: datetime,
    books: Books,
    by: str,
    now: datetime,
) -> Announced:
    """Announce a run; nothing is priced yet. The caller mints the id; the same again is answered as the first time.

    TariffNotPublishedError, RerunDaysError, RerunNoticeError, RerunIdReusedError.
    """
    known = next(iter(reruns.list_all(tx, run_id=run_id)), None)
    if known is not None:
        asked = (tariff_version, first_day, last_day, reason, by)
        if asked != (known.tariff_version, known.first_day, known.last_day, known.reason, known.announced_by):
            raise RerunIdReusedError(run_id=str(run_id))
        return known
    book = books.version(tariff_version)
    today = service_day(now, book.day_starts, book.zone)
    if not first_day <= last_day < today:
        raise RerunDaysError(first_day=first_day.isoformat(), last_day=last_day.isoformat())
    if not_before < now:
        raise RerunNoticeError(announced_at=now.isoformat(), not_before=not_before.isoformat())
    made = Announced(
        run_id, tariff_version, ENGINE_VERSION, first_day, last_day, reason, by, now, not_before, {}
    )
    reruns.insert(tx, made)
    return made


def get(tx: Connection, run_id: UUID) -> Announced:
    """Return an announced run; UnknownRerunError."""
    found = reruns.list_all(tx, run_id=run_id)
    if not found:
        raise UnknownRerunError(run_id=str(run_id))
    return found[0]


def list_all(tx: Connection) -> tuple[Announced, ...]:
    """Return every run ever announced, the newest first."""
    return reruns.list_all(tx)


def progress(tx: Connection, one: Announced) -> Progress:
    """Return how far a run has come."""
    return reruns.read_progress(tx, one)


def approve(tx: Connection, run_id: UUID, *, by: str, now: datetime) -> Announced:
    """Let an announced run begin; again by the same person changes nothing.

    UnknownRerunError, RerunOnePersonError, RerunStateError.
    """
    one = get(tx, run_id)
    if by.casefold() == one.announced_by.casefold():
        raise RerunOnePersonError(person=by)
    _expect(one, State.ANNOUNCED, State.APPROVED)
    reruns.insert_event(tx, run_id, event="approved", announced_by=one.announced_by, actor=by, at=now)
    return get(tx, run_id)


def withdraw(tx: Connection, run_id: UUID, *, by: str, now: datetime) -> Announced:
    """Take an announcement back; what the run has booked already stays. UnknownRerunError, RerunStateError."""
    one = get(tx, run_id)
    _expect(one, State.ANNOUNCED, State.APPROVED, State.WITHDRAWN)
    reruns.insert_event(tx, run_id, event="withdrawn", announced_by=one.announced_by, actor=by, at=now)
    return get(tx, run_id)


def list_left(
    tx: Connection, run_id: UUID, *, now: datetime, preview: bool = False
) -> tuple[FareAccountId, ...]:
    """Return the accounts that an approved run has still to do, in id order.

    With `preview`, of any run that is not over, for a look at what it would do. UnknownRerunError, RerunStateError,
    RerunEngineError.
    """
    one = get(tx, run_id)
    if preview:
        _expect(one, State.ANNOUNCED, State.APPROVED)
    else:
        _expect(one, State.APPROVED)
        if now < one.not_before:
            raise RerunStateError(
                run_id=str(run_id), state=f"not to begin before {one.not_before.isoformat()}"
            )
    if one.engine_version != ENGINE_VERSION:
        raise RerunEngineError(run_id=str(run_id), announced=one.engine_version, engine=ENGINE_VERSION)
    return reruns.list_left(tx, one)


def reprice(tx: Connection, run_id: UUID, account: FareAccountId, *, books: Books, now: datetime) -> Repriced:
    """Price one account's days of the run again and book the differences, and those of the days they hand on to.

    Doing an account twice changes nothing but fails on its mark: the caller takes it from `list_left`.
    """
    one = get(tx, run_id)
    days = reruns.list_billed_days(tx, account, one.first_day, one.last_day)
    # Before the account's lock (§8.5); the verb shares them again.
    for day in days:
        post.book_day(tx, day, now)
    before = reruns.sum_charges(tx, account, one.first_day)
    done = bill(
        tx,
        [(account, day) for day in days],
        books=books,
        now=now,
        max_late_days=(now.date() - one.first_day + timedelta(days=1)).days,
        again=Again(one.tariff_version, one.first_day, one.last_day),
    )
    after = reruns.sum_charges(tx, account, one.first_day)
    made = Repriced(
        fare_account_id=account,
        revisions=done.revisions,
        entries=done.entries,
        changes=dict(reruns.differ(before, after)),
        days=days,
        exceptions=done.exceptions,
        owing=account in done.owing,
    )
    reruns.insert_done(tx, run_id, account, revisions=made.revisions, change_minor=made.charged, at=now)
    return made


def finish(tx: Connection, run_id: UUID, *, by: str, now: datetime) -> bool:
    """Say that a run is over, where nothing is left of it; return whether that was so."""
    one = get(tx, run_id)
    if reruns.list_left(tx, one):
        return False
    reruns.insert_event(tx, run_id, event="finished", announced_by=one.announced_by, actor=by, at=now)
    return True


def _expect(one: Announced, *states: State) -> None:
    state = state_of(one)
    if state not in states:
        raise RerunStateError(run_id=str(one.run_id), state=state.value)
