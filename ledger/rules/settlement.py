"""Settlement of a closed book day: dimensioned lines in, totals and nets per operator out.

The lines and the claims come from the businesses (`fare.settle_lines`, `parking.settle_lines`); the ledger knows no
bus and no car park, only that the parts of each line make its whole and that the nets are what its own books say.
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
    "pass_revenue",
    "shared",
    "fees",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleLine:
    """What one operator's service on one route, about one service day, came to on a book day.

    face_value = waived + discounted + pass_covered + cap_covered + collected - refunded, or BadSettleLineError.
    `collected` (charges booked) and `refunded` (charges taken back) are never negative; the other amounts and
    `trips` are differences booked that day, so a correction of an earlier day may make them negative.
    `pass_revenue` is the operator's part of what passes earned; `shared` is what others get of this line (negative)
    or this operator of theirs; `fees` go to the scheme. A line about an earlier service day adjusts that day.
    """

    house: str
    operator_id: OperatorId
    mode: str
    route_id: str
    service_day: date
    trips: int
    face_value: Money
    waived: Money
    discounted: Money
    pass_covered: Money
    cap_covered: Money
    collected: Money
    refunded: Money
    pass_revenue: Money
    shared: Money
    fees: Money

    @property
    def net(self) -> Money:
        """Return what the line adds to what is due to the operator."""
        return self.collected - self.refunded + self.pass_revenue + self.shared - self.fees

    @property
    def base(self) -> Money:
        """Return what fees and shares are reckoned from: charges less what was taken back."""
        return self.collected - self.refunded

    def __post_init__(self) -> None:
        name = f"{self.house} {self.operator_id} {self.mode} {self.route_id}"
        if self.collected.minor < 0 or self.refunded.minor < 0:
            raise BadSettleLineError(
                line=name, why="collected and refunded are counted apart, never negative"
            )
        parts = self.waived + self.discounted + self.pass_covered + self.cap_covered
        if parts + self.collected - self.refunded != self.face_value:
            raise BadSettleLineError(line=name, why="its parts do not make its face value")


def blank_line(
    house: str, operator_id: OperatorId, mode: str, route_id: str, service_day: date, unit: Currency
) -> SettleLine:
    """Return a line on which nothing stands yet."""
    amounts = dict.fromkeys(("face_value", *AMOUNTS[1:]), Money.zero(unit))
    return SettleLine(
        house=house,
        operator_id=operator_id,
        mode=mode,
        route_id=route_id,
        service_day=service_day,
        trips=0,
        **amounts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a funder owes an operator's route for a service day under one rule, as a difference booked that day.

    `rides` is how many rides or stays more (or fewer) than before the funder pays for.
    """

    house: str
    operator_id: OperatorId
    route_id: str
    service_day: date
    funder: str
    component: str
    rule: str
    rides: int
    amount: Money


@dataclass(frozen=True, slots=True)
class HouseDay:
    """What a business hands in for a book day: its lines, and the claims that their subsidies are made of."""

    lines: tuple[SettleLine, ...] = ()
    claims: tuple[Claim, ...] = ()

    def __add__(self, other: HouseDay) -> HouseDay:
        """Return both houses' day."""
        return HouseDay(self.lines + other.lines, self.claims + other.claims)


@dataclass(frozen=True, slots=True)
class Settlement:
    """One operator's book day.

    `net` = collected - refunded + pass_revenue + shared - fees is due to the operator; `cash_kept` of it is in the
    operator's own hands already; `subsidy` = waived + discounted is claimed from the funders. `ledger_net` and
    `ledger_subsidy` are what the operator's accounts moved by that day: a settlement is `reconciled` when both
    agree to the đồng.
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
    pass_revenue: Money
    shared: Money
    fees: Money
    cash_kept: Money
    ledger_net: Money
    ledger_subsidy: Money
    settled_at: datetime

    @property
    def net(self) -> Money:
        """Return what is due to the operator."""
        return self.collected - self.refunded + self.pass_revenue + self.shared - self.fees

    @property
    def to_pay(self) -> Money:
        """Return what is to be paid to the operator beyond the cash that it kept; negative: it owes."""
        return self.net - self.cash_kept

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
    claims: tuple[Claim, ...]
    coverage: Coverage
    first_time: bool

    @property
    def operators(self) -> int:
        """Return how many operators were settled."""
        return len(self.settlements)

    @property
    def adjustments(self) -> tuple[Adjustment, ...]:
        """Return what of this day's nets is about earlier service days, by operator and day."""
        sums: dict[tuple[OperatorId, date], tuple[int, Money]] = {}
        for line in self.lines:
            if line.service_day < self.book_day:
                key = line.operator_id, line.service_day
                trips, net = sums.get(key, (0, Money.zero(line.net.currency)))
                sums[key] = trips + line.trips, net + line.net
        return tuple(Adjustment(*key, *sums[key]) for key in sorted(sums))


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a book day adds to an operator's earlier service day."""

    operator_id: OperatorId
    service_day: date
    trips: int
    net: Money


@dataclass(frozen=True, slots=True)
class OperatorSums:
    """What an operator's accounts moved by on a book day, in minor units."""

    net: int
    subsidy: int
    cash: int = 0


def digest(day: HouseDay) -> bytes:
    """Return the SHA-256 of lines and claims whatever their order: what a second settling must hand in again."""
    lines = sorted(
        "\x1f".join(
            (
                *(line.house, line.operator_id, line.mode, line.route_id, line.service_day.isoformat()),
                *(str(line.trips), line.face_value.currency.code),
                *(str(getattr(line, name).minor) for name in AMOUNTS),
            )
        )
        for line in day.lines
    )
    claims = sorted(
        "\x1f".join(
            (
                *(one.house, one.operator_id, one.route_id, one.service_day.isoformat(), one.funder),
                *(one.component, one.rule, str(one.rides), one.amount.currency.code, str(one.amount.minor)),
            )
        )
        for one in day.claims
    )
    return sha256("\x1d".join(("\x1e".join(lines), "\x1e".join(claims))).encode()).digest()


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
            cash_kept=Money(moved.get(operator, nothing).cash, unit),
            ledger_net=Money(moved.get(operator, nothing).net, unit),
            ledger_subsidy=Money(moved.get(operator, nothing).subsidy, unit),
            settled_at=now,
        )
        for operator in sorted(totals.keys() | moved.keys())
    )
