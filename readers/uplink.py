"""Sending evidence: the same bytes until acknowledged, in a thread of its own, never in a tap's way."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from kernel.clock import stopwatch
from kernel.errors import DomainError
from kernel.wire.tap import HEAD_CONTEXT, head_message, record_hash
from kernel.wire.upload import PATH, Answer, Upload, Verdict
from readers.config import ServerConfig
from readers.errors import JournalError, ReaderError, ServerError
from readers.identity import Identity
from readers.records import JournalReader
from readers.server import Reply, Server

_TOO_MUCH: Final = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True)
class Batch:
    """One upload, frozen as bytes: what is sent again is what was sent before."""

    first: int
    last: int
    body: bytes
    key_id: bytes


def make_batch(identity: Identity, journal_id: UUID, records: tuple[tuple[int, bytes], ...]) -> Batch:
    """Return the signed upload of these contiguous records; the signature covers the last one's hash."""
    (first, _), (last, body) = records[0], records[-1]
    message = head_message(identity.device_id, journal_id, last, record_hash(body))
    upload = Upload(
        device_id=identity.device_id,
        key_id=identity.key_id,
        journal_id=journal_id,
        records=tuple(record for _, record in records),
        signature=identity.keys.signing.sign(HEAD_CONTEXT, message),
    )
    raw = json.dumps(upload.to_json(), separators=(",", ":")).encode()
    return Batch(first, last, raw, identity.key_id)


