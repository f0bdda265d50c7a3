"""Carry out an announced rerun, account by account, each committed on its own; or look at what it would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access import deny, exceptions, issue
from access.deny import DenyReason
from access.exceptions import House
from fare import rerun
from fare.publish import Shelf
from fare.rerun import Repriced
from kernel.ids import FareAccountId
from service import audit
from service.audit import Actor
from service.database import Database
from service.jobs.bill_batch import raised_by


class _LookedAt(Exception):
    def __init__(self, found: Repriced) -> None:
        super().__init__()
        self.found = found


def reprice(
    database: Database, run_id: UUID, *, shelf: Shelf, by: Actor, now: Callable[[], datetime]
) -> Iterator[Repriced]:
    """Yield each account of an approved run as it is priced again and committed; it may be killed and repeated.

    Ends the run when nothing is left. UnknownRerunError, RerunStateError, RerunEngineError.
    """
    with database.read() as tx:
        left = rerun.list_left(tx, run_id, now=now())
    for account in left:

        def work(tx: Connection, account: FareAccountId = account) -> Repriced:
            return _one(tx, run_id, account, shelf=shelf, now=now())

        yield database.run(work)

    def end(tx: Connection) -> None:
        at = now()
        if rerun.finish(tx, run_id, by=by.actor_id, now=at):
            audit.record(
                tx,
                actor=by,
                action="fare.rerun.finished",
                subject_kind="fare_rerun",
                subject_id=str(run_id),
                now=at,
            )

    database.run(end)


def preview(
    database: Database, run_id: UUID, *, shelf: Shelf, now: Callable[[], datetime]
) -> Iterator[Repriced]:
    """Yield what the run would do to each account; every account's transaction is undone."""
    with database.read() as tx:
        left = rerun.list_left(tx, run_id, now=now(), preview=True)
    for account in left:

        def look(tx: Connection, account: FareAccountId = account) -> None:
            raise _LookedAt(rerun.reprice(tx, run_id, account, books=shelf.books(tx), now=now()))

        try:
            database.run(look)
        except _LookedAt as looked:
            yield looked.found


def _one(tx: Connection, run_id: UUID, account: FareAccountId, *, shelf: Shelf, now: datetime) -> Repriced:
    done = rerun.reprice(tx, run_id, account, books=shelf.books(tx), now=now)
    if done.owing:
        deny.deny_accounts(tx, (account,), reason=DenyReason.DEBT, cause="rerun", now=now)
    days = [(account, day) for day in done.days]
    exceptions.settle_days(tx, House.FARE, days, raised_by(done.exceptions), actor="rerun", now=now)
    issue.raise_versions(tx, {account})
    return done
