"""Taps of QR codes and tokens become evidence: each proof at its own time, each code once, in the order of their times."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import permutations

import pytest

from access import tokens
from access.cases import CaseKind
from access.rules.coded import LAST_COUNTER, code_number
from access.rules.medium import MediumKind
from access.rules.qr import LIVES, SKEW, make_code
from access.rules.voucher import LIVES as VOUCHER_LIVES
from access.rules.voucher import SKEW as VOUCHER_SKEW
from access.rules.voucher import Voucher, read_voucher
from access.tally import tally
from access.taps import list_missing, list_taps
from fare.bill import fare_tap
from kernel.crypto.ed25519 import SigningKey
from kernel.service_day import Window
from kernel.wire.shown import ShownKind
from kernel.wire.tap import Phase
from tests.access.looking import count, open_kinds, queued, take, verdicts
from tests.simulation import SimReader, World


@dataclass
class Phone:
    """A phone with a QR key of its own on a card's account."""

    world: World
    number: int = 1
    key: SigningKey = field(default_factory=SigningKey.generate)

    def __post_init__(self) -> None:
        self.account = self.world.card(self.number).issued.fare_account_id
        made = tokens.register(
            self.world.tx, self.account, MediumKind.QR, self.key.public.raw, expires_on=date(2030, 1, 1),
            keyring=self.world.keyring, now=self.world.now - timedelta(hours=6),
        )  # fmt: skip
        self.serial, self.certificate, self.card_id = made.card.serial, made.certificate, made.card.card_id

    def code(self, at: datetime, nonce: bytes = b"abcd", *, key: SigningKey | None = None) -> bytes:
        return make_code(self.certificate, key or self.key, at=at, nonce=nonce).encode()

    def show(self, reader: SimReader, at: datetime, *, made: datetime | None = None, **changes: object):
        return reader.show(self.serial, ShownKind.QR, self.code(made or at), at=at, **changes)

    def taps(self):
        span = timedelta(days=90)
        found = list_taps(
            self.world.tx, [self.account], since=self.world.now - span, until=self.world.now + span
        )
        return [tap for tap in found if tap.card_id == self.card_id]


@pytest.fixture
def phone(world):
    return Phone(world)


def test_a_code_is_evidence_that_may_be_charged(world, phone):
    reader = world.reader()
    at = world.now - timedelta(hours=1)
    phone.show(reader, at)
    taken = take(world, reader.upload())
    assert verdicts(taken) == [(1, "accepted", "")]
    (tap,) = phone.taps()
    assert (tap.mac_valid, tap.counter, tap.tapped_at, tap.phase) == (True, 0, at, Phase.DONE)
    assert [one.tap_id for one in taken.taps] == [tap.tap_id]
    assert taken.touched == {(phone.account, at)}
    assert verdicts(take(world, reader.upload())) == [(1, "duplicate", "")]
    assert (open_kinds(world), queued(world)) == ([], [])
    assert list_missing(world.tx, since=world.now - timedelta(days=1)) == ()


def test_pricing_knows_what_was_shown(world, phone, token):
    reader, card = world.reader(), world.card(9)
    at = world.now - timedelta(hours=1)
    phone.show(reader, at)
    reader.show(token.serial, ShownKind.BANK, voucher(world, reader, token.serial, at), at=at)
    reader.tap(card)
    taken = take(world, reader.upload())
    assert [fare_tap(tap).medium for tap in taken.taps] == ["qr", "bank", "card"]
    assert fare_tap(phone.taps()[0]) == fare_tap(taken.taps[0]), "read back as it came in"


