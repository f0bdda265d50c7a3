"""The software card by itself: what it refuses, and that only a commit changes it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.crypto.card_keys import DF_NAME, Role
from kernel.crypto.ev2 import ReaderAuth
from readers.softcard.card import (
    ABORTED,
    AUTHENTICATION,
    BOUNDARY,
    INTEGRITY,
    LENGTH,
    NO_APPLICATION,
    NO_FILE,
    NO_SUCH_KEY,
    OK,
    PARAMETER,
    PERMISSION_DENIED,
    SELECTED,
    UNKNOWN_COMMAND,
    CardLeftError,
    Fault,
)
from readers.softcard.mint import mint

MASTERS = {role: bytes((number,)) * 16 for number, role in enumerate(Role)}
SELECT = b"\x00\xa4\x04\x00" + bytes((len(DF_NAME),)) + DF_NAME + b"\x00"


def native(code, body=b""):
    return bytes((0x90, code, 0, 0, len(body))) + body + b"\x00"


def authenticated(card, code=0x71, renews=None):
    """Return a reader's session with a selected card."""
    if renews is None:
        assert card.answer(SELECT) == SELECTED
    reader = ReaderAuth(card._secrets.by_number[1], b"A" * 16, renews=renews)
    challenge = card.answer(native(code, b"\x01\x00" if code == 0x71 else b"\x01"))
    proof = card.answer(native(0xAF, reader.answer(challenge[:-2])))
    assert proof[-2:] == OK
    return reader.finish(proof[:-2])


def place(file, offset=0, size=0):
    return bytes((file,)) + offset.to_bytes(3, "little") + size.to_bytes(3, "little")


def test_nothing_works_before_select_or_authentication():
    card = mint(7, MASTERS)
    assert card.answer(native(0x71, b"\x01\x00")) == UNKNOWN_COMMAND
    assert card.answer(SELECT[:-3] + b"XX\x00") == NO_APPLICATION
    assert card.answer(native(0x71, b"\x01\x00")) == UNKNOWN_COMMAND
    card.answer(SELECT)
    for code in (0xAD, 0xC8, 0xC7):
        assert card.answer(native(code, bytes(20))) == AUTHENTICATION
    assert card.answer(native(0xAF, bytes(32))) == ABORTED
    assert card.answer(native(0x71, b"\x09\x00")) == NO_SUCH_KEY
    assert card.answer(native(0x71, b"\x01")) == LENGTH
    assert card.answer(native(0x77, b"\x01")) == PERMISSION_DENIED
    assert card.answer(native(0x5A, b"\x01")) == UNKNOWN_COMMAND


def test_an_interrupted_authentication_starts_over():
    card = mint(7, MASTERS)
    card.answer(SELECT)
    card.answer(native(0x71, b"\x01\x00"))
    card.answer(native(0xAD, b""))
    assert card.answer(native(0xAF, bytes(32))) == ABORTED


@pytest.mark.parametrize("body", [b"", bytes(31), bytes(33)])
def test_a_malformed_proof_is_a_length_error(body):
    card = mint(7, MASTERS)
    card.answer(SELECT)
    card.answer(native(0x71, b"\x01\x00"))
    assert card.answer(native(0xAF, body)) == LENGTH


def test_a_wrong_proof_is_an_authentication_error():
    card = mint(7, MASTERS)
    card.answer(SELECT)
    card.answer(native(0x71, b"\x01\x00"))
    assert card.answer(native(0xAF, bytes(32))) == AUTHENTICATION


@pytest.mark.parametrize(
    ("code", "header", "status"),
    [
        (0xAD, place(0x03), NO_FILE),
        (0xAD, place(0x01, 1, 32), BOUNDARY),
        (0xAD, place(0x0F, 0, 13), BOUNDARY),
        (0xAD, b"\x01", LENGTH),
        (0xC8, bytes(15), LENGTH),
        (0xC7, b"\x01", PERMISSION_DENIED),
        (0xC7, b"", LENGTH),
    ],
)
def test_an_error_drops_authentication_and_transaction(code, header, status):
    card = mint(7, MASTERS)
    session = authenticated(card)
    assert card.answer(native(code, session.command(code, header))) == status
    assert card.answer(native(0xAD, session.command(0xAD, place(1)))) == AUTHENTICATION
    assert card.eeprom.tmc == 0


