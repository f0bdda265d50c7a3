"""What the tests of bank files share: reading into lists, and the reference samples."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ledger.rails.bank_read import read_bank_file
from ledger.rails.bankfile import BankEntry, FileClosed, FileOpened, StatementClosed, StatementOpened

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "bank"


@dataclass
class Statement:
    head: StatementOpened
    entries: list[BankEntry] = field(default_factory=list)
    end: StatementClosed | None = None

    @property
    def codes(self) -> list[str]:
        assert self.end is not None
        return [one.code for one in self.end.findings]

    @property
    def status(self) -> str:
        assert self.end is not None
        return self.end.status.value


@dataclass
class File:
    opened: FileOpened
    statements: list[Statement]
    closed: FileClosed

    @property
    def status(self) -> str:
        return self.closed.status.value

    @property
    def reason(self) -> str:
        return self.closed.reason

    @property
    def minors(self) -> list[list[int]]:
        return [[entry.amount.minor for entry in one.entries] for one in self.statements]


def read(raw: bytes, **options: Any) -> File:
    """Read a file whole; the order of events is checked on the way."""
    opened: FileOpened | None = None
    statements: list[Statement] = []
    closed: FileClosed | None = None
    for event in read_bank_file(io.BytesIO(raw), **options):
        assert closed is None, "nothing follows the file's end"
        match event:
            case FileOpened():
                assert opened is None
                opened = event
            case StatementOpened():
                assert opened is not None
                assert not statements or statements[-1].end is not None
                statements.append(Statement(event))
            case BankEntry():
                assert statements[-1].end is None
                statements[-1].entries.append(event)
            case StatementClosed():
                statements[-1].end = event
            case FileClosed():
                closed = event
    assert opened is not None
    assert closed is not None
    assert all(one.end is not None for one in statements)
    return File(opened, statements, closed)


def sample(name: str) -> bytes:
    path = REFERENCE / name
    if not path.exists():
        pytest.skip(f"no reference data at {path}: the published samples stand beside the project")
    return path.read_bytes()
