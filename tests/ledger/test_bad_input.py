"""What the ledger cannot take: each is refused by name, and nothing of the call is written."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from kernel.errors import DomainError
from kernel.ids import EntryId, LedgerAccountId, uuid7
from kernel.money import Money, currency
from ledger import accounts, post, reserve
from ledger.rules import chart
from ledger.rules.entry import MAX_LINES, MAX_MINOR, Entry, Line, Posted, Reason, Refused
from ledger.rules.errors import (
    BadEntryError,
    BadLineError,
    IdReusedError,
    UnknownAccountError,
    WrongCurrencyError,
    WrongOwnerError,
)
from ledger.rules.hold import Hold

from .conftest import NOW, TODAY, Books, vnd

EURO = currency("EUR")
TABLES = ("ledger_line", "ledger_derived", "ledger_rollup", "ledger_control", "ledger_hold", "ledger_closing")


def everything(tx: Connection) -> list[list[tuple[object, ...]]]:
    """All that a posting may change, row by row."""
    tables = (*TABLES, "ledger_balance", "ledger_account")
    return [sorted(map(repr, tx.execute(text(f"SELECT * FROM {table}")).all())) for table in tables]


def stranger(books: Books) -> LedgerAccountId:
    return LedgerAccountId(uuid7(NOW))


# An entry that cannot be written down at all: the value refuses to be made.
IMPOSSIBLE: dict[str, tuple[type[DomainError], Callable[[Books], object]]] = {
    "amount of zero": (BadLineError, lambda b: Line(b.provider, b.alpha, vnd(0))),
    "negative amount": (BadLineError, lambda b: Line(b.provider, b.alpha, vnd(-1))),
    "amount past the documented most": (
        BadLineError,
        lambda b: Line(b.provider, b.alpha, vnd(MAX_MINOR + 1)),
    ),
    "amount of 2^63 - 1": (BadLineError, lambda b: Line(b.provider, b.alpha, vnd(2**63 - 1))),
    "amount of 2^63": (BadLineError, lambda b: Line(b.provider, b.alpha, vnd(2**63))),
    "amount of -2^63": (BadLineError, lambda b: Line(b.provider, b.alpha, vnd(-(2**63)))),
    "one account on both sides": (BadLineError, lambda b: Line(b.alpha, b.alpha, vnd(1))),
    "no lines": (BadEntryError, lambda b: b.entry(0)),
    "more lines than documented": (
        BadEntryError,
        lambda b: b.entry(0, *[Line(b.provider, b.alpha, vnd(1))] * (MAX_LINES + 1)),
    ),
    "two currencies": (
        BadEntryError,
        lambda b: b.entry(0, Line(b.provider, b.alpha, vnd(1)), Line(b.provider, b.alpha, Money(1, EURO))),
    ),
    "time without a zone": (BadEntryError, lambda b: b.topup(0, 1, effective_at=NOW.replace(tzinfo=None))),
    "cause with a line break": (BadEntryError, lambda b: b.topup(0, 1, cause="a\nb")),
    "cause of 201 letters": (BadEntryError, lambda b: b.topup(0, 1, cause="x" * 201)),
    "kind with a capital": (BadEntryError, lambda b: b.topup(0, 1, kind="Topup")),
    "metadata of five kilobytes": (BadEntryError, lambda b: b.topup(0, 1, metadata={"k": "x" * 5_000})),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_an_entry_that_cannot_be_is_not_made(books: Books, what: str) -> None:
    error, make = IMPOSSIBLE[what]
    with pytest.raises(error) as refused:
        make(books)
    assert refused.value.fields["field"]


# An entry that can be written down and not booked, as an error: nothing of its batch is.
WRONG: dict[str, tuple[type[DomainError], Callable[[Books], Entry]]] = {
    "unknown debit account": (
        UnknownAccountError,
        lambda b: b.entry(0, Line(stranger(b), b.alpha, vnd(1))),
    ),
    "unknown credit account": (
        UnknownAccountError,
        lambda b: b.entry(0, Line(b.provider, stranger(b), vnd(1))),
    ),
    "another currency on an append-only account": (
        WrongCurrencyError,
        lambda b: b.entry(0, Line(b.provider, b.alpha, Money(1, EURO))),
    ),
    "another currency on a guarded account": (
        WrongCurrencyError,
        lambda b: b.entry(0, Line(b.provider, b.purse(0), Money(1, EURO))),
    ),
    "a purse under another owner": (
        WrongOwnerError,
        lambda b: b.entry(1, Line(b.provider, b.purse(0), vnd(1))),
    ),
    "a receivable under another owner": (
        WrongOwnerError,
        lambda b: b.entry(1, Line(chart.rider_receivable(b.riders[0]).account_id, b.alpha, vnd(1))),
    ),
    "an id of the year 10000": (
        BadEntryError,
        lambda b: b.topup(0, 1, entry_id=EntryId(replace_time(b.new_id(), 0xFFFFFFFFFFFF))),
    ),
}


def replace_time(of: EntryId, millis: int) -> EntryId:
    return EntryId(type(of)(int=millis << 80 | of.int & (1 << 80) - 1))


@pytest.mark.parametrize("place", ["alone", "first", "last"])
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_entry_stops_its_batch_and_nothing_is_written(
    tx: Connection, books: Books, what: str, place: str
) -> None:
    error, make = WRONG[what]
    wrong, good = make(books), books.topup(0, 5)
    batch = {"alone": [wrong], "first": [wrong, good], "last": [good, wrong]}[place]
    before = everything(tx)
    for verb in (post.post, post.post_together):
        with pytest.raises(error), tx.begin_nested():
            verb(tx, batch, NOW)
        assert everything(tx) == before


@pytest.mark.parametrize("what", [name for name in WRONG if "year" not in name])
def test_a_wrong_hold_is_not_placed(tx: Connection, books: Books, what: str) -> None:
    error, make = WRONG[what]
    entry = make(books)
    (line,) = entry.lines
    wanted = Hold(uuid7(NOW), entry.owner_id, line.debit, line.credit, line.amount, LATER, "hold", TODAY)
    before = everything(tx)
    with pytest.raises(error), tx.begin_nested():
        reserve.hold(tx, wanted, NOW)
    assert everything(tx) == before


LATER = NOW.replace(hour=23)


@pytest.mark.parametrize("side", ["purse", "alpha"])
@pytest.mark.parametrize(("state", "reason"), [("frozen", Reason.FROZEN), ("closed", Reason.CLOSED)])
def test_an_account_that_takes_no_postings_refuses_its_entry_alone(
    tx: Connection, books: Books, side: str, state: str, reason: Reason
) -> None:
    books.posted(tx, books.topup(1, 10))
    account = books.purse(0) if side == "purse" else books.alpha
    (accounts.freeze if state == "frozen" else accounts.close_account)(tx, account, NOW)
    before = everything(tx)
    wrong = books.topup(0, 5) if side == "purse" else books.fare(1, 5)
    (outcome,) = post.post(tx, [wrong], NOW)
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.line_no, outcome.account_id) == (reason, 1, account)
    assert everything(tx) == before
    outcomes = post.post(tx, [wrong, books.topup(2, 1)], NOW)
    assert [type(each) for each in outcomes] == [Refused, Posted]
    assert accounts.read_balances(tx, [account], NOW)[account].posted == vnd(0)


def test_another_body_under_a_used_id_writes_nothing(tx: Connection, books: Books) -> None:
    first = books.topup(0, 5)
    books.posted(tx, first)
    before = everything(tx)
    with pytest.raises(IdReusedError) as refused, tx.begin_nested():
        post.post(tx, [books.topup(1, 1), replace(first, cause="tap:2")], NOW)
    assert refused.value.fields["field"] == "cause"
    assert everything(tx) == before


def test_the_most_that_is_documented_is_taken(tx: Connection, books: Books) -> None:
    books.posted(
        tx,
        books.entry(0, *[Line(books.provider, books.alpha, vnd(1))] * MAX_LINES),
        books.topup(0, MAX_MINOR),
    )
    assert books.balance(tx, books.purse(0)) == MAX_MINOR
