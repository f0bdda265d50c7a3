"""The tap over the in-process channel: what comes out of an honest card, a torn one and a hostile one."""
# longer than a room: every step of one exchange with every way it may fail

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.crypto import tmac
from kernel.crypto.card_keys import Role, card_key
from kernel.wire import cardinfo
from kernel.wire.cardinfo import Concession
from readers import card
from readers.card import CardError, CardForgedError, CardLostError, CardRefusedError
from readers.softcard.card import Eeprom, Fault, Secrets, SoftCard
from readers.softcard.direct import DirectChannel
from readers.softcard.mint import mint, uid_of

MASTERS = {role: bytes((number,)) * 16 for number, role in enumerate(Role)}
KEYS = {1: MASTERS[Role.AUTH]}
READER, OTHER_READER = b"R" * 16, b"S" * 16


class Wire:
    """A channel that keeps the transcript and may change an answer."""

    def __init__(self, inner, change=None):
        self.inner, self.change, self.log = inner, change, []

    @property
    def uid(self):
        return self.inner.uid

    def transceive(self, apdu, timeout_s):
        answer = self.inner.transceive(apdu, timeout_s)
        if self.change is not None:
            answer = self.change(len(self.log), answer)
        self.log.append((apdu, answer))
        return answer

    def present(self):
        return self.inner.present()

    def close(self):
        self.inner.close()


def tap(channel, reader=READER, keys=None):
    prepared = card.prepare(card.begin(channel, keys or KEYS), reader)
    return prepared, card.commit(prepared)


def back_office_accepts(soft, prepared, done, generation=1):
    key = tmac.TmacKey(card_key(MASTERS[Role.TMAC], soft.uid, generation))
    rebuilt = tmac.abt_tmi(prepared.read.data_read, prepared.reader_id, prepared.enc_tmri)
    return tmac.verify_tmv(key, uid=soft.uid, tmc=done.tmc, tmi=rebuilt, claimed=done.tmv)


def test_tap_takes_seven_apdus_and_proves_itself():
    soft = mint(7, MASTERS, concession=Concession.FREE_SENIOR)
    wire = Wire(DirectChannel(soft))
    prepared, done = tap(wire)
    assert [(apdu[0], apdu[1]) for apdu, _ in wire.log] == [
        (0x00, 0xA4),
        (0x90, 0x71),
        (0x90, 0xAF),
        (0x90, 0xAD),
        (0x90, 0xAD),
        (0x90, 0xC8),
        (0x90, 0xC7),
    ]
    read = prepared.read
    assert (read.uid, read.info.serial, read.key_generation) == (uid_of(7), 7, 1)
    assert read.info.concession is Concession.FREE_SENIOR
    assert cardinfo.decode(read.data_read) == read.info
    assert (read.prior_tmc, read.prior_tmv, prepared.expected_tmc) == (0, bytes(8), 1)
    assert done.tmc == soft.eeprom.tmc == 1
    assert done.tmv == soft.eeprom.tmv
    assert back_office_accepts(soft, prepared, done)


def test_each_tap_shows_the_one_before_it():
    soft = mint(7, MASTERS)
    key = tmac.TmacKey(card_key(MASTERS[Role.TMAC], soft.uid, 1))
    last_tmv, last_reader = bytes(8), bytes(16)
    for count, reader in enumerate((READER, OTHER_READER, READER), 1):
        prepared, done = tap(DirectChannel(soft), reader)
        assert (prepared.read.prior_tmc, prepared.read.prior_tmv) == (count - 1, last_tmv)
        opened = tmac.open_tmri(key, uid=soft.uid, tmc=count, enc_reader_id=prepared.enc_tmri)
        assert opened == last_reader
        assert done.tmc == count
        assert back_office_accepts(soft, prepared, done)
        last_tmv, last_reader = done.tmv, reader


def test_a_mac_over_other_fields_is_not_the_cards():
    soft = mint(7, MASTERS)
    prepared, done = tap(DirectChannel(soft))
    key = tmac.TmacKey(card_key(MASTERS[Role.TMAC], soft.uid, 1))
    for read, reader, sealed in (
        (bytes(32), READER, prepared.enc_tmri),
        (prepared.read.data_read, OTHER_READER, prepared.enc_tmri),
        (prepared.read.data_read, READER, bytes(16)),
    ):
        tmi = tmac.abt_tmi(read, reader, sealed)
        assert not tmac.verify_tmv(key, uid=soft.uid, tmc=1, tmi=tmi, claimed=done.tmv)


