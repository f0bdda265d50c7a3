"""Fold an account's bills anew after a dated fact that pricing reads was recorded about days gone by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from access import issue, link
from access.taps import list_taps
from fare.publish import Shelf
from kernel.ids import FareAccountId
from kernel.service_day import day_window
from ledger import close_period
from ledger.rules.book_day import ZONE
from service.jobs.bill_batch import bill_touched

Result = TypeVar("Result")


def record_and_refold(
    tx: Connection,
    account: FareAccountId,
    since: date,
    record: Callable[[], Result],
    *,
    shelf: Shelf,
    now: datetime,
    late_days: int,
) -> tuple[Result, int]:
    """Return what `record` returns and how many entries billing anew from a date on posted.

    Holds the book days, then the accounts that are linked with this one, before `record` runs (§8.5).
    """
    begins = day_window(since - timedelta(days=1), time.min, ZONE).start
    oldest = now - timedelta(days=late_days)
    head = link.current(tx, account, at=now)
    wanted = {account, head}
    until = now + timedelta(days=1)
    seen = list_taps(tx, wanted, since=max(begins, oldest), until=until)
    close_period.share(tx, {now, *(tap.tapped_at for tap in seen)})
    everyone = link.lock_counted(tx, wanted).accounts | wanted
    issue.raise_versions(tx, everyone)
    made = record()
    taps = list_taps(tx, everyone, since=max(begins, oldest), until=until)
    touched = frozenset((tap.fare_account_id, tap.tapped_at) for tap in taps)
    return made, bill_touched(tx, touched, taps, shelf=shelf, now=now, late_days=late_days).entries
