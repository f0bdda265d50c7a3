"""Journal files that are damaged, foreign, swapped or rolled back are named and set aside."""

import sqlite3
from dataclasses import replace
from uuid import uuid4

import pytest

from kernel.wire.tap import decode_tap
from readers.journal import Journal, open_or_replace
from readers.mark import Mark
from readers.records import CorruptJournalError, Head, JournalReader
from tests.readers.kit import DEVICE, NOW, fill, open_journal


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
    journal = open_journal(path)
    fill(journal, 3)
    journal.close()
    with sqlite3.connect(path) as db:
        db.execute(damage)
    db.close()
    with pytest.raises(CorruptJournalError, match=why):
        open_journal(path)
    fresh, words = open_or_replace(path, device_id=DEVICE, now=NOW)
    assert why in words
    assert fresh.journal_id != journal.journal_id
    assert fresh.head.sequence == 0
    assert len(list(path.parent.glob("journal-*.sqlite"))) == 1
    fresh.close()


PAGE = 4096


def damaged(path, *pages):
    """A journal of 60 records, some fifteen on a page, some of them overwritten (numbered from the end)."""
    journal = open_journal(path)
    fill(journal, 60)
    journal.close()
    raw = bytearray(path.read_bytes())
    count = len(raw) // PAGE
    for page in pages:
        raw[(count + page) * PAGE : (count + page + 1) * PAGE] = b"\xa5" * PAGE
    path.write_bytes(raw)


@pytest.mark.parametrize("pages", [(-2,), (-1,), (-3, -2), (-5, -2)])
def test_what_lies_on_good_pages_of_a_damaged_file_is_salvaged(path, pages):
    damaged(path, *pages)
    with pytest.raises(CorruptJournalError):
        open_journal(path)
    reader = JournalReader(path)
    kept = [decode_tap(body) for _, body in reader.salvage()]
    assert not reader.is_whole()
    reader.close()
    assert [tap.sequence for tap in kept] == sorted({tap.sequence for tap in kept})
    assert kept[0].sequence == 1
    assert 60 - 16 * len(pages) <= len(kept) < 60


def test_a_good_file_is_whole_and_salvaged_whole(path):
    damaged(path)
    reader = JournalReader(path)
    assert [sequence for sequence, _ in reader.salvage()] == list(range(1, 61))
    assert reader.is_whole()
    reader.close()


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
    journal = open_journal(path)
    fill(journal, 2)
    second = journal.hash_at(2)
    journal.close()
    good = Mark(journal.journal_id, Head(2, second), 0)
    again = open_journal(path, mark=good)
    again.close()
    for mark, why in (
        (replace(good, journal_id=uuid4()), "not the one that was here"),
        (replace(good, acknowledged=Head(3, b"")), "ends at 2"),
        (replace(good, acknowledged=Head(2, bytes(32))), "not the one the server"),
    ):
        with pytest.raises(CorruptJournalError, match=why):
            open_journal(path, mark=mark)


def test_a_mark_says_nothing_of_a_new_file(path):
    journal = open_journal(path, mark=Mark(uuid4(), Head(9, b""), 0))
    assert journal.head.sequence == 0
    journal.close()
