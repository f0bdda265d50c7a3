"""ledger.export: the most memory that `lienthong ledger export` holds at 40,000 lines and at 400,000.

Peak resident memory of the command's own process, between the same accounts; flat is at most a tenth more.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import date, timedelta
from typing import Final

from sqlalchemy import create_engine

from bench import ledger_world
from bench.ledger_proof import fill
from bench.ledger_world import TODAY
from bench.measure import Result, Stage

FEW: Final = 40_000
MANY: Final = 400_000
FORMATS: Final = ("csv", "parquet")
GOAL: Final = 1.1
_PEAK: Final = """
import sys
from service.cli import main
main(sys.argv[1:], standalone_mode=False)
print(open("/proc/self/status").read())
"""


def run(stage: Stage) -> list[Result]:
    """Fill two days and export the first, then both."""
    engine = create_engine(stage.servers.database_url)
    world = ledger_world.build(engine)
    later = TODAY + timedelta(days=1)
    fill(engine, world, FEW, TODAY)
    fill(engine, world, MANY - FEW, later)
    engine.dispose()
    results = []
    for form in FORMATS:
        few, many = (peak_mib(stage, _words(form, last)) for last in (TODAY, later))
        ratio = many / few
        results.append(
            Result(
                f"ledger.export_memory_{form}",
                "MiB at most",
                many,
                few,
                ratio,
                f"ratio <= {GOAL:g}",
                ratio <= GOAL,
                f"{MANY:,} lines beside {FEW:,}; one run each",
            )
        )
    return results


def _words(form: str, last: date) -> list[str]:
    return ["ledger", "export", "--format", form, "--to", last.isoformat(), "--output", os.devnull]


def peak_mib(stage: Stage, words: list[str]) -> float:
    """Return the most memory that a command of the product held, in MiB, in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", _PEAK, *words],
        env={**os.environ, **stage.servers.environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"VmHWM:\s+(\d+) kB", ran.stdout)
    assert found is not None, "Linux says how much memory a process held"
    return int(found[1]) / 1024