def test_no_token_nor_name_stands_in_clear(world, phone):
    reader = world.reader()
    phone.show(reader, world.now - timedelta(hours=1))
    take(world, reader.upload())
    row = world.tx.exec_driver_sql("SELECT row_to_json(tap)::text FROM tap").scalar_one()
    assert phone.key.public.raw.hex() not in row
    assert "LTQ1" not in row


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (timedelta(0), ("accepted", "")),
        (-LIVES + timedelta(seconds=1), ("accepted", "")),
        (-LIVES, ("exception", "code-invalid")),
        (SKEW, ("accepted", "")),
        (SKEW + timedelta(seconds=1), ("exception", "code-invalid")),
        (timedelta(days=-1), ("exception", "code-invalid")),
    ],
)
def test_a_code_is_judged_at_the_taps_own_time_however_late_it_comes(world, phone, made, verdict):
    reader, at = world.reader(), (world.now - timedelta(hours=1)).replace(microsecond=0)
    phone.show(reader, at, made=at + made)
    world.now += timedelta(days=20)
    assert verdicts(take(world, reader.upload())) == [(1, *verdict)]
    assert count(world, "tap") == 1, "evidence stays, whatever it is worth"
    assert open_kinds(world) == ([CaseKind.CODE_INVALID] if verdict[1] else [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data_read": b""}, "code-invalid"),
        ({"data_read": bytes(32)}, "code-invalid"),
        ({"phase": Phase.TORN}, "code-invalid"),
        ({"phase": Phase.RECOVERED}, "code-invalid"),
        ({"reader_id": bytes(16)}, "reader-not-signer"),
        ({"card_serial": 999_999}, "unknown-card"),
    ],
)
def test_a_record_that_its_code_does_not_vouch_for_is_never_charged(world, phone, change, reason):
    reader = world.reader()
    phone.show(reader, world.now - timedelta(hours=1), **change)
    taken = take(world, reader.upload())
    assert verdicts(taken) == [(1, "exception", reason)]
    assert taken.taps == ()
    assert all(not tap.mac_valid for tap in phone.taps())


def test_a_code_of_another_phones_key_or_of_no_certificate_of_ours_proves_nothing(world, phone):
    reader, at = world.reader(), world.now - timedelta(hours=1)
    stranger = SigningKey.generate()
    reader.show(phone.serial, ShownKind.QR, phone.code(at, key=stranger), at=at)
    reader.show(phone.serial, ShownKind.QR, b"\xff\xfe not a code", at=at)
    reader.show(phone.serial, ShownKind.BANK, phone.code(at), at=at)
    assert {each[2] for each in verdicts(take(world, reader.upload()))} == {"code-invalid"}
    assert open_kinds(world) == [CaseKind.CODE_INVALID]


def test_the_serial_of_a_card_takes_no_code(world, phone):
    """A code vouches for its own medium only: a card's serial beside it names nobody."""
    card, reader = world.card(7), world.reader()
    phone.show(reader, world.now - timedelta(hours=1), card_serial=card.serial)
    assert verdicts(take(world, reader.upload())) == [(1, "exception", "unknown-card")]


def test_one_code_shown_at_two_readers_counts_once_where_it_was_first(world, phone):
    first, second = world.reader("bus-01"), world.reader("bus-02")
    made = world.now - timedelta(hours=1)
    later = phone.show(second, made + timedelta(seconds=40), made=made)
    earlier = phone.show(first, made + timedelta(seconds=5), made=made)
    assert verdicts(take(world, second.upload())) == [(1, "accepted", "")]
    taken = take(world, first.upload())
    assert verdicts(taken) == [(1, "accepted", "")]
    assert {at for _, at in taken.touched} == {earlier.tapped_at, later.tapped_at}, "both bills change"
    assert [tap.tapped_at for tap in phone.taps()] == [earlier.tapped_at]
    assert (queued(world), open_kinds(world)) == (["counter-taken"], [CaseKind.CODE_SHARED]), "no forgery"


def test_two_codes_of_one_instant_are_a_cloned_phone(world, phone):
    first, second = world.reader("bus-01"), world.reader("bus-02")
    at = world.now - timedelta(hours=1)
    first.show(phone.serial, ShownKind.QR, phone.code(at, b"aaaa"), at=at)
    second.show(phone.serial, ShownKind.QR, phone.code(at, b"bbbb"), at=at + timedelta(seconds=1))
    take(world, first.upload())
    take(world, second.upload())
    assert open_kinds(world) == [CaseKind.COUNTER_TAKEN]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_media_without_a_counter_go_by_time_then_device_journal_and_sequence(world, phone, order):
    start = world.now - timedelta(hours=2)
    readers = [world.reader(f"bus-{number}") for number in range(3)]
    # Codes are made in another order than they are shown in: their number is no counter.
    for number, (reader, shown) in enumerate(zip(readers, (30, 20, 10), strict=True)):
        at = start + timedelta(seconds=shown)
        phone.show(reader, at, made=start + timedelta(seconds=number))
    for place in order:
        take(world, readers[place].upload())
    taps = phone.taps()
    assert [tap.tapped_at for tap in taps] == [start + timedelta(seconds=s) for s in (10, 20, 30)]
    assert [tap.order for tap in taps] == sorted(tap.order for tap in taps)


