"""An authority's word, checked offline: what is altered, old, foreign or beside the point is refused by name."""

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fare.rules.attestation import (
    CONTEXT,
    MAX_AGE,
    OfflineAttestations,
    Rejected,
    Rejection,
    Verified,
    keys_of,
    sign,
)
from kernel.crypto.ed25519 import SigningKey
from kernel.wire.cardinfo import Concession

NOW = datetime(2026, 11, 18, 2, tzinfo=UTC)
KEY, OTHER = SigningKey.generate(), SigningKey.generate()
SERVICE = OfflineAttestations({"labour.hanoi": KEY.public, "health": OTHER.public})
SAID = Verified(
    "001060012345",
    Concession.FREE_SENIOR,
    date(2026, 1, 1),
    date(2027, 12, 31),
    "labour.hanoi",
    "QĐ 12/2026",
)


def judged(said=SAID, *, key=KEY, signed_at=NOW, now=NOW):
    return SERVICE.verify(sign(said, key, signed_at=signed_at), now=now)


def altered(**fields):
    """A signed attestation whose body says something that `sign` would not write."""
    body = json.loads(b64decode(json.loads(sign(SAID, KEY, signed_at=NOW))["attestation"]))
    for name, value in fields.items():
        if value is ...:
            del body[name]
        else:
            body[name] = value
    raw = json.dumps(body).encode()
    parts = {"attestation": b64encode(raw).decode(), "signature": b64encode(KEY.sign(CONTEXT, raw)).decode()}
    return SERVICE.verify(json.dumps(parts).encode(), now=NOW)


def test_what_an_authority_signed_is_what_comes_out():
    assert judged() == SAID
    assert judged(replace(SAID, valid_to=None)) == replace(SAID, valid_to=None)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (lambda: judged(key=OTHER), Rejection.SIGNATURE),
        (lambda: judged(replace(SAID, verifier="health")), Rejection.SIGNATURE),
        (lambda: judged(replace(SAID, verifier="nobody")), Rejection.UNKNOWN_VERIFIER),
        (lambda: judged(replace(SAID, concession=Concession.NORMAL)), Rejection.NOT_PROVABLE),
        (lambda: judged(replace(SAID, concession=Concession.GROUP)), Rejection.NOT_PROVABLE),
        (lambda: judged(signed_at=NOW + timedelta(minutes=6)), Rejection.NOT_YET),
        (lambda: judged(signed_at=NOW - MAX_AGE - timedelta(seconds=1)), Rejection.STALE),
        (lambda: judged(replace(SAID, valid_to=date(2026, 2, 1))), Rejection.OVER),
        (lambda: judged(replace(SAID, valid_to=date(2025, 12, 31))), Rejection.MALFORMED),
        (lambda: judged(replace(SAID, citizen="01060012345")), Rejection.MALFORMED),
        (lambda: judged(replace(SAID, citizen="٠٠١٠٦٠٠١٢٣٤٥")), Rejection.MALFORMED),
        (lambda: judged(replace(SAID, reference="of 001060012345")), Rejection.MALFORMED),
        (lambda: judged(replace(SAID, reference="")), Rejection.MALFORMED),
        (lambda: altered(format="other/1"), Rejection.MALFORMED),
        (lambda: altered(valid_to=...), Rejection.MALFORMED),
        (lambda: altered(extra="x"), Rejection.MALFORMED),
        (lambda: altered(valid_from=20260101), Rejection.MALFORMED),
        (lambda: altered(signed_at="2026-11-18T02:00:00"), Rejection.MALFORMED),
        (lambda: altered(concession="king"), Rejection.MALFORMED),
    ],
)
def test_a_proof_is_refused(outcome, reason):
    assert outcome() == Rejected(reason)


@pytest.mark.parametrize("signed_at", [NOW + timedelta(minutes=5), NOW - MAX_AGE])
def test_the_edges_of_its_age_still_count(signed_at):
    assert judged(signed_at=signed_at) == SAID


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_is_sent_never_breaks_the_check(raw):
    assert SERVICE.verify(raw, now=NOW) == Rejected(Rejection.MALFORMED)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_never_believed(place, change):
    raw = bytearray(sign(SAID, KEY, signed_at=NOW))
    raw[place % len(raw)] ^= change
    outcome = SERVICE.verify(bytes(raw), now=NOW)
    assert outcome == SAID or isinstance(outcome, Rejected)
    if isinstance(outcome, Verified):  # white space, or the same base64 written otherwise
        assert outcome == SAID


@pytest.mark.parametrize(
    "text", ["labour", "labour:zz", "a:" + "0" * 63, "A B:" + "0" * 64, "a:" + "00" * 32 + ",a:" + "11" * 32]
)
def test_keys_that_cannot_be_are_refused_at_the_start(text):
    with pytest.raises(ValueError):
        keys_of(text)


def test_keys_are_read_by_name():
    raw = KEY.public.raw.hex()
    assert keys_of(f"labour.hanoi:{raw}, health:{OTHER.public.raw.hex()}") == SERVICE.keys
    assert keys_of("") == {}
