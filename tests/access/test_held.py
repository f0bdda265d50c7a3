"""A stored-value card's purse and file 05 go on from tap to tap; where they do not, a person looks (§8.13)."""

import random
from dataclasses import replace
from itertools import permutations
from uuid import UUID

import pytest

from access.cases import CaseKind
from access.rules.actionlist import REASON, ActionKind
from access.rules.held import held_of
from kernel.wire.tap import Phase
from tests.access.looking import open_kinds, take, taps_of, verdicts
from tests.access.test_acted import waiting, wanted

RIDE, STAY = b"r" * 32, b"s" * 32


@pytest.fixture
def card(world):
    made = world.card(stored_value=True)
    made.purse = 50_000  # an older scheme's card may come with money on it: nothing is said of its first tap
    return made


@pytest.fixture
def gates(world):
    return [world.reader(f"gate-{number}") for number in range(3)]


def pay(reader, card, **move):
    return reader.tap(card, move=card.move(**{"paid": 1_000, **move}))


def subjects(world):
    from access import cases

    return [(each.case.kind, each.case.subject.rpartition(":")[2]) for each in cases.list_open(world.tx)]


def every_order(world, uploads):
    """Each order of uploads, in a world where none of the others happened."""
    for order in permutations(uploads):
        savepoint = world.tx.begin_nested()
        for upload in order:
            take(world, upload)
        yield order
        savepoint.rollback()


def test_a_card_that_goes_on_opens_no_case_in_any_order(world, card, gates):
    one, two, three = gates
    pay(one, card, trips=RIDE)
    two.tap(card)  # an inspector's: looks at nothing
    pay(two, card)  # a flat bus: the purse only
    pay(three, card, paid=0, returned=500, trips=STAY)
    torn = pay(one, card, look=True)
    one.write(replace(torn, phase=Phase.RECOVERED))
    pay(two, card, trips=RIDE)
    for _ in every_order(world, [gate.upload() for gate in gates]):
        assert open_kinds(world) == []
        assert len(taps_of(world, card)) == 6


def test_other_trips_than_were_left_open_a_case_once_all_between_are_known(world, card, gates):
    one, two, three = gates
    pay(one, card, trips=RIDE)
    two.tap(card)
    card.trips = STAY  # no tap wrote that
    pay(three, card, look=True)
    uploads = [gate.upload() for gate in gates]
    for _ in every_order(world, uploads):
        assert subjects(world) == [("trips-chain", "3")]
    for missing in uploads:
        for _ in every_order(world, [one for one in uploads if one is not missing]):
            assert open_kinds(world) == [], "what is missing may have written it"


def test_a_late_upload_that_explains_what_was_read_opens_no_case(world, card, gates):
    early, late, now = gates
    pay(early, card, trips=RIDE)
    pay(late, card, trips=STAY)  # this one waits in a tunnel
    pay(now, card, look=True)
    for upload in (early.upload(), now.upload()):
        take(world, upload)
        assert open_kinds(world) == []
    take(world, late.upload())
    assert open_kinds(world) == []


def test_another_purse_than_was_left_opens_a_case_in_any_order(world, card, gates):
    one, two, three = gates
    pay(one, card)
    two.tap(card)
    card.purse += 100_000
    pay(three, card)
    for _ in every_order(world, [gate.upload() for gate in gates]):
        assert subjects(world) == [("purse-chain", "3")]


@pytest.mark.parametrize("committed", [True, False])
def test_a_torn_tap_counts_as_far_as_the_card_had_committed_it(world, card, gates, committed):
    one, two, _ = gates
    pay(one, card, trips=RIDE)
    one.tap(card, move=card.move(paid=9_000, trips=STAY), phase=Phase.TORN, committed=committed)
    pay(two, card, look=True)
    for _ in every_order(world, [one.upload(), two.upload()]):
        assert open_kinds(world) == []
    one.tap(card, move=card.move(paid=9_000), phase=Phase.TORN, committed=committed)
    card.purse += 5
    pay(two, card)
    for _ in every_order(world, [one.upload(), two.upload()]):
        assert open_kinds(world) == [CaseKind.PURSE_CHAIN]


def test_a_closed_case_is_not_opened_again_by_what_comes_later(world, card, gates):
    from access import cases

    one, two, three = gates
    pay(one, card)
    card.purse += 1
    pay(two, card)
    for gate in (one, two):
        take(world, gate.upload())
    (case,) = cases.list_open(world.tx)
    cases.close(world.tx, case.case.case_id, outcome="noted", actor="mai", now=world.now)
    pay(three, card)
    pay(one, card)
    for gate in gates:
        take(world, gate.upload())
    assert open_kinds(world) == []


def test_a_card_without_a_purse_holds_nothing_that_could_differ(world, gates):
    plain, reader = world.card(9), gates[0]
    assert held_of(reader.tap(plain)) is None
    take(world, reader.upload())
    assert open_kinds(world) == []


