"""Holds count against the floor, end once, and expire by time whether or not a job runs."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from kernel.ids import uuid7
from ledger import accounts, post, reserve
from ledger.rules.entry import Duplicate, Posted, Reason, Refused
from ledger.rules.errors import (
    BadEntryError,
    HoldAmountError,
    HoldEndedError,
    IdReusedError,
    UnknownHoldError,
)
from ledger.rules.hold import AlreadyHeld, Held, Hold, HoldState

from .conftest import NOW, TODAY, Books, vnd

LATER = NOW + timedelta(minutes=10)


@pytest.fixture
def funded(tx: Connection, books: Books) -> Books:
    books.posted(tx, books.topup(0, 1_000))
    return books


def a_hold(books: Books, minor: int = 600, **changed: object) -> Hold:
    wanted = Hold(
        uuid7(NOW), books.riders[0], books.purse(0), books.alpha, vnd(minor), LATER, "parking.hold", TODAY
    )
    return replace(wanted, **changed)


def available(tx: Connection, books: Books, now=NOW) -> int:
    return accounts.read_balances(tx, [books.purse(0)], now)[books.purse(0)].available.minor


def test_hold_counts_against_the_floor_of_posts_and_holds(tx: Connection, funded: Books) -> None:
    assert isinstance(reserve.hold(tx, a_hold(funded), NOW), Held)
    assert available(tx, funded) == 400
    fare = funded.fare(0, 401)
    assert post.post(tx, [fare], NOW)[0] == Refused(fare.entry_id, Reason.FLOOR, 1, funded.purse(0), vnd(1))
    refused = reserve.hold(tx, a_hold(funded, 401), NOW)
    assert isinstance(refused, Refused)
    assert refused.short == vnd(1)
    funded.posted(tx, funded.fare(0, 400))
    assert funded.balance(tx, funded.purse(0)) == 600


def test_hold_again_answers_the_first_and_other_bodies_are_named(tx: Connection, funded: Books) -> None:
    wanted = a_hold(funded)
    reserve.hold(tx, wanted, NOW)
    assert reserve.hold(tx, wanted, NOW + timedelta(minutes=1)) == AlreadyHeld(wanted.hold_id, NOW)
    for field, value in {
        "amount": vnd(1),
        "credit": funded.beta,
        "expires_at": LATER + timedelta(1),
        "cause": "x",
    }.items():
        with pytest.raises(IdReusedError) as refused:
            reserve.hold(tx, replace(wanted, **{field: value}), NOW)
        assert refused.value.fields["field"] == field
    assert available(tx, funded) == 400


def test_hold_that_is_over_before_it_begins(tx: Connection, funded: Books) -> None:
    with pytest.raises(BadEntryError):
        reserve.hold(tx, a_hold(funded, expires_at=NOW), NOW)


@pytest.mark.parametrize("part", [None, 1, 599, 600])
def test_post_takes_a_part_and_frees_the_rest(tx: Connection, funded: Books, part: int | None) -> None:
    wanted = a_hold(funded)
    reserve.hold(tx, wanted, NOW)
    amount = None if part is None else vnd(part)
    first = reserve.post(tx, wanted.owner_id, wanted.hold_id, NOW, amount=amount)
    assert isinstance(first, Posted)
    taken = 600 if part is None else part
    assert funded.balance(tx, funded.purse(0)) == 1_000 - taken
    assert available(tx, funded) == 1_000 - taken
    again = reserve.post(tx, wanted.owner_id, wanted.hold_id, LATER + timedelta(1), amount=amount)
    assert again == Duplicate(first.entry_id, first.book_day, first.posted_at)


@pytest.mark.parametrize("minor", [0, -1, 601])
def test_post_outside_what_is_held(tx: Connection, funded: Books, minor: int) -> None:
    wanted = a_hold(funded)
    reserve.hold(tx, wanted, NOW)
    with pytest.raises(HoldAmountError):
        reserve.post(tx, wanted.owner_id, wanted.hold_id, NOW, amount=vnd(minor))
    assert available(tx, funded) == 400


def test_an_end_is_final(tx: Connection, funded: Books) -> None:
    posted, voided, left = (a_hold(funded, 100) for _ in range(3))
    for wanted in (posted, voided, left):
        reserve.hold(tx, wanted, NOW)
    reserve.post(tx, posted.owner_id, posted.hold_id, NOW, amount=vnd(60))
    assert reserve.void(tx, voided.owner_id, voided.hold_id, NOW).state is HoldState.VOIDED
    assert reserve.void(tx, voided.owner_id, voided.hold_id, LATER).ended_at == NOW
    with pytest.raises(HoldEndedError):
        reserve.void(tx, posted.owner_id, posted.hold_id, NOW)
    with pytest.raises(HoldEndedError):
        reserve.post(tx, posted.owner_id, posted.hold_id, NOW, amount=vnd(61))
    with pytest.raises(HoldEndedError):
        reserve.post(tx, voided.owner_id, voided.hold_id, NOW)
    for step in (reserve.post, reserve.void):
        with pytest.raises(HoldEndedError):
            step(tx, left.owner_id, left.hold_id, LATER)
    with pytest.raises(UnknownHoldError):
        reserve.void(tx, left.owner_id, uuid7(NOW), NOW)


def test_expiry_is_true_when_nobody_ran_it(tx: Connection, funded: Books) -> None:
    wanted = a_hold(funded, 1_000)
    reserve.hold(tx, wanted, NOW)
    just_before = LATER - timedelta(microseconds=1)
    assert available(tx, funded, just_before) == 0
    assert available(tx, funded, LATER) == 1_000
    assert isinstance(post.post(tx, [funded.fare(0, 1)], just_before)[0], Refused)
    found = reserve.find_hold(tx, wanted.owner_id, wanted.hold_id, LATER)
    assert found is not None
    assert found.state is HoldState.EXPIRED
    assert isinstance(post.post(tx, [funded.fare(0, 1_000)], LATER)[0], Posted)


def test_expire_due_ends_each_once(tx: Connection, funded: Books) -> None:
    unguarded = a_hold(funded, 5, debit=funded.provider)
    for wanted in (a_hold(funded, 1), a_hold(funded, 2), unguarded):
        reserve.hold(tx, wanted, NOW)
    assert reserve.expire_due(tx, LATER - timedelta(microseconds=1)) == 0
    assert reserve.expire_due(tx, LATER) == 3
    assert reserve.expire_due(tx, LATER) == 0
    locked = accounts.lock_balances(tx, [funded.purse(0)])[funded.purse(0)]
    assert (locked.pending, locked.available) == (vnd(0), vnd(1_000))


def test_post_of_a_hold_on_a_frozen_account_is_refused_and_the_hold_stays(
    tx: Connection, funded: Books
) -> None:
    wanted = a_hold(funded)
    reserve.hold(tx, wanted, NOW)
    accounts.freeze(tx, funded.alpha, NOW)
    outcome = reserve.post(tx, wanted.owner_id, wanted.hold_id, NOW)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.FROZEN
    assert available(tx, funded) == 400
    accounts.thaw(tx, funded.alpha, NOW)
    assert isinstance(reserve.post(tx, wanted.owner_id, wanted.hold_id, NOW), Posted)
