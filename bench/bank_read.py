"""camt_N: a camt.053 of 100,000 entries read in one pass, against lxml walking the same bytes; and its memory.

The baseline only visits each entry; ours reads, checks and balances it. Memory is the peak of a process of its own that
reads 100,000 entries, against one that reads 10,000: flat means that ten times the file takes no more.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from lxml import etree

from bench.measure import Result, Stage, Work, compare
from demo.bank_statements import camt
from ledger.rails.bank_read import read_bank_file
from ledger.rails.bankfile import BankEntry

ENTRIES: Final = 100_000
_FLAT: Final = 1.1
_PEAK: Final = """
import sys
from ledger.rails.bank_read import read_bank_file
with open(sys.argv[1], "rb") as stream:
    assert sum(1 for _ in read_bank_file(stream)) > 0
with open("/proc/self/status") as said:
    print(next(line.split()[1] for line in said if line.startswith("VmHWM")))
"""


def written(entries: int) -> bytes:
    """Return a statement of so many credits."""
    movements: list[dict[str, Any]] = [
        {
            "amount": 10_000 + number % 490_000,
            "paid_at": "2026-11-18T09:00:00+07:00",
            "reference": f"FT{number:010d}",
            "description": f"NAP THE LT{number:013d}",
        }
        for number in range(entries)
    ]
    day = {"id": "1", "account": "0011", "opening": 0, "day": "2026-11-18", "movements": movements}
    return camt([day])


def run(stage: Stage) -> list[Result]:
    """Return two results: entries a second, and peak memory of ten times the entries as a ratio."""
    raw = written(ENTRIES)
    rounds = min(stage.rounds, 5)
    speed = compare(
        f"ledger.camt_{ENTRIES}",
        "entries/s",
        lambda: _ours(raw),
        lambda: _walk(raw),
        at_least=None,
        rounds=rounds,
    )
    return [speed, _memory(Path(stage.folder), raw, rounds)]


def _memory(folder: Path, raw: bytes, rounds: int) -> Result:
    large, small = folder / "large.xml", folder / "small.xml"
    large.write_bytes(raw)
    small.write_bytes(written(ENTRIES // 10))
    peaks = [(_peak(large), _peak(small)) for _ in range(rounds)]
    ratio = statistics.median(one / other for one, other in peaks)
    return Result(
        f"ledger.camt_memory_{ENTRIES}",
        "KiB at the peak",
        statistics.median(one for one, _ in peaks),
        statistics.median(other for _, other in peaks),
        ratio,
        f"ratio <= {_FLAT:g}",
        ratio <= _FLAT,
        note="a process that reads ten times the entries, against one that reads a tenth",
    )


def _peak(file: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(file)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def _ours(raw: bytes) -> Work:
    def work() -> int:
        found = sum(isinstance(event, BankEntry) for event in read_bank_file(BytesIO(raw)))
        assert found == ENTRIES, "every entry is told"
        return found

    return work


def _walk(raw: bytes) -> Work:
    def work() -> int:
        found = 0
        for _, entry in etree.iterparse(BytesIO(raw), tag="{*}Ntry", no_network=True, resolve_entities=False):
            entry.clear()
            while entry.getprevious() is not None:
                del entry.getparent()[0]
            found += 1
        return found

    return work
