"""Torn taps that only other torn or refused taps tell of: the MAC value in file 0F proves them whoever read it."""

from datetime import timedelta
from itertools import permutations

import pytest

from access.tally import tally
from access.taps import list_missing
from kernel.service_day import Window
from kernel.wire.tap import Phase
from tests.access.looking import count, open_kinds, take, taps_of

ORDERS = list(permutations(range(3)))


def proven(world, card):
    return {tap.counter: tap.proven_torn for tap in taps_of(world, card) if tap.phase is Phase.TORN}


def counted(world):
    (row,) = tally(world.tx, Window(world.now - timedelta(days=1), world.now + timedelta(days=1)))
    return row.proven, row.torn_proven, row.torn_open


@pytest.mark.parametrize("order", ORDERS)
def test_torn_at_one_reader_after_another_is_known_when_the_next_tap_is(world, order):
    readers, card = [world.reader(f"bus-{number}") for number in range(3)], world.card()
    for minute, (reader, phase) in enumerate(zip(readers, (Phase.TORN, Phase.TORN, Phase.DONE), strict=True)):
        reader.clock += timedelta(minutes=minute)
        reader.tap(card, phase=phase)
    uploads = [reader.upload() for reader in readers]
    for number in order:
        take(world, uploads[number])
    assert proven(world, card) == {1: True, 2: True}
    assert counted(world) == (1, 2, 0)
    assert card.tmc == 3, "the evidence equals the card's own counter"
    assert list_missing(world.tx, since=world.now - timedelta(days=1)) == ()
    assert open_kinds(world) == []


@pytest.mark.parametrize("proof_first", [False, True])
def test_a_reader_that_refused_the_card_tells_of_its_torn_tap_all_the_same(world, proof_first):
    one, two, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    one.tap(card, phase=Phase.TORN)
    two.tap(card, phase=Phase.REFUSED)
    uploads = [one.upload(), two.upload()]
    taken = [take(world, upload) for upload in (reversed(uploads) if proof_first else uploads)]
    assert proven(world, card) == {1: True}
    assert counted(world) == (0, 1, 0)
    assert {at for _, at in taken[1].touched} == {tap.tapped_at for tap in taps_of(world, card)}


def test_the_last_of_several_torn_taps_waits_for_the_next(world):
    readers, card = [world.reader(f"bus-{number}") for number in range(2)], world.card()
    for reader in readers:
        reader.tap(card, phase=Phase.TORN)
        take(world, reader.upload())
    assert proven(world, card) == {1: True, 2: False}
    assert counted(world) == (0, 1, 1)


@pytest.mark.parametrize(
    ("lie", "kept"),
    [
        ({"prior_tmv": b"invented"}, 1),
        ({"prior_tmc": 2}, 1),
        ({"prior_tmc": 0}, 0),
        ({"prior_tmv": bytes(8)}, 0),
    ],
)
@pytest.mark.parametrize("phase", [Phase.TORN, Phase.REFUSED])
def test_what_no_card_said_proves_nothing(world, lie, kept, phase):
    one, two, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    one.tap(card, phase=Phase.TORN)
    two.tap(card, phase=phase, **lie)
    for upload in (one.upload(), two.upload()):
        take(world, upload)
    assert proven(world, card)[1] is False
    assert count(world, "tap_prior") == kept