def test_a_wrong_command_mac_drops_authentication():
    card = mint(7, MASTERS)
    session = authenticated(card)
    body = session.command(0xAD, place(1))
    assert card.answer(native(0xAD, body[:-1] + bytes((body[-1] ^ 1,)))) == INTEGRITY
    assert card.answer(native(0xAD, body)) == AUTHENTICATION


def test_a_reader_commits_once_to_a_transaction_and_with_a_known_option():
    card = mint(7, MASTERS)
    session = authenticated(card)
    assert card.answer(native(0xC8, session.command(0xC8, bytes(16))))[-2:] == OK
    session.counter = 1
    assert card.answer(native(0xC8, session.command(0xC8, bytes(16)))) == PERMISSION_DENIED
    session = authenticated(card)
    card.answer(native(0xC8, session.command(0xC8, bytes(16))))
    assert card.answer(native(0xC7, session.command(0xC7, b"\x02"))) == PARAMETER
    assert card.eeprom.tmc == 0


def test_commit_without_asking_for_the_mac_answers_empty():
    card = mint(7, MASTERS)
    session = authenticated(card)
    session.open_response(card.answer(native(0xC8, session.command(0xC8, b"R" * 16)))[:-2])
    assert session.open_response(card.answer(native(0xC7, session.command(0xC7, b"\x00")))[:-2]) == b""
    assert (card.eeprom.tmc, card.eeprom.last_reader) == (1, b"R" * 16)


def test_authenticating_anew_keeps_the_transaction_identifier():
    card = mint(7, MASTERS)
    session = authenticated(card)
    session.open_response(card.answer(native(0xAD, session.command(0xAD, place(1))))[:-2])
    renewed = authenticated(card, 0x77, renews=session)
    assert (renewed.ti, renewed.counter) == (session.ti, 1)
    assert renewed.open_response(card.answer(native(0xAD, renewed.command(0xAD, place(1))))[:-2])


def test_power_off_forgets_all_but_the_eeprom():
    card = mint(7, MASTERS)
    session = authenticated(card)
    card.answer(native(0xC8, session.command(0xC8, bytes(16))))
    assert card.asked_to_commit
    card.power_off()
    assert not card.asked_to_commit
    assert card.answer(native(0xC7, session.command(0xC7, b"\x01"))) == UNKNOWN_COMMAND
    assert card.eeprom.tmc == 0


def test_a_torn_card_stays_silent_until_powered_again():
    card = mint(7, MASTERS)
    kept = []
    card._on_commit = kept.append
    card.fault = Fault.TEAR_AFTER
    session = authenticated(card)
    card.answer(native(0xC8, session.command(0xC8, bytes(16))))
    with pytest.raises(CardLeftError):
        card.answer(native(0xC7, session.command(0xC7, b"\x01")))
    assert kept == [card.eeprom]
    with pytest.raises(CardLeftError):
        card.answer(SELECT)
    card.power_off()
    assert card.answer(SELECT) == SELECTED


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=70), max_size=6), st.booleans())
def test_any_apdus_are_answered_and_commit_nothing(apdus, selected):
    card = mint(7, MASTERS)
    if selected:
        authenticated(card)
    for apdu in apdus:
        assert len(card.answer(apdu)) >= 2
    assert card.eeprom.tmc == 0


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0x71, 0x77, 0xAF, 0xAD, 0xC8, 0xC7]), st.binary(max_size=40)), max_size=6
    )
)
def test_any_known_commands_without_a_mac_commit_nothing(commands):
    card = mint(7, MASTERS)
    authenticated(card)
    for code, body in commands:
        assert len(card.answer(native(code, body))) >= 2
    assert card.eeprom.tmc == 0


def test_secrets_are_not_shown():
    card = mint(7, MASTERS)
    assert card._secrets.tmac.hex() not in repr(card._secrets)
