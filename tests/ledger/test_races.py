"""Eight connections at once: one outcome each, no balance below its floor, no deadlock left unretried."""

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, text

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import LedgerAccountId, uuid7
from ledger import accounts, close_period, post, reserve, reverse
from ledger.rules import chart
from ledger.rules.entry import Duplicate, Entry, Line, Posted, Refused
from ledger.rules.hold import Held, Hold, StoredHold

from .conftest import CLIENTS, NOW, TODAY, at_once, vnd

FULL = os.environ.get("LIENTHONG_TEST_FAULTS") == "full"
# Each turn deals the ends to other clients.
TURNS = 40 if FULL else 3
# 8 clients of so many transactions, of 1 to 12 operations each: full is more than 10,000 operations.
TRANSACTIONS = 210 if FULL else 15
ANSWERS = {Posted: "booked", Duplicate: "again", StoredHold: "voided"}
SIGNER = SigningKey.generate()


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


@pytest.mark.parametrize("turn", range(TURNS))
def test_one_hold_ended_from_all_sides_ends_once(live, turn: int) -> None:
    """Posted, voided, expired and reversed at the same instant by eight clients, two each."""
    books, database = live
    expires = NOW + timedelta(minutes=1)
    hold = Hold(uuid7(NOW), books.riders[0], books.purse(0), books.alpha, vnd(600), expires, "hold", TODAY)
    database.run(lambda tx: reserve.hold(tx, hold, NOW))
    key = (hold.owner_id, hold.hold_id)
    entry_id = reserve.hold_entry(hold, hold.amount, NOW).entry_id
    ends: list[Callable[[Connection], Any]] = [
        lambda tx: reserve.post(tx, *key, NOW),
        lambda tx: reserve.void(tx, *key, NOW),
        lambda tx: reserve.expire_due(tx, expires),
        lambda tx: reverse.reverse(tx, hold.owner_id, entry_id, NOW),
    ]
    answers = at_once(lambda number: (number, database.run(ends[(number + turn) % 4])))
    said = Counter(ANSWERS.get(type(answer[1]), answer[1]) for answer in answers if isinstance(answer, tuple))
    with database.begin() as tx:
        found = reserve.find_hold(tx, *key, NOW)
        assert found is not None
        balance = accounts.read_balances(tx, [books.purse(0)], NOW)[books.purse(0)]
        taken_back = reverse.find_entry(tx, hold.owner_id, reverse.reversal_id(hold.owner_id, entry_id))
    assert balance.pending == vnd(0)
    ended = found.state.value
    assert balance.posted == vnd(400 if ended == "posted" and not taken_back else 1_000)
    # Who won is told so, everybody else the same or a refusal: never two ends.
    posts = said["booked"] - bool(taken_back)
    assert (posts, said["voided"] > 0, said[1]) == {
        "posted": (1, False, 0),
        "voided": (0, True, 0),
        "expired": (0, False, 1),
    }[ended], said


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


@pytest.mark.faults
def test_many_operations_in_both_directions_keep_every_sum(live) -> None:
    """Topups, fares, refunds, transfers between two guarded purses of one owner, holds and ends, closes, on 8 connections.

    No balance may pass its floor at any time, nothing acknowledged may be missing; the fixture proves the rest.
    """
    books, database = live
    second = replace(
        chart.rider_stored_value(books.riders[0]), account_id=LedgerAccountId(uuid7(NOW)), kind="rider_wallet"
    )
    with database.begin() as tx:
        accounts.open_accounts(tx, [second], NOW)
    purses = [*(books.purse(rider) for rider in range(4)), second.account_id]

    def an_entry(chance: random.Random) -> Entry:
        rider = chance.randrange(4)
        both = [books.purse(0), second.account_id]
        chance.shuffle(both)
        return chance.choice(
            [
                books.fare(rider, chance.randint(1, 90)),
                books.topup(rider, chance.randint(1, 50)),
                books.entry(rider, Line(books.alpha, books.purse(rider), vnd(chance.randint(1, 40)))),
                books.entry(0, Line(both[0], both[1], vnd(chance.randint(1, 60)))),
            ]
        )

    def work(number: int) -> Counter[str]:
        chance = random.Random(number)
        done: Counter[str] = Counter()
        for turn in range(TRANSACTIONS):
            entries = [an_entry(chance) for _ in range(chance.randint(1, 12))]
            entries += entries[: chance.random() < 0.2]
            outcomes = database.run(lambda tx, entries=entries: post.post(tx, entries, NOW))
            done.update(type(outcome).__name__ for outcome in outcomes)
            amount, life = vnd(chance.randint(1, 80)), timedelta(minutes=chance.randint(1, 9))
            hold = Hold(
                uuid7(NOW), books.riders[1], purses[1], books.alpha, amount, NOW + life, "hold", TODAY
            )
            if isinstance(database.run(lambda tx, hold=hold: reserve.hold(tx, hold, NOW)), Held):
                done["holds"] += 1
                verb = chance.choice([reserve.post, reserve.void])
                database.run(lambda tx, hold=hold, verb=verb: verb(tx, hold.owner_id, hold.hold_id, NOW))
            if number == 0 and turn % 50 == 49:
                day = TODAY - timedelta(days=9 - turn // 50)
                database.run(lambda tx, day=day: close_period.close(tx, day, NOW, signer=SIGNER))
            with database.read() as tx:
                balances = accounts.read_balances(tx, purses, NOW)
            assert all(balance.available.minor >= 0 for balance in balances.values())
        return done

    done = sum(at_once(work), Counter())
    with database.begin() as tx:
        booked = tx.execute(text("SELECT count(DISTINCT entry_id) FROM ledger_line")).scalar_one()
        posted_holds = tx.execute(
            text("SELECT count(*) FROM ledger_hold WHERE state = 'posted'")
        ).scalar_one()
    assert booked == 4 + done["Posted"] + posted_holds
    assert min(done["Posted"], done["Duplicate"], done["Refused"], done["holds"]) > 0
    assert done.total() > (10_000 if FULL else 600)


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
