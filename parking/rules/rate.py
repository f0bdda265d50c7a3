"""Rate tables after APDS words: RateTable > RateLineCollection > RateLine.

Amounts are minor units of the table's currency and times are whole seconds inside these records, because they
are the compiled form that the engine walks; Money and instants stand at the engine's borders (quote.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from kernel.money import Currency, Rounding
from parking.rules.edges import (
    CapPer,
    Choose,
    Edges,
    LineType,
    Outlasted,
    PartIncrement,
    Role,
    RoundPer,
    TierMode,
    WindowBasis,
)

DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLine:
    """One price. `start_s`/`end_s` count from the clock of its tiers; `end_s` None is without end.

    A price finer than the minor unit is `value` for `per` of what was written: so many units, or so many
    increments, which `increment_s` then spans together.
    """

    sequence: int
    line_type: LineType
    start_s: int
    end_s: int | None
    increment_s: int
    value: int
    per: int = 1
    max_value: int | None = None
    unit: str = ""
    description: str = ""
    decision: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyWindow:
    """The local hours `[starts, ends)` of the days it names; over midnight when `ends` is not after `starts`.

    `days` holds 0 (Monday) to 6, 7 for a holiday and 8 for an eve. Where any window of a table `tells` holidays or
    eves (its words are holiday or not_holiday, eve or not_eve), such a date is no other day for that table.
    `first_on`/`last_on` limit it to the dates of an event, both inclusive; `season` holds them for every year, as
    month and day in one number (501 is 1 May).
    """

    days: frozenset[int]
    starts: time
    ends: time
    first_on: date | None = None
    last_on: date | None = None
    season: tuple[int, int] | None = None
    tells: frozenset[int] = frozenset()

    def is_in_season(self, day: int) -> bool:
        """Return whether a day of the year (501 is 1 May) is within the season; without one it always is."""
        if self.season is None:
            return True
        first, last = self.season
        return first <= day <= last if first <= last else day >= first or day <= last


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRule:
    """The local times between which a stay must begin and end for a package, and its longest length.

    `leave_days` (0 Monday to 6) names the days on which the leaving hours end; empty is the next time they do.
    """

    enter_from: time | None = None
    enter_to: time | None = None
    leave_from: time | None = None
    leave_to: time | None = None
    leave_days: frozenset[int] = frozenset()
    max_stay_min: int = 0
    choose: Choose = Choose.CHEAPER
    outlasted: Outlasted = Outlasted.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLineCollection:
    """Lines that hold together: one window, or one role. `flats`, `timed` and `units` are its lines by kind."""

    collection_id: str
    sequence: int
    role: Role = Role.ORDINARY
    window: DailyWindow | None = None
    priority: int = 0
    min_value: int = 0
    max_value: int | None = None
    package: PackageRule | None = None
    flats: tuple[RateLine, ...] = ()
    timed: tuple[RateLine, ...] = ()
    units: tuple[RateLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most that charges begun within one period may sum to.

    It looks only at those begun in the stay's seconds `[start_s, end_s)`; a rolling period counts from `start_s`.
    `week_starts` is 0 (Monday) to 6.
    """

    cap_id: str
    sequence: int
    per: CapPer
    value: int
    length_s: int = DAY_S
    starts: time = time(0)
    week_starts: int = 0
    start_s: int = 0
    end_s: int | None = None
    decision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """A tax in millionths of its base: on `parking`, on a unit such as `kWh`, or on `total`.

    `compound` (for `total`) counts the taxes of earlier sequence into the base. An `included` tax is shown
    and never added.
    """

    tax_id: str
    sequence: int
    applies_to: str
    millionths: int
    included: bool = False
    compound: bool = False
    round_per: RoundPer = RoundPer.TOTAL
    rounding: Rounding = Rounding.HALF_UP
    decision: str = ""


class Stretch(NamedTuple):
    """Epoch seconds `[start, end)` that one collection prices; `opened` names the window's occurrence."""

    start: int
    end: int
    collection: RateLineCollection | None
    opened: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTable:
    """One table as it stands on the dates `[valid_from, valid_to]`, bound to its place's time zone.

    `version` is the version of the files it was compiled from; `edition` the first date of this state.
    """

    table_id: str
    name: str
    version: str
    edition: date | None
    decision: str
    source: str
    currency: Currency
    zone: ZoneInfo
    edges: Edges
    ordinary: tuple[RateLineCollection, ...]
    packages: tuple[RateLineCollection, ...] = ()
    overstay: RateLineCollection | None = None
    no_show: RateLineCollection | None = None
    lost_ticket: RateLineCollection | None = None
    caps: tuple[Cap, ...] = ()
    taxes: tuple[Tax, ...] = ()
    holidays: frozenset[date] = frozenset()
    eves: frozenset[date] = frozenset()
    tells: frozenset[int] = field(init=False)
    always: RateLineCollection | None = field(init=False)
    stretches: dict[date, tuple[Stretch, ...]] = field(
        init=False, compare=False, repr=False, default_factory=dict
    )  # what calendar.py worked out, by local date

    def __post_init__(self) -> None:
        # One collection without a window is most tables: the engine then needs no calendar at all.
        only = self.ordinary[0] if len(self.ordinary) == 1 and self.ordinary[0].window is None else None
        object.__setattr__(self, "always", only)
        windows = [each.window for each in (*self.ordinary, *self.packages) if each.window is not None]
        object.__setattr__(self, "tells", frozenset().union(*(each.tells for each in windows)))


def is_monotone(table: RateTable) -> bool:
    """Return whether a longer stay from the same entry can never cost less under this table.

    True is a promise that tests hold to; False only means that the table's own fields allow a drop (an
    early-bird that needs a late exit, the window at exit, a replacing tier that is cheaper than the one before).
    """
    edges = table.edges
    falling = edges.tier_mode is TierMode.REPLACE and (
        table.always is None
        or any(
            later.line_type is LineType.TIER
            and (later.value < earlier.value or earlier.line_type is LineType.INCREMENT)
            for earlier, later in pairwise(table.always.timed)
        )
    )
    # Rounded line by line, a tax on two small lines can exceed the tax on the one line they grow into.
    uneven = any(tax.round_per is RoundPer.LINE for tax in table.taxes) and (
        bool(table.caps) or edges.part_increment is PartIncrement.PRO_RATA
    )
    moving = edges.window_basis in {WindowBasis.EXIT, WindowBasis.CHEAPEST}
    return not (falling or uneven or moving or table.packages)
