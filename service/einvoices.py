"""The street that e-invoices go out by. A port, and its first adapter: a folder that a provider's program empties.

A provider's own interface is another class with these two methods (docs/settlement.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol

from ledger.rails.einvoice import Answer, read_answers
from service.whole_file import write_whole

OUT: Final = "out"
ANSWERS: Final = "answers"
READ: Final = "read"


class InvoiceStreet(Protocol):
    """Hands documents over, and brings the answers back. Both may be repeated."""

    def send(self, documents: Iterable[tuple[str, bytes]]) -> None:
        """Hand documents over by name; the same name again is the same document. Raises when it cannot."""

    def answers(self) -> Iterator[tuple[str, tuple[Answer, ...]]]:
        """Yield batches of answers that nobody has taken yet, each with its name."""

    def taken(self, name: str) -> None:
        """Say that a batch of answers is written down."""


class InvoiceFolder:
    """Documents in `out/<operator>/`, answers as CSV in `answers/`, moved to `read/` when they are written down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(self, documents: Iterable[tuple[str, bytes]]) -> None:
        """Write each document as one file, whole or not at all; OSError when the folder does not take it."""
        for name, content in documents:
            path = self.folder / OUT / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)

    def answers(self) -> Iterator[tuple[str, tuple[Answer, ...]]]:
        """Yield the files of answers by name; MalformedAnswersError at one that cannot be read."""
        for path in sorted((self.folder / ANSWERS).glob("*.csv")):
            yield path.name, tuple(read_answers(path.read_bytes()))

    def taken(self, name: str) -> None:
        """Move a file of answers away."""
        kept = self.folder / READ
        kept.mkdir(parents=True, exist_ok=True)
        (self.folder / ANSWERS / name).replace(kept / name)
