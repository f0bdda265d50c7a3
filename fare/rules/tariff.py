"""A compiled tariff: what is in force on one date, laid out for looking up; values only, no files.

`fare.gtfs` reads and checks the files and builds these; pricing reads nothing else.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo

from fare.rules.match import LegIndex
from fare.rules.timeframe import Timeframes
from kernel.ids import OperatorId
from kernel.money import Currency, Money, Rounding
from kernel.service_day import day_window
from kernel.wire.cardinfo import Concession

_SECOND: Final = 1_000_000


class Settled(Enum):
    """What a network's fare needs to be known: the tap-on alone, or both ends of the ride."""

    BOARDING = "boarding"
    RIDE = "ride"


class Action(Enum):
    """How a ride that lacks an end, or ends where it began, is priced."""

    BOARDING = "boarding"
    MAXIMUM = "maximum"
    CHEAPEST = "cheapest"
    PRODUCT = "product"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Offer:
    """One fare that a leg may be charged: the product, its leg group, and the row it comes from."""

    leg_group: str
    product_id: str
    minor: int
    rule: str


@dataclass(frozen=True, slots=True)
class Closing:
    """A rule for an odd ride; `product_id` only with Action.PRODUCT."""

    action: Action
    product_id: str
    rule: str


@dataclass(frozen=True, slots=True)
class SameStation:
    """A same-station exit after `[from_us, to_us)` of riding; no end when `to_us` is None."""

    from_us: int
    to_us: int | None
    closing: Closing


