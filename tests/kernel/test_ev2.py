"""EV2 messaging between our two sides, for what the published vectors do not reach."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.crypto.aes import encrypt_cbc
from kernel.crypto.ev2 import CardAuth, CommMode, MessagingError, ReaderAuth, Session

KEY = bytes(range(16))
keys = st.binary(min_size=16, max_size=16)
commands = st.lists(
    st.tuples(
        st.integers(0, 255),
        st.binary(max_size=20),
        st.binary(max_size=70),
        st.binary(max_size=70),
        st.sampled_from(CommMode),
    ),
    max_size=6,
)


def authenticated(key=KEY, rnd_a=b"A" * 16, rnd_b=b"B" * 16):
    reader, card = ReaderAuth(key, rnd_a), CardAuth(key, rnd_b, b"TTTT")
    proof, card_session = card.verify(reader.answer(card.challenge()))
    return reader.finish(proof), card_session


@given(keys, keys, keys, commands)
def test_both_sides_understand_each_other_in_every_mode(key, rnd_a, rnd_b, exchanged):
    reader, card = authenticated(key, rnd_a, rnd_b)
    for count, (code, header, sent, back, mode) in enumerate(exchanged, 1):
        body = reader.command(code, header, sent, mode)
        assert card.open_command(code, body, len(header), mode) == (header, sent)
        assert reader.open_response(card.response(back, mode), mode) == back
        assert reader.counter == card.counter == count


@pytest.mark.parametrize("mode", [CommMode.MAC, CommMode.FULL])
def test_a_replayed_command_or_answer_ends_the_session(mode):
    reader, card = authenticated()
    body = reader.command(0xAD, b"\x01", b"x", mode)
    card.open_command(0xAD, body, 1, mode)
    answer = card.response(b"y", mode)
    reader.open_response(answer, mode)
    with pytest.raises(MessagingError):
        card.open_command(0xAD, body, 1, mode)
    reader.command(0xAD, b"\x01", b"x", mode)
    with pytest.raises(MessagingError):
        reader.open_response(answer, mode)
    for session in (reader, card):
        for use in (
            lambda session=session: session.command(0, b""),
            lambda session=session: session.open_response(b"", CommMode.PLAIN),
            lambda session=session: session.open_command(0, b"", 0, CommMode.PLAIN),
            lambda session=session: session.response(b"", CommMode.PLAIN),
        ):
            with pytest.raises(MessagingError, match="dropped"):
                use()


@given(st.binary(max_size=120), st.sampled_from([CommMode.MAC, CommMode.FULL]))
def test_hostile_bytes_are_messaging_errors(body, mode):
    reader, card = authenticated()
    reader.command(0xAD, b"")
    with pytest.raises(MessagingError):
        reader.open_response(body, mode)
    with pytest.raises(MessagingError):
        card.open_command(0xAD, body, 1, mode)


@pytest.mark.parametrize("padded", [bytes(16), b"\x80" + bytes(31), b"x" * 16, b"x" * 15 + b"\x01"])
def test_wrong_padding_under_a_right_mac_ends_the_session(padded):
    reader, card = authenticated()
    reader.command(0xAD, b"")
    card.counter += 1
    sealed = encrypt_cbc(card.keys.enc, padded, card.initial_vector(b"\x5a\xa5"))
    with pytest.raises(MessagingError):
        reader.open_response(card.response(sealed), CommMode.FULL)
    with pytest.raises(MessagingError, match="dropped"):
        reader.command(0xAD, b"")


def test_whole_blocks_are_wanted_under_a_right_mac():
    reader, card = authenticated()
    reader.command(0xAD, b"")
    card.counter += 1
    with pytest.raises(MessagingError):
        reader.open_response(card.response(b"short"), CommMode.FULL)


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_malformed_challenges_and_proofs_are_refused(size):
    with pytest.raises(MessagingError):
        ReaderAuth(KEY, bytes(16)).answer(bytes(size))
    with pytest.raises(MessagingError):
        CardAuth(KEY, bytes(16), b"TTTT").verify(bytes(size))
    reader = ReaderAuth(KEY, bytes(16))
    reader.answer(bytes(16))
    with pytest.raises(MessagingError):
        reader.finish(bytes(size))


def test_a_stranger_is_refused_by_both_sides():
    reader, card = ReaderAuth(KEY, os.urandom(16)), CardAuth(KEY[::-1], os.urandom(16), b"TTTT")
    with pytest.raises(MessagingError):
        card.verify(reader.answer(card.challenge()))
    with pytest.raises(MessagingError):
        reader.finish(os.urandom(32))


def test_a_session_shows_no_keys():
    reader, _ = authenticated()
    assert isinstance(reader, Session)
    assert reader.keys.enc.hex() not in repr(reader) + repr(reader.keys)
    assert "54545454" in repr(reader)
