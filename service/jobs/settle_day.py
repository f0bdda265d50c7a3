"""Settle a book day: bill again what failed or is due, end open rides, close and seal the day, total and net it.

Steps commit one by one and are written down as they do (DESIGN §8.18). Each may be killed and repeated: running it again,
or twice at once, gives one settlement.
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
from kernel.money import Money
from kernel.service_day import local_date
from ledger import close_period, settle
from ledger.rules.book_day import ZONE, ends_at
from ledger.rules.errors import DayNotOverError, DayRunningError
from ledger.rules.seal import Seal
from ledger.rules.settlement import HouseDay, Settled
from parking.settle_lines import settle_lines as parking_lines
from service import audit
from service.audit import Actor, ActorKind
from service.database import Database
from service.jobs import park_and_ride
from service.jobs.rebill import rebill

Result = TypeVar("Result")
JOB = Actor(ActorKind.COMMAND, "settle_day")


@dataclass(frozen=True, slots=True)
class Closed:
    """A sealed day, what passes earned on it, and what it came to where this call sealed it."""

    seal: Seal
    earned: Money | None
    day: HouseDay | None


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

    again = list(rebill(database, shelf=shelf, now=now, through=book_day))
    if again:
        left = sum(not one.repaired for one in again)
        yield Step(
            f"{len(again)} accounts billed again from their evidence, {left} stay in the exception queue"
        )

    def end_rides(tx: Connection) -> int:
        books = shelf.books(tx)
        return bill.close_day(tx, book_day, books=books, now=now()).entries if books.newest else 0

    entries = database.run(alone(book_day, "rides", end_rides, now, "{} entries"))
    yield Step(f"open rides up to {book_day} ended by the tariff's rule, {entries} entries")
    met = park_and_ride.meet(database, shelf=shelf, now=now())
    if met:
        yield Step(f"{met} accounts billed again for park and ride")
    *earlier_keys, sealer = seal_keys or (signer,)

    def close_it(tx: Connection) -> Closed:
        return close_day(tx, book_day, shelf=shelf, signer=sealer, earlier=earlier_keys, now=now())

    closed = database.run(alone(book_day, "close", close_it, now, "{0.seal.leaf_count} lines sealed"))
    if closed.earned:
        yield Step(f"passes earned {closed.earned} on {book_day}")
    seal = closed.seal
    yield Step(f"book day {seal.book_day} closed: {seal.leaf_count} lines, root {seal.root.hex()[:16]}…")

    def settle_it(tx: Connection) -> Settled:
        # What this run added up just before it sealed the day cannot have changed since.
        day = closed.day or add_up(tx, book_day, shelf)
        done = settle.settle(tx, book_day, day, now())
        if done.first_time:
            audit.record(
                tx,
                actor=by,
                action="ledger.settle",
                subject_kind="book_day",
                subject_id=book_day.isoformat(),
                now=now(),
            )
        return done

    settled = database.run(alone(book_day, "settle", settle_it, now, "{0.operators} operators"))
    yield Step(f"{settled.operators} operators settled", settled)


def due(database: Database, *, now: datetime, cut_off: timedelta) -> tuple[date, ...]:
    """Return the book days whose cut-off has passed and that are not settled, oldest first.

    From the day after the newest settled one; before any was settled, from the first day that anything was booked on.
    """
    with database.read() as tx:
        first = settle.first_unsettled(tx)
    days = []
    while first is not None and ends_at(first) + cut_off <= now:
        days.append(first)
        first += timedelta(days=1)
    return tuple(days)


def alone(
    book_day: date,
    step: str,
    work: Callable[[Connection], Result],
    now: Callable[[], datetime],
    detail: str,
) -> Callable[[Connection], Result]:
    """Return the work as a step: one settling of a day at a time, and written down with what it did."""

    def run(tx: Connection) -> Result:
        settle.one_at_a_time(tx, book_day)
        done = work(tx)
        settle.done(tx, book_day, step, detail.format(done), now())
        return done

    return run


def close_day(
    tx: Connection,
    book_day: date,
    *,
    shelf: Shelf,
    signer: SigningKey,
    earlier: Sequence[SigningKey],
    now: datetime,
) -> Closed:
    """Close and seal the open days up to one: first what passes earned, and what operators' terms give others.

    Everything is added up with the days taken alone, so that nothing can be booked between the sums and the seal.
    """
    books = shelf.books(tx)
    earned: Money | None = None
    day: HouseDay | None = None
    open_days = close_period.take_open(tx, book_day, now)
    if open_days and books.newest:
        unit = books.current().currency
        made = earn.earn_day(tx, book_day, tariff=books.current(), now=now)
        earned = sum((Money(one.earned_minor, unit) for one in made), Money.zero(unit))
    for each in open_days:
        day = add_up(tx, each, shelf)
        settle.charge(tx, each, day, now)
    seal = close_period.close(tx, book_day, now, signer=signer, earlier=earlier)
    return Closed(seal, earned, day)


def add_up(tx: Connection, book_day: date, shelf: Shelf) -> HouseDay:
    """Return what both businesses hand in for a book day."""
    books = shelf.books(tx)
    fares = fare_lines(tx, book_day, books=books) if books.newest else HouseDay()
    return fares + parking_lines(tx, book_day)
