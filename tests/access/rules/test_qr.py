"""QR codes checked without a network: what is old, foreign, altered, denied or shown again is refused by name."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.rules.medium import MediumKind
from access.rules.qr import (
    CERTIFIED,
    LIVES,
    PREFIX,
    SKEW,
    Certificate,
    QrAccepted,
    QrRefusal,
    QrRefused,
    ReplayWindow,
    check_code,
    make_code,
)
from access.rules.token import AcquirerTokens, TokenFault, fault_of
from kernel.crypto.ed25519 import SigningKey

NOW = datetime(2026, 11, 18, 2, tzinfo=UTC)
ISSUER, PHONE, OTHER = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
CERTIFICATE = Certificate(7, PHONE.public.raw, NOW, NOW + CERTIFIED).signed(ISSUER)


def code(at=NOW, *, key=PHONE, certificate=CERTIFICATE, nonce=b"0000"):
    return make_code(certificate, key, at=at, nonce=nonce)


def check(text, *, now=NOW, denied=(), window=None):
    return check_code(
        text,
        issuer=ISSUER.public,
        now=now,
        denies=lambda serial: serial in denied,
        window=ReplayWindow() if window is None else window,
    )


@pytest.mark.parametrize("late", [timedelta(0), LIVES - timedelta(seconds=1), -SKEW])
def test_a_code_lives_a_minute_and_a_phone_may_be_a_little_ahead(late):
    made = NOW + timedelta(minutes=5)
    assert check(code(made), now=made + late) == QrAccepted(7, made)


BEFORE = Certificate(7, PHONE.public.raw, NOW - CERTIFIED, NOW).signed(ISSUER)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (lambda: check(code(), now=NOW + LIVES), QrRefusal.TOO_OLD),
        (lambda: check(code(NOW + timedelta(seconds=16))), QrRefusal.TOO_NEW),
        (lambda: check(code(key=OTHER)), QrRefusal.SIGNATURE),
        (
            lambda: check(
                code(certificate=Certificate(7, PHONE.public.raw, NOW, NOW + CERTIFIED).signed(OTHER))
            ),
            QrRefusal.CERTIFICATE,
        ),
        (lambda: check(code(certificate=BEFORE)), QrRefusal.NOT_CERTIFIED),
        (lambda: check(code(NOW + CERTIFIED), now=NOW + CERTIFIED), QrRefusal.NOT_CERTIFIED),
        (lambda: check(code(), denied={7}), QrRefusal.DENIED),
        (lambda: check(""), QrRefusal.MALFORMED),
        (lambda: check(code().removeprefix(PREFIX)), QrRefusal.MALFORMED),
        (lambda: check(code() + "="), QrRefusal.MALFORMED),
        (lambda: check(code() + "A"), QrRefusal.MALFORMED),
        (lambda: check(PREFIX + "é" * 20), QrRefusal.MALFORMED),
    ],
)
def test_a_code_is_refused(outcome, reason):
    assert outcome() == QrRefused(reason)


def test_one_reader_takes_a_code_once_and_no_older_one_after_it():
    window = ReplayWindow()
    first, second = NOW, NOW + timedelta(seconds=30)
    now = second + timedelta(seconds=1)
    assert check(code(second), now=now, window=window) == QrAccepted(7, second)
    for text in (code(second), code(second, nonce=b"1111"), code(first)):
        assert check(text, now=now, window=window) == QrRefused(QrRefusal.REPLAYED)
    third = second + timedelta(seconds=30)
    assert check(code(third), now=third, window=window) == QrAccepted(7, third)


def test_the_window_forgets_what_is_too_old_to_be_shown_again():
    window = ReplayWindow()
    for serial in range(1_000):
        assert window.takes(serial, NOW, NOW)
    later = NOW + LIVES + SKEW + timedelta(seconds=1)
    assert window.takes(1_000, later, later)
    assert len(window) == 1


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_is_believed(place, change):
    raw = bytearray(urlsafe_b64decode(code().removeprefix(PREFIX) + "=" * 3))
    raw[place % len(raw)] ^= change
    text = PREFIX + urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    assert isinstance(check(text), QrRefused)


@given(st.text(max_size=400))
def test_whatever_is_shown_never_breaks_the_reader(text):
    for shown in (text, PREFIX + text):
        assert check(shown) == QrRefused(QrRefusal.MALFORMED)


@pytest.mark.parametrize(
    ("kind", "token", "fault"),
    [
        (MediumKind.BANK, bytes(range(16)), None),
        (MediumKind.CITIZEN, bytes(range(1, 17)), None),
        (MediumKind.BANK, b"1234567", TokenFault.SIZE),
        (MediumKind.BANK, bytes(65), TokenFault.SIZE),
        (MediumKind.BANK, b"4111111111111111", TokenFault.CARD_NUMBER),  # a test card's number, as text
        (MediumKind.BANK, bytes.fromhex("4111111111111111"), TokenFault.CARD_NUMBER),  # and packed
        (MediumKind.BANK, b"4111111111111112", None),  # sixteen digits that check nothing
        (MediumKind.CITIZEN, b"001060012345", TokenFault.CITIZEN_NUMBER),
        (MediumKind.TRANSIT, bytes(range(16)), TokenFault.KIND),
        (MediumKind.QR, bytes(32), TokenFault.KIND),
    ],
)
def test_numbers_of_people_and_cards_are_no_tokens(kind, token, fault):
    assert fault_of(kind, token) is fault


@pytest.mark.parametrize("reference", ["", "zz", "00", "4111111111111111", b"4111111111111111".hex()])
def test_the_acquirers_port_gives_no_card_number_through(reference):
    assert AcquirerTokens().token_of(reference) is None
