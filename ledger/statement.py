"""Read accounts: statements, balances at any past time, and the trial balance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.money import Money, currency
from ledger.accounts import get_account
from ledger.rules import statement as rules
from ledger.rules.account import Account, AccountType, OwnerKind
from ledger.rules.statement import Statement, StatementLine
from ledger.store import balances as balance_store
from ledger.store import closings
from ledger.store import statements as store

PAGE: Final = 100
MAX_PAGE: Final = 1_000
_ONE_DAY: Final = timedelta(days=1)


def _only_owner(account: Account) -> UUID | None:
    """Return the owner all of an account's lines stand under; None when entries of any owner may name it."""
    spec = account.spec
    return spec.owner_id if spec.guarded or spec.owner_kind is OwnerKind.RIDER else None


def _balance(account: Account, sums: tuple[int, int]) -> Money:
    return Money(account.spec.type.normal * (sums[1] - sums[0]), account.spec.currency)


def balance_on(tx: Connection, account_id: UUID, book_day: date) -> Money:
    """Return an account's posted balance at the end of a book day. UnknownAccountError."""
    return _on(tx, get_account(tx, account_id), book_day)


def _on(tx: Connection, account: Account, book_day: date) -> Money:
    spec = account.spec
    read = closings.guarded_sums if spec.guarded else balance_store.current_sums
    rolled = read(tx, [(spec.owner_id, spec.account_id)], through=book_day)
    return _balance(account, rolled.get(spec.account_id, (0, 0)))


def balance_at(
    tx: Connection,
    account_id: UUID,
    *,
    effective_until: datetime | None = None,
    posted_until: datetime | None = None,
) -> Money:
    """Return an account's posted balance from what was effective, and known, at or before these instants.

    Read from the lines: for an append-only account that is a scan of its days. UnknownAccountError.
    """
    account = get_account(tx, account_id)
    sums = balance_store.sums_of_lines(
        tx,
        account_id,
        _only_owner(account),
        effective_until=effective_until,
        posted_until=posted_until,
    )
    return _balance(account, sums)


def moved_on(tx: Connection, account_id: UUID, service_day: date) -> Money:
    """Return what one service day changed on an account, whenever it was booked. UnknownAccountError."""
    account = get_account(tx, account_id)
    spec = account.spec
    if _only_owner(account) is not None:
        return _balance(
            account,
            balance_store.sums_of_lines(tx, account_id, _only_owner(account), service_day=service_day),
        )
    rolled = balance_store.sums_by_service_day(tx, spec.owner_id, spec.account_id, service_day, service_day)
    return _balance(account, rolled[0][1:] if rolled else (0, 0))


def statement(
    tx: Connection,
    account_id: UUID,
    *,
    first: date,
    last: date,
    cursor: str | None = None,
    limit: int = PAGE,
) -> Statement:
    """Return one page of an account's statement over the book days [first, last], at most MAX_PAGE lines.

    Lines in the order of book day and posting time. UnknownAccountError; BadCursorError for a cursor of
    another statement.
    """
    assert 0 < limit <= MAX_PAGE, "a page is bounded"
    account = get_account(tx, account_id)
    place = None if cursor is None else rules.place_of(account_id, first, last, cursor)
    opening = _on(tx, account, first - _ONE_DAY)
    rows = store.page_lines(
        tx, account_id, _only_owner(account), first=first, last=last, after=place, limit=limit + 1
    )
    unit = account.spec.currency
    running = opening if place is None else Money(place.running, unit)
    lines: list[StatementLine] = []
    for row in rows[:limit]:
        sign = account.spec.type.normal * (1 if row.credit_id == account_id else -1)
        change = Money(sign * row.amount, unit)
        running += change
        lines.append(StatementLine(row, change, running))
    more = rules.cursor_of(account_id, first, last, lines[-1]) if len(rows) > limit else None
    return Statement(account, first, last, opening, _on(tx, account, last), tuple(lines), more)


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One kind of account in the trial balance: gross debits and credits, and what they leave (debit positive)."""

    kind: str
    type: AccountType
    debits: Money
    credits: Money

    @property
    def net(self) -> Money:
        """Return debits less credits."""
        return self.debits - self.credits


def trial_balance(tx: Connection, *, through: date | None = None) -> tuple[TrialLine, ...]:
    """Return debits and credits by kind of account up to a book day (None: all days), in kind order.

    Debits and credits of all lines in one currency are equal, as the ledger's structure wants.
    """
    guarded_types = balance_store.guarded_types(tx)
    found = [
        (kind, guarded_types[kind, code], code, debits, credits_)
        for kind, code, debits, credits_ in balance_store.control_sums(tx, through=through)
    ] + balance_store.kind_sums(tx, through=through)
    return tuple(
        TrialLine(kind, AccountType(type_), Money(debits, currency(code)), Money(credits_, currency(code)))
        for kind, type_, code, debits, credits_ in sorted(found)
    )
