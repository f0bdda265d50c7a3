import os
import sqlite3
import stat
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from kernel.wire.tap import NO_HASH, Decision, Phase, decode_tap, record_hash
from readers.errors import JournalError
from readers.journal import Intent, Journal, open_or_replace
from readers.mark import Mark
from readers.records import CorruptJournalError, Head, JournalReader, verify_chain
from tests.readers.kit import DEVICE, NOW, draft


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def opened(path, **more):
    return Journal.open(path, device_id=DEVICE, now=NOW, **more)


def bodies(path):
    reader = JournalReader(path)
    try:
        return list(reader.bodies())
    finally:
        reader.close()


def fill(journal, count, *, at=NOW):
    for n in range(count):
        journal.append(draft(tapped_at=at + timedelta(seconds=n)))


def fill_with_taps(journal):
    while True:
        journal.finish(journal.begin(draft()), tmc=1, tmv=bytes(8), latency_ms=0)


def test_a_new_journal_is_private_empty_and_keeps_its_id(path):
    journal = opened(path)
    assert (journal.head, journal.base) == (Head(0, NO_HASH), Head(0, NO_HASH))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = journal.journal_id
    journal.close()
    again = opened(path)
    assert again.journal_id == first
    again.close()


def test_intent_is_on_disk_as_the_torn_record_it_may_become(path):
    journal = opened(path)
    intent = journal.begin(draft(decision=Decision.ACCEPT, phase=Phase.TORN))
    row = sqlite3.connect(path).execute("SELECT open, body FROM record").fetchone()
    assert row[0] == 1
    stored = decode_tap(row[1])
    assert stored == intent.torn
    assert (stored.phase, stored.decision, stored.tmv) == (Phase.TORN, Decision.REFUSE, bytes(8))
    assert bodies(path) == [], "an open intent is not sent"
    journal.close()


def test_finish_replaces_the_intent_at_the_same_size(path):
    journal = opened(path)
    intent = journal.begin(draft())
    before = sqlite3.connect(path).execute("SELECT length(body) FROM record").fetchone()
    done = journal.finish(intent, tmc=7, tmv=b"12345678", latency_ms=81)
    assert (done.phase, done.tmc, done.tmv, done.latency_ms) == (Phase.DONE, 7, b"12345678", 81)
    assert done.decision is Decision.ACCEPT
    assert [decode_tap(body) for body in bodies(path)] == [done]
    assert sqlite3.connect(path).execute("SELECT length(body) FROM record").fetchone() == before
    journal.close()


def test_a_second_intent_is_impossible_while_one_is_open(path):
    journal = opened(path)
    journal.begin(draft())
    with pytest.raises(JournalError, match="UNIQUE"):
        journal.begin(draft())
    journal.close()


def test_an_intent_can_be_finished_once(path):
    journal = opened(path)
    intent = journal.begin(draft())
    journal.finish(intent, tmc=1, tmv=bytes(8), latency_ms=1)
    with pytest.raises(JournalError, match="not open"):
        journal.finish(intent, tmc=1, tmv=bytes(8), latency_ms=1)
    journal.close()


def test_a_torn_intent_cannot_be_finished(path):
    journal = opened(path)
    intent = journal.begin(draft())
    assert journal.tear(intent).phase is Phase.TORN
    with pytest.raises(JournalError, match="not open"):
        journal.finish(intent, tmc=1, tmv=bytes(8), latency_ms=1)
    assert [decode_tap(body).phase for body in bodies(path)] == [Phase.TORN]
    journal.close()


def test_records_chain_without_gaps_over_every_kind(path):
    journal = opened(path)
    journal.append(draft())
    journal.finish(journal.begin(draft()), tmc=1, tmv=b"x" * 8, latency_ms=1)
    journal.tear(journal.begin(draft()))
    journal.append(draft(phase=Phase.RECOVERED))
    taps = [decode_tap(body) for body in bodies(path)]
    assert [tap.sequence for tap in taps] == [1, 2, 3, 4]
    assert verify_chain(bodies(path)) == journal.head
    journal.close()


