"""The stored-value profile: a purse pays with the commit or not at all, and each key opens its own doors only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.crypto.card_keys import KEY_NUMBER, Role
from kernel.crypto.tmac import TmacKey, verify_tmv
from readers import card, purse
from readers.card import CardLostError, CardRefusedError
from readers.softcard.direct import DirectChannel
from tests.readers.test_station import READER, UID, Cut, keys_of, made, masters

RECORD = b"bus 26, 7000 VND"


def begin(channel):
    return purse.begin(card.begin(channel, masters(Role.AUTH, 1)), masters(Role.DEBIT, 1))


def pay(soft, amount, record=RECORD, load=None):
    read = begin(DirectChannel(soft))
    prepared, _ = purse.prepare(read, READER, amount=amount, record=record, load=load)
    return read, prepared, card.commit(prepared)


def test_a_tap_pays_from_the_purse_and_proves_it():
    soft = made(purse=20_000)
    for count, left in ((1, 13_000), (2, 6_000)):
        read, prepared, done = pay(soft, 7_000)
        assert (read.before, soft.eeprom.purse, soft.eeprom.log[0]) == (left + 7_000, left, RECORD)
        assert verify_tmv(
            TmacKey(keys_of(1)[Role.TMAC]), uid=UID, tmc=count, tmi=prepared.tmi, claimed=done.tmv
        )
    with pytest.raises(CardRefusedError) as refused:
        pay(soft, 7_000)
    assert refused.value.reason == "purse"
    assert (soft.eeprom.purse, soft.eeprom.tmc) == (6_000, 2)


@pytest.mark.parametrize("after", range(12))
@pytest.mark.parametrize("heard", [False, True])
def test_a_payment_that_is_cut_off_pays_all_or_nothing(after, heard):
    soft = made(purse=20_000)

    def pay_cut_off():
        prepared, _ = purse.prepare(begin(Cut(soft, after, heard=heard)), READER, amount=7_000, record=RECORD)
        card.commit(prepared)

    with pytest.raises(CardLostError):
        pay_cut_off()
    paid = heard and after == 11
    assert (soft.eeprom.tmc, soft.eeprom.purse, len(soft.eeprom.log)) == (
        (1, 13_000, 1) if paid else (0, 20_000, 0)
    )


LOAD = purse.Load(50_000, keys_of(1)[Role.LOAD])


def test_a_load_and_a_payment_commit_together_and_one_mac_covers_both():
    soft = made(purse=1_000)
    read, prepared, done = pay(soft, 7_000, load=LOAD)
    assert (read.before, soft.eeprom.purse, soft.eeprom.tmc) == (1_000, 44_000, 1)
    assert verify_tmv(TmacKey(keys_of(1)[Role.TMAC]), uid=UID, tmc=1, tmi=prepared.tmi, claimed=done.tmv)


@pytest.mark.parametrize("after", range(17))
@pytest.mark.parametrize("heard", [False, True])
def test_a_load_that_is_cut_off_loads_and_pays_all_or_nothing(after, heard):
    soft = made(purse=1_000)
    with pytest.raises(CardLostError):
        card.commit(
            purse.prepare(
                begin(Cut(soft, after, heard=heard)), READER, amount=7_000, record=RECORD, load=LOAD
            )[0]
        )
    assert (soft.eeprom.tmc, soft.eeprom.purse) == ((1, 44_000) if heard and after == 16 else (0, 1_000))


def test_another_cards_load_key_loads_nothing():
    soft = made(purse=1_000)
    with pytest.raises(CardRefusedError) as refused:
        pay(soft, 7_000, load=purse.Load(50_000, bytes(16)))
    assert refused.value.reason == "unknown_key"
    assert (soft.eeprom.tmc, soft.eeprom.purse) == (0, 1_000)


def test_a_reader_without_the_generations_debit_master_pays_nothing():
    soft = made(purse=9_000)
    with pytest.raises(CardRefusedError) as refused:
        purse.begin(card.begin(DirectChannel(soft), masters(Role.AUTH, 1)), {})
    assert refused.value.reason == "unknown_key"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9_000), max_size=12))
def test_a_purse_is_what_was_put_in_less_what_was_paid(amounts):
    soft, left = made(purse=30_000), 30_000
    for number, amount in enumerate(amounts):
        record = number.to_bytes(16, "big")
        if amount <= left:
            pay(soft, amount, record)
            left -= amount
        else:
            with pytest.raises(CardRefusedError):
                pay(soft, amount, record)
    assert soft.eeprom.purse == left
    assert len(soft.eeprom.log) == min(6, soft.eeprom.tmc)


def test_an_account_card_has_no_purse():
    with pytest.raises(CardRefusedError) as refused:
        begin(DirectChannel(made()))
    assert refused.value.status == b"\x91\xf0"


def session_under(soft, role):
    """Steps' own session under one key of the card."""
    held = []

    def steps():
        yield b"\x00\xa4\x04\x00" + bytes((len(card.DF_NAME),)) + card.DF_NAME + b"\x00"
        session, _ = yield from card.authenticate(
            KEY_NUMBER[role], {1: keys_of(1)[role]}, lambda size: b"\x5c" * size
        )
        held.append(session)

    channel = DirectChannel(soft)
    card.run(channel, steps(), 1)
    return channel, held[0]


@pytest.mark.parametrize(
    ("role", "code", "header", "data"),
    [
        (Role.AUTH, 0xDC, b"\x03", (1).to_bytes(4, "little")),
        (Role.DEBIT, 0x0C, b"\x03", (1).to_bytes(4, "little")),
        (Role.AUTH, 0x0C, b"\x03", (1).to_bytes(4, "little")),
        (Role.AUTH, 0x8B, b"\x04" + bytes(3) + b"\x10\x00\x00", RECORD),
        (Role.DEBIT, 0x8D, b"\x01" + bytes(3) + b"\x01\x00\x00", b"\x01"),
        (Role.AUTH, 0xC4, b"\x01", bytes(21)),
        (Role.LOAD, 0xC4, b"\x01", bytes(21)),
        (Role.LOAD, 0xCE, b"\x0f\x01\x11\xff\x02", bytes(17)),
    ],
)
def test_each_key_opens_its_own_doors_only(role, code, header, data):
    soft = made(purse=5_000)
    before = soft.eeprom
    channel, session = session_under(soft, role)
    steps = card.secured(session, code, header, data, sent=card.CommMode.FULL)
    with pytest.raises(CardRefusedError) as refused:
        card.run(channel, steps, 1)
    assert refused.value.status == b"\x91\x9d"
    assert soft.eeprom == before


def test_money_is_loaded_under_the_load_key_with_the_commit():
    soft = made(purse=0, entitlements=bytes(96))
    channel, session = session_under(soft, Role.LOAD)

    def load():
        yield from card.secured(
            session, 0x0C, b"\x03", (50_000).to_bytes(4, "little"), sent=card.CommMode.FULL
        )
        assert soft.eeprom.purse == 0, "not before the commit"
        place = b"\x02" + bytes(3) + b"\x04\x00\x00"
        yield from card.secured(session, 0x8D, place, b"pass", sent=card.CommMode.FULL)
        yield from card.secured(session, 0xC8, READER)
        yield from card.secured(session, 0xC7, b"\x01")

    card.run(channel, load(), 1)
    assert (soft.eeprom.purse, soft.eeprom.tmc) == (50_000, 1)
    assert soft.eeprom.entitlements == b"pass" + bytes(92)
