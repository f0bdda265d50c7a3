"""The journal over the daemon's life: opened against the note beside it, acknowledged, pruned, left behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from kernel.clock import Clock
from readers.config import Config
from readers.errors import JournalError
from readers.exposure import Exposure
from readers.journal import Journal, open_or_replace
from readers.mark import Mark, load_mark, save_mark
from readers.memory import Memory
from readers.pay import begun
from readers.records import Head

_PAGES_PER_MB: Final = 256
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """An opened journal, what the server had acknowledged of it, and what it remembers of the last cards."""

    journal: Journal
    acknowledged: int
    memory: Memory
    latest: datetime | None
    begun: dict[UUID, int]
    """Actions that its records name, with the card's counter of each."""
    exposure: Exposure


class Keeper:
    """Keeps journal and note in step. `shown` is the last sequence whose light was shown."""

    def __init__(self, config: Config, *, device_id: UUID, clock: Clock) -> None:
        self._config, self._device_id, self._clock = config, device_id, clock
        self._marked = 0
        self._journal_id: UUID | None = None
        self.shown = 0

    def open(
        self, *, ahead: int, passback: timedelta, note: Callable[[str, Mapping[str, object]], None]
    ) -> Kept:
        """Return the journal, replaced by a new one where the file is broken, foreign, swapped or rolled back.

        `ahead` is a sequence the server knows although the file does not reach it (0: none). JournalError where
        nothing can be written.
        """
        mark = load_mark(self._config.state_dir)
        if mark is not None and ahead:
            mark = replace(mark, acknowledged=Head(ahead, b""))
        journal, why = open_or_replace(
            self._config.journal.path,
            device_id=self._device_id,
            now=self._clock.now(),
            max_pages=self._config.journal.max_mb * _PAGES_PER_MB,
            mark=mark,
        )
        if why:
            note("journal-replaced", {"why": why})
        if journal.torn_at_start is not None:
            note("torn-at-start", {"sequence": journal.torn_at_start.sequence})
        if mark is None or mark.journal_id != journal.journal_id:
            # Before the first record: from here on, another journal in this place is a swapped one.
            mark = Mark(journal.journal_id, journal.base, 0)
            self._save(mark)
        self._marked = max(journal.base.sequence, mark.acknowledged.sequence)
        # Of the journal that was open before this process knows more than the note.
        self.shown = max(mark.shown, self.shown if journal.journal_id == self._journal_id else 0)
        self._journal_id = journal.journal_id
        taps = journal.recent(self._clock.now() - passback)
        latest = taps[-1].tapped_at if taps else None
        memory = Memory.of(taps, last_shown=self.shown)
        kept = journal.recent(_EVER)
        exposure = Exposure.of(kept, acknowledged=self._marked)
        return Kept(journal, self._marked, memory, latest, begun(kept), exposure)

    def acknowledge(self, journal: Journal, chained_up_to: int, *, passback: timedelta) -> None:
        """Note what the server has acknowledged and drop what neither it nor passback needs any more."""
        if chained_up_to > self._marked:
            self.leave(journal, chained_up_to)
        journal.prune(chained_up_to, older_than=self._clock.now() - passback)

    def leave(self, journal: Journal, chained_up_to: int) -> None:
        """Write the note."""
        acknowledged = max(chained_up_to, journal.base.sequence)
        found = journal.hash_at(acknowledged)
        if found is not None:
            self._save(Mark(journal.journal_id, Head(acknowledged, found), self.shown))
            self._marked = acknowledged

    def _save(self, mark: Mark) -> None:
        try:
            save_mark(self._config.state_dir, mark)
        except OSError as error:
            raise JournalError(f"the note beside the journal cannot be written: {error.strerror}") from error
