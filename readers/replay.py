"""Sending a journal once more from its first kept record: after a server was restored, or for a file set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kernel.errors import DomainError
from kernel.wire.tap import decode_tap, record_hash
from kernel.wire.upload import PATH, Answer
from readers.errors import EnrolmentError, ServerError
from readers.identity import Identity
from readers.records import JournalReader
from readers.server import Server
from readers.uplink import make_batch


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many records were sent, how many up to the last one cannot be read, what the server said, and up to where it has the chain.

    Not `whole`: pages of the file are damaged, and what came after the last record sent may be lost.
    """

    sent: int
    damaged: int
    whole: bool
    verdicts: dict[str, int]
    chained_up_to: int


def replay(
    path: Path,
    *,
    identity: Identity,
    server: Server,
    batch: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Replayed:
    """Return the server's verdicts on every record still in the journal at `path`; nothing is written or pruned.

    One that cannot be read is left out, and what comes before and after it is signed apart, since no hash leads past it.
    The server answers `duplicate` for what it has, so nothing is charged twice. EnrolmentError where the journal
    is another device's: only that device can sign it. ServerError at the first batch that is not taken.
    """
    reader = JournalReader(path)
    try:
        if reader.device_id != identity.device_id:
            raise EnrolmentError(f"{path}: belongs to device {reader.device_id}, which alone can sign it")
        verdicts: Counter[str] = Counter()
        sent = chained = 0
        base = last = reader.base()
        kept = reader.salvage()
        while records := tuple(islice(kept, batch)):
            last = records[-1][0]
            for run in _runs(records):
                reply = server.post(PATH, make_batch(identity, reader.journal_id, run).body)
                if reply.status != 200:
                    raise ServerError(f"refused after {sent} records: {reply.problem()}")
                try:
                    answer = Answer.from_json(reply.json())
                except DomainError as error:
                    raise ServerError(f"the server's answer is malformed: {error}") from error
                verdicts.update(each.verdict.value for each in answer.verdicts)
                sent, chained = sent + len(run), answer.chained_up_to
                progress(sent)
        return Replayed(sent, last - base - sent, reader.is_whole(), dict(verdicts), chained)
    finally:
        reader.close()


def _runs(records: Iterable[tuple[int, bytes]]) -> Iterator[tuple[tuple[int, bytes], ...]]:
    """Yield the records that can be read, in stretches whose hashes chain."""
    run: list[tuple[int, bytes]] = []
    for sequence, body in records:
        try:
            follows: tuple[int, bytes] | None = (sequence - 1, decode_tap(body).previous_hash)
        except DomainError:
            follows = None
        if run and follows != (run[-1][0], record_hash(run[-1][1])):
            yield tuple(run)
            run = []
        if follows is not None:
            run.append((sequence, body))
    if run:
        yield tuple(run)