@dataclass(frozen=True, slots=True)
class RideRule:
    """How rides on one network are put together. Times in whole microseconds as timedeltas."""

    settled: Settled = Settled.RIDE
    limit: timedelta | None = None
    passback: timedelta = timedelta(0)
    companions: int = 1
    missing_off: Closing | None = None
    missing_on: Closing | None = None
    over_long: Closing | None = None
    same_station: tuple[SameStation, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """A route as pricing sees it; `networks` holds at most one id (GTFS: a route is in one network)."""

    route_id: str
    operator_id: OperatorId
    networks: frozenset[str]
    rule: RideRule
    name: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """A price row of a fare product; empty category or medium means any."""

    category: str
    medium: str
    minor: int
    rule: str


@dataclass(frozen=True, slots=True)
class DistanceFare:
    """Base plus so much a kilometre, counted in whole steps (all lengths in metres)."""

    leg_group: str
    product_id: str
    base_minor: int
    per_km_minor: int
    step_m: int
    rounding: Rounding
    min_minor: int | None
    max_minor: int | None
    rule: str

    def minor_for(self, metres: int) -> int:
        """Return the fare of a distance in minor units, rounded half up where a step's price is not whole."""
        whole, rest = divmod(metres, self.step_m)
        if rest and (
            self.rounding is Rounding.UP or (self.rounding is Rounding.HALF_UP and 2 * rest >= self.step_m)
        ):
            whole += 1
        steps_minor = (whole * self.step_m * self.per_km_minor * 2 + 1000) // 2000
        minor = self.base_minor + steps_minor
        if self.min_minor is not None:
            minor = max(minor, self.min_minor)
        return minor if self.max_minor is None else min(minor, self.max_minor)


@dataclass(frozen=True, slots=True)
class TransferRule:
    """One row of fare_transfer_rules.txt; `limit_us` None is no limit, `count` -1 is any number."""

    kind: int
    count: int | None
    limit_us: int | None
    limit_type: int
    inclusive: bool
    product_id: str
    rule: str


@dataclass(frozen=True, slots=True)
class TransferWindow:
    """A window that other rides do not break: legs of its networks after the first are free or pay up."""

    window_id: str
    networks: frozenset[str]
    duration_us: int
    inclusive: bool
    max_uses: int | None
    pay_difference: bool
    withhold_in_debt: bool


class Period(Enum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    ROLLING = "rolling"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `minor` money, or `rides` paid rides, in a period; empty sets cover everything."""

    cap_id: str
    period: Period
    period_us: int
    minor: int | None
    rides: int | None
    networks: frozenset[str]
    operators: frozenset[str]
    category: Concession | None


@dataclass(frozen=True, slots=True)
class PassProduct:
    """A pass and what it covers; `scope` tells what HeldPass.scope means for it."""

    product_id: str
    name: str
    name_en: str
    scope: str
    networks: frozenset[str]
    operators: frozenset[str]
    category: Concession | None
    validity: str
    validity_count: int
    from_first_tap: bool
    price: Money
    valid_from: date
    valid_to: date
    decision: str


@dataclass(frozen=True, slots=True)
class Waiver:
    """Free travel that `funder` pays for; `area_rule` is everywhere, within or touches the areas."""

    waiver_id: str
    networks: frozenset[str]
    areas: frozenset[str]
    area_rule: str
    funder: str


@dataclass(frozen=True, slots=True)
class Discount:
    """A concession's share of the fare, paid by `funder`."""

    concession_id: str
    networks: frozenset[str]
    operators: frozenset[str]
    percent: int
    rounding: Rounding
    funder: str


@dataclass(slots=True)
class Tariff:
    """Everything in force on the dates `[valid_from, valid_to]`; built once, read often.

    `memo` only remembers answers that the other fields determine, so it changes no result.
    """

    valid_from: date
    valid_to: date
    currency: Currency
    routes: Mapping[str, Route]
    route_of_stop: Mapping[str, str]
    areas_of_stop: Mapping[str, frozenset[str]]
    legs: LegIndex
    timeframes: Timeframes
    products: Mapping[str, tuple[Product, ...]]
    category_ids: Mapping[int, str]
    default_category: str
    matrix: Mapping[str, Mapping[tuple[str, str], tuple[tuple[str, Offer], ...]]]
    formulas: Mapping[str, DistanceFare]
    positions_m: Mapping[str, Mapping[str, int]]
    rounding: Mapping[str, tuple[int, Rounding]]
    transfers: Mapping[tuple[str, str], tuple[TransferRule, ...]]
    joins: Mapping[tuple[str, str], tuple[tuple[str, str], ...]]
    windows: tuple[TransferWindow, ...]
    caps: tuple[Cap, ...]
    waivers: tuple[Waiver, ...]
    discounts: Mapping[int, tuple[Discount, ...]]
    from_listed: frozenset[str] = field(init=False)
    to_listed: frozenset[str] = field(init=False)
    longest_reach_us: int = field(init=False)
    memo: dict[object, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.from_listed = frozenset(start for start, _ in self.transfers)
        self.to_listed = frozenset(end for _, end in self.transfers)
        limits = [
            rule.limit_us for rules in self.transfers.values() for rule in rules if rule.limit_us is not None
        ]
        self.longest_reach_us = max(limits, default=0)

    def route_for(self, route_id: str, stop_id: str) -> Route | None:
        """Return the route of a tap: the one it names, else the only one its stop lies on."""
        return self.routes.get(route_id or self.route_of_stop.get(stop_id, ""))


@dataclass(frozen=True, slots=True)
class TariffNames:
    """What a tariff is called, and since when its data were last known to be true."""

    name: str
    name_en: str
    true_on: date | None


@dataclass(frozen=True, slots=True)
class DataNote:
    """What a tariff says of its own data: published, inferred, placeholder or unknown."""

    about: str
    status: str
    text: str
    text_en: str


class TariffBook:
    """All versions in time of one published tariff: `on(date)` is what prices an event of that local date."""

    __slots__ = (
        "_build",
        "_built",
        "_dates",
        "_midnights",
        "_starts",
        "currency",
        "day_starts",
        "names",
        "notes",
        "passes",
        "sha256",
        "version",
        "zone",
    )  # fmt: skip

    def __init__(
        self,
        *,
        version: str,
        sha256: str,
        zone: ZoneInfo,
        day_starts: time,
        currency: Currency,
        names: TariffNames,
        notes: tuple[DataNote, ...],
        passes: Mapping[str, tuple[PassProduct, ...]],
        starts: tuple[date, ...],
        build: Callable[[date, date], Tariff],
    ) -> None:
        self.version = version
        self.sha256 = sha256
        self.zone = zone
        self.day_starts = day_starts
        self.currency = currency
        self.names = names
        self.notes = notes
        self.passes = passes
        self._starts = starts
        self._build = build
        self._built: dict[int, Tariff] = {}
        self._dates: dict[date, Tariff] = {}
        self._midnights: dict[date, tuple[datetime, datetime, datetime]] = {}

    def on(self, day: date) -> Tariff:
        """Return what is in force on a local date; the same object for every date of one interval."""
        found = self._dates.get(day)
        if found is not None:
            return found
        place = bisect_right(self._starts, day) - 1
        assert place >= 0, "the first interval starts at the beginning of time"
        built = self._built.get(place)
        if built is None:
            last = place + 1 == len(self._starts)
            end = date.max if last else self._starts[place + 1] - timedelta(days=1)
            built = self._built[place] = self._build(self._starts[place], end)
        self._dates[day] = built
        return built

    def intervals(self) -> tuple[date, ...]:
        """Return the dates on which something changes, the first of which is the beginning of time."""
        return self._starts

    def compile_all(self) -> int:
        """Build every interval now and return how many there are."""
        for start in self._starts:
            self.on(start)
        return len(self._starts)

    def day_bounds(self, service_day: date) -> tuple[datetime, datetime, datetime]:
        """Return the service day's start and end, and the local midnight inside it, as UTC instants."""
        found = self._midnights.get(service_day)
        if found is None:
            window = day_window(service_day, self.day_starts, self.zone)
            night = day_window(service_day, time(), self.zone).end
            found = self._midnights[service_day] = (window.start, window.end, night)
        return found

    def local_date(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()


MICROSECOND: Final = timedelta(microseconds=1)
SECOND_US: Final = _SECOND
