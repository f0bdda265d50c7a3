"""A note beside the journal: what the server has acknowledged of it, and the last light shown.

If the journal's memory card is swapped, or an old copy restored, this note tells; a lost note costs nothing but that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from readers.identity import write_private
from readers.parsing import parse_json
from readers.records import Head

FILE: Final = "journal.mark"


@dataclass(frozen=True, slots=True)
class Mark:
    """The acknowledged head of one journal; `shown` is the last sequence whose light was seen."""

    journal_id: UUID
    acknowledged: Head
    shown: int


def load_mark(state_dir: Path) -> Mark | None:
    """Return the note, or None where there is none or it is unreadable."""
    try:
        raw = parse_json((state_dir / FILE).read_bytes())
        head = Head(int(raw["sequence"]), bytes.fromhex(raw["hash"]))
        return Mark(UUID(raw["journal_id"]), head, int(raw["shown"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def acknowledged_of(state_dir: Path, journal_id: UUID) -> int:
    """Return up to where the note says that the server has acknowledged this journal; 0 where it says nothing of it."""
    mark = load_mark(state_dir)
    return mark.acknowledged.sequence if mark is not None and mark.journal_id == journal_id else 0


def save_mark(state_dir: Path, mark: Mark) -> None:
    """Replace the note."""
    content = {
        "journal_id": str(mark.journal_id),
        "sequence": mark.acknowledged.sequence,
        "hash": mark.acknowledged.hash.hex(),
        "shown": mark.shown,
    }
    write_private(state_dir / FILE, json.dumps(content).encode())
