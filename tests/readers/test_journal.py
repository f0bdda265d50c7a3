import sqlite3
import stat
from datetime import timedelta

import pytest

from kernel.wire.tap import NO_HASH, Decision, Phase, decode_tap, record_hash
from readers.errors import JournalError
from readers.journal import Intent
from readers.records import Head, JournalReader, verify_chain
from tests.readers.kit import NOW, bodies_of, draft, fill, fill_with_taps, open_journal


def test_a_new_journal_is_private_empty_and_keeps_its_id(path):
    journal = open_journal(path)
    assert (journal.head, journal.base) == (Head(0, NO_HASH), Head(0, NO_HASH))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = journal.journal_id
    journal.close()
    again = open_journal(path)
    assert again.journal_id == first
    again.close()


def test_intent_is_on_disk_as_the_torn_record_it_may_become(path):
    journal = open_journal(path)
    intent = journal.begin(draft(decision=Decision.ACCEPT, phase=Phase.TORN))
    row = sqlite3.connect(path).execute("SELECT open, body FROM record").fetchone()
    assert row[0] == 1
    stored = decode_tap(row[1])
    assert stored == intent.torn
    assert (stored.phase, stored.decision, stored.tmv) == (Phase.TORN, Decision.REFUSE, bytes(8))
    assert bodies_of(path) == [], "an open intent is not sent"
    journal.close()


def test_finish_replaces_the_intent_at_the_same_size(path):
    journal = open_journal(path)
    intent = journal.begin(draft())
    before = sqlite3.connect(path).execute("SELECT length(body) FROM record").fetchone()
    done = journal.finish(intent, tmc=7, tmv=b"12345678", latency_ms=81)
    assert (done.phase, done.tmc, done.tmv, done.latency_ms) == (Phase.DONE, 7, b"12345678", 81)
    assert done.decision is Decision.ACCEPT
    assert [decode_tap(body) for body in bodies_of(path)] == [done]
    assert sqlite3.connect(path).execute("SELECT length(body) FROM record").fetchone() == before
    journal.close()


def test_a_second_intent_is_impossible_while_one_is_open(path):
    journal = open_journal(path)
    journal.begin(draft())
    with pytest.raises(JournalError, match="UNIQUE"):
        journal.begin(draft())
    journal.close()


def test_an_intent_can_be_finished_once(path):
    journal = open_journal(path)
    intent = journal.begin(draft())
    journal.finish(intent, tmc=1, tmv=bytes(8), latency_ms=1)
    with pytest.raises(JournalError, match="not open"):
        journal.finish(intent, tmc=1, tmv=bytes(8), latency_ms=1)
    journal.close()


def test_a_torn_intent_cannot_be_finished(path):
    journal = open_journal(path)
    intent = journal.begin(draft())
    assert journal.tear(intent).phase is Phase.TORN
    with pytest.raises(JournalError, match="not open"):
        journal.finish(intent, tmc=1, tmv=bytes(8), latency_ms=1)
    assert [decode_tap(body).phase for body in bodies_of(path)] == [Phase.TORN]
    journal.close()


def test_records_chain_without_gaps_over_every_kind(path):
    journal = open_journal(path)
    journal.append(draft())
    journal.finish(journal.begin(draft()), tmc=1, tmv=b"x" * 8, latency_ms=1)
    journal.tear(journal.begin(draft()))
    journal.append(draft(phase=Phase.RECOVERED))
    taps = [decode_tap(body) for body in bodies_of(path)]
    assert [tap.sequence for tap in taps] == [1, 2, 3, 4]
    assert verify_chain(bodies_of(path)) == journal.head
    journal.close()


def test_an_intent_left_open_is_torn_at_the_next_start(path):
    journal = open_journal(path)
    journal.append(draft())
    intent = journal.begin(draft())
    journal.close()
    again = open_journal(path)
    assert again.torn_at_start == intent.torn
    assert again.head.sequence == 2
    assert verify_chain(bodies_of(path)) == again.head
    again.close()
    third = open_journal(path)
    assert third.torn_at_start is None
    third.close()


