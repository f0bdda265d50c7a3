"""Cards through their life on a real database: states, deny list, replacement, stolen batches."""

from dataclasses import replace
from datetime import date
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from access import block, deny, issue, link
from access.deny import DenyRangeError, DenyReason
from access.issue import CardIssuedError, NewCard, UnknownCardError
from access.replace import replace_card
from access.rules.medium import MediumEvent, MediumKind, MediumState, MediumTransitionError, OneActiveError
from kernel.wire.cardinfo import Concession, decode

EXPIRY = date(2030, 12, 31)


def asked(number, **changes):
    uid = b"\x04" + number.to_bytes(6, "big")
    return replace(NewCard(uid=uid, concession=Concession.NORMAL, expires_on=EXPIRY), **changes)


def issued(world, number, **changes):
    (one,) = issue.issue_cards(
        world.tx, keyring=world.keyring, asked=[asked(number, **changes)], now=world.now
    )
    return one


def step(world, card_id, event, event_id=None):
    return block.change_state(
        world.tx, card_id, event, reason="asked", actor="mai", now=world.now, event_id=event_id
    )


def test_a_card_that_was_not_activated_is_denied_until_it_is(world):
    one = issued(world, 1, active=False)
    assert issue.get_card(world.tx, serial=one.serial).state is MediumState.ISSUED
    assert deny.reasons(world.tx, one.serial) == (DenyReason.NOT_ACTIVE,)
    assert step(world, one.card_id, MediumEvent.ACTIVATED) is MediumState.ACTIVE
    assert deny.reasons(world.tx, one.serial) == ()


def test_the_same_event_again_changes_nothing_and_another_under_its_id_is_refused(world):
    one, event = issued(world, 1), uuid4()
    for _ in range(2):
        assert step(world, one.card_id, MediumEvent.BLOCKED, event) is MediumState.BLOCKED
    assert len(block.list_history(world.tx, one.card_id)) == 1
    with pytest.raises(block.EventIdReusedError):
        step(world, one.card_id, MediumEvent.UNBLOCKED, event)
    step(world, one.card_id, MediumEvent.UNBLOCKED)
    # What happened stays told, even after the card has gone on.
    assert step(world, one.card_id, MediumEvent.BLOCKED, event) is MediumState.BLOCKED
    assert issue.get_card(world.tx, serial=one.serial).state is MediumState.ACTIVE
    with pytest.raises(UnknownCardError):
        step(world, uuid4(), MediumEvent.BLOCKED)


def test_history_says_what_why_who_and_when(world):
    one = issued(world, 1)
    step(world, one.card_id, MediumEvent.REPORTED_LOST)
    (event,) = block.list_history(world.tx, one.card_id)
    assert (event.event, event.reason, event.actor, event.at) == ("reported_lost", "asked", "mai", world.now)
    denied, *_ = deny.list_history(world.tx, one.serial)
    assert (denied.reason, denied.actor, denied.cause, denied.at) == (
        "lost",
        "mai",
        "reported_lost",
        world.now,
    )


def test_a_replacement_keeps_the_account_and_denies_the_old_card_for_good(world):
    old, event = issued(world, 1), uuid4()
    step(world, old.card_id, MediumEvent.REPORTED_LOST)

    def replaced(number=2):
        return replace_card(
            world.tx,
            old.card_id,
            asked(number),
            keyring=world.keyring,
            event_id=event,
            reason="lost",
            actor="mai",
            now=world.now,
        )

    done = replaced()
    assert done.new.fare_account_id == old.fare_account_id
    assert done.new.state is MediumState.ACTIVE
    assert done.made is not None
    assert decode(done.made.info).serial == done.new.serial != old.serial
    assert deny.reasons(world.tx, old.serial) == (DenyReason.REPLACED,)
    assert deny.reasons(world.tx, done.new.serial) == ()
    again = replaced()
    assert (again.new, again.made) == (done.new, None)
    with pytest.raises(block.EventIdReusedError):
        replaced(3)
    for event_type in (MediumEvent.FOUND, MediumEvent.REPLACED):
        with pytest.raises(MediumTransitionError):
            step(world, old.card_id, event_type)


def test_a_replacement_needs_a_new_card_and_leaves_the_old_one_when_it_is_none(world):
    old, other = issued(world, 1), issued(world, 2)
    with pytest.raises(CardIssuedError), world.tx.begin_nested():
        replace_card(
            world.tx,
            old.card_id,
            asked(2),
            keyring=world.keyring,
            event_id=uuid4(),
            reason="lost",
            actor="mai",
            now=world.now,
        )
    assert issue.get_card(world.tx, serial=old.serial).state is MediumState.ACTIVE
    assert issue.get_card(world.tx, serial=other.serial).state is MediumState.ACTIVE


def test_a_blocked_card_is_replaced_by_one_that_waits_to_be_activated(world):
    old = issued(world, 1)
    step(world, old.card_id, MediumEvent.BLOCKED)
    done = replace_card(
        world.tx,
        old.card_id,
        asked(2),
        keyring=world.keyring,
        event_id=uuid4(),
        reason="broken",
        actor="mai",
        now=world.now,
    )
    assert done.new.state is MediumState.ISSUED


