"""Rate files on disk: reading a directory into the bytes that `load_rates` compiles."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from parking.rules.book import RateBook, load_rates
from parking.rules.errors import RateFilesInvalidError
from parking.rules.rows import RateProblem

HANOI: Final = Path(__file__).parent / "rates" / "hanoi"


def read_rate_dir(directory: Path) -> dict[str, bytes]:
    """Return the CSV files of a directory by name; RateFilesInvalidError where it is none."""
    if not directory.is_dir():
        problem = RateProblem(str(directory), 0, "", "is not a directory of rate files")
        raise RateFilesInvalidError(count=1, first=str(problem), problems=(problem,))
    return {path.name: path.read_bytes() for path in sorted(directory.glob("*.csv"))}


def load_rate_dir(directory: Path) -> RateBook:
    """Return the book of a directory of rate files; RateFilesInvalidError names every problem."""
    return load_rates(read_rate_dir(directory))
