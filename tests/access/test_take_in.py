"""One upload in, every verdict, and what is stored of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from access import cases, deny, enrol, exceptions
from access.cases import CaseKind
from access.deny import DenyReason
from access.enrol import UnknownDeviceError
from access.rules.device import DeviceEvent, DeviceState
from access.take_in import DeviceNotActiveError, HeadSignatureError, take_in
from access.taps import list_taps
from kernel.crypto.ed25519 import SigningKey
from kernel.wire.tap import Phase, encode_tap, record_hash
from kernel.wire.upload import Verdict


def verdicts(taken):
    return [(each.sequence, each.verdict.value, each.reason) for each in taken.verdicts]


def taps_of(world, *cards):
    span = timedelta(days=90)
    accounts = [card.issued.fare_account_id for card in cards]
    return list_taps(world.tx, accounts, since=world.now - span, until=world.now + span)


def take(world, upload, **more):
    return take_in(world.tx, upload, keyring=world.keyring, now=world.now, **more)


def count(world, table):
    return world.tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def open_kinds(world):
    return sorted(each.case.kind for each in cases.list_open(world.tx))


def queued(world):
    return sorted(each.raised.reason for each in exceptions.list_open(world.tx, now=world.now))


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


@pytest.mark.parametrize(
    "change",
    [
        {"tmv": bytes(8)},
        {"tmc": 7},
        {"data_read": bytes(32)},
        {"data_read": b"short"},
        {"enc_tmri": bytes(16)},
        {"uid": b"\x04" + bytes(6)},
        {"key_generation": 9},
    ],
)
def test_a_field_that_the_card_did_not_mac_opens_a_case_alone(world, change):
    reader, card = world.reader(), world.card()
    reader.tap(card, **change)
    taken = take(world, reader.upload())
    assert verdicts(taken) == [(1, "exception", "mac-invalid")]
    assert (taken.chained_up_to, taken.taps, taken.suspended) == (1, (), False)
    assert open_kinds(world) == [CaseKind.MAC_INVALID]
    assert count(world, "tap_claim") == 0
    assert deny.reasons(world.tx, card.serial) == ()


def test_a_bad_mac_leaves_the_counter_to_the_honest_tap(world):
    forger, honest, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    forger.tap(card, committed=False, tmv=b"forged!!")
    take(world, forger.upload())
    honest.tap(card)
    assert verdicts(take(world, honest.upload())) == [(1, "accepted", "")]
    assert [(tap.counter, tap.mac_valid) for tap in taps_of(world, card)] in (
        [(1, False), (1, True)],
        [(1, True), (1, False)],
    )


def test_one_forging_device_never_locks_a_rider_out_two_do(world):
    first, second, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    for _ in range(3):
        first.tap(card, committed=False, tmv=b"forged!!")
    take(world, first.upload())
    assert deny.reasons(world.tx, card.serial) == ()
    second.tap(card, committed=False, tmv=b"forged!!")
    take(world, second.upload())
    assert deny.reasons(world.tx, card.serial) == (DenyReason.FORGED,)
    assert deny.snapshot(world.tx, deny.publish(world.tx)).denies(card.serial)


def test_an_unknown_card_is_stored_counted_and_billable_once_issued(world, stray):
    reader, card = world.reader(), stray(41)
    reader.tap(card)
    taken = take(world, reader.upload())
    assert verdicts(taken) == [(1, "exception", "unknown-card")]
    assert queued(world) == ["unknown-card"]
    assert count(world, "tap") == count(world, "tap_claim") == 1
    from access.issue import issue_card
    from kernel.wire.cardinfo import Concession

    card.issued = issue_card(
        world.tx,
        keyring=world.keyring,
        uid=card.uid,
        concession=Concession.NORMAL,
        expiry=world.now.date(),
        now=world.now,
    )
    assert [tap.counter for tap in taps_of(world, card)] == [1]
    assert verdicts(take(world, reader.upload())) == [(1, "duplicate", "unknown-card")]


@pytest.mark.parametrize(
    ("by", "verdict"),
    [
        (timedelta(minutes=5), "accepted"),
        (timedelta(minutes=5, microseconds=1), "exception"),
        (timedelta(days=-60), "accepted"),
        (timedelta(days=-60, microseconds=-1), "exception"),
        (timedelta(days=-20_000), "exception"),
        (timedelta(days=300_000), "exception"),
    ],
)
def test_a_time_that_cannot_be_is_kept_for_a_person(world, by, verdict):
    reader, card = world.reader(), world.card()
    reader.tap(card, at=world.now + by)
    taken = take(world, reader.upload())
    assert [each.verdict.value for each in taken.verdicts] == [verdict]
    assert queued(world) == ([] if verdict == "accepted" else ["time-implausible"])
    assert count(world, "tap") == 1


def test_versions_nobody_published_are_kept_for_a_person(world):
    reader, card = world.reader(), world.card()
    reader.tap(card, deny_version=1)
    reader.tap(card, tariff_version="hanoi-9")
    reader.tap(card)
    taken = take(world, reader.upload(), tariff_versions={"hanoi-1"})
    assert [each.reason for each in taken.verdicts] == ["version-implausible", "version-implausible", ""]


def test_a_card_that_says_it_is_another_is_kept_for_a_person(world):
    reader, card, other = world.reader(), world.card(1), world.card(2)
    reader.tap(card, card_serial=other.serial)
    taken = take(world, reader.upload())
    assert verdicts(taken) == [(1, "exception", "card-mismatch")]
    assert open_kinds(world) == [CaseKind.CARD_MISMATCH]


@pytest.mark.parametrize("earlier_first", [True, False])
def test_a_clone_opens_a_case_and_the_earlier_tap_counts_whatever_came_first(world, earlier_first):
    one, two, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    two.clock += timedelta(minutes=10)
    clone = replace(card)
    one.tap(card)
    two.tap(clone)
    uploads = [one.upload(), two.upload()]
    taken = [take(world, upload) for upload in (uploads if earlier_first else reversed(uploads))]
    assert open_kinds(world) == [CaseKind.COUNTER_TAKEN]
    assert [tap.device_id for tap in taps_of(world, card)] == [one.device_id]
    assert len(taken[1].touched) == 2
    assert [each.reason for each in taken[1].verdicts] == (["counter-taken"] if earlier_first else [""])


def test_the_same_transaction_written_twice_counts_once_without_a_case(world):
    reader, card = world.reader(), world.card()
    reader.write(reader.tap(card))
    taken = take(world, reader.upload())
    assert len(taken.taps) == len(taps_of(world, card)) == 1
    assert open_kinds(world) == []


@pytest.mark.parametrize("later_first", [False, True])
def test_a_card_that_remembers_another_reader_opens_a_case(world, later_first):
    one, two, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    one.tap(card)
    card.last_reader = b"somewhere else.."
    two.tap(card)
    uploads = [one.upload(), two.upload()]
    for upload in reversed(uploads) if later_first else uploads:
        take(world, upload)
    assert open_kinds(world) == [CaseKind.READER_CHAIN]


@pytest.mark.parametrize("proof_first", [False, True])
def test_a_torn_tap_is_proven_by_the_cards_next_tap_anywhere(world, proof_first):
    one, two, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    one.tap(card, phase=Phase.TORN)
    two.clock += timedelta(minutes=10)
    two.tap(card)
    uploads = [one.upload(), two.upload()]
    taken = [take(world, upload) for upload in (reversed(uploads) if proof_first else uploads)]
    assert [(tap.phase, tap.mac_valid, tap.proven_torn) for tap in taps_of(world, card)] == [
        (Phase.TORN, False, True),
        (Phase.DONE, True, False),
    ]
    assert len(taken[1].touched) == (1 if proof_first else 2)
    assert taken[1].taps[0].proven_torn is proof_first
    assert open_kinds(world) == []


def test_a_torn_tap_that_never_committed_is_not_proven(world):
    one, two, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    one.tap(card, phase=Phase.TORN, committed=False)
    two.tap(card)
    two.tap(card)
    for upload in (one.upload(), two.upload()):
        take(world, upload)
    assert [tap.proven_torn for tap in taps_of(world, card) if tap.phase is Phase.TORN] == [False]


def test_a_torn_tap_recovered_at_its_device_is_charged_by_its_own_mac(world):
    reader, card = world.reader(), world.card()
    torn = reader.tap(card, phase=Phase.TORN)
    reader.recover(torn, card)
    taken = take(world, reader.upload())
    assert verdicts(taken) == [(1, "accepted", ""), (2, "accepted", "")]
    assert [(tap.phase, tap.mac_valid) for tap in taps_of(world, card)] == [
        (Phase.TORN, False),
        (Phase.RECOVERED, True),
    ]


def test_a_refused_presentation_is_evidence_only(world, stray):
    reader, card = world.reader(), world.card()
    reader.tap(card, phase=Phase.REFUSED)
    reader.tap(stray(77), phase=Phase.REFUSED)
    taken = take(world, reader.upload())
    assert [each.verdict for each in taken.verdicts] == [Verdict.ACCEPTED] * 2
    assert (taken.taps, taken.touched) == ((), frozenset())
    assert (queued(world), count(world, "tap")) == ([], 2)


def test_clear_columns_carry_no_uid_and_the_body_opens_only_with_the_accounts_key(world):
    from access.vault import open_vault

    reader, card = world.reader(), world.card()
    reader.tap(card)
    take(world, reader.upload())
    row = world.tx.execute(text("SELECT * FROM tap")).mappings().one()
    for name, value in row.items():
        raw = value if isinstance(value, bytes) else str(value).encode()
        assert card.uid not in raw, name
        assert card.uid.hex().encode() not in raw, name
    vault = open_vault(world.tx, world.keyring, [row["sealed_under"]], now=world.now)
    body = vault.open(row["sealed_under"], row["sealed"], row["tap_id"].bytes + row["record_hash"])
    assert body == reader.records[0]
    assert row["record_hash"] == record_hash(body)


def test_a_late_tap_of_a_forgotten_person_is_sealed_without_their_key(world):
    reader, card = world.reader(), world.card()
    world.tx.execute(
        text("UPDATE data_key SET wrapped = NULL, erased_at = now() WHERE owner_id = :id"),
        {"id": card.issued.fare_account_id},
    )
    reader.tap(card)
    assert take(world, reader.upload()).chained_up_to == 1
    assert world.tx.execute(text("SELECT sealed_under FROM tap")).scalar_one() != card.issued.fare_account_id
