"""What the back office checks on every record, and what records say of each other (READERS.md, checks 3 to 7)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from access import deny
from access.cases import CaseKind
from access.deny import DenyReason
from access.tally import tally
from access.taps import list_missing
from kernel.service_day import Window
from kernel.wire.tap import Phase, record_hash
from kernel.wire.upload import Verdict
from tests.access.looking import count, open_kinds, queued, take, taps_of, verdicts


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


@pytest.mark.parametrize("cuts", [1, 2, 3])
def test_a_card_cut_off_again_and_again_at_one_reader_committed_once(world, cuts):
    """Without a time in what the card signs, every try at one reader has the same MAC: one transaction, one count."""
    one, two, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    for left in reversed(range(cuts)):
        one.tap(card, phase=Phase.TORN, committed=left == 0)
    two.tap(card)
    for upload in (one.upload(), two.upload()):
        take(world, upload)
    (row,) = tally(world.tx, Window(world.now - timedelta(days=1), world.now + timedelta(days=1)))
    assert (row.records, row.proven, row.torn_proven, row.torn_open) == (cuts + 1, 1, 1, 0)
    assert row.committed == card.tmc == 2


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


def test_a_missing_tap_names_the_reader_that_still_holds_it(world):
    one, two, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    one.tap(card)
    one.tap(card)
    two.clock += timedelta(minutes=10)
    two.tap(card)
    since = world.now - timedelta(days=1)
    take(world, two.upload())
    assert [(each.counter, each.held_by) for each in list_missing(world.tx, since=since)] == [
        (2, one.device_id)
    ]
    take(world, one.upload())
    assert list_missing(world.tx, since=since) == ()


def test_a_proven_torn_tap_is_not_missing(world):
    one, two, card = world.reader("bus-01"), world.reader("bus-02"), world.card()
    one.tap(card, phase=Phase.TORN)
    two.tap(card)
    for upload in (one.upload(), two.upload()):
        take(world, upload)
    assert list_missing(world.tx, since=world.now - timedelta(days=1)) == ()
