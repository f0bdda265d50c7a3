"""What a tap's record says was done to its card ends the action, where the card itself proves the tap."""

from datetime import timedelta

import pytest

from access import actions, issue
from access.rules.actionlist import REASON, ActionKind
from kernel.ids import uuid7
from kernel.wire.tap import Phase
from tests.access.looking import take, verdicts


def wanted(world, card):
    action_id = uuid7(world.now)
    found = issue.get_card(world.tx, serial=card.serial)
    actions.want(
        world.tx,
        found,
        ActionKind.UNBLOCK,
        action_id=action_id,
        detail={},
        until_at=world.now + timedelta(days=1),
        cause="test",
        actor="mai",
        now=world.now,
    )
    assert [one.action_id for one in actions.publish(world.tx, now=world.now).actions] == [action_id]
    return action_id


def waiting(world):
    return [one.action_id for one in actions.publish(world.tx, now=world.now).actions]


@pytest.mark.parametrize("phase", [Phase.DONE, Phase.RECOVERED])
def test_a_proven_tap_ends_the_action_it_names(world, phase):
    card, reader = world.card(), world.reader()
    action_id = wanted(world, card)
    if phase is Phase.DONE:
        reader.tap(card, reason=f"{REASON}{action_id}")
    else:
        reader.recover(reader.tap(card, phase=Phase.TORN, reason=f"{REASON}{action_id}"), card)
    take(world, reader.upload())
    assert waiting(world) == []
    (row,) = actions.list_of_card(world.tx, card.issued.card_id)
    assert row.outcome == "done"
    assert {verdict for _, verdict, _ in verdicts(take(world, reader.upload()))} == {"duplicate"}


def test_what_proves_nothing_ends_nothing(world):
    card, other, reader = world.card(), world.card(2), world.reader()
    action_id = wanted(world, card)
    reader.tap(card, reason=f"{REASON}{action_id}", tmv=bytes(8), committed=False)
    reader.tap(card, reason=f"{REASON}{action_id}", phase=Phase.TORN, committed=False)
    reader.tap(card, reason=f"{REASON}{action_id}", phase=Phase.REFUSED)
    reader.tap(other, reason=f"{REASON}{action_id}")
    for name in (f"{REASON}", f"{REASON}x", f"{REASON}{uuid7(world.now)}", "ACTION:"):
        reader.tap(other, reason=name)
    said = verdicts(take(world, reader.upload()))
    assert [verdict for _, verdict, _ in said] == ["exception", *["accepted"] * 7]
    assert waiting(world) == [action_id]


def test_two_readers_that_carry_it_out_end_it_once(world):
    card = world.card()
    action_id = wanted(world, card)
    for name in ("bus-01", "bus-02"):
        reader = world.reader(name)
        reader.tap(card, reason=f"{REASON}{action_id}")
        assert verdicts(take(world, reader.upload())) == [(1, "accepted", "")]
    assert len(actions.list_of_card(world.tx, card.issued.card_id)) == 1
