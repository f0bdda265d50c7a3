"""Price what an upload changed, in the transaction that stored it; a fault here never refuses evidence (DESIGN §2.1).

The whole batch is tried in one savepoint. When that fails, each fare account is tried in its own, and only the
accounts that fail again go to the exception queue; billing is replayable from the stored evidence at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from access import exceptions, issue
from access.exceptions import House, Raised
from access.rules.tap import Tap
from access.take_in import TakenIn
from access.taps import list_taps
from fare import bill, park_ride
from fare.bill import Billed, NotBilled
from fare.publish import Books, Shelf
from kernel.ground import GroundKind
from kernel.ids import FareAccountId
from kernel.service_day import day_window, local_date, service_day
from kernel.wire.tap import Purpose
from ledger import benefits
from ledger.rules.book_day import ZONE
from parking.bill import bill_stays
from service import logs
from service.database import REPEATABLE
from service.jobs.debts import settle_debts

Result = TypeVar("Result")
_PARKING = frozenset({Purpose.PARK_IN, Purpose.PARK_OUT})
PRICING_FAULT = "pricing-fault"
NO_TARIFF = "no-tariff"
_ACTOR = "bill_batch"
_ONE_DAY: Final = timedelta(days=1)

Touched = frozenset[tuple[FareAccountId, datetime]]


@dataclass(slots=True)
class BilledBatch:
    """What one batch came to; `raised` are the exceptions that are new in the queue."""

    entries: int = 0
    raised: int = 0
    owing: set[FareAccountId] = field(default_factory=set)
    touched: set[FareAccountId] = field(default_factory=set)
    faulted: set[FareAccountId] = field(default_factory=set)


def bill_batch(
    tx: Connection, taken: TakenIn, *, shelf: Shelf, now: datetime, late_days: int = bill.MAX_LATE_DAYS
) -> BilledBatch:
    """Bill the account-days and stays that an upload changed; an account that now owes goes on the deny list (§8.8).

    The fare accounts are locked by `take_in`. Raises only what a repeat of the whole transaction may cure
    (deadlock, serialization failure) and programmer errors outside pricing.
    """
    return bill_touched(tx, taken.touched, taken.taps, shelf=shelf, now=now, late_days=late_days)


def bill_touched(
    tx: Connection,
    touched: Touched,
    taps: tuple[Tap, ...],
    *,
    shelf: Shelf,
    now: datetime,
    late_days: int = bill.MAX_LATE_DAYS,
) -> BilledBatch:
    """As `bill_batch`, for evidence that is stored already; the fare accounts are locked by the caller."""
    done = BilledBatch(touched={account for account, _ in touched})
    if not touched:
        return done
    _bill_fares(tx, touched, done, shelf=shelf, now=now, late_days=late_days)
    _bill_stays(tx, taps, touched, done, now=now)
    _meet(tx, done, shelf=shelf, now=now, late_days=late_days)
    if done.owing:
        settle_debts(tx, done.owing, cause="bill", now=now)
    issue.raise_versions(tx, done.touched)
    return done


def bill_due(
    tx: Connection,
    account: FareAccountId,
    *,
    shelf: Shelf,
    now: datetime,
    late_days: int = bill.MAX_LATE_DAYS,
) -> BilledBatch:
    """Bill what park and ride makes due of a locked account: fares of days it parked on, stays of days it rode on."""
    done = BilledBatch(touched={account})
    _meet(tx, done, shelf=shelf, now=now, late_days=late_days)
    if done.owing:
        settle_debts(tx, done.owing, cause="bill", now=now)
    issue.raise_versions(tx, done.touched)
    return done


def bill_stored(
    tx: Connection,
    account: FareAccountId,
    days: Sequence[date],
    *,
    shelf: Shelf,
    now: datetime,
    late_days: int = bill.MAX_LATE_DAYS,
) -> BilledBatch:
    """As `bill_touched`, for every tap of one locked account on these service days or dates."""
    # A service day's last taps fall on the next date, and what was queued without a tariff names the date.
    since = day_window(min(days) - _ONE_DAY, datetime.min.time(), ZONE).start
    until = day_window(max(days) + _ONE_DAY, datetime.min.time(), ZONE).end
    taps = list_taps(tx, (account,), since=since, until=until)
    touched = frozenset((account, tap.tapped_at) for tap in taps)
    return bill_touched(tx, touched, taps, shelf=shelf, now=now, late_days=late_days)


def _meet(tx: Connection, done: BilledBatch, *, shelf: Shelf, now: datetime, late_days: int) -> None:
    """Let fares and stays read what they told of each other; each reads that the other is, so two rounds settle it."""
    for _ in range(3):
        dues = benefits.take_due(tx, done.touched)
        if not dues:
            return
        books = shelf.books(tx)
        rode = [each for each in dues if each.kind is GroundKind.RIDE]
        if books.newest:
            book = books.current()
            parked = (each for each in dues if each.kind is not GroundKind.RIDE)
            days = set(park_ride.list_days(tx, parked, book=book))
            if days:
                _bill_days(tx, days, done, books=books, now=now, late_days=late_days)
        if rode:
            at = frozenset((each.fare_account_id, each.since) for each in rode)
            _bill_stays(tx, (), at, done, now=now)
    assert not benefits.take_due(tx, done.touched), "that something is does not depend on what it costs"


def _bill_fares(
    tx: Connection, touched: Touched, done: BilledBatch, *, shelf: Shelf, now: datetime, late_days: int
) -> None:
    books = shelf.books(tx)
    if not books.newest:
        days = {(account, local_date(at, ZONE)) for account, at in touched}
        _queue(tx, days, NO_TARIFF, done, now=now)
        return
    book = books.current()
    days = {(account, service_day(at, book.day_starts, book.zone)) for account, at in touched}
    _bill_days(tx, days, done, books=books, now=now, late_days=late_days)


def _bill_days(
    tx: Connection,
    days: set[tuple[FareAccountId, date]],
    done: BilledBatch,
    *,
    books: Books,
    now: datetime,
    late_days: int,
) -> None:
    def run(some: Iterable[tuple[FareAccountId, date]]) -> Billed:
        return bill.bill(tx, some, books=books, now=now, max_late_days=late_days)

    whole = _guarded(tx, lambda: run(days))
    if whole is not None:
        _count_fares(tx, days, whole, done, now=now)
        return
    for account in sorted({account for account, _ in days}):
        own = {each for each in days if each[0] == account}
        alone = _guarded(tx, lambda own=own: run(own))  # type: ignore[misc]
        if alone is None:
            _queue(tx, own, PRICING_FAULT, done, now=now)
        else:
            _count_fares(tx, own, alone, done, now=now)


def _count_fares(
    tx: Connection,
    days: set[tuple[FareAccountId, date]],
    billed: Billed,
    done: BilledBatch,
    *,
    now: datetime,
) -> None:
    done.entries += billed.entries
    done.owing |= billed.owing
    still = raised_by(billed.exceptions)
    done.raised += exceptions.settle_days(tx, House.FARE, days, still, actor=_ACTOR, now=now)


def raised_by(found: Iterable[NotBilled]) -> list[Raised]:
    """Return what billing could not price as rows of the exception queue."""
    return [
        Raised(
            house=House.FARE,
            reason=each.reason,
            ref=f"{each.fare_account_id}:{each.service_day}" + (f":{each.tap_id}" if each.tap_id else ""),
            fare_account_id=each.fare_account_id,
            service_day=each.service_day,
        )
        for each in found
    ]


def _bill_stays(
    tx: Connection, taps: tuple[Tap, ...], touched: Touched, done: BilledBatch, *, now: datetime
) -> None:
    gate = [tap for tap in taps if tap.purpose in _PARKING]
    whole = _guarded(tx, lambda: bill_stays(tx, gate, now=now, touched=touched))
    if whole is not None:
        done.entries += whole.entries
        done.owing |= whole.owing
        return
    for account in sorted({account for account, _ in touched}):
        own = [tap for tap in gate if tap.fare_account_id == account]
        at = frozenset(each for each in touched if each[0] == account)
        alone = _guarded(tx, lambda own=own, at=at: bill_stays(tx, own, now=now, touched=at))  # type: ignore[misc]
        if alone is None:
            days = {(each[0], local_date(each[1], ZONE)) for each in at}
            _queue(tx, days, PRICING_FAULT, done, now=now, house=House.PARKING)
        else:
            done.entries += alone.entries
            done.owing |= alone.owing


def _guarded(tx: Connection, work: Callable[[], Result]) -> Result | None:
    """Return what `work` returns; None, with nothing of it kept, when it failed."""
    try:
        with tx.begin_nested():
            return work()
    except Exception as error:
        if isinstance(error, DBAPIError) and (
            error.connection_invalidated or getattr(error.orig, "sqlstate", None) in REPEATABLE
        ):
            raise
        logs.logger("service.bill_batch").error("pricing.failed", exc_info=error)
        return None


def _queue(
    tx: Connection,
    days: set[tuple[FareAccountId, date]],
    reason: str,
    done: BilledBatch,
    *,
    now: datetime,
    house: House = House.FARE,
) -> None:
    done.faulted |= {account for account, _ in days}
    raised = [
        Raised(house=house, reason=reason, ref=f"{account}:{day}", fare_account_id=account, service_day=day)
        for account, day in days
    ]
    done.raised += exceptions.raise_many(tx, raised, now=now)


def tariff_versions(books: Books) -> frozenset[str] | None:
    """Return the published versions that a record may name; None, any, while none is published."""
    return frozenset(books.by_version) or None
