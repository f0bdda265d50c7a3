"""One upload in: who may send it, where its records belong, and what every verdict is."""

from dataclasses import replace

import pytest

from access import enrol
from access.cases import CaseKind
from access.enrol import UnknownDeviceError
from access.rules.device import DeviceEvent, DeviceState
from access.take_in import DeviceNotActiveError, HeadSignatureError
from kernel.crypto.ed25519 import SigningKey
from kernel.wire.tap import encode_tap
from kernel.wire.upload import Verdict
from tests.access.looking import count, open_kinds, queued, take, taps_of, verdicts


def test_an_upload_is_stored_and_its_taps_may_be_billed(world):
    reader, card = world.reader(), world.card()
    for _ in range(3):
        reader.tap(card)
    taken = take(world, reader.upload())
    assert verdicts(taken) == [(n, "accepted", "") for n in (1, 2, 3)]
    assert taken.chained_up_to == 3
    assert [tap.counter for tap in taken.taps] == [1, 2, 3]
    assert taken.touched == {(card.issued.fare_account_id, tap.tapped_at) for tap in taken.taps}
    assert taps_of(world, card) == taken.taps
    assert all(tap.mac_valid and tap.operator_id == "transerco" for tap in taken.taps)
    assert (open_kinds(world), queued(world)) == ([], [])


def test_the_same_upload_again_gets_the_same_answer(world):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    reader.tap(card, tmv=bytes(8))
    first, again = take(world, reader.upload()), take(world, reader.upload())
    assert verdicts(again) == [(1, "duplicate", ""), (2, "duplicate", "mac-invalid")]
    assert [each.reason for each in again.verdicts] == [each.reason for each in first.verdicts]
    assert (again.chained_up_to, again.taps, again.touched) == (2, (), frozenset())
    assert count(world, "tap") == 2


def test_a_gap_is_stored_billed_and_waited_for(world):
    reader, card = world.reader(), world.card()
    for _ in range(6):
        reader.tap(card)
    late = take(world, reader.upload(4, 6))
    assert (late.chained_up_to, len(late.taps)) == (0, 3)
    again = take(world, reader.upload(5, 6))
    assert [each.verdict for each in again.verdicts] == [Verdict.DUPLICATE] * 2
    assert take(world, reader.upload(1, 2)).chained_up_to == 2
    assert take(world, reader.upload(3, 3)).chained_up_to == 6
    assert count(world, "device_unchained") == 0
    assert [tap.counter for tap in taps_of(world, card)] == [1, 2, 3, 4, 5, 6]


def test_a_new_journal_of_the_same_device_starts_its_own_chain(world):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    take(world, reader.upload())
    swapped = replace(
        reader, journal_id=type(reader)(reader.device_id, reader.key, reader.clock).journal_id, records=[]
    )
    swapped.tap(card)
    taken = take(world, swapped.upload())
    assert (taken.chained_up_to, taken.suspended) == (1, False)
    assert len(taps_of(world, card)) == 2


@pytest.mark.parametrize(
    "what", ["wrong key", "cut signature", "other last record", "unknown key id", "other journal"]
)
def test_an_upload_that_its_device_did_not_sign_is_refused_whole(world, what):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    reader.tap(card)
    upload = reader.upload()
    match what:
        case "wrong key":
            upload = reader.sign(reader.records, 2, key=SigningKey.generate())
        case "cut signature":
            upload = replace(upload, signature=upload.signature[:63])
        case "other last record":
            upload = replace(upload, records=upload.records[:1])
        case "unknown key id":
            upload = replace(upload, key_id=bytes(8))
        case "other journal":
            upload = replace(upload, journal_id=reader.device_id)
    with pytest.raises((HeadSignatureError, DeviceNotActiveError)):
        take(world, upload)
    assert count(world, "tap") == count(world, "tap_aside") == count(world, "device_head") == 0


@pytest.mark.parametrize("event", [DeviceEvent.SUSPENDED, DeviceEvent.RETIRED])
def test_a_device_that_is_not_active_is_refused_and_keeps_its_journal(world, event):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    enrol.change_state(world.tx, reader.device_id, event, reason="test", actor="test", now=world.now)
    with pytest.raises(DeviceNotActiveError):
        take(world, reader.upload())
    if event is DeviceEvent.SUSPENDED:
        enrol.change_state(
            world.tx,
            reader.device_id,
            DeviceEvent.REINSTATED,
            reason="looked at",
            actor="test",
            now=world.now,
        )
        assert take(world, reader.upload()).chained_up_to == 1


def test_an_unapproved_or_unknown_device_is_refused(world):
    pending, card = world.reader(approved=False), world.card()
    pending.tap(card)
    with pytest.raises(DeviceNotActiveError):
        take(world, pending.upload())
    nobody = replace(pending, device_id=pending.journal_id)
    with pytest.raises(DeviceNotActiveError):
        take(world, nobody.upload())
    with pytest.raises(UnknownDeviceError):
        enrol.get_device(world.tx, nobody.device_id)


