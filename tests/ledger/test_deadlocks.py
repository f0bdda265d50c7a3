"""Who waits for whom: deadlocks are repeated or avoided, and a batch is booked once."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ledger import post
from ledger.rules.entry import Duplicate, Posted, Refused
from ledger.store import accounts as account_store
from service import metrics

from .conftest import CLIENTS, NOW, at_once

WAITING = text(
    "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE NOT l.granted AND a.datname = current_database()"
)


@pytest.mark.parametrize("many", [10, 1_000])
def test_large_batches_of_the_same_ids_are_booked_once(live, monkeypatch, many: int) -> None:
    """Half of them hold an entry that the floor refuses, and so lock balances before they write a line."""
    books, database = live
    monkeypatch.setattr(post, "_MANY", many)
    shared = [books.fare(rider, 1) for rider in (3, 1, 2, 0) for _ in range(5)]
    beyond = books.fare(0, 5_000)

    def work(number: int) -> Any:
        batch = [*shared, beyond] if number % 2 else shared[::-1]
        return database.run(lambda tx: post.post(tx, batch, NOW))

    answers = at_once(work)
    kinds = Counter(type(outcome) for answer in answers for outcome in answer)
    booked = len(shared)
    assert kinds == {Posted: booked, Duplicate: booked * (CLIENTS - 1), Refused: CLIENTS // 2}


def test_whoever_holds_the_balances_need_not_wait_for_a_batch_that_is_written(live, monkeypatch) -> None:
    """A large batch writes its lines before it asks for balances; their holder then wants the same ids."""
    books, database = live
    monkeypatch.setattr(post, "_MANY", 10)
    batch = [books.fare(0, 1) for _ in range(20)]
    with ThreadPoolExecutor(1) as pool, database.begin() as holder:
        account_store.lock_balances(holder, {books.purse(0)})
        other = pool.submit(lambda: database.run(lambda tx: post.post(tx, batch, NOW)))
        while not database.run(lambda tx: tx.execute(WAITING).scalar_one()):
            time.sleep(0.005)
        mine = post.post(holder, batch, NOW)
        # Committed at the end of the block, before the other is asked for its answer.
        assert {type(outcome) for outcome in mine} == {Posted}
    assert {type(outcome) for outcome in other.result()} == {Duplicate}


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


def test_a_deadlock_that_stays_is_given_up_after_the_set_number(live, monkeypatch) -> None:
    """Retries are bounded: the database's own error comes up, and every repeat was counted."""
    books, database = live
    counter = metrics.TRANSACTION_RETRIES.labels("deadlock")._value
    before, tries = counter.get(), []
    monkeypatch.setattr(database, "retries", 3)

    def deadlocked(tx: Connection) -> None:
        post.post(tx, [books.topup(0, 1)], NOW)
        tries.append(1)
        tx.execute(text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = 'deadlock_detected'; END $$"))

    with pytest.raises(DBAPIError, match="again"):
        database.run(deadlocked)
    assert (len(tries), counter.get() - before) == (4, 3)
    with database.begin() as tx:
        assert books.balance(tx, books.purse(0)) == 1_000
