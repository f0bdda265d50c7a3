"""Bill again what could not be billed when its evidence came: a fault since repaired, a tariff since published."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection

from access import exceptions, issue
from access.exceptions import House, Raised
from fare.publish import Shelf
from kernel.ids import FareAccountId
from service.database import Database
from service.jobs.bill_batch import NO_TARIFF, PRICING_FAULT, bill_stored

AGAIN: Final = frozenset({PRICING_FAULT, NO_TARIFF})
_HOUSES: Final = (House.FARE, House.PARKING)
_AT_MOST: Final = 100_000
_ACTOR: Final = "rebill"


@dataclass(frozen=True, slots=True)
class Rebilled:
    """One account billed again; `entries` is what that posted, `repaired` whether its exceptions are closed."""

    fare_account_id: FareAccountId
    entries: int
    repaired: bool


def rebill(
    database: Database, *, shelf: Shelf, now: Callable[[], datetime], through: date | None = None
) -> Iterator[Rebilled]:
    """Yield each account with such an exception (about days up to `through`) as it is billed and committed.

    From stored evidence alone, so it may be killed and repeated. What fails again stays in the queue with its age.
    """
    with database.read() as tx:
        waiting = [
            one.raised
            for house in _HOUSES
            for one in exceptions.list_open(tx, now=now(), house=house, limit=_AT_MOST)
        ]
    by_account: dict[FareAccountId, list[Raised]] = defaultdict(list)
    for raised in waiting:
        day, account_id = raised.service_day, raised.fare_account_id
        if raised.reason in AGAIN and account_id and day and (through is None or day <= through):
            by_account[account_id].append(raised)
    for account in sorted(by_account):
        about = by_account[account]

        def work(tx: Connection, account: FareAccountId = account, about: list[Raised] = about) -> Rebilled:
            return _rebill_account(tx, account, about, shelf=shelf, now=now())

        yield database.run(work)


def _rebill_account(
    tx: Connection, account: FareAccountId, about: list[Raised], *, shelf: Shelf, now: datetime
) -> Rebilled:
    issue.lock_accounts(tx, (account,))
    days = sorted({raised.service_day for raised in about if raised.service_day})
    done = bill_stored(tx, account, days, shelf=shelf, now=now)
    repaired = account not in done.faulted
    if repaired:
        for house in _HOUSES:
            refs = [raised.ref for raised in about if raised.house is house]
            exceptions.resolve(tx, house, refs, resolution="billed again", actor=_ACTOR, now=now)
    return Rebilled(account, done.entries, repaired)
