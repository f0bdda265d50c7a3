"""Bill again what park and ride makes due: a stay was told of, a ride, or a right to park; account by account.

What a batch of taps changes is billed with it; this is for what the API and other jobs told.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from access.issue import lock_accounts
from fare.publish import Shelf
from kernel.ids import FareAccountId
from ledger import benefits, post
from ledger.rules.book_day import ZONE
from service.database import Database
from service.jobs.bill_batch import bill_due


def meet(database: Database, *, shelf: Shelf, now: datetime) -> int:
    """Bill every account of which something is due, each committed on its own; return how many. May be repeated."""
    done = 0
    while True:
        with database.read() as tx:
            accounts = benefits.list_due_accounts(tx)
        for account in accounts:
            database.run(partial(_one, account=account, shelf=shelf, now=now))
        done += len(accounts)
        if not accounts:
            return done


def _one(tx: Connection, *, account: FareAccountId, shelf: Shelf, now: datetime) -> None:
    post.book_day(tx, now.astimezone(ZONE).date(), now)  # book days before accounts (§8.5)
    lock_accounts(tx, (account,))
    bill_due(tx, account, shelf=shelf, now=now)
