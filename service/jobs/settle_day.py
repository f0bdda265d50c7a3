"""Settle a book day: bill again what failed or is due, end open rides, close and seal the day, total and net it per operator. Steps commit one by one.

Each step may be killed and repeated: running it again, or twice at once, gives one settlement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from fare import bill, earn
from fare.publish import Shelf
from fare.settle_lines import settle_lines as fare_lines
from kernel.crypto.ed25519 import SigningKey
from kernel.money import VND, Money
from kernel.service_day import local_date
from ledger import close_period, settle
from ledger.rules.book_day import ZONE, ends_at
from ledger.rules.errors import DayNotOverError, DayRunningError
from ledger.rules.settlement import Settled
from parking.settle_lines import settle_lines as parking_lines
from service import audit
from service.audit import Actor, ActorKind
from service.database import Database
from service.jobs import park_and_ride
from service.jobs.rebill import rebill

Result = TypeVar("Result")
JOB = Actor(ActorKind.COMMAND, "settle_day")


@dataclass(frozen=True, slots=True)
class Step:
    """What has been done, for whoever watches; the last one carries the settled day."""

    text: str
    settled: Settled | None = None


def settle_day(
    database: Database,
    book_day: date,
    *,
    signer: SigningKey,
    now: Callable[[], datetime],
    by: Actor = JOB,
    cut_off: timedelta | None = None,
    seal_keys: Sequence[SigningKey] = (),
) -> Iterator[Step]:
    """Yield a step as each part is committed; the last has the settlement.

    DayNotOverError for a day that has not begun; DayRunningError before `cut_off` after its end (None: at any
    time of the day, which ends rides under way). `signer` is the key that tariffs are published under; the day is
    sealed with the last of `seal_keys`, or with it. A settled day answers what is stored. An earlier day that was
    left out settles by itself, also when it was closed along with a later one.
    """
    with database.read() as tx:
        earlier = settle.find_settled(tx, book_day)
    if earlier is not None:
        yield Step(f"{book_day} was settled before", earlier)
        return
    today = local_date(now(), ZONE)
    if book_day > today:  # before anything is done: a mistyped year must not end everybody's rides
        raise DayNotOverError(book_day=book_day.isoformat(), today=today.isoformat())
    if cut_off is not None and now() < (settled_from := ends_at(book_day) + cut_off):
        told = settled_from.astimezone(ZONE).isoformat(timespec="minutes")
        raise DayRunningError(book_day=book_day.isoformat(), settled_from=told)
    shelf = Shelf(signer.public)
    *earlier_keys, sealer = seal_keys or (signer,)

    again = list(rebill(database, shelf=shelf, now=now, through=book_day))
    if again:
        left = sum(not one.repaired for one in again)
        yield Step(
            f"{len(again)} accounts billed again from their evidence, {left} stay in the exception queue"
        )

    def end_rides(tx: Connection) -> int:
        books = shelf.books(tx)
        return bill.close_day(tx, book_day, books=books, now=now()).entries if books.newest else 0

    entries = database.run(end_rides)
    yield Step(f"open rides up to {book_day} ended by the tariff's rule, {entries} entries")
    met = park_and_ride.meet(database, shelf=shelf, now=now())
    if met:
        yield Step(f"{met} accounts billed again for park and ride")

    def earn_passes(tx: Connection) -> Money:
        books = shelf.books(tx)
        if not books.newest:
            return Money.zero(VND)
        made = earn.earn_day(tx, book_day, tariff=books.current(), now=now())
        return sum(
            (Money(one.earned_minor, books.current().currency) for one in made),
            Money.zero(books.current().currency),
        )

    earned = database.run(earn_passes)
    if earned:
        yield Step(f"passes earned {earned} on {book_day}")
    seal = database.run(
        lambda tx: close_period.close(tx, book_day, now(), signer=sealer, earlier=earlier_keys)
    )
    yield Step(f"book day {seal.book_day} closed: {seal.leaf_count} lines, root {seal.root.hex()[:16]}…")

    def settle_it(tx: Connection) -> Settled:
        books = shelf.books(tx)
        fares = fare_lines(tx, book_day, books=books) if books.newest else ()
        done = settle.settle(tx, book_day, (*fares, *parking_lines(tx, book_day)), now())
        if done.first_time:
            day = book_day.isoformat()
            audit.record(
                tx, actor=by, action="ledger.settle", subject_kind="book_day", subject_id=day, now=now()
            )
        return done

    settled = database.run(settle_it)
    yield Step(f"{len(settled.settlements)} operators settled", settled)
