"""Money in torn taps of stored-value cards: known once the card's next tap proves it, and once however often it was tried."""

import pytest

from access import actions, issue, purse
from access.rules.actionlist import REASON
from kernel.wire.tap import Phase
from tests.access.looking import open_kinds
from tests.access.test_acted import waiting
from tests.access.test_held import asked_for, every_order, pay


@pytest.fixture
def card(world):
    made = world.card(stored_value=True)
    made.purse = 50_000
    return made


@pytest.fixture
def gates(world):
    return [world.reader(f"gate-{number}") for number in range(3)]


def held(world, card):
    state = purse.find_state(world.tx, issue.get_card(world.tx, serial=card.serial), keyring=world.keyring)
    return state and (state.value, state.counter)


def torn(reader, card, move, *, tries, committed=True, **more):
    """So many tries of one payment within a second: what the card signs is the same each time."""
    for left in reversed(range(tries)):
        reader.tap(card, move=move, phase=Phase.TORN, committed=committed and left == 0, **more)


@pytest.mark.parametrize("tries", [1, 2, 3])
@pytest.mark.parametrize("committed", [True, False])
def test_a_torn_payment_is_known_from_the_next_tap_on_whatever_that_asks(
    world, card, gates, committed, tries
):
    one, two, _ = gates
    pay(one, card)
    torn(one, card, card.move(paid=9_000), tries=tries, committed=committed)
    two.tap(card)  # an inspector's: asks nothing of the purse
    expected = (40_000, 2) if committed else (49_000, 1)
    for _ in every_order(world, [one.upload(), two.upload()]):
        assert held(world, card) == expected
        assert open_kinds(world) == []


@pytest.mark.parametrize("phase", [Phase.TORN, Phase.REFUSED])
def test_a_torn_payment_is_known_from_a_tap_that_proves_nothing_itself(world, card, gates, phase):
    one, two, three = gates
    pay(one, card)
    torn(two, card, card.move(paid=9_000), tries=1)
    three.tap(card, phase=phase)
    for _ in every_order(world, [gate.upload() for gate in gates]):
        assert held(world, card) == (40_000, 2)
        assert open_kinds(world) == []


@pytest.mark.parametrize("tries", [1, 2, 3])
@pytest.mark.parametrize("committed", [True, False])
def test_a_load_told_in_several_torn_records_is_made_once(world, card, gates, committed, tries):
    one, two, three = gates
    pay(three, card)
    action_id = asked_for(world, card, one)
    torn(
        one, card, card.move(loaded=30_000, paid=1_000), tries=tries, committed=committed,
        reason=f"{REASON}{action_id}",
    )  # fmt: skip
    two.tap(card)
    for _ in every_order(world, [gate.upload() for gate in (one, two, three)]):
        (row,) = actions.list_of_card(world.tx, card.issued.card_id)
        assert row.outcome == ("done" if committed else "withdrawn")
        assert waiting(world) == []
        assert held(world, card) == ((78_000, 2) if committed else (49_000, 1))
        assert open_kinds(world) == []
