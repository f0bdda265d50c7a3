"""The single terms of a tariff, compiled from one row each (docs/tariff-authors.md has the rows)."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from kernel.ids import OperatorId
from kernel.money import Money, Rounding
from kernel.wire.cardinfo import Concession


class Settled(Enum):
    """What a network's fare needs to be known: the tap-on alone, or both ends of the ride."""

    BOARDING = "boarding"
    RIDE = "ride"


class Action(Enum):
    """How a ride that lacks an end, or ends where it began, is priced."""

    BOARDING = "boarding"
    MAXIMUM = "maximum"
    FARTHEST = "farthest"  # the dearest fare from (or to) the stop that was tapped
    CHEAPEST = "cheapest"
    PRODUCT = "product"
    FREE = "free"
    APART = "apart"  # a ride that ran over its time limit is two: one without its end, one without its start


@dataclass(frozen=True, slots=True)
class Offer:
    """One fare that a leg may be charged: the product, its leg group, and the row it comes from."""

    leg_group: str
    product_id: str
    minor: int
    rule: str


@dataclass(frozen=True, slots=True)
class Closing:
    """A rule for an odd ride; `product_id` only with Action.PRODUCT.

    With `history_rides` the missing end is first looked for in the card's own rides: one that was ridden so
    often within `history_days` completes the ride. `counts` is False where the charge stays outside caps.
    """

    action: Action
    product_id: str
    rule: str
    history_rides: int = 0
    history_days: int = 0
    counts: bool = True


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
    continues: timedelta = timedelta(0)


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
    """Base plus so much a kilometre, counted in whole steps (all lengths in metres).

    A kilometre costs `per_km_minor` of the `per_km_parts` that a minor unit has: 21.7 cents are 217 tenths. It holds at
    the tap-ons of a timeframe, or, where none fits or is named, at all.
    """

    leg_group: str
    product_id: str
    base_minor: int
    per_km_minor: int
    per_km_parts: int
    step_m: int
    rounding: Rounding
    min_minor: int | None
    max_minor: int | None
    timeframe: str
    rule: str

    def minor_for(self, metres: int) -> int:
        """Return the fare of a distance in minor units, rounded half up where a step's price is not whole."""
        whole, rest = divmod(metres, self.step_m)
        if rest and (
            self.rounding is Rounding.UP or (self.rounding is Rounding.HALF_UP and 2 * rest >= self.step_m)
        ):
            whole += 1
        unit = 1000 * self.per_km_parts
        steps_minor = (whole * self.step_m * self.per_km_minor * 2 + unit) // (2 * unit)
        minor = self.base_minor + steps_minor
        if self.min_minor is not None:
            minor = max(minor, self.min_minor)
        return minor if self.max_minor is None else min(minor, self.max_minor)


@dataclass(frozen=True, slots=True)
class DistanceBand:
    """The price of a distance up to `up_to_m` metres (inclusive); None is any distance. Empty means any rider, medium, time."""

    up_to_m: int | None
    category: str
    medium: str
    timeframe: str
    offer: Offer


@dataclass(frozen=True, slots=True)
class MatrixPrice:
    """A published price of one pair of stops; empty category, medium or timeframe (of the tap-on) means any."""

    category: str
    medium: str
    timeframe: str
    offer: Offer


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


class Dearer(Enum):
    """What a leg inside a transfer window costs: nothing, what it is dearer by, or by the distance of all legs."""

    FREE = "free"
    DIFFERENCE = "difference"
    DISTANCE = "distance"


class Restart(Enum):
    """Which legs inside a transfer window start its time anew."""

    NEVER = "never"
    DEARER = "dearer"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class TransferWindow:
    """A window that other rides do not break; empty sets cover everything.

    `gap_us` bounds the time from the end of one leg to the start of the next, `pairs` are the (from, to)
    networks between which it grants a change, and without `same_route` none to the route just ridden.
    """

    window_id: str
    networks: frozenset[str]
    duration_us: int
    inclusive: bool
    max_uses: int | None
    dearer: Dearer
    withhold_in_debt: bool
    operators: frozenset[str] = frozenset()
    gap_us: int | None = None
    pairs: frozenset[tuple[str, str]] = frozenset()
    same_route: bool = True
    restart: Restart = Restart.NEVER


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
    category: int | None
    areas: frozenset[str] = frozenset()
    timeframe: str = ""
    media: frozenset[str] = frozenset()


class Basis(Enum):
    """How the charges of one journey are shared among the operators that carried it."""

    LEG = "leg"
    DISTANCE = "distance"
    PROPORTIONAL = "proportional"


@dataclass(frozen=True, slots=True)
class ShareRule:
    """Journeys whose legs all lie on these networks (empty: any) are shared by `basis`."""

    share_id: str
    networks: frozenset[str]
    basis: Basis


@dataclass(frozen=True, slots=True)
class JoinStops:
    """Where a join holds: between two stops or stations, or, where both are empty, within one station.

    `within_us` bounds the time between the two rides.
    """

    from_stop: str
    to_stop: str
    within_us: int | None


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
    start_within_days: int | None
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
