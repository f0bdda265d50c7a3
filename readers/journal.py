"""The reader's journal: evidence on disk before the card commits, proof on disk before green.

One SQLite file, WAL, synchronous=FULL, one writer. The row of an INTENT *is* the TORN record it becomes if nothing
more is ever heard of the card, so losing the answer, or the power, needs no write to leave a true record behind:
finishing overwrites that row with the DONE record, of the same size, and closing it as torn only clears the flag.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from kernel.clock import micros, stopwatch
from kernel.errors import DomainError
from kernel.ids import uuid7
from kernel.wire.shown import is_shown
from kernel.wire.tap import NO_HASH, NO_TMV, Decision, Phase, TapRecord, decode_tap, encode_tap, record_hash
from readers.errors import JournalError
from readers.mark import Mark
from readers.records import CorruptJournalError, Head, guarded

_SCHEMA: Final = (
    """CREATE TABLE identity (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        journal_id BLOB NOT NULL, device_id BLOB NOT NULL,
        base_sequence INTEGER NOT NULL, base_hash BLOB NOT NULL
    )""",
    """CREATE TABLE record (
        sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
        open INTEGER NOT NULL CHECK (open IN (0, 1)),
        at INTEGER NOT NULL,
        body BLOB NOT NULL
    )""",
    "CREATE UNIQUE INDEX one_open_intent ON record (open) WHERE open = 1",
    "CREATE TABLE probe (only INTEGER PRIMARY KEY, n INTEGER NOT NULL)",
)
_PROBES: Final = 5
_ROOM: Final = 8192


@dataclass(frozen=True, slots=True)
class Intent:
    """A record whose card has been, or is about to be, told to commit."""

    torn: TapRecord


class Journal:
    """The writer's side. Use it from one thread only; other threads read through `JournalReader`."""

    def __init__(self, db: sqlite3.Connection, *, path: Path, device_id: UUID) -> None:
        self._db, self.path, self.device_id = db, path, device_id
        row = db.execute("SELECT journal_id, device_id, base_sequence, base_hash FROM identity").fetchone()
        if row is None:
            raise CorruptJournalError("the journal has lost its identity")
        if row[1] != device_id.bytes:
            raise CorruptJournalError("the journal belongs to another device")
        self.journal_id = UUID(bytes=row[0])
        self.base = Head(row[2], row[3])
        self.head = self.base
        self.torn_at_start = self._verify()

    @classmethod
    def open(
        cls, path: Path, *, device_id: UUID, now: datetime, max_pages: int = 0, mark: Mark | None = None
    ) -> Self:
        """Return the journal at `path`, made new where there is none; an INTENT left open is closed as TORN.

        `max_pages` limits its size (0: none). `mark` says which journal was here and what the server has
        acknowledged of it: a file that does not reach it was rolled back, another journal was swapped in.
        CorruptJournalError where the file is foreign, broken, rolled back or swapped, JournalError where it cannot
        be written.
        """
        with guarded("opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            db = sqlite3.connect(path, isolation_level=None, timeout=2)
            try:
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=FULL")
                db.execute("PRAGMA secure_delete=ON")
                # Checkpoints belong between taps: `tidy` makes them.
                db.execute("PRAGMA wal_autocheckpoint=0")
                if max_pages:
                    db.execute(f"PRAGMA max_page_count={max_pages:d}")
                is_new = _create_if_new(db, journal_id=uuid7(now), device_id=device_id)
                journal = cls(db, path=path, device_id=device_id)
                if mark is not None and not is_new:
                    journal._check(mark)
            except BaseException:
                db.close()
                raise
        return journal

    def _verify(self) -> TapRecord | None:
        torn = None
        for sequence, is_open, body in self._db.execute(
            "SELECT sequence, open, body FROM record ORDER BY sequence"
        ):
            try:
                tap = decode_tap(body)
            except DomainError as error:
                raise CorruptJournalError(f"record {sequence} cannot be read: {error}") from error
            expected = (self.head.sequence + 1, self.head.hash, self.journal_id, self.device_id)
            if (
                sequence,
                tap.previous_hash,
                tap.journal_id,
                tap.device_id,
            ) != expected or tap.sequence != sequence:
                raise CorruptJournalError(f"the chain breaks at record {sequence}")
            self.head = Head(sequence, record_hash(body))
            if is_open:
                torn = tap
        self._db.execute("UPDATE record SET open = 0 WHERE open = 1")
        return torn

    def _check(self, mark: Mark) -> None:
        if mark.journal_id != self.journal_id:
            raise CorruptJournalError("the journal is not the one that was here")
        acknowledged = mark.acknowledged
        if acknowledged.sequence > self.head.sequence:
            raise CorruptJournalError(
                f"the journal ends at {self.head.sequence}, the server has acknowledged {acknowledged.sequence}"
            )
        known = self.hash_at(acknowledged.sequence)
        if known is not None and known != acknowledged.hash:
            raise CorruptJournalError(
                f"record {acknowledged.sequence} is not the one the server has acknowledged"
            )

    def begin(self, draft: TapRecord) -> Intent:
        """Return the open INTENT of `draft`, durable, numbered and chained; at most one is open.

        Its phase is TORN until `finish` says otherwise. JournalError where it could not be written: the card must
        then not be told to commit.
        """
        torn = self._chained(replace(draft, phase=Phase.TORN, decision=Decision.REFUSE, tmv=NO_TMV))
        self._insert(torn, is_open=True)
        return Intent(torn)

    def finish(self, intent: Intent, *, tmc: int, tmv: bytes, latency_ms: int) -> TapRecord:
        """Return the DONE record, durable, in place of the INTENT's row. JournalError means: no green."""
        done = replace(
            intent.torn,
            phase=Phase.DONE,
            decision=Decision.ACCEPT,
            tmc=tmc,
            tmv=tmv,
            latency_ms=latency_ms,
        )
        body = encode_tap(done)
        with guarded("written"):
            rows = self._db.execute(
                "UPDATE record SET open = 0, body = ? WHERE sequence = ? AND open = 1", (body, done.sequence)
            ).rowcount
        if rows != 1:
            raise JournalError(f"INTENT {done.sequence} is not open in the journal")
        self.head = Head(done.sequence, record_hash(body))
        return done

    def tear(self, intent: Intent) -> TapRecord:
        """Return the TORN record that the INTENT becomes now that the card's answer is lost."""
        with guarded("written"):
            self._db.execute(
                "UPDATE record SET open = 0 WHERE sequence = ? AND open = 1", (intent.torn.sequence,)
            )
        return intent.torn

    def append(self, draft: TapRecord) -> TapRecord:
        """Return a finished record (REFUSED, RECOVERED, or of something shown), durable, numbered and chained."""
        whole = draft.phase in {Phase.REFUSED, Phase.RECOVERED} or is_shown(draft)
        assert whole, "a card's DONE and TORN begin as an INTENT"
        record = self._chained(draft)
        self._insert(record, is_open=False)
        return record

    def _chained(self, draft: TapRecord) -> TapRecord:
        return replace(
            draft,
            device_id=self.device_id,
            journal_id=self.journal_id,
            sequence=self.head.sequence + 1,
            previous_hash=self.head.hash,
        )

    def _insert(self, record: TapRecord, *, is_open: bool) -> None:
        body = encode_tap(record)
        with guarded("written"):
            self._db.execute(
                "INSERT INTO record (sequence, open, at, body) VALUES (?, ?, ?, ?)",
                (record.sequence, int(is_open), micros(record.tapped_at), body),
            )
        self.head = Head(record.sequence, record_hash(body))

    def recent(self, since: datetime) -> tuple[TapRecord, ...]:
        """Return the records tapped at or after `since` that are still kept, in order."""
        with guarded("read"):
            rows = self._db.execute(
                "SELECT body FROM record WHERE at >= ? AND open = 0 ORDER BY sequence", (micros(since),)
            ).fetchall()
        return tuple(decode_tap(body) for (body,) in rows)

    def hash_at(self, sequence: int) -> bytes | None:
        """Return the hash of a kept record, or of the last pruned one; None for any other sequence."""
        if sequence in {self.base.sequence, self.head.sequence}:
            return self.base.hash if sequence == self.base.sequence else self.head.hash
        with guarded("read"):
            row = self._db.execute("SELECT body FROM record WHERE sequence = ?", (sequence,)).fetchone()
        return record_hash(row[0]) if row else None

    def prune(self, chained_up_to: int, *, older_than: datetime, limit: int = 2_000) -> int:
        """Return how many records were dropped: acknowledged by the server, and no longer needed for passback."""
        with guarded("pruned"), _transaction(self._db):
            last = self._db.execute(
                "SELECT max(sequence) FROM record WHERE sequence <= ? AND sequence <= ? AND open = 0"
                " AND sequence < coalesce((SELECT min(sequence) FROM record WHERE at >= ?), ?)",
                (chained_up_to, self.base.sequence + limit, micros(older_than), self.head.sequence + 1),
            ).fetchone()[0]
            if last is None:
                return 0
            body = self._db.execute("SELECT body FROM record WHERE sequence = ?", (last,)).fetchone()[0]
            base = Head(last, record_hash(body))
            dropped = self._db.execute("DELETE FROM record WHERE sequence <= ?", (last,)).rowcount
            self._db.execute(
                "UPDATE identity SET base_sequence = ?, base_hash = ?", (base.sequence, base.hash)
            )
        self.base = base
        return dropped

    def tidy(self) -> None:
        """Move the write-ahead log into the file; called between taps, because it may wait for the disk."""
        with guarded("tidied"):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def probe(self) -> float:
        """Return the median milliseconds of a durable commit; JournalError where there is no room for a tap."""
        times = []
        for n in range(_PROBES):
            started = stopwatch()
            with guarded("written"):
                self._db.execute("INSERT OR REPLACE INTO probe (only, n) VALUES (1, ?)", (n,))
            times.append((stopwatch() - started) * 1000)
        with guarded("written"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute("INSERT OR REPLACE INTO probe (only, n) VALUES (2, zeroblob(?))", (_ROOM,))
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
        return sorted(times)[_PROBES // 2]

    def close(self) -> None:
        """Close the file; the last connection folds the write-ahead log in."""
        self._db.close()


def open_or_replace(
    path: Path, *, device_id: UUID, now: datetime, max_pages: int = 0, mark: Mark | None = None
) -> tuple[Journal, str]:
    """Return the journal and, where the file there had to be set aside, why (else an empty text).

    A foreign, corrupt or rolled-back file is renamed, never deleted: `replay --journal` can still send what it holds.
    """
    try:
        return Journal.open(path, device_id=device_id, now=now, max_pages=max_pages, mark=mark), ""
    except CorruptJournalError as error:
        aside = path.with_name(f"{path.stem}-{now:%Y%m%dT%H%M%S%f}{path.suffix}")
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        journal = Journal.open(path, device_id=device_id, now=now, max_pages=max_pages)
        return journal, f"{error}; the old file is kept as {aside.name}"


def has_set_aside(path: Path) -> bool:
    """Return whether journals that were set aside lie beside this one, until somebody has sent and removed them."""
    try:
        return any(
            each.suffix == path.suffix and each.name.startswith(f"{path.stem}-")
            for each in path.parent.iterdir()
        )
    except OSError:
        return False


def _create_if_new(db: sqlite3.Connection, *, journal_id: UUID, device_id: UUID) -> bool:
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    if names >= {"identity", "record", "one_open_intent", "probe"}:
        return False
    if names:
        raise CorruptJournalError("the file is some other database")
    with _transaction(db):
        for statement in _SCHEMA:
            db.execute(statement)
        db.execute(
            "INSERT INTO identity VALUES (1, ?, ?, 0, ?)", (journal_id.bytes, device_id.bytes, NO_HASH)
        )
    return True


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
