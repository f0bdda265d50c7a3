"""Fixtures of the fare tests: tariffs by directory name, and taps priced from CSV text."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from fare.gtfs.riders import read_riders
from fare.gtfs.taps import NamedTap, price_taps, read_taps
from fare.rules.bill import Bill, Closed, Component
from fare.rules.tariff import TariffBook
from tests.fare.cities import book_of


@dataclass(frozen=True)
class Priced:
    """One rider's outcome: amounts in minor units per ride that was priced, in order of boarding."""

    bills: tuple[Bill, ...]
    taps: tuple[NamedTap, ...]

    @property
    def rides(self):
        return [ride for bill in self.bills for ride in bill.rides if ride.closed not in _NO_RIDE]

    @property
    def face(self) -> list[int]:
        return [ride.face_value.minor for ride in self.rides]

    def part(self, component: Component) -> list[int]:
        return [
            sum(
                line.amount.minor
                for bill in self.bills
                for line in bill.lines
                if line.tap_id == ride.tap_id and line.component is component
            )
            for ride in self.rides
        ]

    @property
    def charged(self) -> list[int]:
        return self.part(Component.CHARGED)

    @property
    def reasons(self) -> list[str]:
        return [one.reason for bill in self.bills for one in bill.unpriced]

    @property
    def closed(self) -> list[str]:
        return [ride.closed.value for bill in self.bills for ride in bill.rides]


_NO_RIDE = {Closed.TORN, Closed.PASSBACK, Closed.OPEN, Closed.CONTINUED, Closed.ALIGHTED, Closed.INSPECTED}


@pytest.fixture(scope="session")
def book() -> Callable[[str], TariffBook]:
    """A tariff of tests/fare/tariffs, or `hanoi`, by name."""
    return book_of


@pytest.fixture(scope="session")
def price() -> Callable[..., Priced]:
    """Price one rider's taps, given as CSV lines without the rider column."""

    def run(name: str | TariffBook, header: str, *lines: str, riders: str = "", as_of=None) -> Priced:
        chosen = book_of(name) if isinstance(name, str) else name
        text = "\n".join([f"rider,{header}", *(f"r,{line}" for line in lines)])
        taps, wrong = read_taps(text, chosen)
        assert not wrong, wrong
        facts, wrong = read_riders(riders, chosen) if riders else ({}, ())
        assert not wrong, wrong
        (priced,) = price_taps(taps, facts, chosen, as_of)
        return Priced(tuple(bill for _, _, bill in priced.days), taps)

    return run
