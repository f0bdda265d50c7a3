"""What the day's page shows, read in one moment and limited to the operators the reader may see."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from kernel.money import Money, currency
from service.console.format import PLACE_ZONE
from service.store import day as store


@dataclass(frozen=True, slots=True)
class BillRow:
    """One operator's fares of the day; the four parts sum to the face value."""

    operator_id: str
    trips: int
    face_value: Money
    charged: Money
    waived: Money
    discounted: Money
    covered: Money


@dataclass(frozen=True, slots=True)
class DayPage:
    """The day as one value; a template only lays it out."""

    day: date
    read_at: datetime
    taps: tuple[store.TapCount, ...]
    bills: tuple[BillRow, ...]
    accounts: int
    exceptions: tuple[tuple[str, str, int], ...]
    limited: bool

    @property
    def empty(self) -> bool:
        """Whether nothing happened on this day."""
        return not (self.taps or self.bills)


def today(tx: Connection, now: datetime) -> date:
    """Return the newest service day with a bill, or the date in Hanoi."""
    return store.latest_day(tx) or now.astimezone(PLACE_ZONE).date()


def read_day(tx: Connection, day: date, *, operators: Collection[str] | None, now: datetime) -> DayPage:
    """Return the page of `day`; `operators` None means all, else sums over the whole house are left out."""
    limited = operators is not None
    return DayPage(
        day=day,
        read_at=now,
        taps=store.count_taps(tx, day, operators),
        bills=tuple(_bill_row(row) for row in store.sum_bills(tx, day, operators)),
        accounts=0 if limited else store.count_accounts(tx, day),
        exceptions=() if limited else store.count_exceptions(tx),
        limited=limited,
    )


def _bill_row(row: store.BillSum) -> BillRow:
    unit = currency(row.currency)
    parts = (row.face_value, row.charged, row.waived, row.discounted, row.covered)
    return BillRow(row.operator_id, row.trips, *(Money(part, unit) for part in parts))