def test_an_intent_left_open_is_torn_at_the_next_start(path):
    journal = opened(path)
    journal.append(draft())
    intent = journal.begin(draft())
    journal.close()
    again = opened(path)
    assert again.torn_at_start == intent.torn
    assert again.head.sequence == 2
    assert verify_chain(bodies(path)) == again.head
    again.close()
    third = opened(path)
    assert third.torn_at_start is None
    third.close()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("UPDATE record SET body = substr(body, 1, 40) WHERE sequence = 2", "record 2 cannot be read"),
        (
            "UPDATE record SET body = (SELECT body FROM record WHERE sequence = 1) WHERE sequence = 2",
            "at record 2",
        ),
        ("DELETE FROM record WHERE sequence = 2", "at record 3"),
        ("DELETE FROM record WHERE sequence = 1", "at record 2"),
        ("UPDATE record SET sequence = 9 WHERE sequence = 3", "at record 9"),
        ("DELETE FROM identity", "lost its identity"),
        ("UPDATE identity SET device_id = zeroblob(16)", "another device"),
        ("UPDATE identity SET journal_id = zeroblob(16)", "at record 1"),
        ("DROP TABLE record", "some other database"),
    ],
)
def test_damage_is_named_and_the_file_is_set_aside(path, damage, why):
    journal = opened(path)
    fill(journal, 3)
    journal.close()
    with sqlite3.connect(path) as db:
        db.execute(damage)
    db.close()
    with pytest.raises(CorruptJournalError, match=why):
        opened(path)
    fresh, words = open_or_replace(path, device_id=DEVICE, now=NOW)
    assert why in words
    assert fresh.journal_id != journal.journal_id
    assert fresh.head.sequence == 0
    assert len(list(path.parent.glob("journal-*.sqlite"))) == 1
    fresh.close()


def test_bytes_that_are_no_database_are_set_aside(path):
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    fresh, words = open_or_replace(path, device_id=DEVICE, now=NOW)
    assert "not a database" in words
    fresh.close()


def test_another_devices_journal_is_set_aside_and_kept(path):
    other = Journal.open(path, device_id=uuid4(), now=NOW)
    other.close()
    fresh, words = open_or_replace(path, device_id=DEVICE, now=NOW)
    assert "another device" in words
    aside = next(path.parent.glob("journal-*.sqlite"))
    reader = JournalReader(aside)
    assert reader.journal_id == other.journal_id
    reader.close()
    fresh.close()


def test_a_swapped_or_rolled_back_journal_is_set_aside(path):
    journal = opened(path)
    fill(journal, 2)
    second = journal.hash_at(2)
    journal.close()
    good = Mark(journal.journal_id, Head(2, second), 0)
    again = opened(path, mark=good)
    again.close()
    for mark, why in (
        (replace(good, journal_id=uuid4()), "not the one that was here"),
        (replace(good, acknowledged=Head(3, b"")), "ends at 2"),
        (replace(good, acknowledged=Head(2, bytes(32))), "not the one the server"),
    ):
        with pytest.raises(CorruptJournalError, match=why):
            opened(path, mark=mark)


def test_a_mark_says_nothing_of_a_new_file(path):
    journal = opened(path, mark=Mark(uuid4(), Head(9, b""), 0))
    assert journal.head.sequence == 0
    journal.close()


def test_prune_needs_acknowledgement_and_age(path):
    journal = opened(path)
    fill(journal, 10)
    assert journal.prune(0, older_than=NOW + timedelta(hours=1)) == 0
    assert journal.prune(10, older_than=NOW) == 0, "passback still needs them"
    assert journal.prune(4, older_than=NOW + timedelta(hours=1)) == 4
    assert journal.prune(10, older_than=NOW + timedelta(seconds=6)) == 2
    assert [decode_tap(body).sequence for body in bodies(path)] == [7, 8, 9, 10]
    assert journal.base == Head(6, decode_tap(bodies(path)[0]).previous_hash)
    journal.close()
    again = opened(path)
    assert (again.base.sequence, again.head.sequence) == (6, 10)
    again.append(draft())
    assert verify_chain(bodies(path)).sequence == 11
    again.close()


