"""Settlement of a closed book day: dimensioned lines in, totals and nets per operator out.

The lines come from the businesses (`fare.settle_lines`, `parking.settle_lines`); the ledger knows no bus and no
car park, only that the parts of each line make its whole and that the nets are what its own books say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Final

from kernel.ids import OperatorId
from kernel.money import Currency, Money
from ledger.rules.errors import BadSettleLineError

AMOUNTS: Final = (
    "face_value",
    "waived",
    "discounted",
    "pass_covered",
    "cap_covered",
    "collected",
    "refunded",
)


@dataclass(frozen=True, slots=True)
class SettleLine:
    """What one operator's service on one route came to on a book day.

    face_value = waived + discounted + pass_covered + cap_covered + collected - refunded, or BadSettleLineError.
    `collected` (charges booked) and `refunded` (charges taken back) are never negative; the other amounts and
    `trips` are differences booked that day, so a correction of an earlier day may make them negative.
    """

    house: str
    operator_id: OperatorId
    mode: str
    route_id: str
    trips: int
    face_value: Money
    waived: Money
    discounted: Money
    pass_covered: Money
    cap_covered: Money
    collected: Money
    refunded: Money

    def __post_init__(self) -> None:
        name = f"{self.house} {self.operator_id} {self.mode} {self.route_id}"
        if self.collected.minor < 0 or self.refunded.minor < 0:
            raise BadSettleLineError(
                line=name, why="collected and refunded are counted apart, never negative"
            )
        parts = self.waived + self.discounted + self.pass_covered + self.cap_covered
        if parts + self.collected - self.refunded != self.face_value:
            raise BadSettleLineError(line=name, why="its parts do not make its face value")


@dataclass(frozen=True, slots=True)
class Settlement:
    """One operator's book day.

    `net` = collected - refunded - fees is paid out; `subsidy` = waived + discounted is claimed from the
    funders. `ledger_net` and `ledger_subsidy` are what the operator's accounts moved by that day: a
    settlement is `reconciled` when both agree to the đồng.
    """

    book_day: date
    operator_id: OperatorId
    trips: int
    face_value: Money
    waived: Money
    discounted: Money
    pass_covered: Money
    cap_covered: Money
    collected: Money
    refunded: Money
    fees: Money
    ledger_net: Money
    ledger_subsidy: Money
    settled_at: datetime

    @property
    def net(self) -> Money:
        """Return what is due to the operator."""
        return self.collected - self.refunded - self.fees

    @property
    def subsidy(self) -> Money:
        """Return what the operator's funders owe for waived and discounted fares."""
        return self.waived + self.discounted

    @property
    def reconciled(self) -> bool:
        """Return whether the businesses' lines and the ledger's accounts agree."""
        return self.net == self.ledger_net and self.subsidy == self.ledger_subsidy


@dataclass(frozen=True, slots=True)
class Coverage:
    """Stored value at the end of a book day against what stands behind it (Decree 52/2024)."""

    book_day: date
    stored_value: Money
    guarantee: Money
    clearing: Money
    receivable: Money

    @property
    def surplus(self) -> Money:
        """Return guarantee and clearing less stored value; negative is a shortfall."""
        return self.guarantee + self.clearing - self.stored_value

    @property
    def covered(self) -> bool:
        """Return whether riders' money is all there."""
        return self.surplus.minor >= 0


@dataclass(frozen=True, slots=True)
class Settled:
    """A settled day. `first_time` is false when it was settled before and this is the stored answer."""

    book_day: date
    settlements: tuple[Settlement, ...]
    lines: tuple[SettleLine, ...]
    coverage: Coverage
    first_time: bool


@dataclass(frozen=True, slots=True)
class OperatorSums:
    """What an operator's accounts moved by on a book day, in minor units."""

    net: int
    subsidy: int


def digest(lines: Iterable[SettleLine]) -> bytes:
    """Return the SHA-256 of the lines whatever their order: what a second settling must hand in again."""
    rows = sorted(
        "\x1f".join(
            (
                *(line.house, line.operator_id, line.mode, line.route_id),
                *(str(line.trips), line.face_value.currency.code),
                *(str(getattr(line, name).minor) for name in AMOUNTS),
            )
        )
        for line in lines
    )
    return sha256("\x1e".join(rows).encode()).digest()


def settle_lines(
    book_day: date,
    lines: Iterable[SettleLine],
    moved: Mapping[OperatorId, OperatorSums],
    *,
    unit: Currency,
    now: datetime,
) -> tuple[Settlement, ...]:
    """Return a settlement for each operator that has a line or whose accounts moved, in operator order.

    All lines must be in `unit`: CurrencyMismatchError.
    """
    zero = Money.zero(unit)
    totals: dict[OperatorId, dict[str, Money]] = defaultdict(lambda: dict.fromkeys(AMOUNTS, zero))
    trips: dict[OperatorId, int] = defaultdict(int)
    for line in lines:
        total = totals[line.operator_id]
        for name in AMOUNTS:
            total[name] += getattr(line, name)
        trips[line.operator_id] += line.trips
    nothing = OperatorSums(0, 0)
    return tuple(
        Settlement(
            book_day,
            operator,
            trips[operator],
            **totals[operator],
            fees=zero,
            ledger_net=Money(moved.get(operator, nothing).net, unit),
            ledger_subsidy=Money(moved.get(operator, nothing).subsidy, unit),
            settled_at=now,
        )
        for operator in sorted(totals.keys() | moved.keys())
    )
