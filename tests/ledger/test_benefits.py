"""Grounds for benefits: told once, changed by revision, and due exactly when something changed."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import text

from kernel.ground import Ground, GroundKind
from kernel.ids import FareAccountId, uuid8
from ledger import benefits

NOON = datetime(2026, 11, 18, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
STAY = GroundKind.STAY


def stay(account=None, **changes):
    known = Ground(
        fare_account_id=account or FareAccountId(uuid4()),
        kind=STAY,
        ref=uuid4(),
        medium=uuid4(),
        since=NOON,
        until=None,
        words=frozenset({"here", "town"}),
    )
    return replace(known, **changes)


def tell(tx, refs, *grounds):
    return benefits.tell(tx, STAY, [(each.fare_account_id, each.ref) for each in refs], grounds, now=NOON)


def grounds_of(tx, account, since=NOON - HOUR):
    return benefits.list_grounds(tx, [account], list(GroundKind), since=since).get(account, ())


def test_a_ground_is_told_once_and_due_once(tx):
    one = stay()
    assert tell(tx, [one], one) == 1
    assert tell(tx, [one], one) == 0
    assert grounds_of(tx, one.fare_account_id) == (one,)
    assert benefits.list_due_accounts(tx) == (one.fare_account_id,)
    (due,) = benefits.take_due(tx, [one.fare_account_id])
    assert (due.kind, due.since, due.until) == (STAY, NOON, None)
    assert benefits.take_due(tx, [one.fare_account_id]) == ()


def test_a_changed_ground_is_due_over_what_it_was_and_is(tx):
    one = stay(until=NOON + HOUR)
    moved = replace(one, since=NOON + 3 * HOUR, until=NOON + 5 * HOUR)
    tell(tx, [one], one)
    benefits.take_due(tx, [one.fare_account_id])
    assert tell(tx, [one], moved) == 1
    (due,) = benefits.take_due(tx, [one.fare_account_id])
    assert (due.since, due.until) == (one.since, moved.until)
    assert grounds_of(tx, one.fare_account_id) == (moved,)


def test_what_is_so_no_longer_is_gone_and_may_come_back(tx):
    one, other = stay(), stay()
    tell(tx, [], one, other)
    assert tell(tx, [one]) == 1
    assert grounds_of(tx, one.fare_account_id) == ()
    assert grounds_of(tx, other.fare_account_id) == (other,)
    assert tell(tx, [one]) == 0
    assert tell(tx, [one], one) == 1
    assert grounds_of(tx, one.fare_account_id) == (one,)


def test_what_ended_before_is_not_read(tx):
    one = stay(until=NOON + HOUR)
    tell(tx, [], one)
    assert grounds_of(tx, one.fare_account_id, NOON + HOUR) == (one,)
    assert grounds_of(tx, one.fare_account_id, NOON + HOUR + timedelta(seconds=1)) == ()


def test_a_ref_of_another_kind_or_account_is_another_ground(tx):
    account = FareAccountId(uuid4())
    one = stay(account)
    ride = replace(one, kind=GroundKind.RIDE)
    tell(tx, [], one)
    benefits.tell(tx, GroundKind.RIDE, [], [ride], now=NOON)
    tell(tx, [stay(ref=one.ref)])
    assert set(grounds_of(tx, account)) == {one, ride}


def test_a_ground_carries_no_amount(tx):
    """Each side reads that the other is, never what it cost: there is nowhere to write it."""
    columns = set(
        tx.execute(
            text("SELECT column_name FROM information_schema.columns WHERE table_name = 'benefit_ground'")
        ).scalars()
    )
    told = {"revision", "holds", "told_at"}
    assert columns - told == {"until_at" if each.name == "until" else each.name for each in fields(Ground)}
    types = {str(each.type) for each in fields(Ground)}
    assert not {each for each in types if "Money" in each or "int" in each}


def test_touching_and_holding_at_their_edges():
    one = stay(until=NOON + HOUR)
    assert one.touches(NOON + HOUR, NOON + 2 * HOUR)
    assert not one.touches(NOON - HOUR, NOON)
    assert one.touches(NOON - HOUR, NOON + timedelta(microseconds=1))
    assert (one.holds_at(NOON), one.holds_at(NOON + HOUR)) == (True, True)
    assert not one.holds_at(NOON + HOUR + timedelta(microseconds=1))
    assert replace(one, until=None).holds_at(NOON + 1000 * HOUR)
    assert (one.is_by(None), one.is_by(one.medium), one.is_by(uuid8("other"))) == (True, True, False)
    assert replace(one, medium=None).is_by(uuid8("other"))