@pytest.mark.parametrize("generation", [1, 2])
def test_both_generations_pass_during_rotation(generation):
    soft = mint(7, MASTERS, generation=generation)
    keys = {1: MASTERS[Role.AUTH], 2: MASTERS[Role.AUTH]}
    prepared, done = tap(DirectChannel(soft), keys=keys)
    assert prepared.read.key_generation == generation
    assert back_office_accepts(soft, prepared, done, generation)


@pytest.mark.parametrize("keys", [{}, {2: MASTERS[Role.AUTH]}, {1: bytes(16), 2: bytes(16)}])
def test_a_card_without_a_common_key_is_refused(keys):
    with pytest.raises(CardRefusedError) as refused:
        card.begin(DirectChannel(mint(7, MASTERS)), keys)
    assert refused.value.reason == "unknown_key"


def test_a_card_of_another_issuer_is_refused():
    wire = Wire(DirectChannel(mint(7, MASTERS)), lambda _, __: b"\x6a\x82")
    with pytest.raises(CardRefusedError) as refused:
        card.begin(wire, KEYS)
    assert (refused.value.reason, refused.value.status) == ("not_ours", b"\x6a\x82")


@pytest.mark.parametrize("uid", [b"", bytes(4), bytes(10)])
def test_a_card_with_another_kind_of_uid_is_refused_unasked(uid):
    class Odd(Wire):
        uid = b""

    wire = Odd(DirectChannel(mint(7, MASTERS)))
    wire.__class__.uid = uid
    with pytest.raises(CardRefusedError) as refused:
        card.begin(wire, KEYS)
    assert refused.value.reason == "uid"
    assert wire.log == []


def test_a_card_at_its_last_counter_is_refused_before_commit():
    soft = mint(7, MASTERS)
    soft.eeprom = Eeprom(soft.eeprom.card_info, tmc=0xFFFFFFFF)
    read = card.begin(DirectChannel(soft), KEYS)
    with pytest.raises(CardRefusedError) as refused:
        card.prepare(read, READER)
    assert refused.value.reason == "counter_exhausted"


@pytest.mark.parametrize("raw", [bytes(32), b"\x01" + b"\xff" * 31])
def test_a_genuine_card_with_unreadable_info_is_forged(raw):
    soft = mint(7, MASTERS)
    soft.eeprom = Eeprom(raw)
    with pytest.raises(CardForgedError) as refused:
        card.begin(DirectChannel(soft), KEYS)
    assert refused.value.reason == "card_info"


def test_a_card_that_answers_with_anothers_uid_does_not_authenticate():
    soft = mint(7, MASTERS)
    copied = SoftCard(uid_of(8), soft._secrets, soft.eeprom)
    with pytest.raises(CardRefusedError):
        card.begin(DirectChannel(copied), KEYS)


def test_a_forged_card_authenticates_but_its_macs_fail():
    # Made with a stolen validator's AUTH master; the TMAC master never leaves the back office.
    uid = uid_of(9)
    auth = card_key(MASTERS[Role.AUTH], uid, 1)
    forged = SoftCard(uid, Secrets.of(auth=auth, tmac_key=b"guess" * 3 + b"!"), mint(9, MASTERS).eeprom)
    prepared, done = tap(DirectChannel(forged))
    assert not back_office_accepts(forged, prepared, done)


def test_torn_before_commit_leaves_the_card_as_it_was():
    soft = mint(7, MASTERS)
    tap(DirectChannel(soft))
    soft.fault = Fault.TEAR_BEFORE
    prepared = card.prepare(card.begin(DirectChannel(soft), KEYS), READER)
    with pytest.raises(CardLostError):
        card.commit(prepared)
    soft.fault = None
    again = card.begin(DirectChannel(soft), KEYS)
    assert again.prior_tmc == prepared.expected_tmc - 1


def test_torn_after_commit_is_told_by_file_0f():
    soft = mint(7, MASTERS)
    soft.fault = Fault.TEAR_AFTER
    prepared = card.prepare(card.begin(DirectChannel(soft), KEYS), READER)
    with pytest.raises(CardLostError):
        card.commit(prepared)
    soft.fault = None
    again = card.begin(DirectChannel(soft), KEYS)
    assert again.prior_tmc == prepared.expected_tmc
    recovered = card.Committed(again.prior_tmc, again.prior_tmv)
    assert back_office_accepts(soft, prepared, recovered)