def test_prune_of_everything_keeps_the_chain(path):
    journal = opened(path)
    fill(journal, 3)
    head = journal.head
    assert journal.prune(3, older_than=NOW + timedelta(hours=1)) == 3
    journal.close()
    again = opened(path)
    assert again.head == again.base == head
    assert again.append(draft()).previous_hash == head.hash
    again.close()


def test_prune_never_takes_an_open_intent(path):
    journal = opened(path)
    fill(journal, 2)
    intent = journal.begin(draft())
    assert journal.prune(3, older_than=NOW + timedelta(days=1)) == 2
    journal.finish(intent, tmc=1, tmv=bytes(8), latency_ms=0)
    journal.close()


def test_a_full_journal_takes_no_intent_until_the_server_has_its_records(path):
    journal = opened(path, max_pages=16)
    with pytest.raises(JournalError, match="full"):
        fill_with_taps(journal)
    head = journal.head
    assert head.sequence > 8
    assert verify_chain(bodies(path)) == head
    assert journal.prune(head.sequence, older_than=NOW + timedelta(days=1)) == head.sequence
    journal.finish(journal.begin(draft()), tmc=1, tmv=bytes(8), latency_ms=0)
    journal.close()


def test_done_fits_where_its_intent_just_fitted(path):
    journal = opened(path, max_pages=16)
    with pytest.raises(JournalError, match="full"):
        fill_with_taps(journal)
    last = journal._db.execute("SELECT body FROM record ORDER BY sequence DESC LIMIT 1").fetchone()[0]
    with pytest.raises(JournalError, match="full"):
        journal.append(draft())
    journal._db.execute("UPDATE record SET open = 1 WHERE sequence = ?", (journal.head.sequence,))
    journal.finish(Intent(decode_tap(last)), tmc=1, tmv=b"z" * 8, latency_ms=0)
    journal.close()


def test_a_folder_that_cannot_be_made_is_a_journal_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be opened"):
        opened(tmp_path / "file" / "journal.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_file_is_a_journal_error(path):
    opened(path).close()
    path.chmod(0o400)
    with pytest.raises(JournalError, match="readonly"):
        opened(path)


def test_reading_does_not_wait_for_the_writer(path):
    journal = opened(path)
    fill(journal, 3)
    journal.begin(draft())
    reader = JournalReader(path)
    journal._db.execute("BEGIN IMMEDIATE")
    assert [number for number, _ in reader.after(1, limit=9)] == [2, 3]
    assert reader.count_after(1)[0] == 2
    assert (reader.last(), reader.base()) == (4, 0)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("DELETE FROM record")
    journal._db.execute("ROLLBACK")
    reader.close()
    journal.close()


def test_verify_chain_names_where_it_breaks(path):
    journal = opened(path)
    fill(journal, 4)
    journal.close()
    whole = bodies(path)
    assert verify_chain([]) == Head(0, NO_HASH)
    assert verify_chain(whole[2:]) == Head(4, record_hash(whole[3]))
    with pytest.raises(JournalError, match="at record 4"):
        verify_chain([whole[0], whole[1], whole[3]])
    with pytest.raises(JournalError, match="after 1 cannot be read"):
        verify_chain([whole[0], whole[1][:50]])
    with pytest.raises(JournalError, match="at record 3"):
        verify_chain([whole[0], whole[1].replace(b"hanoi-1", b"hanoi-2"), whole[2]])


def test_the_probe_measures_the_disk_and_finds_it_full(path):
    journal = opened(path, max_pages=16)
    assert journal.probe() > 0
    with pytest.raises(JournalError, match="full"):
        fill_with_taps(journal)
    with pytest.raises(JournalError, match="full"):
        journal.probe()
    journal.prune(journal.head.sequence, older_than=NOW + timedelta(days=1))
    assert journal.probe() > 0
    journal.close()
