"""Corrections are linked entries, once per cause; history shows both."""

from datetime import date, timedelta

import pytest
from sqlalchemy import Connection

from kernel.crypto.ed25519 import SigningKey
from ledger import close_period, reverse
from ledger.rules.entry import Duplicate, Line, Posted, Reason, Refused
from ledger.rules.errors import AlreadyReversedError, IdReusedError, UnknownEntryError

from .conftest import NOW, TODAY, Books, vnd


def test_reverse_swaps_the_accounts_and_links_once(tx: Connection, books: Books) -> None:
    topup, fare = books.topup(0, 10), books.fare(0, 7)
    books.posted(tx, topup, fare)
    first = reverse.reverse(tx, fare.owner_id, fare.entry_id, NOW, cause="case:1")
    assert isinstance(first, Posted)
    assert books.balance(tx, books.purse(0)) == 10
    (row,) = reverse.get_entry(tx, fare.owner_id, first.entry_id)
    assert (row.corrects, row.debit_id, row.credit_id) == (fare.entry_id, books.alpha, books.purse(0))
    later = NOW + timedelta(days=3)
    again = reverse.reverse(tx, fare.owner_id, fare.entry_id, later, cause="case:1")
    assert again == Duplicate(first.entry_id, first.book_day, first.posted_at)
    with pytest.raises(AlreadyReversedError):
        reverse.reverse(tx, fare.owner_id, fare.entry_id, later, cause="case:2")
    assert len(reverse.get_entry(tx, fare.owner_id, fare.entry_id)) == 1


def test_reverse_of_spent_money_is_refused(tx: Connection, books: Books) -> None:
    topup = books.topup(0, 10)
    books.posted(tx, topup, books.fare(0, 7))
    outcome = reverse.reverse(tx, topup.owner_id, topup.entry_id, NOW)
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.short) == (Reason.FLOOR, vnd(7))


def test_reverse_after_the_close_lands_in_the_open_day_and_names_its_own(
    tx: Connection, books: Books
) -> None:
    fare = books.fare(0, 7)
    books.posted(tx, books.topup(0, 10), fare)
    close_period.close(tx, TODAY, NOW, signer=SigningKey.generate())
    outcome = reverse.reverse(tx, fare.owner_id, fare.entry_id, NOW)
    assert isinstance(outcome, Posted)
    assert outcome.book_day == date(2026, 11, 19)
    (row,) = reverse.get_entry(tx, fare.owner_id, outcome.entry_id)
    assert row.service_day == TODAY


def test_reverse_of_nothing(tx: Connection, books: Books) -> None:
    with pytest.raises(UnknownEntryError):
        reverse.reverse(tx, books.riders[0], books.new_id(), NOW)


def test_adjust_once_per_cause(tx: Connection, books: Books) -> None:
    fare = books.fare(0, 7)
    books.posted(tx, books.topup(0, 10), fare)
    back = Line(books.alpha, books.purse(0), vnd(2))
    adjusted = (fare.owner_id, fare.entry_id)
    assert isinstance(reverse.adjust(tx, *adjusted, [back], NOW, cause="case:1"), Posted)
    assert isinstance(reverse.adjust(tx, *adjusted, [back], NOW, cause="case:1"), Duplicate)
    with pytest.raises(IdReusedError):
        reverse.adjust(tx, *adjusted, [back, back], NOW, cause="case:1")
    assert isinstance(reverse.adjust(tx, *adjusted, [back], NOW, cause="case:2"), Posted)
    assert books.balance(tx, books.purse(0)) == 7
