import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.crypto.an10922 import diversify
from kernel.crypto.card_keys import AID, DF_NAME, KEY_NUMBER, Role, card_key, system_id
from kernel.crypto.ed25519 import SigningKey, VerifyKey
from kernel.crypto.sealing import (
    SealBrokenError,
    box_public,
    box_to,
    new_box_key,
    open_box,
    open_sealed,
    seal,
)

KEY = bytes(range(32))


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_seal_opens_with_its_key_and_circumstances_only(plain, aad):
    sealed = seal(KEY, plain, aad)
    assert open_sealed(KEY, sealed, aad) == plain
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, sealed, aad + b"x")
    with pytest.raises(SealBrokenError):
        open_sealed(KEY[::-1], sealed, aad)
    assert seal(KEY, plain, aad) != sealed


@given(st.data(), st.binary(max_size=60))
def test_seal_breaks_at_any_change_or_cut(data, plain):
    sealed = seal(KEY, plain, b"")
    place = data.draw(st.integers(0, len(sealed) - 1))
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, sealed[:place] + bytes((sealed[place] ^ 1,)) + sealed[place + 1 :], b"")
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, sealed[:place], b"")


@pytest.mark.parametrize("key", [b"", bytes(16), bytes(33)])
def test_seal_takes_256_bit_keys_only(key):
    with pytest.raises(AssertionError):
        seal(key, b"", b"")
    with pytest.raises(AssertionError):
        open_sealed(key, bytes(40), b"")


@given(st.binary(max_size=300))
def test_box_opens_for_its_receiver_only(plain):
    private, stranger = new_box_key(), new_box_key()
    box = box_to(box_public(private), plain)
    assert open_box(private, box) == plain
    with pytest.raises(SealBrokenError):
        open_box(stranger, box)
    for place in (0, 31, 32, len(box) - 1):
        with pytest.raises(SealBrokenError):
            open_box(private, box[:place] + bytes((box[place] ^ 2,)) + box[place + 1 :])
    with pytest.raises(SealBrokenError):
        open_box(private, box[:-1])


def test_box_bears_hostile_bytes():
    private = new_box_key()
    for box in (b"", bytes(47), bytes(48), bytes(200), os.urandom(100)):
        with pytest.raises(SealBrokenError):
            open_box(private, box)


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(32)])
def test_box_refuses_unusable_receivers(public):
    with pytest.raises(ValueError):
        box_to(public, b"")


def test_signatures_are_bound_to_their_context():
    key = SigningKey.from_bytes(bytes(32))
    signature = key.sign(b"lienthong/tap-head/1", b"head")
    assert key.public.verify(b"lienthong/tap-head/1", b"head", signature)
    assert not key.public.verify(b"lienthong/bundle/1", b"head", signature)
    assert not key.public.verify(b"lienthong/tap-head/1", b"Head", signature)
    assert not SigningKey.generate().public.verify(b"lienthong/tap-head/1", b"head", signature)
    for malformed in (b"", signature[:-1], signature + b"\x00"):
        assert not key.public.verify(b"lienthong/tap-head/1", b"head", malformed)
    with pytest.raises(AssertionError):
        key.sign(b"a\x00b", b"")


def test_signing_keys_keep_their_secret():
    key = SigningKey.generate()
    assert SigningKey.from_bytes(key.to_bytes()).public == key.public
    assert key.to_bytes().hex() not in repr(key)
    assert key.public.raw.hex() in repr(key)
    assert len(key.public.key_id) == 8
    with pytest.raises(ValueError):
        SigningKey.from_bytes(bytes(31))
    with pytest.raises(ValueError):
        VerifyKey(bytes(31))


def test_card_keys_differ_by_role_card_and_generation():
    uid = bytes.fromhex("04112233445566")
    assert (AID.hex(), DF_NAME.hex()) == ("f41001", "f04c49454e54484f4e4701")
    assert system_id(3) == b"LIENTHONG\x00\x03"
    assert card_key(bytes(16), uid, 3) == diversify(bytes(16), uid + AID + b"LIENTHONG\x00\x03")
    made = {
        card_key(master, card, generation)
        for master in (bytes(16), b"M" * 16)
        for card in (uid, uid[::-1])
        for generation in (0, 1, 255)
    }
    assert len(made) == 12
    assert set(KEY_NUMBER) <= set(Role)


@pytest.mark.parametrize(("uid", "generation"), [(bytes(4), 1), (bytes(10), 1)])
def test_card_keys_want_a_seven_byte_uid(uid, generation):
    with pytest.raises(AssertionError):
        card_key(bytes(16), uid, generation)


def test_card_keys_have_256_generations():
    with pytest.raises(OverflowError):
        system_id(256)


@pytest.mark.parametrize("size", [0, 32])
def test_diversification_takes_1_to_31_bytes(size):
    with pytest.raises(AssertionError):
        diversify(bytes(16), bytes(size))
    assert len(diversify(bytes(16), bytes(31))) == 16
