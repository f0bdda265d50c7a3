"""An inspection: whether a card's ride is open now and whether a pass is held, read from evidence, not from bills."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from access import link
from access.taps import list_taps
from fare.bill import Books, fare_tap, is_fare_tap
from fare.held import read_dated
from fare.rules import inspection
from fare.rules.inspection import Inspected
from kernel.ids import CardId, FareAccountId
from kernel.service_day import day_window, service_day


def inspect(
    tx: Connection, account: FareAccountId, card_id: CardId, *, books: Books, now: datetime
) -> Inspected:
    """Return what an inspector is told of a card: its own ride, the passes of the account that it counts to."""
    book = books.current()
    head = link.current(tx, account, at=now)
    day = service_day(now, book.day_starts, book.zone)
    window = day_window(day, book.day_starts, book.zone)
    taps = [
        fare_tap(tap)
        for tap in list_taps(tx, (head,), since=window.start, until=window.end)
        if is_fare_tap(tap) and tap.card_id == card_id
    ]
    passes = read_dated(tx, (head,), book).passes.get(head, ())
    return inspection.inspect(taps, passes, book=book, service_day=day, at=now)