def test_a_phone_beside_an_active_card_waits_until_the_card_is_blocked(world):
    card = issued(world, 1)
    account = card.fare_account_id
    with pytest.raises(OneActiveError):
        issued(world, 2, kind=MediumKind.VIRTUAL, fare_account_id=account)
    phone = issued(world, 2, kind=MediumKind.VIRTUAL, fare_account_id=account, active=False)
    with pytest.raises(OneActiveError):
        step(world, phone.card_id, MediumEvent.ACTIVATED)
    step(world, card.card_id, MediumEvent.BLOCKED)
    assert step(world, phone.card_id, MediumEvent.ACTIVATED) is MediumState.ACTIVE
    with pytest.raises(OneActiveError):
        step(world, card.card_id, MediumEvent.UNBLOCKED)


def test_the_database_keeps_one_active_medium_an_account_too(world):
    from access.store import cards

    card = issued(world, 1)
    phone = issued(world, 2, kind=MediumKind.VIRTUAL, fare_account_id=card.fare_account_id, active=False)
    with pytest.raises(IntegrityError, match="card_one_active"), world.tx.begin_nested():
        cards.set_state(world.tx, phone.card_id, MediumState.ACTIVE)


def test_a_linked_account_has_one_active_medium_over_both(world):
    card, phone = issued(world, 1), issued(world, 2, kind=MediumKind.VIRTUAL)
    step(world, phone.card_id, MediumEvent.BLOCKED)
    link.record(
        world.tx,
        link_id=uuid4(),
        account=phone.fare_account_id,
        into=card.fare_account_id,
        effective_from=world.now,
        reason="one person",
        actor="mai",
        now=world.now,
    )
    with pytest.raises(OneActiveError):
        step(world, phone.card_id, MediumEvent.UNBLOCKED)
    step(world, card.card_id, MediumEvent.BLOCKED)
    assert step(world, phone.card_id, MediumEvent.UNBLOCKED) is MediumState.ACTIVE


def test_links_are_recorded_once_and_never_in_a_circle(world):
    a, b = issued(world, 1).fare_account_id, issued(world, 2).fare_account_id
    first = uuid4()

    def record(account, into, link_id, at=world.now):
        return link.record(
            world.tx,
            link_id=link_id,
            account=account,
            into=into,
            effective_from=at,
            reason="one person",
            actor="mai",
            now=world.now,
        )

    assert record(a, b, first)
    assert not record(a, b, first)
    with pytest.raises(link.LinkIdReusedError):
        record(a, a, first)
    with pytest.raises(link.LinkLoopError):
        record(b, a, uuid4())
    assert link.current(world.tx, a, at=world.now) == b
    assert record(a, a, uuid4())
    assert link.current(world.tx, a, at=world.now) == a
    assert [row.link_no for row in link.list_links(world.tx, a)] == [1, 2]


def test_a_debt_denies_the_media_that_count_to_the_account_and_no_others(world):
    card, phone = issued(world, 1), issued(world, 2, kind=MediumKind.VIRTUAL, active=False)
    link.record(
        world.tx,
        link_id=uuid4(),
        account=phone.fare_account_id,
        into=card.fare_account_id,
        effective_from=world.now,
        reason="one person",
        actor="mai",
        now=world.now,
    )
    deny.deny_accounts(world.tx, [card.fare_account_id], reason=DenyReason.DEBT, cause="bill", now=world.now)
    assert DenyReason.DEBT in deny.reasons(world.tx, card.serial)
    assert DenyReason.DEBT in deny.reasons(world.tx, phone.serial)


def test_a_stolen_batch_is_denied_by_its_serials_issued_or_not(world):
    cards = [issued(world, number) for number in range(1, 4)]
    first, last = cards[0].serial, cards[-1].serial + 5
    assert deny.deny_range(world.tx, first, last, cause="van robbed", actor="mai", now=world.now) == 8
    assert deny.deny_range(world.tx, first, last, cause="van robbed", actor="mai", now=world.now) == 0
    assert deny.reasons(world.tx, last) == (DenyReason.STOLEN,)
    listed = deny.snapshot(world.tx, deny.publish(world.tx))
    assert [listed.denies(serial) for serial in (first - 1, first, last, last + 1)] == [
        False,
        True,
        True,
        False,
    ]
    assert deny.clear_range(world.tx, first, first, cause="found", actor="mai", now=world.now) == 1
    assert deny.reasons(world.tx, first) == ()
    assert deny.count_denied(world.tx) == {DenyReason.STOLEN: 7}


@pytest.mark.parametrize(("first", "last"), [(0, 5), (6, 5), (1, 1_000_001), (2**27 - 1, 2**27), (-3, -1)])
def test_a_range_that_cannot_be_meant_is_refused(world, first, last):
    with pytest.raises(DenyRangeError):
        deny.deny_range(world.tx, first, last, cause="x", actor="mai", now=world.now)


def test_cards_past_their_last_day_are_listed_and_expire(world):
    one = issued(world, 1, expires_on=date(2026, 11, 17))
    issued(world, 2, expires_on=date(2026, 11, 18))
    on = date(2026, 11, 18)
    assert block.list_expiring(world.tx, on) == (one.card_id,)
    assert step(world, one.card_id, MediumEvent.EXPIRED) is MediumState.EXPIRED
    assert deny.reasons(world.tx, one.serial) == (DenyReason.EXPIRED,)
    assert block.list_expiring(world.tx, on) == ()
