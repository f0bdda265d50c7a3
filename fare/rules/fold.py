"""A whole account from scratch: every service day in order, each handing its summary to the next."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from fare.rules.bill import Bill
from fare.rules.carried import EMPTY, Carried
from fare.rules.facts import Correction, DayFacts, Entitlement, FareTap, HeldPass, PurseMove
from fare.rules.price import price_day
from fare.rules.tariff import TariffBook
from kernel.ground import Ground
from kernel.ids import FareAccountId
from kernel.service_day import service_day

_DAY: Final = timedelta(days=1)


def days_of(
    account: FareAccountId,
    taps: Iterable[FareTap],
    book: TariffBook,
    *,
    passes: tuple[HeldPass, ...] = (),
    entitlements: tuple[Entitlement, ...] = (),
    as_of: datetime | None = None,
    in_debt: tuple[tuple[datetime, datetime], ...] = (),
    purse: tuple[PurseMove, ...] | None = None,
    corrections: tuple[Correction, ...] = (),
    parked: tuple[Ground, ...] = (),
) -> tuple[DayFacts, ...]:
    """Return the account's facts by service day, oldest first; only days with taps have one."""
    by_day: dict[date, list[FareTap]] = defaultdict(list)
    for tap in taps:
        by_day[service_day(tap.tapped_at, book.day_starts, book.zone)].append(tap)
    return tuple(
        DayFacts(
            account, day, tuple(by_day[day]), passes, entitlements, as_of, in_debt, corrections, purse, parked
        )
        for day in sorted(by_day)
    )


def fold_days(days: Iterable[DayFacts], book: TariffBook) -> tuple[tuple[DayFacts, Carried, Bill], ...]:
    """Return every day with what it took over and its bill; a day is added where a ride is still to be priced."""
    found: list[tuple[DayFacts, Carried, Bill]] = []
    carried = EMPTY
    for facts in days:
        carried = _settle(found, carried, book, until=facts.service_day)
        bill = price_day(facts, book, carried)
        found.append((facts, carried, bill))
        carried = bill.carried_out
    _settle(found, carried, book, until=None)
    return tuple(found)


def _settle(
    found: list[tuple[DayFacts, Carried, Bill]], carried: Carried, book: TariffBook, *, until: date | None
) -> Carried:
    """Bill the days without taps that an open ride asks for, up to the next day that has some."""
    while found and carried.must_bill_next:
        last = found[-1][0]
        day = last.service_day + _DAY
        if day == until:
            break
        empty = replace(last, service_day=day, taps=())
        bill = price_day(empty, book, carried)
        found.append((empty, carried, bill))
        carried = bill.carried_out
    return carried
