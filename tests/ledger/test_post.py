"""Posting: what is booked, what is answered again, what is refused with nothing written."""
# longer than a room: every refusal and boundary of the one way in, over one set of books

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import EntryId, LedgerAccountId, uuid7, uuid8
from kernel.money import Money, currency
from ledger import accounts, close_period, post
from ledger.rules import chart
from ledger.rules.entry import MAX_LINES, MAX_MINOR, Duplicate, Entry, Line, Posted, Reason, Refused
from ledger.rules.errors import (
    BadEntryError,
    BadLineError,
    IdReusedError,
    UnknownAccountError,
    WrongCurrencyError,
    WrongOwnerError,
)

from .conftest import NOW, TODAY, Books, vnd


@pytest.fixture(
    autouse=True, params=[(8, 2_000), (0, 2_000), (0, 0)], ids=["sent along", "moved first", "written first"]
)
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every case through each of the ways in which a batch is written."""
    few, many = request.param
    monkeypatch.setattr(post, "_FEW", few)
    monkeypatch.setattr(post, "_MANY", many)


def lines_stored(tx: Connection, entry: Entry) -> int:
    found = tx.execute(text("SELECT count(*) FROM ledger_line WHERE entry_id = :id"), {"id": entry.entry_id})
    return found.scalar_one()


def test_post_moves_both_accounts(tx: Connection, books: Books) -> None:
    outcomes = books.posted(tx, books.topup(0, 50_000), books.fare(0, 7_000))
    assert [type(o) for o in outcomes] == [Posted, Posted]
    assert outcomes[0].book_day == TODAY
    assert books.balance(tx, books.purse(0)) == 43_000
    assert books.balance(tx, books.alpha) == 7_000
    assert books.balance(tx, books.provider) == 50_000


def test_post_nothing_answers_nothing(tx: Connection) -> None:
    assert post.post(tx, [], NOW) == ()


def test_post_same_id_same_body_answers_the_first_result(tx: Connection, books: Books) -> None:
    entry = books.topup(0, 50_000)
    first = books.posted(tx, entry)[0]
    again = post.post(tx, [entry], NOW + timedelta(hours=3))[0]
    assert again == Duplicate(entry.entry_id, first.book_day, first.posted_at)
    assert books.balance(tx, books.purse(0)) == 50_000


def test_post_same_id_twice_in_one_batch_books_once(tx: Connection, books: Books) -> None:
    entry = books.topup(0, 50_000)
    outcomes = post.post(tx, [entry, entry], NOW)
    assert [type(o) for o in outcomes] == [Posted, Duplicate]
    assert lines_stored(tx, entry) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "topup.other"),
        ("service_day", date(2026, 11, 17)),
        ("effective_at", NOW - timedelta(days=1)),
        ("cause", "tap:2"),
        ("narrative", "other"),
        ("corrects", EntryId(UUID(int=1))),
        ("metadata", {"a": "b"}),
    ],
)
@pytest.mark.parametrize("derived", [False, True])
def test_post_same_id_other_body_names_the_field(
    tx: Connection, books: Books, field: str, value: object, derived: bool
) -> None:
    entry = books.topup(0, 50_000, entry_id=EntryId(uuid8("x")) if derived else None)
    books.posted(tx, entry)
    with pytest.raises(IdReusedError) as refused:
        post.post(tx, [books.fare(0, 1), replace(entry, **{field: value})], NOW + timedelta(days=2))
    assert refused.value.fields["field"] == field
    assert books.balance(tx, books.purse(0)) == 50_000


@pytest.mark.parametrize("change", ["amount", "debit", "more", "fewer"])
def test_post_same_id_other_lines_names_lines(tx: Connection, books: Books, change: str) -> None:
    line = Line(books.provider, books.purse(0), vnd(5))
    entry = books.entry(0, line, line)
    books.posted(tx, entry)
    lines = {
        "amount": (line, replace(line, amount=vnd(6))),
        "debit": (line, replace(line, debit=books.beta)),
        "more": (line, line, line),
        "fewer": (line,),
    }[change]
    with pytest.raises(IdReusedError) as refused:
        post.post(tx, [replace(entry, lines=lines)], NOW)
    assert refused.value.fields["field"] == "lines"


def test_post_a_resent_batch_that_drained_the_balance_is_a_duplicate(tx: Connection, books: Books) -> None:
    batch = [books.topup(0, 10), books.fare(0, 10)]
    books.posted(tx, *batch)
    assert [type(o) for o in post.post(tx, batch, NOW)] == [Duplicate, Duplicate]


def test_post_checks_the_id_before_account_state_and_floor(tx: Connection, books: Books) -> None:
    entry = books.topup(0, 10)
    books.posted(tx, entry)
    accounts.freeze(tx, books.purse(0), NOW)
    assert isinstance(post.post(tx, [entry], NOW)[0], Duplicate)


def test_post_refuses_at_the_floor_and_says_by_how_much(tx: Connection, books: Books) -> None:
    books.posted(tx, books.topup(0, 7_000))
    fare = books.fare(0, 7_001)
    (outcome,) = post.post(tx, [fare], NOW)
    assert outcome == Refused(fare.entry_id, Reason.FLOOR, 1, books.purse(0), vnd(1))
    assert lines_stored(tx, fare) == 0
    books.posted(tx, books.fare(0, 7_000))
    assert books.balance(tx, books.purse(0)) == 0


def test_post_judges_one_after_the_other(tx: Connection, books: Books) -> None:
    early, later = books.fare(0, 10), books.fare(0, 10)
    outcomes = post.post(tx, [early, books.topup(0, 10), later], NOW)
    assert [type(o) for o in outcomes] == [Refused, Posted, Posted]
    assert books.balance(tx, books.purse(0)) == 0


def test_post_one_refused_entry_does_not_reject_its_batch(tx: Connection, books: Books) -> None:
    books.posted(tx, books.topup(0, 100))
    outcomes = post.post(tx, [books.fare(0, 60), books.fare(0, 60), books.topup(1, 5)], NOW)
    assert [type(o) for o in outcomes] == [Posted, Refused, Posted]
    assert books.balance(tx, books.alpha) == 60


def test_post_together_books_all_or_nothing_and_names_the_one(tx: Connection, books: Books) -> None:
    good, bad = books.topup(0, 5), books.fare(1, 1)
    outcomes = post.post_together(tx, [good, bad], NOW)
    assert outcomes == (
        Refused(good.entry_id, Reason.IN_SET, 1, books.purse(1)),
        Refused(bad.entry_id, Reason.FLOOR, 1, books.purse(1), vnd(1)),
    )
    assert books.balance(tx, books.purse(0)) == 0
    done = post.post_together(tx, [good, books.topup(1, 1), bad], NOW)
    assert [type(o) for o in done] == [Posted, Posted, Posted]


def test_post_a_risk_limit_lets_a_balance_go_below_zero_and_no_further(tx: Connection, books: Books) -> None:
    owner = uuid7(NOW)
    spec = replace(chart.rider_stored_value(owner), limit_minor=500)
    accounts.open_accounts(tx, [spec], NOW)

    def take(minor: int) -> Entry:
        return replace(books.entry(0, Line(spec.account_id, books.alpha, vnd(minor))), owner_id=owner)

    books.posted(tx, take(500))
    assert isinstance(post.post(tx, [take(1)], NOW)[0], Refused)
    assert books.balance(tx, spec.account_id) == -500


@pytest.mark.parametrize("guarded", [True, False])
def test_post_refuses_frozen_and_closed_accounts(tx: Connection, books: Books, guarded: bool) -> None:
    account = books.purse(0) if guarded else books.provider
    accounts.freeze(tx, account, NOW)
    entry = books.topup(0, 5)
    assert post.post(tx, [entry], NOW)[0] == Refused(entry.entry_id, Reason.FROZEN, 1, account)
    accounts.thaw(tx, account, NOW)
    books.posted(tx, entry)
    accounts.close_account(tx, books.beta, NOW)
    late = books.entry(0, Line(books.purse(0), books.beta, vnd(1)))
    assert post.post(tx, [late], NOW)[0] == Refused(late.entry_id, Reason.CLOSED, 1, books.beta)


def test_post_refuses_a_stranger_with_nothing_written(tx: Connection, books: Books) -> None:
    good = books.topup(0, 5)
    stranger = LedgerAccountId(uuid7(NOW))
    with pytest.raises(UnknownAccountError) as refused:
        post.post(tx, [good, books.entry(0, Line(stranger, books.purse(0), vnd(1)))], NOW)
    assert refused.value.fields["account_id"] == str(stranger)
    assert lines_stored(tx, good) == 0
    assert books.balance(tx, books.purse(0)) == 0


def test_post_refuses_another_currency(tx: Connection, books: Books) -> None:
    euro = Money(5, currency("EUR"))
    with pytest.raises(WrongCurrencyError):
        post.post(tx, [books.entry(0, Line(books.provider, books.purse(0), euro))], NOW)


@pytest.mark.parametrize("both", [True, False])
def test_post_refuses_a_riders_account_under_another_owner(tx: Connection, books: Books, both: bool) -> None:
    stray = replace(books.topup(1, 5), owner_id=books.riders[0])
    with pytest.raises(WrongOwnerError):
        post.post(tx, [books.topup(1, 5), stray] if both else [stray], NOW)
    debt = chart.rider_receivable(books.riders[1]).account_id
    with pytest.raises(WrongOwnerError):
        post.post(tx, [books.entry(0, Line(debt, books.alpha, vnd(5)))], NOW)


@pytest.mark.parametrize("minor", [0, -1, MAX_MINOR + 1, 2**63, -(2**63)])
def test_line_refuses_amounts_out_of_range(books: Books, minor: int) -> None:
    with pytest.raises(BadLineError):
        Line(books.provider, books.alpha, vnd(minor))


def test_line_refuses_one_account_on_both_sides(books: Books) -> None:
    with pytest.raises(BadLineError):
        Line(books.alpha, books.alpha, vnd(1))


@pytest.mark.parametrize(
    "changed",
    [
        {"lines": ()},
        {"kind": ""},
        {"kind": "Fare"},
        {"kind": "x" * 65},
        {"cause": "x" * 201},
        {"cause": "a\x00b"},
        {"narrative": "line\nbreak"},
        {"cause": "\ud800"},
        {"effective_at": datetime(2026, 11, 18)},  # noqa: DTZ001
        {"metadata": {"a": 1}},
        {"metadata": {"a": "x" * 5000}},
    ],
)
def test_entry_refuses_what_cannot_be(books: Books, changed: dict[str, object]) -> None:
    with pytest.raises(BadEntryError):
        books.topup(0, 5, **changed)


def test_entry_refuses_mixed_currencies_and_too_many_lines(books: Books) -> None:
    line = Line(books.provider, books.alpha, vnd(1))
    with pytest.raises(BadEntryError):
        books.entry(0, line, Line(books.provider, books.alpha, Money(1, currency("EUR"))))
    with pytest.raises(BadEntryError):
        books.entry(0, *[line] * (MAX_LINES + 1))


def test_post_the_most_lines_an_entry_may_have(tx: Connection, books: Books) -> None:
    books.posted(tx, books.entry(0, *[Line(books.provider, books.purse(0), vnd(1))] * MAX_LINES))
    assert books.balance(tx, books.purse(0)) == MAX_LINES


def test_post_an_overflowing_balance_is_not_booked(tx: Connection, books: Books) -> None:
    lines = [Line(books.provider, books.purse(0), vnd(MAX_MINOR))] * MAX_LINES
    for _ in range(9):
        books.posted(tx, books.entry(0, *lines))
    before = books.balance(tx, books.purse(0))
    with pytest.raises(Exception, match="out of range"), tx.begin_nested():
        post.post(tx, [books.entry(0, *lines)], NOW)
    assert books.balance(tx, books.purse(0)) == before


def test_post_several_currencies_and_days_in_one_batch(tx: Connection, books: Books) -> None:
    euro = currency("EUR")
    owner = books.riders[0]
    purse, clearing = chart.rider_stored_value(owner, euro), chart.provider_clearing("payos", euro)
    accounts.open_accounts(tx, [purse, clearing], NOW)
    outcomes = books.posted(
        tx,
        books.topup(0, 5),
        books.entry(0, Line(clearing.account_id, purse.account_id, Money(320, euro))),
        books.topup(0, 7, entry_id=books.new_id(NOW - timedelta(days=1))),
    )
    assert [o.book_day.day for o in outcomes] == [18, 18, 17]
    assert accounts.read_balances(tx, [purse.account_id], NOW)[purse.account_id].posted == Money(320, euro)
    assert books.balance(tx, books.purse(0)) == 12


def test_book_day_is_the_local_date_of_the_id(tx: Connection, books: Books) -> None:
    before_midnight = datetime(2026, 11, 18, 16, 59, 59, 999_000, tzinfo=UTC)
    first, second = (
        books.posted(tx, books.topup(0, 1, entry_id=EntryId(uuid7(at))))[0]
        for at in (before_midnight, before_midnight + timedelta(milliseconds=1))
    )
    assert (first.book_day, second.book_day) == (date(2026, 11, 18), date(2026, 11, 19))


def test_book_day_of_a_derived_id_survives_a_retry_on_a_later_day(tx: Connection, books: Books) -> None:
    entry = books.topup(0, 1, entry_id=EntryId(uuid8("bill", 1)))
    first = books.posted(tx, entry)[0]
    again = post.post(tx, [entry], NOW + timedelta(days=40))[0]
    assert again == Duplicate(entry.entry_id, first.book_day, first.posted_at)


@pytest.mark.parametrize("derived", [False, True])
def test_post_to_a_closed_day_lands_on_the_next_and_is_found_there(
    tx: Connection, books: Books, derived: bool
) -> None:
    signer = SigningKey.generate()
    close_period.close(tx, TODAY, NOW, signer=signer)
    late = books.topup(0, 5, entry_id=EntryId(uuid8("late")) if derived else None)
    assert books.posted(tx, late)[0].book_day == date(2026, 11, 19)
    assert isinstance(post.post(tx, [late], NOW)[0], Duplicate)
    tomorrow = NOW + timedelta(days=1)
    close_period.close(tx, date(2026, 11, 19), tomorrow, signer=signer)
    assert isinstance(post.post(tx, [late], tomorrow)[0], Duplicate)
    with pytest.raises(IdReusedError):
        post.post(tx, [replace(late, cause="other")], tomorrow)
    assert books.balance(tx, books.purse(0)) == 5


def test_post_an_id_of_an_impossible_time(tx: Connection, books: Books) -> None:
    old = EntryId(UUID(int=0x7 << 76 | 0b10 << 62 | 1))
    assert books.posted(tx, books.topup(0, 1, entry_id=old))[0].book_day == date(2020, 1, 1)
    beyond = EntryId(UUID(int=(2**48 - 1) << 80 | 0x7 << 76 | 0b10 << 62))
    with pytest.raises(BadEntryError):
        post.post(tx, [books.topup(0, 1, entry_id=beyond)], NOW)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_line SET amount = 1",
        "DELETE FROM ledger_line",
        "TRUNCATE ledger_line",
        "UPDATE ledger_derived SET book_day = '2020-01-01'",
        "DELETE FROM ledger_seal",
        "UPDATE ledger_account SET type = 'asset'",
        "DELETE FROM ledger_balance",
        "DELETE FROM ledger_rollup",
        "UPDATE ledger_hold SET amount = 1",
        "UPDATE ledger_closing SET debits = 1",
    ],
)
def test_the_application_has_no_right_to_change_the_books(
    tx: Connection, books: Books, statement: str
) -> None:
    books.posted(tx, books.topup(0, 5))
    with pytest.raises(Exception, match=r"permission denied|append-only"), tx.begin_nested():
        tx.execute(text(statement))


def test_the_owner_is_stopped_by_a_trigger_also_on_the_partition(owner_tx: Connection) -> None:
    books = Books()
    books.open(owner_tx)
    books.posted(owner_tx, books.topup(0, 5))
    for statement in (
        "UPDATE ledger_line SET amount = 1",
        "DELETE FROM ledger_line_default",
        "TRUNCATE ledger_line_default",
    ):
        with pytest.raises(Exception, match="append-only"), owner_tx.begin_nested():
            owner_tx.execute(text(statement))
