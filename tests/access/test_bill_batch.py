"""An upload is priced in the commit that stores it; a fault queues only the accounts that fail."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

import fare
from access import deny, exceptions, issue
from access.deny import DenyReason
from access.exceptions import House, Raised
from access.take_in import take_in
from fare.publish import Shelf, publish
from service.jobs import bill_batch as job

HANOI = Path(fare.__file__).parent / "tariffs" / "hanoi"


@pytest.fixture
def shelf(world):
    publish(
        world.tx,
        HANOI,
        prepared_by="mai",
        approved_by="tuan",
        key=world.keyring.bundle_key,
        now=world.now,
    )
    return Shelf(world.keyring.bundle_key.public)


def run(world, shelf, upload):
    taken = take_in(world.tx, upload, keyring=world.keyring, now=world.now)
    return job.bill_batch(world.tx, taken, shelf=shelf, now=world.now)


def reasons(world):
    return sorted(each.raised.reason for each in exceptions.list_open(world.tx, now=world.now))


def billed_accounts(world):
    return set(world.tx.execute(text("SELECT DISTINCT fare_account_id FROM fare_bill")).scalars())


def test_an_upload_is_billed_and_debt_goes_on_the_deny_list(world, shelf):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    reader.clock += timedelta(minutes=20)
    reader.tap(card, stop_id="26-04")
    before = issue.list_versions(world.tx, [card.issued.fare_account_id])
    done = run(world, shelf, reader.upload())
    assert billed_accounts(world) == {card.issued.fare_account_id}
    assert done.entries > 0
    assert done.owing == {card.issued.fare_account_id}, "nothing was ever topped up"
    assert deny.reasons(world.tx, card.serial) == (DenyReason.DEBT,)
    after = issue.list_versions(world.tx, [card.issued.fare_account_id])
    assert after[card.issued.fare_account_id] == before[card.issued.fare_account_id] + 1


def test_a_repeat_changes_nothing(world, shelf):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    run(world, shelf, reader.upload())
    lines = world.tx.execute(text("SELECT count(*) FROM fare_bill_line")).scalar_one()
    again = run(world, shelf, reader.upload())
    assert (again.entries, again.raised, again.touched) == (0, 0, set())
    assert world.tx.execute(text("SELECT count(*) FROM fare_bill_line")).scalar_one() == lines


def test_a_fault_of_one_account_queues_that_one_and_bills_the_others(world, shelf, monkeypatch):
    reader, cards = world.reader(), [world.card(number) for number in range(3)]
    for card in cards:
        reader.tap(card)
    bad = cards[1].issued.fare_account_id
    honest = job.bill.bill

    def faulty(tx, touched, **more):
        touched = list(touched)
        found = honest(tx, touched, **more)
        if any(account == bad for account, _ in touched):
            raise ZeroDivisionError
        return found

    monkeypatch.setattr(job.bill, "bill", faulty)
    run(world, shelf, reader.upload())
    assert billed_accounts(world) == {card.issued.fare_account_id for card in cards} - {bad}
    waiting = exceptions.list_open(world.tx, now=world.now + timedelta(hours=1))
    assert [(each.raised.reason, each.raised.fare_account_id) for each in waiting] == [("pricing-fault", bad)]
    assert waiting[0].age == timedelta(hours=1)
    assert world.tx.execute(text("SELECT count(*) FROM tap")).scalar_one() == 3

    monkeypatch.undo()
    reader.tap(cards[1])
    run(world, shelf, reader.upload(4, 4))
    assert billed_accounts(world) == {card.issued.fare_account_id for card in cards}
    assert reasons(world) == [], "a day that is priced again closes what was queued about it"


def test_a_database_fault_inside_pricing_is_undone_alone(world, shelf, monkeypatch):
    reader, card = world.reader(), world.card()
    reader.tap(card)

    def broken(tx, *_, **__):
        tx.execute(text("INSERT INTO fare_account VALUES (gen_random_uuid(), now(), 1)"))
        tx.execute(text("SELECT 1 / 0"))

    monkeypatch.setattr(job, "bill_stays", broken)
    accounts = world.tx.execute(text("SELECT count(*) FROM fare_account")).scalar_one()
    run(world, shelf, reader.upload())
    assert world.tx.execute(text("SELECT count(*) FROM fare_account")).scalar_one() == accounts
    assert reasons(world) == ["pricing-fault"]


def test_a_deadlock_is_not_swallowed(world, shelf, monkeypatch):
    from sqlalchemy.exc import DBAPIError

    reader, card = world.reader(), world.card()
    reader.tap(card)

    def deadlocked(tx, *_, **__):
        tx.execute(text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'deadlock_detected'; END $$"))

    monkeypatch.setattr(job, "bill_stays", deadlocked)
    with pytest.raises(DBAPIError):
        run(world, shelf, reader.upload())


def test_days_that_come_right_close_and_those_that_stay_wrong_keep_their_age(world, now):
    account = world.card().issued.fare_account_id
    day = now.date()

    def raised(reason, ref):
        return Raised(house=House.FARE, reason=reason, ref=ref, fare_account_id=account, service_day=day)

    first = [raised("a", "1"), raised("b", "2")]
    assert exceptions.settle_days(world.tx, House.FARE, [(account, day)], first, actor="t", now=now) == 2
    later = now + timedelta(hours=1)
    second = [raised("b", "2"), raised("c", "3")]
    assert exceptions.settle_days(world.tx, House.FARE, [(account, day)], second, actor="t", now=later) == 1
    waiting = exceptions.list_open(world.tx, now=later)
    assert [(each.raised.reason, each.raised_at) for each in waiting] == [("b", now), ("c", later)]
    assert exceptions.count_open(world.tx) == {(House.FARE, "b"): 1, (House.FARE, "c"): 1}
    exceptions.resolve_one(world.tx, waiting[0].exception_id, resolution="seen", actor="mai", now=later)
    with pytest.raises(exceptions.ExceptionUnknownError):
        exceptions.resolve_one(world.tx, waiting[0].exception_id, resolution="x", actor="mai", now=later)
