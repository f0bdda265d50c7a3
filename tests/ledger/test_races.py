"""Eight connections at once: one outcome each, no balance below its floor, no deadlock left unretried."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, text

from kernel.crypto.ed25519 import SigningKey
from kernel.errors import DomainError
from kernel.ids import uuid7
from ledger import accounts, close_period, post, prove, reserve, reverse
from ledger.rules.entry import Duplicate, Line, Posted, Refused
from ledger.rules.hold import Held, Hold
from service import metrics
from service.database import Database

from .conftest import NOW, TODAY, Books, vnd

CLIENTS = 8
SIGNER = SigningKey.generate()


@pytest.fixture
def live(database):
    """Committed books with 1,000 on every purse, and a Database of the service on them."""
    books = Books()
    opened = Database(database.url, pool_size=CLIENTS + 1)
    with opened.begin() as tx:
        books.open(tx)
        books.posted(tx, *(books.topup(rider, 1_000) for rider in range(4)))
    yield books, opened
    assert not [fault for step in prove.prove(opened.begin) for fault in step.faults]
    opened.dispose()


def at_once(work: Callable[[int], Any], clients: int = CLIENTS) -> list[Any]:
    """Run `work(n)` on n threads that start together; a refusal counts as an answer."""
    together = Barrier(clients)

    def run(number: int) -> Any:
        together.wait()
        try:
            return work(number)
        except DomainError as refused:
            return refused

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(run, range(clients)))


def test_one_id_from_all_sides_is_booked_once(live) -> None:
    books, database = live
    entries = [books.fare(0, 1), books.entry(1, Line(books.provider, books.alpha, vnd(1)))]
    answers = at_once(lambda _: database.run(lambda tx: post.post(tx, entries, NOW)))
    for place in (0, 1):
        kinds = Counter(type(answer[place]) for answer in answers)
        assert kinds == {Posted: 1, Duplicate: CLIENTS - 1}
    assert len({answer[0].posted_at for answer in answers}) == 1


def test_a_floor_race_takes_exactly_what_is_there(live) -> None:
    books, database = live
    answers = at_once(lambda _: database.run(lambda tx: post.post(tx, [books.fare(0, 300)], NOW)))
    assert Counter(type(answer[0]) for answer in answers) == {Posted: 3, Refused: CLIENTS - 3}
    with database.begin() as tx:
        assert books.balance(tx, books.purse(0)) == 100


def test_posts_and_holds_share_one_floor(live) -> None:
    books, database = live

    def work(number: int) -> Any:
        if number % 2:
            return database.run(lambda tx: post.post(tx, [books.fare(0, 300)], NOW))[0]
        hold = Hold(
            uuid7(NOW),
            books.riders[0],
            books.purse(0),
            books.alpha,
            vnd(300),
            NOW + timedelta(1),
            "hold",
            TODAY,
        )
        return database.run(lambda tx: reserve.hold(tx, hold, NOW))

    answers = at_once(work)
    assert sum(isinstance(answer, Posted | Held) for answer in answers) == 3


@pytest.mark.parametrize("turn", range(3))
def test_one_hold_ended_from_all_sides_ends_once(live, turn: int) -> None:
    books, database = live
    expires = NOW + timedelta(minutes=1)
    hold = Hold(uuid7(NOW), books.riders[0], books.purse(0), books.alpha, vnd(600), expires, "hold", TODAY)
    database.run(lambda tx: reserve.hold(tx, hold, NOW))
    key = (hold.owner_id, hold.hold_id)
    ends: list[Callable[[Connection], Any]] = [
        lambda tx: reserve.post(tx, *key, NOW),
        lambda tx: reserve.void(tx, *key, NOW),
        lambda tx: reserve.expire_due(tx, expires),
        lambda tx: reverse.reverse(
            tx, hold.owner_id, reserve.hold_entry(hold, hold.amount, NOW).entry_id, NOW
        ),
    ]
    at_once(lambda number: database.run(ends[(number + turn) % 4]))
    with database.begin() as tx:
        found = reserve.find_hold(tx, *key, NOW)
        assert found is not None
        balance = accounts.read_balances(tx, [books.purse(0)], NOW)[books.purse(0)]
        assert balance.pending == vnd(0)
        reversed_too = reverse.find_entry(
            tx, hold.owner_id, reverse.reversal_id(hold.owner_id, found.entry_id or hold.hold_id)
        )
        taken = 600 if found.state.value == "posted" and not reversed_too else 0
        assert balance.posted == vnd(1_000 - taken)


def test_posts_against_a_close_all_land_on_an_open_day(live) -> None:
    books, database = live

    def work(number: int) -> Any:
        if number == 0:
            return database.run(lambda tx: close_period.close(tx, TODAY, NOW, signer=SIGNER))
        return [
            database.run(lambda tx: post.post(tx, [books.fare(number % 4, 1), books.fare(0, 1)], NOW))
            for _ in range(20)
        ]

    seal, *_ = at_once(work)
    with database.begin() as tx:
        booked = dict(tx.execute(text("SELECT book_day, count(*) FROM ledger_line GROUP BY book_day")).all())
    assert booked.pop(TODAY) == seal.leaf_count
    assert sum(booked.values()) == 4 + 7 * 20 * 2 - seal.leaf_count


def test_two_closes_at_once_make_one_seal(live) -> None:
    _, database = live
    seals = at_once(lambda _: database.run(lambda tx: close_period.close(tx, TODAY, NOW, signer=SIGNER)), 4)
    assert len({seal.head for seal in seals}) == 1
    with database.begin() as tx:
        assert len(close_period.list_seals(tx)) == 1


def test_many_operations_in_both_directions_keep_every_sum(live) -> None:
    """Topups, fares and refunds over shared purses; the fixture then proves the whole ledger."""
    books, database = live

    def work(number: int) -> int:
        chance = random.Random(number)
        done = 0
        for _ in range(25):
            entries = []
            for _ in range(chance.randint(1, 12)):
                rider = chance.randrange(4)
                back = Line(books.alpha, books.purse(rider), vnd(chance.randint(1, 40)))
                entries.append(
                    chance.choice(
                        [
                            books.fare(rider, chance.randint(1, 90)),
                            books.topup(rider, chance.randint(1, 50)),
                            books.entry(rider, back),
                        ]
                    )
                )
            outcomes = database.run(lambda tx, entries=entries: post.post(tx, entries, NOW))
            done += sum(isinstance(outcome, Posted) for outcome in outcomes)
        return done

    assert sum(at_once(work)) > 0


def test_a_provoked_deadlock_is_repeated_and_counted(live) -> None:
    books, database = live
    before = metrics.TRANSACTION_RETRIES.labels("deadlock")._value.get()
    crossing = Barrier(2)
    tries: Counter[int] = Counter()

    def work(number: int) -> Any:
        def cross(tx: Connection) -> Any:
            tries[number] += 1
            post.post(tx, [books.topup(number, 1)], NOW)
            if tries[number] == 1:
                crossing.wait()
            return post.post(tx, [books.topup(1 - number, 1)], NOW)

        return database.run(cross)

    answers = at_once(work, 2)
    assert all(isinstance(answer[0], Posted) for answer in answers)
    assert metrics.TRANSACTION_RETRIES.labels("deadlock")._value.get() > before
    with database.begin() as tx:
        assert books.balance(tx, books.purse(0)) == 1_002


def test_a_freeze_waits_for_posters_under_way(live) -> None:
    books, database = live
    posted, checked = Barrier(2), Barrier(2)

    def work(number: int) -> Any:
        if number:
            posted.wait()
            with database.begin() as tx:
                tx.execute(text("SET LOCAL lock_timeout = '200ms'"))
                with pytest.raises(Exception, match="lock timeout"):
                    accounts.freeze(tx, books.alpha, NOW)
            checked.wait()
            return None
        with database.begin() as tx:
            post.post(tx, [books.fare(0, 1)], NOW)
            posted.wait()
            checked.wait()
        return None

    at_once(work, 2)
