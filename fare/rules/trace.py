"""How one leg came to its charge: every number the bill used, in order; explanations are made of it."""

from dataclasses import dataclass

from fare.rules.carried import CapUse, WindowUse
from fare.rules.leg import Leg
from fare.rules.park_ride import Missed, ParkedOff
from fare.rules.park_terms import ParkBenefit
from fare.rules.quote import Quote
from fare.rules.shares import Share
from fare.rules.transfer import Charge
from fare.rules.windows import Granted


@dataclass(frozen=True, slots=True)
class Standing:
    """What is under way at one moment of the day: open transfer windows, and what counts towards caps."""

    windows: tuple[WindowUse, ...]
    caps: tuple[CapUse, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """One priced leg; amounts in minor units, names empty where nothing of the kind took part."""

    leg: Leg
    quote: Quote
    charge: Charge
    face: int
    waived: int
    waiver: str
    discounted: int
    discount: str
    covered: int
    pass_product: str
    capped: int
    cap: str
    cap_before: int
    charged: int
    window: Granted
    categories: tuple[int, ...]
    before: Standing
    after: Standing
    share: Share | None = None
    parked: ParkedOff | None = None
    not_parked: tuple[tuple[ParkBenefit, Missed], ...] = ()
