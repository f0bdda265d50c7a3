"""QR codes, chips and bank cards at a reader: lines from a port, a light in time, evidence that its proof stands behind."""

from datetime import timedelta

import pytest

from access.rules.coded import check_coded
from access.rules.qr import CERTIFIED, LIVES, Certificate, QrRefusal, make_code
from access.rules.voucher import Voucher
from kernel.crypto.ed25519 import SigningKey
from kernel.wire.shown import ShownKind, decode_shown, is_shown
from kernel.wire.tap import Phase
from readers import lamp, scan
from readers.asking import TakenAway, TokenRefused, TokenSeen, Unheard, Unreadable
from readers.bundle import open_bundle
from readers.decide import Reason
from readers.lamp import Light
from readers.scan import CODE_SAYS, NEW_CODE, NO_NETWORK, NOT_LET, NOT_OURS, OPEN_APP, remember
from readers.scanner import CodeSeen
from readers.states import State
from readers.timekeeping import Timekeeper
from tests.readers.kit import (
    DEVICE,
    IDENTITY,
    NOW,
    SERVER_KEY,
    envelope,
)

PHONE = SigningKey.from_bytes(b"\x09" * 32)
SERIAL = 900
CERTIFICATE = Certificate(SERIAL, PHONE.public.raw, NOW - timedelta(days=1), NOW + CERTIFIED).signed(
    SERVER_KEY
)
TOKEN = "ab" * 16


def code(at=NOW, *, key=PHONE, nonce=b"0000", certificate=CERTIFICATE):
    return make_code(certificate, key, at=at, nonce=nonce)


def voucher(kind=ShownKind.BANK, *, at=NOW, device=DEVICE, serial=SERIAL, key=SERVER_KEY):
    return Voucher(kind, device, serial, at).signed(key)


def shown(bench, scanned):
    """The light's message; the machine is made ready for the next one."""
    found = scan.scan(bench.desk, scanned)
    assert bench.desk.machine.state is State.WAIT_REMOVAL
    bench.desk.machine.on(scan.Event.REMOVED)
    return found


# One showing, without the loop


def test_a_code_is_on_disk_before_green_and_vouches_for_its_record(bench):
    light = shown(bench, CodeSeen(code()))
    assert (light.message.light, light.card) == (Light.GREEN, SERIAL)
    (tap,) = bench.records()
    assert (tap.phase, tap.tmc, tap.card_serial, tap.tapped_at) == (Phase.DONE, 0, SERIAL, NOW)
    assert is_shown(tap)
    coded = check_coded(tap, SERVER_KEY.public)
    assert coded is not None
    assert coded.serial == SERIAL


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (code(NOW - LIVES), NEW_CODE),
        (code(NOW + timedelta(minutes=1)), NEW_CODE),
        (code(key=SigningKey.generate()), NOT_OURS),
        (code(certificate=CERTIFICATE[:-1] + b"x"), NOT_OURS),
        ("LTQ1.", NOT_OURS),
        ("LTQ1." + "A" * 900, NOT_OURS),
        (code(NOW + CERTIFIED, certificate=CERTIFICATE), OPEN_APP),
    ],
)
def test_a_code_that_proves_nothing_leaves_no_record(bench, text, message):
    assert shown(bench, CodeSeen(text)).message is message
    assert bench.records() == []


def test_a_code_after_its_certificate_asks_for_the_app(bench):
    bench.clock.advance(CERTIFIED)
    assert shown(bench, CodeSeen(code(NOW + CERTIFIED))).message is OPEN_APP


def test_every_word_of_a_code_has_a_light():
    assert CODE_SAYS.keys() == set(QrRefusal)
    assert all(message.light is not Light.GREEN for message in CODE_SAYS.values())