@pytest.mark.parametrize("place", [3, 4, 5, 6])
@pytest.mark.parametrize("offset", [0, -3])
def test_one_flipped_bit_of_any_secured_answer_is_forged_and_ends_the_session(place, offset):
    def change(count, answer):
        if count != place:
            return answer
        index = offset if offset >= 0 else len(answer) + offset
        return answer[:index] + bytes((answer[index] ^ 1,)) + answer[index + 1 :]

    soft = mint(7, MASTERS)
    with pytest.raises(CardForgedError) as forged:
        tap(Wire(DirectChannel(soft), change))
    assert forged.value.reason == "response_MAC"


def test_after_an_error_the_authentication_is_gone():
    soft = mint(7, MASTERS)
    read = card.begin(Wire(DirectChannel(soft), lambda count, got: b"\x91\x9d" if count == 5 else got), KEYS)
    with pytest.raises(CardRefusedError) as refused:
        card.prepare(read, READER)
    assert (refused.value.reason, refused.value.status) == ("status", b"\x91\x9d")
    with pytest.raises(CardForgedError):
        card.prepare(read, READER)
    assert soft.eeprom.tmc == 0


def test_one_authentication_commits_once():
    soft = mint(7, MASTERS)
    prepared, _ = tap(DirectChannel(soft))
    with pytest.raises(CardForgedError):
        card.commit(prepared)
    assert soft.eeprom.tmc == 1


def test_the_answer_before_is_never_taken_for_this_one():
    # nfcpy's late answers: each APDU gets what belonged to the one before, status and all.
    kept = [b""]

    def late(count, answer):
        kept.append(answer)
        return kept[-2] if count >= 4 else answer

    with pytest.raises(CardForgedError):
        tap(Wire(DirectChannel(mint(7, MASTERS)), late))


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 6), st.binary(max_size=64), st.sampled_from([b"", b"\x90\x00", b"\x91\x00", b"\x91\xaf"])
)
def test_a_hostile_answer_at_any_step_is_one_of_our_errors(place, body, status):
    soft = mint(7, MASTERS)
    wire = Wire(DirectChannel(soft), lambda count, got: body + status if count == place else got)
    try:
        tap(wire)
    except CardError:
        assert len(wire.log) >= place + 1
    else:
        # Only the answer to SELECT may say more than its status.
        assert place == 0
        assert status == b"\x90\x00" or body[-2:] == b"\x90\x00"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=64), min_size=8, max_size=8))
def test_an_all_hostile_card_is_one_of_our_errors(answers):
    class Hostile(Wire):
        def transceive(self, apdu, timeout_s):
            return answers.pop()

    with pytest.raises(CardError):
        tap(Hostile(DirectChannel(mint(7, MASTERS))))


def test_garbage_and_wrong_mac_faults_are_our_errors():
    soft = mint(7, MASTERS)
    for fault in (Fault.GARBAGE, Fault.WRONG_MAC):
        soft.fault = fault
        for _ in range(20):
            with pytest.raises((CardForgedError, CardRefusedError)):
                tap(DirectChannel(soft))
    assert soft.eeprom.tmc == 0


def test_a_closed_channel_is_a_lost_card():
    channel = DirectChannel(mint(7, MASTERS))
    assert channel.present()
    channel.close()
    channel.close()
    assert not channel.present()
    with pytest.raises(CardLostError):
        card.begin(channel, KEYS)


def test_fixed_randoms_make_a_fixed_transcript():
    def once():
        soft = mint(7, MASTERS, random=lambda size: b"\x5c" * size)
        wire = Wire(DirectChannel(soft))
        prepared = card.prepare(card.begin(wire, KEYS, random=lambda size: b"\xa5" * size), READER)
        card.commit(prepared)
        return wire.log

    assert once() == once()
    soft = mint(7, MASTERS)
    wire = Wire(DirectChannel(soft))
    card.begin(wire, KEYS, random=os.urandom)
    assert wire.log[1] != once()[1]


def test_errors_say_their_reason_and_status():
    error = CardRefusedError("status", b"\x91\xae")
    assert (str(error), error.reason, error.status) == ("status 91ae", "status", b"\x91\xae")
    assert str(CardLostError("no_answer")) == "no_answer"


def test_what_is_read_shows_no_keys():
    soft = mint(7, MASTERS)
    read = card.begin(DirectChannel(soft), KEYS)
    assert read.session.keys.mac.hex() not in repr(read)
    assert MASTERS[Role.AUTH].hex() not in repr(read)