def test_bytes_altered_on_the_way_fall_out_and_the_rest_stands(world):
    reader, card = world.reader(), world.card()
    for _ in range(5):
        reader.tap(card)
    upload = reader.upload()
    altered = upload.records[2][:-1] + bytes((upload.records[2][-1] ^ 1,))
    taken = take(world, replace(upload, records=(*upload.records[:2], altered, *upload.records[3:])))
    assert verdicts(taken) == [
        (1, "exception", "not-covered"),
        (2, "exception", "not-covered"),
        (3, "exception", "not-covered"),
        (4, "accepted", ""),
        (5, "accepted", ""),
    ]
    assert (taken.chained_up_to, taken.suspended) == (0, False)
    honest = take(world, upload)
    assert [each.verdict.value for each in honest.verdicts] == ["accepted"] * 3 + ["duplicate"] * 2
    assert honest.chained_up_to == 5


def test_other_content_at_a_chained_place_suspends_the_device_and_is_kept(world):
    reader, card = world.reader(), world.card()
    for _ in range(3):
        reader.tap(card)
    fork = replace(reader, records=reader.records[:1])
    fork.tap(card, route_id="32")
    take(world, reader.upload())
    taken = take(world, fork.upload())
    assert verdicts(taken) == [(1, "duplicate", ""), (2, "conflict", "other-content")]
    assert (taken.suspended, taken.chained_up_to) == (True, 3)
    assert enrol.get_device(world.tx, reader.device_id).state is DeviceState.SUSPENDED
    assert count(world, "tap_aside") == 1
    assert open_kinds(world) == [CaseKind.OTHER_CONTENT]
    assert len(taps_of(world, card)) == 3


def test_other_content_at_a_waiting_place_suspends_the_device(world):
    reader, card = world.reader(), world.card()
    for _ in range(3):
        reader.tap(card)
    fork = replace(reader, records=reader.records[:2])
    fork.tap(card, route_id="32")
    take(world, reader.upload(3, 3))
    taken = take(world, fork.upload(3, 3))
    assert verdicts(taken) == [(3, "conflict", "other-content")]
    assert taken.suspended


@pytest.mark.parametrize("fork_first", [False, True])
def test_a_link_that_hangs_elsewhere_never_moves_the_head(world, fork_first):
    reader, card = world.reader(), world.card()
    for _ in range(3):
        reader.tap(card)
    fork = replace(reader, records=[*reader.records[:2], encode_tap(replace(reader.tap(card), sequence=3))])
    fork.tap(card)
    uploads = [reader.upload(1, 3), fork.upload(4, 4)]
    for upload in reversed(uploads) if fork_first else uploads:
        taken = take(world, upload)
    assert (taken.chained_up_to, taken.suspended) == (3, True)
    assert open_kinds(world) == [CaseKind.CHAIN_BROKEN]
    assert len(taps_of(world, card)) == 4


def test_a_poison_record_never_takes_its_batch_with_it(world):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    poison = reader.tap(card)
    raw = bytearray(encode_tap(poison))
    raw[2 + 80 + 8 + 8] = 99  # no such clock state
    reader.records[-1] = bytes(raw)
    reader.tap(card, place="29B\x00")
    reader.tap(card)
    taken = take(world, reader.upload())
    assert verdicts(taken) == [
        (1, "accepted", ""),
        (2, "exception", "unreadable"),
        (3, "exception", "unreadable"),
        (4, "accepted", ""),
    ]
    assert (taken.chained_up_to, taken.suspended) == (4, False)
    assert queued(world) == ["unreadable", "unreadable"]
    again = take(world, reader.upload())
    assert [each.verdict for each in again.verdicts] == [Verdict.DUPLICATE] * 4
    assert not again.suspended


def test_garbage_without_a_header_still_has_its_place(world):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    take(world, reader.upload())
    reader.records.append(b"garbage")
    reader.tap(card)
    taken = take(world, reader.upload(2, 3))
    assert verdicts(taken) == [(2, "exception", "unreadable"), (3, "accepted", "")]
    assert taken.chained_up_to == 3


def test_a_record_replayed_under_another_device_is_no_tap_of_it(world):
    honest, thief, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    honest.tap(card)
    thief.records.append(honest.records[0])
    thief.tap(card)
    taken = take(world, thief.upload())
    assert verdicts(taken) == [(1, "exception", "foreign-record"), (2, "accepted", "")]
    assert [tap.counter for tap in taps_of(world, card)] == [2]
    assert take(world, honest.upload()).verdicts[0].verdict is Verdict.ACCEPTED
    assert open_kinds(world) == [CaseKind.FOREIGN_RECORD]


def test_a_stolen_transaction_rewritten_as_ones_own_is_never_charged(world):
    honest, thief, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    stolen = honest.tap(card)
    thief.write(
        replace(
            stolen, device_id=thief.device_id, journal_id=thief.journal_id, key_id=thief.key.public.key_id
        )
    )
    taken = take(world, thief.upload())
    assert verdicts(taken) == [(1, "exception", "reader-not-signer")]
    assert take(world, honest.upload()).verdicts[0].verdict is Verdict.ACCEPTED
    assert len(taps_of(world, card)) == 1
    assert open_kinds(world) == [CaseKind.READER_NOT_SIGNER]