def test_any_day_in_any_order_ends_in_the_same_cases(world, gates):
    cards = [world.card(number, stored_value=True) for number in range(2, 5)]
    dice = random.Random(8)
    for number, gate in enumerate(gates):
        gate.clock = gate.clock.replace(microsecond=number)
    for turn in range(36):
        gate, card = dice.choice(gates), dice.choice(cards)
        if turn % 13 == 12:
            card.purse += 7
        if turn % 17 == 16:
            card.trips = bytes([turn]) * 32
        if dice.random() < 0.2:
            gate.tap(card)
        elif dice.random() < 0.2:
            gate.tap(
                card, phase=Phase.TORN, committed=dice.random() < 0.5, move=card.move(loaded=3, look=True)
            )
        else:
            pay(gate, card, loaded=1_000, trips=dice.choice([None, RIDE, STAY]), look=dice.random() < 0.5)
    uploads = [
        gate.upload(first, min(first + 4, len(gate.records)))
        for gate in gates
        for first in range(1, len(gate.records) + 1, 5)
    ]
    found = []
    for _ in range(4):
        savepoint = world.tx.begin_nested()
        for upload in uploads:
            take(world, upload)
        found.append(sorted(subjects(world)))
        savepoint.rollback()
        dice.shuffle(uploads)
    assert found[0]
    assert all(one == found[0] for one in found)


# Loads: the credit is under the card's MAC, the action's name is the reader's word


def asked_for(world, card, reader, amount=30_000):
    detail = {"amount": str(amount), "device": str(reader.device_id), "asked_at": world.now.isoformat()}
    return wanted(world, card, ActionKind.LOAD_PURSE, detail)


def load(reader, card, action_id, amount=30_000, **more):
    return reader.tap(card, move=card.move(loaded=amount, paid=1_000), reason=f"{REASON}{action_id}", **more)


@pytest.mark.parametrize("torn", [False, True])
def test_a_load_that_the_card_proves_ends_its_action(world, card, gates, torn):
    one, two, _ = gates
    action_id = asked_for(world, card, one)
    load(one, card, action_id, phase=Phase.TORN if torn else Phase.DONE)
    pay(two, card)
    for _ in every_order(world, [one.upload(), two.upload()]):
        assert (waiting(world), open_kinds(world)) == ([], [])


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("amount", [0, 29_999, 30_001])
def test_a_reader_that_says_done_where_the_card_credited_another_sum_ends_nothing(
    world, card, gates, amount, torn
):
    one, two, _ = gates
    action_id = asked_for(world, card, one)
    load(one, card, action_id, amount, phase=Phase.TORN if torn else Phase.DONE)
    pay(two, card)
    for _ in every_order(world, [one.upload(), two.upload()]):
        assert waiting(world) == [action_id]
        assert open_kinds(world) == [CaseKind.LOAD_MISMATCH]


def test_a_load_at_another_reader_than_was_asked_ends_nothing(world, card, gates):
    named, other, _ = gates
    action_id = asked_for(world, card, named)
    load(other, card, action_id)
    assert verdicts(take(world, other.upload())) == [(1, "accepted", "")], "evidence never fails for it"
    assert (waiting(world), open_kinds(world)) == ([action_id], [CaseKind.LOAD_MISMATCH])


@pytest.mark.parametrize("reason", ["", f"{REASON}{UUID(int=7)}", REASON])
def test_money_on_a_card_that_nobody_asked_for_opens_a_case(world, card, gates, reason):
    reader = gates[0]
    reader.tap(card, move=card.move(loaded=500_000), reason=reason)
    take(world, reader.upload())
    assert open_kinds(world) == [CaseKind.LOAD_MISMATCH]


def test_a_load_made_twice_opens_one_case_with_both(world, card, gates):
    from access import cases

    reader = gates[0]
    action_id = asked_for(world, card, reader)
    load(reader, card, action_id)
    load(reader, card, action_id)
    for _ in every_order(world, [reader.upload(1, 1), reader.upload(2, 2)]):
        (case,) = cases.list_open(world.tx)
        assert (case.case.kind, case.pieces) == (CaseKind.LOAD_MISMATCH, 2)


def test_a_load_done_after_it_was_withdrawn_opens_a_case(world, card, gates):
    from access import actions
    from access.actions import ActionOutcome

    reader = gates[0]
    action_id = asked_for(world, card, reader)
    ended = actions.finish(
        world.tx, card.issued.card_id, action_id, ActionOutcome.WITHDRAWN, by="mai", now=world.now
    )
    load(reader, card, action_id)
    take(world, reader.upload())
    assert ended
    assert open_kinds(world) == [CaseKind.LOAD_MISMATCH]


def test_another_action_on_a_stored_value_card_is_no_load(world, card, gates):
    action_id = wanted(world, card)
    gates[0].tap(card, move=card.move(paid=1_000), reason=f"{REASON}{action_id}")
    take(world, gates[0].upload())
    assert (waiting(world), open_kinds(world)) == ([], [])
