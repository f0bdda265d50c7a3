"""Export streams: five times the lines, the same memory. Measured on the command itself, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from ledger import post
from ledger.rules.entry import Posted

from .conftest import NOW, TODAY, Books

DAY = timedelta(days=1)
# Few are two groups of a stream already: one being made while the one before it is let go.
FEW, MANY = 10_000, 50_000
PEAK = """
import re, sys
from pathlib import Path
from service.cli import main
main(sys.argv[1:], standalone_mode=False)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.fixture(scope="module")
def books_of_two_sizes(clone) -> Callable[[], str]:
    """Committed books: few lines on one day, many on the next, between the same accounts."""
    with clone() as database:
        books = Books()
        with database.engine.begin() as tx:
            books.open(tx)
        for day, lines in ((0, FEW), (1, MANY - FEW)):
            at = NOW + day * DAY
            for start in range(0, lines, 5_000):
                entries = [
                    books.topup(n % 4, 7_000, entry_id=books.new_id(at), cause=f"tap:{start + n:08d}")
                    for n in range(min(5_000, lines - start))
                ]
                with database.engine.begin() as tx:
                    assert all(isinstance(one, Posted) for one in post.post(tx, entries, at))
        yield database.url


def peak_kib(url: str, form: str, last: date, output: Path) -> int:
    """The most memory that the command held while it exported the books up to a day."""
    words = ["ledger", "export", "--format", form, "--to", last.isoformat(), "--output", str(output)]
    ran = subprocess.run(
        [sys.executable, "-c", PEAK, *words],
        env={**os.environ, "LIENTHONG_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_five_times_the_lines_take_the_same_memory(
    books_of_two_sizes: str, tmp_path: Path, form: str
) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    small = peak_kib(books_of_two_sizes, form, TODAY, few)
    large = peak_kib(books_of_two_sizes, form, TODAY + DAY, many)
    assert many.stat().st_size > 3 * few.stat().st_size
    # 40,000 more lines, held as rows, would be some 48 MiB more: over a quarter.
    assert large <= 1.15 * small, f"{small:,} KiB for {FEW:,} lines, {large:,} KiB for {MANY:,}"