class Uplink(threading.Thread):
    """Reads the journal through its own connection and posts what the server has not acknowledged.

    The tap thread reads `chained_up_to` (only that permits pruning), `server_ahead` (the server knows more of this
    journal than its file: it was rolled back) and `problem`; it calls `follow`, `nudge` and `stop`.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        server: Server,
        settings: ServerConfig,
        noted: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(name="uplink", daemon=True)
        self._identity, self._server, self._settings = identity, server, settings
        self._noted = noted
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._journal_id: UUID | None = None
        self._target: tuple[Path, int] | None = None
        self._moved = False
        self._stopping_until: float | None = None
        self._reader: JournalReader | None = None
        self._frozen: Batch | None = None
        self._limit = settings.batch
        self._delivered = 0
        self._resend_at = 0.0
        self._failures = 0
        self.chained_up_to = 0
        self.server_ahead = 0
        self.problem = ""

    def follow(self, path: Path, *, journal_id: UUID, chained_up_to: int) -> None:
        """Send the journal at `path` from now on, from the record after `chained_up_to`.

        The journal that is followed already, opened again, changes nothing.
        """
        with self._lock:
            if self._journal_id == journal_id:
                return
            self._journal_id, self._target, self._moved = journal_id, (path, chained_up_to), True
            self.chained_up_to, self.server_ahead = chained_up_to, 0
        self._wake.set()

    def sign_as(self, identity: Identity) -> None:
        """Sign uploads under this identity's key from now on."""
        self._identity = identity
        self._wake.set()

    def nudge(self) -> None:
        """Say that there is something new to send."""
        self._wake.set()

    def stop(self, *, flush_s: float) -> None:
        """End the thread after at most about `flush_s` seconds in which it sends what is left."""
        self._stopping_until = stopwatch() + flush_s
        self._wake.set()
        if self.is_alive():
            self.join(timeout=flush_s + 1)

    def run(self) -> None:
        """Send until stopped. Whatever goes wrong is waited out; nothing is dropped."""
        while True:
            pause = self._step()
            stopping = self._stopping_until
            if stopping is not None and (pause is None or self._failures or stopwatch() >= stopping):
                break
            if pause is None:
                self._wake.wait(max(0.0, self._resend_at - stopwatch()) if self._resend_at else None)
                pause = self._settings.linger_ms / 1000
            self._wake.clear()
            if pause and stopping is None:
                # A nudge does not shorten a back-off, but a stop does.
                self._rest(pause)
        self._server.close()
        if self._reader is not None:
            self._reader.close()

    def _rest(self, pause_s: float) -> None:
        until = stopwatch() + pause_s
        while self._stopping_until is None and (left := until - stopwatch()) > 0:
            self._wake.wait(min(left, 0.2))
            if self._stopping_until is None:
                self._wake.clear()
                if self._moved:
                    return

    def _step(self) -> float | None:
        """Return how many seconds to rest before the next step; None when there is nothing to send."""
        try:
            self._open_if_moved()
            if self._frozen is not None and self._frozen.key_id != self._identity.key_id:
                # Signed under a key that may have ended meanwhile: the same records, signed anew.
                self._frozen = None
            batch = self._frozen or self._next_batch()
            if batch is None:
                self._failures, self.problem = 0, ""
                return None
            self._frozen = batch
            reply = self._server.post(PATH, batch.body)
            return self._take(batch, reply)
        except (ServerError, JournalError) as error:
            return self._failed(error)

    def _take(self, batch: Batch, reply: Reply) -> float:
        if reply.status in _TOO_MUCH and batch.last > batch.first:
            self._limit = max(1, (batch.last - batch.first + 1) // 2)
            self._frozen = None
            return self._failed(ServerError(f"refused {reply.problem()}; sending less at once"))
        if reply.status != 200:
            return self._failed(ServerError(f"refused {reply.problem()}"), reply.retry_after_s())
        answer = _answer(reply, batch)
        self._frozen = None
        self._failures, self.problem = 0, ""
        self._limit = min(self._settings.batch, self._limit * 2)
        self._delivered = batch.last
        conflicts = [each.sequence for each in answer.verdicts if each.verdict is Verdict.CONFLICT]
        if conflicts:
            self.problem = f"the server holds other records at {conflicts[:5]}"
            self._noted(self.problem)
        self._settle(answer.chained_up_to)
        return 0.0

    def _settle(self, chained: int) -> None:
        assert self._reader is not None, "a batch was read from it"
        if self._moved:
            return  # the answer is about the journal before
        if chained > self._reader.last():
            self.server_ahead = chained
            return
        self.chained_up_to = max(self.chained_up_to, chained)
        if chained < self._delivered:
            # Stored, but the chain has a hole: what follows is sent on, and the rest once more later on.
            self._resend_at = self._resend_at or stopwatch() + self._settings.retry_max_s
            if stopwatch() >= self._resend_at:
                self._delivered, self._resend_at = max(chained, self._reader.base()), 0.0
        else:
            self._resend_at = 0.0

    def _next_batch(self) -> Batch | None:
        if self._reader is None:
            return None
        if self._resend_at and stopwatch() >= self._resend_at:
            self._delivered, self._resend_at = self.chained_up_to, 0.0
        records = self._reader.after(self._delivered, limit=self._limit)
        if not records:
            return None
        return make_batch(self._identity, self._reader.journal_id, records)

    def _open_if_moved(self) -> None:
        with self._lock:
            if not self._moved or self._target is None:
                return
            path, chained = self._target
            self._moved = False
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self._frozen, self._delivered, self._resend_at = None, chained, 0.0
        try:
            self._reader = JournalReader(path)
        except JournalError:
            self._moved = True
            raise

    def _failed(self, error: ReaderError, asked_s: float | None = None) -> float:
        if str(error) != self.problem:
            self._noted(str(error))
        self.problem = str(error)
        pause = min(self._settings.retry_max_s, self._settings.retry_min_ms / 1000 * 2**self._failures)
        self._failures = min(self._failures + 1, 30)
        # Jitter, so that a fleet does not return all at once when the server does.
        return asked_s if asked_s is not None else pause * random.uniform(0.5, 1.0)


def _answer(reply: Reply, batch: Batch) -> Answer:
    try:
        answer = Answer.from_json(reply.json())
    except DomainError as error:
        raise ServerError(f"the server's answer is malformed: {error}") from error
    if sorted(each.sequence for each in answer.verdicts) != list(range(batch.first, batch.last + 1)):
        raise ServerError("the server did not judge every record it was sent")
    return answer