def test_codes_are_counted_apart_from_what_cards_count(world, phone):
    reader, card = world.reader(), world.card(8)
    phone.show(reader, world.now - timedelta(hours=1))
    reader.tap(card)
    take(world, reader.upload())
    window = Window(world.now - timedelta(days=1), world.now + timedelta(days=1))
    (row,) = tally(world.tx, window)
    assert (row.records, row.proven, row.coded, row.committed) == (2, 1, 1, 1)


@pytest.mark.parametrize("gap", [timedelta(microseconds=1), timedelta(seconds=1), timedelta(days=9_000)])
def test_numbers_of_codes_are_no_counters_and_nobodys_neighbours(gap):
    start = datetime.fromisoformat("2026-11-18T00:00:00+00:00")
    assert code_number(start) > LAST_COUNTER
    assert code_number(start + gap) - code_number(start) >= 2


# Vouchers: what the back office said of a token, for one device and one minute


def voucher(world, reader, serial, at, *, kind=ShownKind.BANK, key=None):
    made = Voucher(kind, reader.device_id, serial, at)
    return made.signed(key or world.keyring.bundle_key)


@pytest.fixture
def token(world):
    account = world.card(5).issued.fare_account_id
    return tokens.register(
        world.tx, account, MediumKind.BANK, b"\x01" * 16, expires_on=date(2030, 1, 1),
        keyring=world.keyring, now=world.now,
    ).card  # fmt: skip


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (timedelta(0), ("accepted", "")),
        (VOUCHER_LIVES - timedelta(seconds=1), ("accepted", "")),
        (VOUCHER_LIVES, ("exception", "code-invalid")),
        (-VOUCHER_SKEW, ("accepted", "")),
        (-VOUCHER_SKEW - timedelta(seconds=1), ("exception", "code-invalid")),
    ],
)
def test_a_tokens_tap_rests_on_our_own_word_of_that_minute(world, token, after, verdict):
    reader, made = world.reader(), world.now - timedelta(hours=1)
    reader.show(token.serial, ShownKind.BANK, voucher(world, reader, token.serial, made), at=made + after)
    assert verdicts(take(world, reader.upload())) == [(1, *verdict)]


def test_a_voucher_is_good_for_its_own_device_kind_and_medium_only(world, token, phone):
    mine, other = world.reader("bus-01"), world.reader("bus-02")
    at = world.now - timedelta(hours=1)
    other.show(token.serial, ShownKind.BANK, voucher(world, mine, token.serial, at), at=at)
    other.show(token.serial, ShownKind.CITIZEN, voucher(world, other, token.serial, at), at=at)
    foreign = voucher(world, other, token.serial, at, key=SigningKey.generate())
    other.show(token.serial, ShownKind.BANK, foreign, at=at)
    other.show(phone.serial, ShownKind.BANK, voucher(world, other, token.serial, at), at=at)
    assert [each[2] for each in verdicts(take(world, other.upload()))] == [
        "code-invalid", "code-invalid", "code-invalid", "card-mismatch",
    ]  # fmt: skip


def test_one_voucher_is_one_tap(world, token):
    reader, at = world.reader(), world.now - timedelta(hours=1)
    proof = voucher(world, reader, token.serial, at)
    reader.show(token.serial, ShownKind.BANK, proof, at=at)
    reader.show(token.serial, ShownKind.BANK, proof, at=at + timedelta(seconds=9))
    assert verdicts(take(world, reader.upload())) == [(1, "accepted", ""), (2, "exception", "counter-taken")]


@pytest.mark.parametrize("cut", [0, 1, 34, 97])
def test_a_voucher_of_other_bytes_is_none(world, token, cut):
    raw = voucher(world, world.reader(), token.serial, world.now)
    assert read_voucher(raw, world.keyring.bundle_key.public) is not None
    assert read_voucher(raw[:cut], world.keyring.bundle_key.public) is None
    altered = raw[:cut] + bytes([raw[cut] ^ 1]) + raw[cut + 1 :]
    assert read_voucher(altered, world.keyring.bundle_key.public) is None