def test_prune_needs_acknowledgement_and_age(path):
    journal = open_journal(path)
    fill(journal, 10)
    assert journal.prune(0, older_than=NOW + timedelta(hours=1)) == 0
    assert journal.prune(10, older_than=NOW) == 0, "passback still needs them"
    assert journal.prune(4, older_than=NOW + timedelta(hours=1)) == 4
    assert journal.prune(10, older_than=NOW + timedelta(seconds=6)) == 2
    assert [decode_tap(body).sequence for body in bodies_of(path)] == [7, 8, 9, 10]
    assert journal.base == Head(6, decode_tap(bodies_of(path)[0]).previous_hash)
    journal.close()
    again = open_journal(path)
    assert (again.base.sequence, again.head.sequence) == (6, 10)
    again.append(draft())
    assert verify_chain(bodies_of(path)).sequence == 11
    again.close()


def test_prune_of_everything_keeps_the_chain(path):
    journal = open_journal(path)
    fill(journal, 3)
    head = journal.head
    assert journal.prune(3, older_than=NOW + timedelta(hours=1)) == 3
    journal.close()
    again = open_journal(path)
    assert again.head == again.base == head
    assert again.append(draft()).previous_hash == head.hash
    again.close()


def test_prune_never_takes_an_open_intent(path):
    journal = open_journal(path)
    fill(journal, 2)
    intent = journal.begin(draft())
    assert journal.prune(3, older_than=NOW + timedelta(days=1)) == 2
    journal.finish(intent, tmc=1, tmv=bytes(8), latency_ms=0)
    journal.close()


def test_a_full_journal_takes_no_intent_until_the_server_has_its_records(path):
    journal = open_journal(path, max_pages=16)
    with pytest.raises(JournalError, match="full"):
        fill_with_taps(journal)
    head = journal.head
    assert head.sequence > 8
    assert verify_chain(bodies_of(path)) == head
    assert journal.prune(head.sequence, older_than=NOW + timedelta(days=1)) == head.sequence
    journal.finish(journal.begin(draft()), tmc=1, tmv=bytes(8), latency_ms=0)
    journal.close()


def test_done_fits_where_its_intent_just_fitted(path):
    journal = open_journal(path, max_pages=16)
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
        open_journal(tmp_path / "file" / "journal.sqlite")


def test_a_folder_in_its_place_is_a_journal_error(path):
    path.mkdir()
    with pytest.raises(JournalError, match="unable to open"):
        open_journal(path)


def test_reading_does_not_wait_for_the_writer(path):
    journal = open_journal(path)
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
    journal = open_journal(path)
    fill(journal, 4)
    journal.close()
    whole = bodies_of(path)
    assert verify_chain([]) == Head(0, NO_HASH)
    assert verify_chain(whole[2:]) == Head(4, record_hash(whole[3]))
    with pytest.raises(JournalError, match="at record 4"):
        verify_chain([whole[0], whole[1], whole[3]])
    with pytest.raises(JournalError, match="after 1 cannot be read"):
        verify_chain([whole[0], whole[1][:50]])
    with pytest.raises(JournalError, match="at record 3"):
        verify_chain([whole[0], whole[1].replace(b"hanoi-1", b"hanoi-2"), whole[2]])


def test_the_probe_measures_the_disk_and_finds_it_full(path):
    journal = open_journal(path, max_pages=16)
    assert journal.probe() > 0
    with pytest.raises(JournalError, match="full"):
        fill_with_taps(journal)
    with pytest.raises(JournalError, match="full"):
        journal.probe()
    journal.prune(journal.head.sequence, older_than=NOW + timedelta(days=1))
    assert journal.probe() > 0
    journal.close()
