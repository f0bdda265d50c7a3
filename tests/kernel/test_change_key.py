"""ChangeKey as AN12196 prints it (tables 26 and 27), and its twins that must fail."""

import pytest

from kernel.crypto.change_key import CHANGE_KEY, changed, inverted_crc32, other_key, own_key
from kernel.crypto.ev2 import CommMode, Session, SessionKeys

NEW = bytes.fromhex("f3847d627727ed3bc9c4cc050489b966")
OWN = bytes.fromhex("5004bf991f408672b1ef00f08f9e8647")


def session(counter):
    keys = SessionKeys(
        bytes.fromhex("4cf3cb41a22583a61e89b158d252fc53"), bytes.fromhex("5529860b2fc5fb6154b7f28361d30bf9")
    )
    return Session(keys, bytes.fromhex("7614281a"), counter)


def test_the_checksum_is_the_inverted_one():
    # AN12196 table 26: CRC32 over the new key.
    assert inverted_crc32(NEW).hex() == "789dfadc"


def test_another_key_is_changed_as_printed():
    # AN12196 table 26: key 2 from zeros, version 01, CmdCtr 2.
    sent = session(2).command(CHANGE_KEY, b"\x02", other_key(NEW, bytes(16), 1), CommMode.FULL)
    assert sent.hex() == (
        "022cf362b7bf4311ff3be1daa295e8c68de09050560d19b9e16c2393ae9cd1fac75d0ce20bcd1d06e6"
    )
    header, plain = session(2).open_command(CHANGE_KEY, sent, 1, CommMode.FULL)
    assert (header, changed(plain, bytes(16), own=False)) == (b"\x02", (NEW, 1))


def test_the_sessions_own_key_is_changed_as_printed():
    # AN12196 table 27: key 0, version 01, CmdCtr 3.
    sent = session(3).command(CHANGE_KEY, b"\x00", own_key(OWN, 1), CommMode.FULL)
    assert sent.hex() == (
        "00c0eb4deefeddf0b513a03a95a75491818580503190d4d05053ff75668a01d6fda6610234bded6432"
    )
    _, plain = session(3).open_command(CHANGE_KEY, sent, 1, CommMode.FULL)
    assert changed(plain, b"whatever", own=True) == (OWN, 1)


@pytest.mark.parametrize("old", [b"\x01" + bytes(15), bytes(15) + b"\x80"])
def test_with_another_old_key_the_checksum_fails(old):
    assert changed(other_key(NEW, bytes(16), 1), old, own=False) is None


@pytest.mark.parametrize("place", [0, 15, 17, 20])
def test_a_changed_byte_fails_the_checksum(place):
    sent = bytearray(other_key(NEW, bytes(16), 1))
    sent[place] ^= 1
    assert changed(bytes(sent), bytes(16), own=False) is None


@pytest.mark.parametrize(
    ("sent", "own"),
    [(b"", True), (bytes(16), True), (bytes(18), True), (bytes(17), False), (bytes(22), False)],
)
def test_other_lengths_are_none(sent, own):
    assert changed(sent, bytes(16), own=own) is None


def test_a_plain_crc_is_the_mistake_to_make():
    import zlib

    assert zlib.crc32(NEW).to_bytes(4, "little") != inverted_crc32(NEW)
