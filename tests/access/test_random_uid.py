"""Cards with a random UID take their identity from CardInfo; the MAC under their own UID proves it."""

from datetime import date

import pytest
from sqlalchemy import text

from access import erase, issue
from access.issue import RANDOM_UID, NewCard
from access.rules.hidden import is_random
from access.rules.medium import MediumEvent
from access.take_in import take_in
from kernel.wire.cardinfo import Concession, decode
from kernel.wire.upload import Verdict
from tests.simulation import sim_card

SHOWN = b"\x08\x12\x34\x56\x00\x00\x00"


@pytest.mark.parametrize(
    ("uid", "random"),
    [
        (SHOWN, True),
        (b"\x08\x00\x00\x00\x00\x00\x00", True),
        (b"\x08\x12\x34\x56\x00\x00\x01", False),
        (b"\x04\x12\x34\x56\x00\x00\x00", False),
    ],
)
def test_a_random_uid_is_four_bytes_that_begin_with_08(uid, random):
    assert is_random(uid) is random


@pytest.fixture
def card(world):
    uid = b"\x04hidden"
    asked = NewCard(uid=uid, concession=Concession.NORMAL, expires_on=date(2030, 12, 31), random_uid=True)
    (made,) = issue.issue_cards(world.tx, keyring=world.keyring, asked=[asked], now=world.now)
    assert decode(made.info).flags == RANDOM_UID
    return sim_card(world.keyring, uid, serial=made.serial, info=made.info, issued=made)


def verdict(world, reader, number):
    taken = take_in(world.tx, reader.upload(number, number), keyring=world.keyring, now=world.now)
    return taken, taken.verdicts[0]


def test_each_presentation_shows_another_uid_and_counts_to_one_card(world, card):
    reader = world.reader()
    for number, last in enumerate((0x56, 0x99), 1):
        reader.tap(card, uid=SHOWN[:3] + bytes([last]) + SHOWN[4:])
        taken, said = verdict(world, reader, number)
        assert said.verdict is Verdict.ACCEPTED
        assert [tap.card_id for tap in taken.taps] == [card.issued.card_id]


def test_another_cards_serial_is_not_believed(world, card):
    reader, thief = world.reader(), world.card(9)
    reader.tap(thief, uid=SHOWN, card_serial=card.serial, data_read=card.info)
    _, said = verdict(world, reader, 1)
    assert (said.verdict, said.reason) == (Verdict.EXCEPTION, "mac-invalid")
    reader.tap(card, uid=SHOWN, card_serial=thief.serial)
    _, said = verdict(world, reader, 2)
    assert said.reason in {"mac-invalid", "unknown-card"}


def test_a_card_that_shows_its_own_uid_has_none_to_reveal(world):
    reader, plain = world.reader(), world.card(9)
    reader.tap(plain, uid=SHOWN)
    _, said = verdict(world, reader, 1)
    assert said.reason in {"mac-invalid", "unknown-card"}


def test_the_uid_is_kept_sealed_and_goes_with_its_person(world, card):
    row = "SELECT uid_sealed FROM card WHERE serial = :serial"
    sealed = world.tx.execute(text(row), {"serial": card.serial}).scalar_one()
    assert card.uid not in bytes(sealed)
    from access import block

    block.change_state(
        world.tx, card.issued.card_id, MediumEvent.RETIRED, reason="x", actor="mai", now=world.now
    )
    erase.erase(world.tx, [card.issued.fare_account_id], now=world.now)
    assert world.tx.execute(text(row), {"serial": card.serial}).scalar_one() is None
    reader = world.reader()
    reader.tap(card, uid=SHOWN)
    assert verdict(world, reader, 1)[1].verdict is Verdict.EXCEPTION
