"""Which day an entry is booked on (DESIGN §8.10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from kernel.service_day import local_date
from ledger.rules.entry import Entry
from ledger.rules.errors import BadEntryError

ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_DAY: Final = timedelta(days=1)
# Zone offsets have changed on quarter hours only, so all instants within one share a local date.
_QUARTER_MS: Final = 900_000
# The version of ids that begin with their time.
_TIMED: Final = 7


@lru_cache(maxsize=8192)
def _local_date_of_quarter(quarter: int) -> date:
    return local_date(_EPOCH + timedelta(milliseconds=quarter * _QUARTER_MS), ZONE)


def carries_time(entry_id: UUID) -> bool:
    """Return whether the id is of version 7, whose time fixes the book day whenever it is sent."""
    return entry_id.int >> 76 & 0xF == _TIMED


def home_day(entry_id: UUID, now: datetime, service_day: date | None = None) -> date:
    """Return the day an entry wants: the local date of a version 7 id's time, else its service day.

    A derived id carries no time, so it wants the day it is about, however late it is posted; without a service
    day, or with one that has not come yet, the local date of `now`. BadEntryError for an id of a year past
    9999, which no calendar here can name.
    """
    if not carries_time(entry_id):
        today = local_date(now, ZONE)
        return today if service_day is None else min(service_day, today)
    try:
        return _local_date_of_quarter((entry_id.int >> 80) // _QUARTER_MS)
    except OverflowError:
        raise BadEntryError(field="entry_id", value=str(entry_id), why="its time is past year 9999") from None


def ends_at(book_day: date) -> datetime:
    """Return the instant, UTC, at which a book day is over: the next local midnight."""
    return datetime.combine(book_day + _ONE_DAY, time.min, ZONE).astimezone(UTC)


def booked_day(home: date, closed_through: date) -> date:
    """Return where an entry of this home day goes when all days up to `closed_through` are closed.

    A pure function of the two: posters that agree on what is closed agree on the day, so the primary key of
    that day finds every duplicate.
    """
    if home > closed_through:
        return home
    return closed_through + _ONE_DAY


def home_days(entries: Sequence[Entry], now: datetime) -> tuple[list[date], date | None]:
    """Return the home day of each entry, and the earliest of those that carry their time (None without any).

    `home_day` for a batch: a day is looked up once a quarter of an hour, not once an entry.
    """
    timed: set[date] = set()
    homes: list[date] = []
    day = today = local_date(now, ZONE)
    first = beyond = 0
    for entry in entries:
        # Milliseconds and the version's four bits: within one quarter they lie between two such numbers.
        top = entry.entry_id.int >> 76
        if top & 0xF != _TIMED:
            homes.append(min(entry.service_day, today))
            continue
        if not first <= top < beyond:
            day = home_day(entry.entry_id, now)
            timed.add(day)
            first = (top >> 4) // _QUARTER_MS * _QUARTER_MS << 4
            beyond = first + (_QUARTER_MS << 4)
        homes.append(day)
    return homes, min(timed, default=None)
