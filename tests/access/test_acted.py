"""What a tap's record says was done to its card ends the action, where the card itself proves the tap."""

from datetime import timedelta

import pytest

from access import actions, issue
from access.rules.actionlist import REASON, ActionKind
from kernel.ids import uuid7
from kernel.wire.tap import Phase
from tests.access.looking import take, verdicts


def wanted(world, card, kind=ActionKind.UNBLOCK, detail=None):
    action_id = uuid7(world.now)
    found = issue.get_card(world.tx, serial=card.serial)
    actions.want(
        world.tx,
        found,
        kind,
        action_id=action_id,
        detail=detail or {},
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


# Torn: what the card says of it, or does instead of it, at its next tap on any reader


@pytest.mark.parametrize("phase", [Phase.DONE, Phase.TORN, Phase.REFUSED])
@pytest.mark.parametrize("first", ["torn", "next"])
def test_a_torn_tap_that_committed_ends_its_action_at_the_next_tap_anywhere(world, first, phase):
    card, torn, other = world.card(), world.reader("bus-01"), world.reader("bus-02")
    action_id = wanted(world, card)
    torn.tap(card, reason=f"{REASON}{action_id}", phase=Phase.TORN)
    other.tap(card, phase=phase)
    uploads = [torn.upload(), other.upload()]
    for upload in uploads if first == "torn" else reversed(uploads):
        assert waiting(world) == [action_id]
        take(world, upload)
    assert waiting(world) == []
    (row,) = actions.list_of_card(world.tx, card.issued.card_id)
    assert row.outcome == "done"
    for upload in uploads:
        take(world, upload)
    assert [each.outcome for each in actions.list_of_card(world.tx, card.issued.card_id)] == ["done"]


@pytest.mark.parametrize("first", ["torn", "next"])
@pytest.mark.parametrize(
    ("kind", "outcome"), [(ActionKind.LOAD_PURSE, "withdrawn"), (ActionKind.UNBLOCK, None)]
)
def test_a_load_whose_torn_tap_did_not_commit_is_free_to_be_asked_for_again(world, kind, outcome, first):
    card, torn, other = world.card(), world.reader("bus-01"), world.reader("bus-02")
    detail = {"amount": "30000", "device": str(torn.device_id), "asked_at": world.now.isoformat()}
    action_id = wanted(world, card, kind, detail if kind is ActionKind.LOAD_PURSE else None)
    torn.tap(card, reason=f"{REASON}{action_id}", phase=Phase.TORN, committed=False)
    other.tap(card)
    uploads = [torn.upload(), other.upload()]
    for upload in uploads if first == "torn" else reversed(uploads):
        take(world, upload)
    (row,) = actions.list_of_card(world.tx, card.issued.card_id)
    assert row.outcome == outcome


def test_another_readers_torn_tap_withdraws_no_load(world):
    card, other, named = world.card(), world.reader("bus-01"), world.reader("bus-02")
    detail = {"amount": "30000", "device": str(named.device_id), "asked_at": world.now.isoformat()}
    action_id = wanted(world, card, ActionKind.LOAD_PURSE, detail)
    other.tap(card, reason=f"{REASON}{action_id}", phase=Phase.TORN, committed=False)
    named.tap(card)
    for upload in (other.upload(), named.upload()):
        take(world, upload)
    assert waiting(world) == [action_id], "asked for anew, it could be loaded twice"


def test_a_torn_tap_of_which_nothing_more_is_known_leaves_its_action_waiting(world):
    card, torn, other = world.card(), world.reader("bus-01"), world.reader("bus-02")
    action_id = wanted(world, card)
    torn.tap(card, reason=f"{REASON}{action_id}", phase=Phase.TORN)
    other.tap(card)
    other.tap(card)
    take(world, torn.upload())
    take(world, other.sign(other.records[1:], 2))
    assert waiting(world) == [action_id]
    take(world, other.upload())
    assert waiting(world) == []


def test_a_recovered_tap_is_done_once_and_not_withdrawn(world):
    card, reader = world.card(), world.reader()
    action_id = wanted(world, card)
    reader.recover(reader.tap(card, phase=Phase.TORN, reason=f"{REASON}{action_id}"), card)
    reader.tap(card)
    take(world, reader.upload())
    (row,) = actions.list_of_card(world.tx, card.issued.card_id)
    assert row.outcome == "done"
