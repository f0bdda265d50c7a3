"""A compiled tariff: what is in force on one date, laid out for looking up; values only, no files.

`fare.gtfs` reads and checks the files and builds these; pricing reads nothing else.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from fare.rules.match import LegIndex
from fare.rules.nesting import plain, tangled
from fare.rules.park_terms import ParkBenefit
from fare.rules.sales import SaleRules
from fare.rules.terms import (
    Cap,
    Dearer,
    Discount,
    DistanceBand,
    DistanceFare,
    JoinStops,
    MatrixPrice,
    PassProduct,
    Product,
    Route,
    ShareRule,
    TransferRule,
    TransferWindow,
    Waiver,
)
from fare.rules.timeframe import Timeframes
from kernel.money import Currency, Money, Rounding
from kernel.service_day import day_window

_EVER_US: Final = 10**17  # longer than any account lives: a transfer rule without a limit has none

__all__ = ["DataNote", "PassProduct", "Tariff", "TariffBook", "TariffNames"]

Answer = TypeVar("Answer")
_LARGEST_MEMO: Final = 200_000


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
    station_of: Mapping[str, str]
    zone_of_stop: Mapping[str, ZoneInfo]
    stop_names: Mapping[str, str]
    areas_of_stop: Mapping[str, frozenset[str]]
    legs: LegIndex
    timeframes: Timeframes
    products: Mapping[str, tuple[Product, ...]]
    category_ids: Mapping[int, str]
    default_category: str
    matrix: Mapping[str, Mapping[tuple[str, str], tuple[MatrixPrice, ...]]]
    bands: Mapping[str, tuple[DistanceBand, ...]]
    formulas: Mapping[str, tuple[DistanceFare, ...]]
    positions_m: Mapping[str, Mapping[str, int]]
    distances_m: Mapping[str, Mapping[tuple[str, str], int]]
    rounding: Mapping[str, tuple[int, Rounding]]
    transfers: Mapping[tuple[str, str], tuple[TransferRule, ...]]
    joins: Mapping[tuple[str, str], tuple[JoinStops, ...]]
    windows: tuple[TransferWindow, ...]
    caps: tuple[Cap, ...]
    waivers: tuple[Waiver, ...]
    discounts: Mapping[int, tuple[Discount, ...]]
    shares: tuple[ShareRule, ...]
    park_benefits: tuple[ParkBenefit, ...]
    from_listed: frozenset[str] = field(init=False)
    to_listed: frozenset[str] = field(init=False)
    longest_reach_us: int = field(init=False)
    joins_reach_us: int = field(init=False)
    places_and_times_do_not_matter: bool = field(init=False)
    measured: frozenset[str] = field(init=False)
    caps_by_place_or_time: bool = field(init=False)
    caps_tangled: bool = field(init=False)
    caps_plain: bool = field(init=False)
    windows_by_distance: bool = field(init=False)
    folds_purse: bool = field(init=False)
    remembers_days: int = field(init=False)
    memo: dict[object, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.from_listed = frozenset(start for start, _ in self.transfers if start)
        self.to_listed = frozenset(end for _, end in self.transfers if end)
        limits = [rule.limit_us for rules in self.transfers.values() for rule in rules]
        self.longest_reach_us = max((_EVER_US if one is None else one for one in limits), default=0)
        self.joins_reach_us = max(
            (stops.within_us or 0 for places in self.joins.values() for stops in places), default=0
        )
        self.places_and_times_do_not_matter = not self.areas_of_stop and not self.timeframes.any_used
        self.measured = frozenset({*self.formulas, *self.matrix, *self.bands})
        self.caps_by_place_or_time = any(cap.areas or cap.timeframe for cap in self.caps)
        self.caps_tangled = tangled(self.caps)
        self.caps_plain = all(plain(cap) for cap in self.caps)
        self.windows_by_distance = any(window.dearer is Dearer.DISTANCE for window in self.windows)
        odd = (
            one for route in self.routes.values() for one in (route.rule.missing_off, route.rule.missing_on)
        )
        self.remembers_days = max((one.history_days for one in odd if one is not None), default=0)
        self.folds_purse = any(window.withhold_in_debt for window in self.windows)

    def remember(self, key: object, answer: Answer) -> Answer:
        """Keep an answer in the memo, and return it."""
        if len(self.memo) >= _LARGEST_MEMO:
            self.memo.clear()
        self.memo[key] = answer
        return answer

    def route_for(self, route_id: str, stop_id: str) -> Route | None:
        """Return the route of a tap: the one it names, else the only one its stop lies on."""
        return self.routes.get(route_id or self.route_of_stop.get(stop_id, ""))

    def station(self, stop_id: str) -> str:
        """Return the station a stop is a platform of, else the stop itself."""
        return self.station_of.get(stop_id, stop_id)

    def frames_at(self, instant: datetime | None, stop_id: str) -> frozenset[str]:
        """Return the timeframes an event at a stop lies in, by the local time there."""
        return self.timeframes.at(instant, self.zone_of_stop.get(stop_id))


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
        "folds_purse",
        "media",
        "names",
        "notes",
        "operators",
        "passes",
        "rider_categories",
        "sales",
        "sha256",
        "version",
        "zero",
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
        sales: SaleRules,
        rider_categories: Mapping[str, int],
        folds_purse: bool,
        operators: frozenset[str],
        media: frozenset[str],
        starts: tuple[date, ...],
        build: Callable[[date, date], Tariff],
    ) -> None:
        self.version = version
        self.sha256 = sha256
        self.zone = zone
        self.day_starts = day_starts
        self.currency = currency
        self.zero = Money.zero(currency)
        self.names = names
        self.notes = notes
        self.passes = passes
        self.sales = sales
        self.folds_purse = folds_purse  # on some date a rule asks whether the account was in debt
        self.operators, self.media = operators, media  # whatever their dates
        self.rider_categories = rider_categories  # what a category of the files is numbered by
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
