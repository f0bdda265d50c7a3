"""The tariffs of the tests, by the name of their directory."""

from functools import cache
from pathlib import Path

from fare.gtfs.load import load_tariff
from fare.rules.tariff import TariffBook

HERE = Path(__file__).parent / "tariffs"
HANOI = Path(__file__).parents[2] / "fare" / "tariffs" / "hanoi"


@cache
def book_of(name: str) -> TariffBook:
    return load_tariff(HANOI if name == "hanoi" else HERE / name)
