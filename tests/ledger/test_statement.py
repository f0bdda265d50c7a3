"""Statements and past balances equal what a plain fold over the entries says."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import EntryId, LedgerAccountId, uuid7
from ledger import close_period, statement
from ledger.rules.errors import BadCursorError, UnknownAccountError

from .conftest import NOW, TODAY, Books, vnd

DAY = timedelta(days=1)


@pytest.fixture
def three_days(tx: Connection, books: Books) -> Books:
    """1,000 loaded and 100 + 10 + 1 spent on three days, the first of which is closed."""
    for n, (loaded, spent) in enumerate(((1_000, 100), (0, 10), (0, 1))):
        at = NOW - (2 - n) * DAY
        about = TODAY - (2 - n) * DAY
        entries = [books.topup(0, loaded, entry_id=books.new_id(at), effective_at=at)] if loaded else []
        fare = books.fare(0, spent, entry_id=books.new_id(at), effective_at=at, service_day=about)
        books.posted(tx, *entries, fare, now=at)
    close_period.close(tx, TODAY - 2 * DAY, NOW, signer=SigningKey.generate())
    return books


@pytest.mark.parametrize("who", ["purse", "alpha"])
def test_statement_runs_from_opening_to_closing(tx: Connection, three_days: Books, who: str) -> None:
    account = three_days.purse(0) if who == "purse" else three_days.alpha
    sign = -1 if who == "purse" else 1
    made = statement.statement(tx, account, first=TODAY - DAY, last=TODAY)
    base = 1_000 if who == "purse" else 0
    assert made.opening == vnd(base + sign * 100)
    assert [(line.change.minor, line.running.minor) for line in made.lines] == [
        (sign * 10, base + sign * 110),
        (sign * 1, base + sign * 111),
    ]
    assert made.closing == made.lines[-1].running
    assert made.next_cursor is None


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_statement_pages_join_without_gap_or_repeat(tx: Connection, three_days: Books, size: int) -> None:
    span = {"first": TODAY - 2 * DAY, "last": TODAY}
    whole = statement.statement(tx, three_days.purse(0), **span)
    cursor, lines = None, []
    while True:
        page = statement.statement(tx, three_days.purse(0), **span, cursor=cursor, limit=size)
        assert (page.opening, page.closing) == (whole.opening, whole.closing)
        lines += page.lines
        cursor = page.next_cursor
        if cursor is None:
            break
    assert tuple(lines) == whole.lines


@pytest.mark.parametrize("cursor", ["", "x", "ảo", "A" * 80, "A" * 81])
def test_statement_refuses_a_foreign_cursor(tx: Connection, three_days: Books, cursor: str) -> None:
    with pytest.raises(BadCursorError):
        statement.statement(tx, three_days.purse(0), first=TODAY, last=TODAY, cursor=cursor)


def test_statement_refuses_the_cursor_of_another_span(tx: Connection, three_days: Books) -> None:
    first = TODAY - 2 * DAY
    cursor = statement.statement(tx, three_days.purse(0), first=first, last=TODAY, limit=1).next_cursor
    with pytest.raises(BadCursorError):
        statement.statement(tx, three_days.purse(0), first=first, last=TODAY - DAY, cursor=cursor)
    with pytest.raises(UnknownAccountError):
        statement.statement(tx, LedgerAccountId(uuid7(NOW)), first=first, last=TODAY)


@pytest.mark.parametrize(("back", "spent"), [(3, 0), (2, 100), (1, 110), (0, 111), (-1, 111)])
def test_balances_at_any_past_day_and_instant(
    tx: Connection, three_days: Books, back: int, spent: int
) -> None:
    day, at = TODAY - back * DAY, NOW - back * DAY
    loaded = 1_000 if back < 3 else 0
    for account, expected in ((three_days.purse(0), loaded - spent), (three_days.alpha, spent)):
        assert statement.balance_on(tx, account, day) == vnd(expected)
        assert statement.balance_at(tx, account, effective_until=at) == vnd(expected)
        assert statement.balance_at(tx, account, posted_until=at) == vnd(expected)


def test_effective_and_posted_time_are_two(tx: Connection, books: Books) -> None:
    late = books.topup(0, 5, effective_at=NOW - 3 * DAY)
    books.posted(tx, late)
    assert statement.balance_at(tx, books.purse(0), effective_until=NOW - DAY) == vnd(5)
    assert statement.balance_at(tx, books.purse(0), posted_until=NOW - DAY) == vnd(0)


def test_moved_on_counts_a_service_day_whenever_it_was_booked(tx: Connection, three_days: Books) -> None:
    late: datetime = NOW + 5 * DAY
    fare = three_days.fare(0, 3, service_day=TODAY - 2 * DAY, entry_id=EntryId(uuid7(late)))
    three_days.posted(tx, fare, now=late)
    assert statement.moved_on(tx, three_days.alpha, TODAY - 2 * DAY) == vnd(103)
    assert statement.moved_on(tx, three_days.purse(0), TODAY - DAY) == vnd(-10)
    assert statement.moved_on(tx, three_days.alpha, date(2020, 1, 1)) == vnd(0)


def test_trial_balance_sums_to_nothing(tx: Connection, three_days: Books) -> None:
    for through in (None, TODAY - 2 * DAY, TODAY - 9 * DAY):
        lines = statement.trial_balance(tx, through=through)
        assert sum(line.net.minor for line in lines) == 0
    kinds = {line.kind: line.net.minor for line in statement.trial_balance(tx)}
    assert kinds == {"operator_payable": -111, "provider_clearing": 1_000, "rider_stored_value": -889}
