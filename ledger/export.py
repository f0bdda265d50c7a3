"""Export the books so that hledger and beancount can check them on their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Connection

from ledger.rules.account import Account
from ledger.rules.books import BOOKS, Closing, Format, name_of
from ledger.store import accounts as account_store
from ledger.store import balances as balance_store
from ledger.store import closings
from ledger.store import exports as store


def export(
    tx: Connection, form: Format, *, first: date | None = None, last: date | None = None
) -> Iterator[str]:
    """Yield the entries of the book days [first, last] as text, oldest first, in pieces.

    hledger and beancount books begin with what was there before `first` and assert, after each book day, the
    balance of every account that moved on it; those balances are taken from our own sums, not from the
    entries written, so that the reader's arithmetic checks ours (a guarded account's of an open day excepted: it has
    only its lines). Memory grows with the accounts, not with the entries. Read in a REPEATABLE READ transaction.
    """
    book = BOOKS[form]()
    opened = first or store.first_day(tx)
    if opened is None:
        opened = date(2000, 1, 1)
    accounts: dict[UUID, Account] = {
        account.spec.account_id: account
        for account in account_store.list_accounts(tx, store.list_account_ids(tx, last))
    }
    names: dict[UUID, str] = {account_id: name_of(account) for account_id, account in accounts.items()}
    # Openings stand on the day before, so that the first day's own assertions hold.
    eve = opened - timedelta(days=1)
    yield from book.start(list(accounts.values()), eve)
    before = store.sums_before(tx, opened) if first is not None else {}
    yield book.opening(eve, [_closing(accounts[i], net) for i, net in before.items()])
    net = dict(before)
    moved: set[UUID] = set()
    today: date | None = None
    for rows in store.entries(tx, first, last):
        if today is not None and rows[0].book_day != today:
            yield book.close(today, _closings(tx, accounts, moved, today, net))
            moved = set()
        today = rows[0].book_day
        for row in rows:
            moved |= {row.debit_id, row.credit_id}
            net[row.debit_id] = net.get(row.debit_id, 0) + row.amount
            net[row.credit_id] = net.get(row.credit_id, 0) - row.amount
        yield book.entry(rows, names)
    if today is not None:
        yield book.close(today, _closings(tx, accounts, moved, today, net))


def _closing(account: Account, net: int) -> Closing:
    return Closing(name_of(account), net, account.spec.currency)


def _closings(
    tx: Connection, accounts: dict[UUID, Account], moved: set[UUID], day: date, net: dict[UUID, int]
) -> list[Closing]:
    """Return what each account that moved stands at: by roll-ups and closings, else by the lines written."""
    keys = [(accounts[i].spec.owner_id, i) for i in moved if not accounts[i].spec.guarded]
    sums = balance_store.current_sums(tx, keys, through=day)
    sums |= closings.closed_on(
        tx, [(accounts[i].spec.owner_id, i) for i in moved if accounts[i].spec.guarded], day
    )
    nets = {i: debits - credits_ for i, (debits, credits_) in sums.items()}
    return [_closing(accounts[i], nets.get(i, net[i])) for i in sorted(moved)]