def test_the_same_code_again_is_not_taken_and_a_new_one_was_just_here(bench):
    assert shown(bench, CodeSeen(code())).message.light is Light.GREEN
    # Within the passback window (30 s) the medium was just here, whatever it shows.
    again = shown(bench, CodeSeen(code(NOW + timedelta(seconds=5))))
    assert again.message is lamp.REFUSALS[Reason.PASSBACK]
    bench.clock.advance(timedelta(seconds=31))
    assert shown(bench, CodeSeen(code())).message is NEW_CODE
    fresh = shown(bench, CodeSeen(code(NOW + timedelta(seconds=31))))
    assert fresh.message.light is Light.GREEN
    assert [tap.phase for tap in bench.records()] == [Phase.DONE, Phase.REFUSED, Phase.DONE]


def test_a_code_shown_before_a_restart_is_known_after_it(bench):
    shown(bench, CodeSeen(code()))
    bench.desk.codes = type(bench.desk.codes)()
    remember(bench.desk.codes, bench.records(), bench.desk)
    bench.desk.memory.forget(bench.desk.moment(), 0)
    bench.clock.advance(timedelta(seconds=31))
    assert shown(bench, CodeSeen(code())).message is NEW_CODE


def test_a_denied_medium_is_red_and_on_record(bench):
    bench.desk.bundle = open_bundle(envelope(version=2, denied=(SERIAL,)), IDENTITY)
    assert shown(bench, CodeSeen(code())).message is lamp.REFUSALS[Reason.DENIED]
    (tap,) = bench.records()
    assert (tap.phase, tap.reason) == (Phase.REFUSED, "denied")


def test_a_clock_that_knows_no_time_takes_no_code(bench):
    bench.desk.time = Timekeeper(bench.clock, simulated=False)
    bench.desk.time.not_before(NOW + timedelta(days=1))
    assert shown(bench, CodeSeen(code())).message is lamp.OUT_OF_SERVICE


def test_a_full_disk_shows_red_and_the_reader_says_that_it_broke(bench):
    bench.desk.journal._db.execute("PRAGMA query_only=ON")
    with pytest.raises(scan.JournalError):
        scan.scan(bench.desk, CodeSeen(code()))
    assert bench.desk.machine.state is State.OUT_OF_SERVICE


@pytest.mark.parametrize("kind", [ShownKind.BANK, ShownKind.CITIZEN, ShownKind.FELICA])
def test_a_token_rests_on_the_back_offices_voucher_alone(bench, kind):
    light = shown(bench, TokenSeen(kind, SERIAL, voucher(kind)))
    assert light.message.light is Light.GREEN
    (tap,) = bench.records()
    assert decode_shown(tap.data_read).proof == voucher(kind)
    assert bytes.fromhex(TOKEN) not in tap.data_read
    coded = check_coded(tap, SERVER_KEY.public)
    assert coded is not None


@pytest.mark.parametrize(
    ("scanned", "message"),
    [
        (TokenSeen(ShownKind.BANK, SERIAL, b""), NOT_LET),
        (TokenSeen(ShownKind.BANK, SERIAL, voucher(key=PHONE)), NOT_LET),
        (TokenSeen(ShownKind.BANK, SERIAL + 1, voucher()), NOT_LET),
        (TokenSeen(ShownKind.CITIZEN, SERIAL, voucher()), NOT_LET),
        (TokenSeen(ShownKind.BANK, SERIAL, voucher(device=type(DEVICE)(int=7))), NOT_LET),
        (TokenSeen(ShownKind.BANK, SERIAL, voucher(at=NOW - timedelta(hours=1))), lamp.OUT_OF_SERVICE),
        (TokenRefused("blocked"), NOT_LET),
        (Unheard(), NO_NETWORK),
        (TakenAway(), lamp.TRY_AGAIN),
        (TokenRefused("balance"), scan.TOKEN_SAYS["balance"]),
        (Unreadable(), NOT_OURS),
    ],
)
def test_a_token_that_nobody_vouches_for_is_no_record(bench, scanned, message):
    assert shown(bench, scanned).message is message
    assert bench.records() == []
