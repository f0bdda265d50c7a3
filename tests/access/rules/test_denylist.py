import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.rules.denydelta import MAX_CHANGES, decode_delta, encode_delta
from access.rules.denylist import MAX_SERIAL, Delta, DenyList, DenyListVersionError, MalformedDenyListError

SERIALS = st.sets(st.integers(0, 5_000), max_size=60)


@given(SERIALS, st.integers(0, 2**63))
def test_a_list_denies_exactly_its_serials_and_survives_the_wire(serials, version):
    made = DenyList.of(version, serials)
    again = DenyList.decode(made.encode())
    assert again == made
    assert set(again.serials()) == serials
    assert again.version == version
    assert all(again.denies(serial) == (serial in serials) for serial in range(5_010))


@given(SERIALS, st.lists(st.tuples(SERIALS, SERIALS), max_size=5))
def test_deltas_end_where_a_snapshot_does(start, steps):
    held, expected = DenyList.of(1, start), set(start)
    for number, (denied, cleared) in enumerate(steps, 2):
        expected = (expected - cleared) | denied
        before = held.encode()
        fresh = held.with_delta(Delta(number - 1, number, tuple(denied), tuple(cleared)))
        assert held.encode() == before
        held = fresh
    assert held == DenyList.of(len(steps) + 1, expected)


@pytest.mark.parametrize(("start", "to"), [(4, 5), (6, 7), (5, 5), (5, 4)])
def test_a_delta_from_elsewhere_or_backwards_is_refused(start, to):
    with pytest.raises(DenyListVersionError):
        DenyList.of(5, {1}).with_delta(Delta(start, to, (), ())) if (start, to) != (5, 6) else None


@pytest.mark.parametrize("serial", [-1, 2**64, MAX_SERIAL + 1])
def test_a_serial_beyond_the_list_is_not_denied(serial):
    assert not DenyList.of(1, {0, 7, 8}).denies(serial)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"LTDN",
        b"XXXX" + bytes(13),
        DenyList.of(1, {9}).encode()[:-1],
        DenyList.of(1, {9}).encode() + b"x",
        DenyList.of(1, {9}).encode()[:13] + (2**32 - 1).to_bytes(4, "big"),
        DenyList.of(1, {9}).encode()[:17] + zlib.compress(bytes(1_000_000)),
        DenyList.of(1, {9}).encode()[:17] + b"no zlib",
    ],
)
def test_malformed_snapshots_are_refused(raw):
    with pytest.raises(MalformedDenyListError):
        DenyList.decode(raw)


def test_a_hundred_thousand_of_ten_million_are_small_to_send():
    made = DenyList.of(1, range(0, 10_000_000, 100))
    assert len(made.encode()) < 150_000


@given(SERIALS, SERIALS, st.integers(0, 2**62), st.integers(1, 2**10))
def test_a_delta_survives_the_wire(denied, cleared, start, step):
    delta = Delta(start, start + step, tuple(sorted(denied - cleared)), tuple(sorted(cleared)))
    assert decode_delta(encode_delta(delta)) == delta


@given(st.binary(max_size=80), st.booleans())
def test_any_other_bytes_are_no_delta(raw, led_on):
    good = encode_delta(Delta(1, 2, (5,), (6,)))
    with pytest.raises(MalformedDenyListError):
        decode_delta(good[:-1] if led_on and raw in good else (good + raw if led_on and raw else raw))


@pytest.mark.parametrize(
    "delta",
    [
        Delta(1, 2, (MAX_SERIAL + 1,), ()),
        Delta(1, 2, (5,), (5,)),
        Delta(1, 2, tuple(range(MAX_CHANGES)), (MAX_CHANGES,)),
    ],
    ids=["serial", "both", "too-many"],
)
def test_a_delta_that_cannot_be_is_refused(delta):
    with pytest.raises(MalformedDenyListError):
        decode_delta(encode_delta(delta))


@given(SERIALS, SERIALS)
def test_the_digest_is_the_lists_and_its_versions(one, other):
    assert DenyList.of(1, one).digest() == DenyList.decode(DenyList.of(1, one).encode(level=1)).digest()
    assert (DenyList.of(1, one).digest() == DenyList.of(1, other).digest()) is (one == other)
    assert DenyList.of(1, one).digest() != DenyList.of(2, one).digest()
    assert DenyList(1, b"\x01\x00").digest() == DenyList.of(1, {0}).digest()
