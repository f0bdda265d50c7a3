"""Single postings of many threads in one batch: each gets its own answer, and nobody's fault is another's."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, Event
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from kernel.clock import FixedClock
from kernel.errors import DomainError
from kernel.ids import LedgerAccountId, uuid7
from ledger import post
from ledger.rules.entry import Duplicate, Entry, Posted, Refused
from ledger.rules.errors import IdReusedError, UnknownAccountError
from service.database import Database
from service.posting import Postings
from tests.ledger.conftest import NOW, Books, vnd

CLIENTS = 12


@pytest.fixture
def books(database):
    """Committed books with 1,000 on every purse."""
    opened = Database(database.url)
    found = Books()
    with opened.begin() as tx:
        found.open(tx)
        found.posted(tx, *(found.topup(rider, 1_000) for rider in range(4)))
    opened.dispose()
    return found


@pytest.fixture
def base(database):
    """The service's own connections: fewer than there are clients."""
    opened = Database(database.url, pool_size=2)
    yield opened
    opened.dispose()


def at_once(work: Callable[[int], Any]) -> list[Any]:
    together = Barrier(CLIENTS)

    def run(number: int) -> Any:
        together.wait()
        try:
            return work(number)
        except (DomainError, OperationalError) as error:
            return error

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(run, range(CLIENTS)))


def batches_of(monkeypatch, held: Event | None = None) -> list[int]:
    """Count the entries of each transaction; the first waits for `held`."""
    sizes: list[int] = []
    real = post.post

    def counted(tx: Any, entries: Sequence[Entry], now: Any) -> Any:
        sizes.append(len(entries))
        if held is not None and len(sizes) == 1:
            assert held.wait(10)
        return real(tx, entries, now)

    monkeypatch.setattr(post, "post", counted)
    return sizes


def test_all_are_booked_once_in_fewer_transactions(books, base, monkeypatch) -> None:
    sizes = batches_of(monkeypatch)
    postings = Postings(base, FixedClock(NOW))
    fares = [[books.fare(client % 4, 1) for _ in range(20)] for client in range(CLIENTS)]
    answers = at_once(lambda client: [postings.post(fare) for fare in fares[client]])
    for client, outcomes in enumerate(answers):
        assert [(type(one), one.entry_id) for one in outcomes] == [
            (Posted, f.entry_id) for f in fares[client]
        ]
    assert sum(sizes) == 20 * CLIENTS
    assert len(sizes) < sum(sizes)
    with base.begin() as tx:
        assert sum(books.balance(tx, books.purse(rider)) for rider in range(4)) == 4_000 - 20 * CLIENTS


def test_whoever_waited_goes_in_one_batch(books, base, monkeypatch) -> None:
    held = Event()
    sizes = batches_of(monkeypatch, held)
    postings = Postings(base, FixedClock(NOW))
    with ThreadPoolExecutor(CLIENTS) as pool:
        first = pool.submit(postings.post, books.fare(0, 1))
        while not sizes:
            pass
        others = [pool.submit(postings.post, books.fare(1, 1)) for _ in range(CLIENTS - 1)]
        while len(postings._queue) < CLIENTS - 1:
            pass
        held.set()
        assert {type(one.result()) for one in (first, *others)} == {Posted}
    assert sizes == [1, CLIENTS - 1]


def test_an_entry_alone_is_one_transaction(books, base, monkeypatch) -> None:
    sizes = batches_of(monkeypatch)
    postings = Postings(base, FixedClock(NOW))
    for _ in range(3):
        assert isinstance(postings.post(books.fare(0, 1)), Posted)
    assert sizes == [1, 1, 1]


def test_the_floor_holds_across_a_batch(books, base) -> None:
    postings = Postings(base, FixedClock(NOW))
    answers = at_once(lambda _: postings.post(books.fare(0, 300)))
    assert Counter(map(type, answers)) == {Posted: 3, Refused: CLIENTS - 3}


def test_the_same_entry_from_all_sides_is_booked_once(books, base) -> None:
    postings = Postings(base, FixedClock(NOW))
    fare = books.fare(0, 1)
    assert Counter(map(type, at_once(lambda _: postings.post(fare)))) == {Posted: 1, Duplicate: CLIENTS - 1}


def test_whoever_asks_for_what_cannot_be_is_refused_alone(books, base) -> None:
    postings = Postings(base, FixedClock(NOW))
    booked = books.fare(0, 1)
    assert isinstance(postings.post(booked), Posted)
    fare = books.fare(1, 1)
    nowhere = replace(fare, lines=(replace(fare.lines[0], credit=LedgerAccountId(uuid7(NOW))),))
    other_body = replace(booked, lines=(replace(booked.lines[0], amount=vnd(2)),))
    asked = [nowhere, other_body, *(books.fare(2, 1) for _ in range(CLIENTS - 2))]
    answers = at_once(lambda client: postings.post(asked[client]))
    assert isinstance(answers[0], UnknownAccountError)
    assert isinstance(answers[1], IdReusedError)
    assert {type(answer) for answer in answers[2:]} == {Posted}


def test_a_database_that_breaks_is_everybodys_and_they_may_come_again(books, base, monkeypatch) -> None:
    postings = Postings(base, FixedClock(NOW))
    fares = [books.fare(0, 1) for _ in range(CLIENTS)]
    real = post.post

    def broken(tx: Any, entries: Sequence[Entry], now: Any) -> Any:
        real(tx, entries, now)
        tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with monkeypatch.context() as patched:
        patched.setattr(post, "post", broken)
        answers = at_once(lambda client: postings.post(fares[client]))
        assert {isinstance(answer, OperationalError) for answer in answers} == {True}
    base.engine.dispose()
    assert {type(answer) for answer in at_once(lambda client: postings.post(fares[client]))} == {Posted}
