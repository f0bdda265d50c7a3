"""Reading a journal's records: what the uplink's thread, the commands and the tests see of the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from kernel.errors import DomainError
from kernel.wire.tap import NO_HASH, decode_tap, record_hash
from readers.errors import JournalError

_LEAST_RECORD: Final = 128


class CorruptJournalError(JournalError):
    """The file is not this device's unbroken journal; `open_or_replace` sets it aside."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of the chain; sequence 0 with a zero hash before the first."""

    sequence: int
    hash: bytes


class JournalReader:
    """A reader's view of the same file, for the uplink's thread and the commands; never writes, never blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with guarded("read"):
            if not path.exists():
                raise JournalError(f"there is no journal at {path}")
            self._db = sqlite3.connect(path, isolation_level=None, timeout=2, check_same_thread=False)
            self._db.execute("PRAGMA query_only=ON")
            row = self._db.execute("SELECT journal_id, device_id FROM identity").fetchone()
        if row is None:
            raise JournalError(f"{path} is no journal")
        self.journal_id, self.device_id = UUID(bytes=row[0]), UUID(bytes=row[1])

    def after(self, sequence: int, *, limit: int) -> tuple[tuple[int, bytes], ...]:
        """Return up to `limit` (sequence, bytes) of finished records after `sequence`, in order."""
        with guarded("read"):
            rows = self._db.execute(
                "SELECT sequence, body FROM record WHERE sequence > ? AND open = 0 ORDER BY sequence LIMIT ?",
                (sequence, limit),
            ).fetchall()
        return tuple((number, bytes(body)) for number, body in rows)

    def count_after(self, sequence: int) -> tuple[int, int | None]:
        """Return how many finished records follow `sequence`, and the first one's time in microseconds."""
        with guarded("read"):
            row = self._db.execute(
                "SELECT count(*), min(at) FROM record WHERE sequence > ? AND open = 0", (sequence,)
            ).fetchone()
        return int(row[0]), row[1]

    def last(self) -> int:
        """Return the highest sequence this journal has given out."""
        with guarded("read"):
            last = self._db.execute("SELECT max(sequence) FROM record").fetchone()[0]
        return max(self.base(), last or 0)

    def base(self) -> int:
        """Return the sequence up to which records have been pruned."""
        with guarded("read"):
            return int(self._db.execute("SELECT base_sequence FROM identity").fetchone()[0])

    def bodies(self) -> Iterator[bytes]:
        """Yield every finished record's bytes, oldest first."""
        for _, body in self._pages():
            yield body

    def is_whole(self) -> bool:
        """Return whether SQLite finds no fault in the file's pages."""
        try:
            found: tuple[str] = self._db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError:
            return False
        return found == ("ok",)

    def salvage(self) -> Iterator[tuple[int, bytes]]:
        """Yield (sequence, bytes) of every finished record that can still be read, oldest first.

        Where pages of the file are damaged, the records on them are passed over; JournalError where its head is.
        """
        last = self.base()
        try:
            for last, body in self._pages():
                yield last, body
        except CorruptJournalError:
            yield from self._one_by_one(last)

    def _pages(self) -> Iterator[tuple[int, bytes]]:
        last = 0
        while page := self.after(last, limit=500):
            yield from page
            last = page[-1][0]

    def _one_by_one(self, last: int) -> Iterator[tuple[int, bytes]]:
        # How many there were is not known where the last page is gone; a record is never smaller than this.
        for sequence in range(last + 1, last + 2 + self._path.stat().st_size // _LEAST_RECORD):
            try:
                row = self._db.execute(
                    "SELECT body FROM record WHERE sequence = ? AND open = 0", (sequence,)
                ).fetchone()
            except sqlite3.DatabaseError:
                continue
            if row is not None:
                yield sequence, bytes(row[0])

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


def verify_chain(bodies: Iterable[bytes]) -> Head:
    """Return the head of these records; JournalError names the first sequence that does not follow.

    The first record may stand anywhere in its journal; the ones before it are pruned.
    """
    head: Head | None = None
    for body in bodies:
        try:
            tap = decode_tap(body)
        except DomainError as error:
            after = head.sequence if head else 0
            raise JournalError(f"the record after {after} cannot be read: {error}") from error
        if head is not None and (tap.sequence, tap.previous_hash) != (head.sequence + 1, head.hash):
            raise JournalError(f"the chain breaks at record {tap.sequence}")
        head = Head(tap.sequence, record_hash(body))
    return head or Head(0, NO_HASH)


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn SQLite's and the file system's complaints inside into JournalError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        message = f"the journal cannot be {what}: {error}"
        broken = not isinstance(error, sqlite3.OperationalError | sqlite3.IntegrityError)
        raise (CorruptJournalError if broken else JournalError)(message) from error
    except OSError as error:
        raise JournalError(f"the journal cannot be {what}: {error.strerror}") from error
