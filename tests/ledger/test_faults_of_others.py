"""What users report of other ledgers, each a test of ours: the fault in the test's name must not happen here."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from sqlalchemy import Connection, text

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import uuid7
from ledger import accounts, close_period, post, reserve
from ledger.rules import chain
from ledger.rules import seal as seal_rules
from ledger.rules.entry import Duplicate, Posted, Reason, Refused
from ledger.rules.errors import HoldEndedError, IdReusedError
from ledger.rules.hold import Held, Hold, HoldState
from ledger.rules.proof import FaultKind
from service import launcher, migrate
from service.database import Database

from .conftest import NOW, TODAY, Books, faults_within, vnd
from .test_crash import kill_server
from .test_races import CLIENTS, at_once

SIGNER = SigningKey.generate()
DAY = timedelta(days=1)


@pytest.fixture
def live(database):
    books = Books()
    opened = Database(database.url, pool_size=CLIENTS + 1)
    with opened.begin() as tx:
        books.open(tx)
        books.posted(tx, books.topup(0, 1_000))
    yield books, opened
    opened.dispose()


def a_hold(books: Books, minor: int = 600) -> Hold:
    return Hold(
        uuid7(NOW), books.riders[0], books.purse(0), books.alpha, vnd(minor), NOW + DAY, "hold", TODAY
    )


def test_answered_and_then_missing_after_a_restart(tmp_path: Path) -> None:
    books = Books()
    sent = books.topup(0, 700)
    with launcher.servers(tmp_path / "servers", durable=True, environ={}) as running:
        migrate.migrate(running.owner_url)
        database = Database(running.database_url, retries=0)
        database.run(books.open)
        (answer,) = database.run(lambda tx: post.post(tx, [sent], NOW))
        assert isinstance(answer, Posted)
        kill_server(tmp_path)
        database.dispose()
    with launcher.servers(tmp_path / "servers", durable=True, environ={}) as running:
        database = Database(running.database_url, retries=0)
        with database.begin() as tx:
            assert books.balance(tx, books.purse(0)) == 700
            assert post.post(tx, [sent], NOW) == (
                Duplicate(answer.entry_id, answer.book_day, answer.posted_at),
            )
        database.dispose()


def test_money_lost_when_redis_evicted_a_balance(live, redis_url: str) -> None:
    books, database = live
    with redis.Redis.from_url(redis_url) as cache:
        cache.flushall()
    with database.begin() as tx:
        assert books.balance(tx, books.purse(0)) == 1_000
        first, second = post.post(tx, [books.fare(0, 1_000), books.fare(0, 1)], NOW)
    assert isinstance(first, Posted)
    assert isinstance(second, Refused)


def test_a_hold_that_never_expires_after_a_redis_flush(live, redis_url: str) -> None:
    books, database = live
    hold = a_hold(books, 1_000)
    assert isinstance(database.run(lambda tx: reserve.hold(tx, hold, NOW)), Held)
    with redis.Redis.from_url(redis_url) as cache:
        cache.flushall()
    with database.begin() as tx:
        assert isinstance(
            post.post(tx, [books.fare(0, 1)], hold.expires_at - timedelta(seconds=1))[0], Refused
        )
        found = reserve.find_hold(tx, hold.owner_id, hold.hold_id, hold.expires_at)
        assert found is not None
        assert found.state is HoldState.EXPIRED
        assert isinstance(post.post(tx, [books.fare(0, 1_000)], hold.expires_at)[0], Posted)


def test_two_commits_of_one_hold_both_succeed(live) -> None:
    books, database = live
    hold = a_hold(books)
    database.run(lambda tx: reserve.hold(tx, hold, NOW))

    def commit(number: int) -> object:
        return database.run(
            lambda tx: reserve.post(tx, hold.owner_id, hold.hold_id, NOW, amount=vnd(100 + number))
        )

    answers = at_once(commit)
    assert Counter(map(type, answers)) == {Posted: 1, HoldEndedError: CLIENTS - 1}
    with database.begin() as tx:
        posted = next(n for n, answer in enumerate(answers) if isinstance(answer, Posted))
        assert books.balance(tx, books.purse(0)) == 900 - posted


def test_duplicate_ids_under_concurrency(live) -> None:
    """One id, eight bodies, at once: one is booked, the others are told which field differs."""
    books, database = live
    made = books.new_id()
    answers = at_once(
        lambda number: database.run(
            lambda tx: post.post(tx, [books.fare(0, 10, entry_id=made, cause=f"tap:{number}")], NOW)
        )
    )
    refused = [answer for answer in answers if isinstance(answer, IdReusedError)]
    assert len(refused) == CLIENTS - 1
    assert {answer.fields["field"] for answer in refused} == {"cause"}
    with database.begin() as tx:
        assert books.balance(tx, books.purse(0)) == 990


def test_a_balance_check_that_ignores_holds(tx: Connection, books: Books) -> None:
    books.posted(tx, books.topup(0, 1_000))
    reserve.hold(tx, a_hold(books, 600), NOW)
    fare = books.fare(0, 401)
    assert post.post(tx, [fare], NOW)[0] == Refused(fare.entry_id, Reason.FLOOR, 1, books.purse(0), vnd(1))
    again = reserve.hold(tx, a_hold(books, 401), NOW)
    assert isinstance(again, Refused)
    assert accounts.read_balances(tx, [books.purse(0)], NOW)[books.purse(0)].available == vnd(400)


def rows_read(tx: Connection) -> int:
    found = tx.execute(
        text(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables "
            "WHERE relname LIKE 'ledger_%'"
        )
    )
    return int(found.scalar_one())


def test_triggers_that_cost_the_square(tx: Connection, books: Books) -> None:
    """Nothing fires per inserted row, and a posting reads as much of the books when they are long."""
    fired = tx.execute(
        text(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            # By row (1) and on insert (4). Payments come one at a time, and each tells one narrow row of itself.
            "WHERE c.relname LIKE 'ledger_%' AND c.relname <> 'ledger_payment' AND NOT t.tgisinternal "
            "AND t.tgtype & 5 = 5"
        )
    ).all()
    assert not fired
    books.posted(tx, books.topup(0, 100_000))

    def read_by_a_batch() -> int:
        before = rows_read(tx)
        books.posted(tx, *(books.fare(0, 1) for _ in range(10)))
        return rows_read(tx) - before

    read_by_a_batch()
    short = read_by_a_batch()
    for _ in range(4):
        books.posted(tx, *(books.fare(0, 1) for _ in range(500)))
    assert read_by_a_batch() <= short + 10


def test_a_gap_in_the_hash_chain_that_silently_restarts_it(owner_tx: Connection) -> None:
    books = Books()
    books.open(owner_tx)
    for back in (4, 3, 2, 1):
        at = NOW - back * DAY
        books.posted(owner_tx, books.topup(0, 5, entry_id=books.new_id(at)), now=at)
        close_period.close(owner_tx, TODAY - back * DAY, NOW, signer=SIGNER)
    kept = close_period.list_seals(owner_tx)[-1].head
    assert not faults_within(owner_tx, SIGNER.public)
    for table in ("ledger_seal", "ledger_seal_chunk", "ledger_closing"):
        owner_tx.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    # Seals are lost from the third day on; the next close begins a chain anew where the gap is.
    for table in ("ledger_seal_chunk", "ledger_closing", "ledger_seal"):
        owner_tx.execute(text(f"DELETE FROM {table} WHERE book_day = :day"), {"day": TODAY - 3 * DAY})
    found = {fault.kind for fault in faults_within(owner_tx, SIGNER.public)}
    assert found >= {FaultKind.SEAL_CHAIN, FaultKind.LINE_ADDED}
    owner_tx.execute(text("DELETE FROM ledger_seal_chunk"))
    owner_tx.execute(text("DELETE FROM ledger_closing"))
    owner_tx.execute(text("DELETE FROM ledger_seal"))
    later = NOW + timedelta(hours=1)
    seal = close_period.close(owner_tx, TODAY - DAY, later, signer=SIGNER)
    # Sealed anew from nothing the books agree with themselves; the head that somebody kept says it is another chain.
    assert seal.previous_head != seal_rules.GENESIS
    assert not faults_within(owner_tx, SIGNER.public)
    restarted = chain.chain_faults(
        close_period.list_seals(owner_tx), {SIGNER.public.key_id: SIGNER.public}, held=[kept]
    )
    assert [(fault.kind, fault.where) for fault in restarted] == [
        (FaultKind.SEAL_CHAIN, f"head {kept.hex()}")
    ]
