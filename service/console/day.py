"""What the day's page shows, read in one moment and limited to the operators the reader may see."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import Connection

from access import exceptions
from access.tally import Tally, tally
from fare.publish import Shelf
from kernel.crypto.ed25519 import VerifyKey
from kernel.money import Money, currency
from kernel.service_day import Window, day_window
from ledger import close_period, settle
from ledger.rules import seal as seal_rules
from ledger.rules.settlement import Coverage, Settlement
from service.console.format import PLACE_ZONE
from service.store import day as store


@dataclass(frozen=True, slots=True)
class BillRow:
    """One operator's fares of the day; the four parts sum to the face value."""

    operator_id: str
    trips: int
    face_value: Money
    charged: Money
    waived: Money
    discounted: Money
    covered: Money


@dataclass(frozen=True, slots=True)
class StayRow:
    """One operator's stays that began on the day; the three parts sum to the price."""

    operator_id: str
    stays: int
    running: int
    face_value: Money
    charged: Money
    discounted: Money
    covered: Money


@dataclass(frozen=True, slots=True)
class SealRow:
    """The book day's seal, and whether its signature is ours."""

    lines: int
    root: str
    sealed_at: datetime
    signed: bool


@dataclass(frozen=True, slots=True)
class DayPage:
    """The day as one value; a template only lays it out."""

    day: date
    read_at: datetime
    taps: tuple[Tally, ...]
    bills: tuple[BillRow, ...]
    stays: tuple[StayRow, ...]
    accounts: int
    exceptions: tuple[tuple[str, str, int], ...]
    settled: bool
    settlements: tuple[Settlement, ...]
    coverage: Coverage | None
    seal: SealRow | None
    limited: bool

    @property
    def empty(self) -> bool:
        """Whether nothing happened on this day."""
        return not (self.taps or self.bills or self.stays or self.settlements)

    @property
    def stored(self) -> int:
        """How many taps were stored."""
        return sum(row.records for row in self.taps)

    @property
    def trips(self) -> int:
        """How many trips were counted."""
        return sum(row.trips for row in self.bills)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a page needs of the process's keys: the seals' public key, and the published tariffs it vouches for."""

    signer: VerifyKey
    shelf: Shelf


def today(tx: Connection, now: datetime) -> date:
    """Return the newest service day with a bill or a stay, or the date in Hanoi."""
    return store.latest_day(tx) or now.astimezone(PLACE_ZONE).date()


def read_day(
    tx: Connection, day: date, *, operators: Collection[str] | None, keys: Keys | None, now: datetime
) -> DayPage:
    """Return the page of `day`.

    `operators` None means all; else sums over the whole house are left out. Without `keys` no seal counts as
    signed, and the day begins at midnight as it does without a tariff.
    """
    limited = operators is not None
    settled = settle.find_settled(tx, day)
    return DayPage(
        day=day,
        read_at=now,
        taps=tuple(
            row
            for row in tally(tx, _window(tx, day, keys))
            if operators is None or row.operator_id in operators
        ),
        bills=tuple(_bill_row(row) for row in store.sum_bills(tx, day, operators)),
        stays=tuple(_stay_row(row) for row in store.sum_stays(tx, day, operators)),
        accounts=0 if limited else store.count_accounts(tx, day),
        exceptions=() if limited else _exceptions(tx),
        settled=settled is not None,
        settlements=tuple(
            one
            for one in (settled.settlements if settled else ())
            if operators is None or one.operator_id in operators
        ),
        coverage=None if limited else settled.coverage if settled else settle.coverage(tx, day),
        seal=_seal(tx, day, keys.signer if keys else None),
        limited=limited,
    )


def _exceptions(tx: Connection) -> tuple[tuple[str, str, int], ...]:
    counted = exceptions.count_open(tx)
    return tuple(sorted((house.value, reason, count) for (house, reason), count in counted.items()))


def _window(tx: Connection, day: date, keys: Keys | None) -> Window:
    """When a service day starts is tariff data (DESIGN §8.17)."""
    books = keys.shelf.books(tx) if keys else None
    if books is None or not books.newest:
        return day_window(day, time(), PLACE_ZONE)
    tariff = books.current()
    return day_window(day, tariff.day_starts, tariff.zone)


def _seal(tx: Connection, day: date, signer: VerifyKey | None) -> SealRow | None:
    found = close_period.list_seals(tx, first=day, last=day)
    if not found:
        return None
    seal = found[0]
    signed = signer is not None and seal_rules.verify_seal(seal, signer)
    return SealRow(seal.leaf_count, seal.root.hex(), seal.sealed_at, signed)


def _bill_row(row: store.BillSum) -> BillRow:
    unit = currency(row.currency)
    parts = (row.face_value, row.charged, row.waived, row.discounted, row.covered)
    return BillRow(row.operator_id, row.trips, *(Money(part, unit) for part in parts))


def _stay_row(row: store.StaySum) -> StayRow:
    unit = currency(row.currency)
    parts = (row.face_value, row.charged, row.discounted, row.covered)
    return StayRow(row.operator_id, row.stays, row.running, *(Money(part, unit) for part in parts))
