"""Every choice on which published parking tariffs differ, as a field with a documented default.

docs/parking-rates.md explains each to rate authors; a test compares the two lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from enum import Enum

from kernel.money import Rounding


class LineType(Enum):
    """APDS RateLineTypeEnum, and perUnit for what is counted and not timed (kWh, a car wash)."""

    FLAT = "flatRate"
    TIER = "flatRateTier"
    INCREMENT = "incrementingRate"
    PER_UNIT = "perUnit"


class Role(Enum):
    """What a collection of lines prices."""

    ORDINARY = "ordinary"  # the time parked, where its window holds
    PACKAGE = "package"  # a whole stay that meets conditions: early bird, evening, weekend
    OVERSTAY = "overstay"  # the time past the table's max_stay_min
    NO_SHOW = "noShow"  # a reservation that nobody used
    LOST_TICKET = "lostTicket"  # a stay whose entry is not known


class Measure(Enum):
    """How the length of a stay is read off the two clock times."""

    SECOND = "second"
    MINUTE_DOWN = "minute_down"
    MINUTE_UP = "minute_up"


class AtEdge(Enum):
    """Where a stay of exactly an hour (or tier, or increment) belongs."""

    PREVIOUS = "previous"
    NEXT = "next"


class FreeMode(Enum):
    """What the free minutes are worth once a stay is longer than they are."""

    CLIFF = "cliff"
    DEDUCTION = "deduction"


class FreeEdge(Enum):
    """Whether a stay of exactly the free minutes is free."""

    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"


class FreeClock(Enum):
    """Whether deducted free minutes count as parked time for the tiers."""

    SHIFT = "shift"
    KEEP = "keep"


class PartIncrement(Enum):
    """What the last, unfinished increment costs."""

    UP = "up"
    DOWN = "down"
    HALF_UP = "half_up"
    PRO_RATA = "pro_rata"


class TierMode(Enum):
    """Whether a tier's value comes on top of the earlier tiers' or stands for them."""

    ADD = "add"
    REPLACE = "replace"


class TierClock(Enum):
    """Where tiers count their minutes from when windows change, and whether hours without a price count."""

    STAY = "stay"
    WINDOW = "window"
    PRICED = "priced"


class WindowBasis(Enum):
    """Which window's lines price a stay that touches several."""

    SPLIT = "split"
    ENTRY = "entry"
    EXIT = "exit"
    DEAREST = "dearest"
    CHEAPEST = "cheapest"


class WindowEdge(Enum):
    """What happens to an increment that is running when the window changes."""

    CARRY = "carry"
    CUT = "cut"


class OverMidnight(Enum):
    """Which day's type (weekday, holiday) the hours after midnight of a night window have."""

    START_DAY = "start_day"
    OWN_DAY = "own_day"


class Uncovered(Enum):
    """What a minute costs for which the table has no line."""

    REFUSE = "refuse"
    FREE = "free"


class Cycle(Enum):
    """When the tiers start again from the first."""

    NONE = "none"
    ROLLING = "rolling"
    CALENDAR = "calendar"


class Combination(Enum):
    """Whether lines are used in their order, or as packages of which the cheapest cover counts."""

    TIERS = "tiers"
    CHEAPEST = "cheapest"


class OverstayMode(Enum):
    """Whether the overstay rate replaces the ordinary one past max_stay_min, or comes on top."""

    INSTEAD = "instead"
    PLUS = "plus"


class OverstayCaps(Enum):
    """Whether caps and the day's most hold for the overstay rate too."""

    OUTSIDE = "outside"
    INSIDE = "inside"


class Choose(Enum):
    """When a package whose conditions hold is used."""

    CHEAPER = "cheaper"
    ALWAYS = "always"


class Outlasted(Enum):
    """What a stay is worth to a package that it outlasts: nothing, or the package and then the ordinary rate."""

    REFUSED = "refused"
    ORDINARY = "ordinary"


class ExitGraceMode(Enum):
    """What the minutes to leave are worth to a stay that outlasts them."""

    CLIFF = "cliff"
    DEDUCTION = "deduction"


class MissingPolicy(Enum):
    """What a stay costs of which one end is not known."""

    NOTHING = "nothing"
    MINIMUM = "minimum"
    LOST_TICKET = "lost_ticket"


class UnusedPaidTime(Enum):
    """What becomes of minutes paid ahead and not parked."""

    REFUND = "refund"
    KEEP = "keep"
    TRANSFER = "transfer"  # kept, and the next stay of what parked is covered until the paid time ends


class CapPer(Enum):
    """The stretch of time whose charges a cap limits."""

    STAY = "stay"
    ROLLING = "rolling"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class DateKind(Enum):
    """What a special date is to windows: a holiday, or an eve (the shorter day before one)."""

    HOLIDAY = "holiday"
    EVE = "eve"


class RoundPer(Enum):
    """Whether a tax is rounded on every line or once on their sum."""

    LINE = "line"
    TOTAL = "total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Every choice on which published tariffs differ; the defaults here are the documented ones."""

    measure: Measure = Measure.MINUTE_DOWN
    at_edge: AtEdge = AtEdge.PREVIOUS
    free_min: int = 0
    free_mode: FreeMode = FreeMode.CLIFF
    free_edge: FreeEdge = FreeEdge.INCLUSIVE
    free_clock: FreeClock = FreeClock.SHIFT
    part_increment: PartIncrement = PartIncrement.UP
    tolerance_min: int = 0
    tier_mode: TierMode = TierMode.ADD
    tier_clock: TierClock = TierClock.STAY
    window_basis: WindowBasis = WindowBasis.SPLIT
    window_edge: WindowEdge = WindowEdge.CARRY
    over_midnight: OverMidnight = OverMidnight.START_DAY
    uncovered: Uncovered = Uncovered.REFUSE
    cycle: Cycle = Cycle.NONE
    cycle_min: int = 1440
    cycle_starts: time = time(0)
    combination: Combination = Combination.TIERS
    max_stay_min: int = 0
    overstay: OverstayMode = OverstayMode.INSTEAD
    overstay_caps: OverstayCaps = OverstayCaps.OUTSIDE
    exit_grace_min: int = 0
    exit_grace_mode: ExitGraceMode = ExitGraceMode.CLIFF
    min_value: int = 0
    round_to: int = 1
    rounding: Rounding = Rounding.HALF_UP
    missing_entry: MissingPolicy = MissingPolicy.NOTHING
    missing_exit: MissingPolicy = MissingPolicy.NOTHING
    unused_paid_time: UnusedPaidTime = UnusedPaidTime.REFUND
    quote_valid_min: int = 10
