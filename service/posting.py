"""Single postings of many threads, booked together: the group commit one level up.

A transaction of its own costs a posting a millisecond of both sides and a flush of the log. Whoever comes while one is
under way waits for it, and then goes into one batch with all who waited. Nobody waits for a batch to fill.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from kernel.clock import Clock
from kernel.errors import DomainError
from ledger import post
from ledger.rules.entry import Entry, Outcome
from service.database import Database

# One batch holds its balances no longer than this many entries take.
MOST: Final = 256
_LINGER_S: Final = 0.0005


class _Waiting:
    """One entry on its way; its thread is woken when there is an answer, or when it is to lead the next batch."""

    __slots__ = ("answer", "entry", "woken")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.answer: Outcome | BaseException | None = None
        self.woken = threading.Lock()
        self.woken.acquire()


class Postings:
    """The door for entries that come one at a time and need nothing else in their transaction. One instance a process."""

    def __init__(self, database: Database, clock: Clock, *, most: int = MOST) -> None:
        self._database, self._clock, self._most = database, clock, most
        self._guard = threading.Lock()
        self._queue: list[_Waiting] = []
        self._led = self._company = False

    def post(self, entry: Entry) -> Outcome:
        """Return what became of the entry, as `ledger.post` does, once it is committed.

        Raises what `ledger.post` raises for this entry alone; others of its batch are not touched by it. An error of
        the database is everybody's: nobody knows then whether it was committed, and the same entry may be sent again.
        """
        mine = _Waiting(entry)
        with self._guard:
            self._queue.append(mine)
            lead, self._led = not self._led, True
        if not lead:
            mine.woken.acquire()
        if mine.answer is None:
            self._lead()
        assert mine.answer is not None, "a leader's batch begins with its own entry"
        if isinstance(mine.answer, BaseException):
            raise mine.answer
        return mine.answer

    def _lead(self) -> None:
        """Book those who wait, wake them, and leave the lead to the next who came meanwhile."""
        # Those of the batch before are on their way back: without them, every second batch would be one entry.
        if self._company:
            time.sleep(_LINGER_S)
        with self._guard:
            batch, self._queue = self._queue[: self._most], self._queue[self._most :]
            self._company = len(batch) > 1
        try:
            self._book(batch)
        except BaseException as error:  # noqa: BLE001  # whatever it is, those who wait must hear of it
            for each in batch:
                each.answer = each.answer or error
        finally:
            with self._guard:
                heir = self._queue[0] if self._queue else None
                self._led = heir is not None
            for each in (*batch[1:], *([heir] if heir else ())):
                each.woken.release()

    def _book(self, batch: list[_Waiting]) -> None:
        entries = [each.entry for each in batch]
        try:
            outcomes = self._database.run(lambda tx: post.post(tx, entries, self._clock.now()))
        except DomainError as error:
            if len(batch) == 1:
                batch[0].answer = error
                return
            # One of them asks for what cannot be: that one is refused, the others are booked.
            for each in batch:
                self._book([each])
            return
        for each, outcome in zip(batch, outcomes, strict=True):
            each.answer = outcome
