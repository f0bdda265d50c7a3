"""How one leg came to its charge: every number the bill uses, in order; bills and explanations are made of it."""

from dataclasses import dataclass

from fare.rules.adjust import NO_RELIEF, Relief
from fare.rules.carried import CapUse, WindowUse
from fare.rules.leg import Leg
from fare.rules.park_ride import Missed, ParkedOff
from fare.rules.park_terms import ParkBenefit
from fare.rules.quote import Quote
from fare.rules.shares import Share
from fare.rules.transfer import Charge
from fare.rules.windows import Granted
from kernel.ids import OperatorId


@dataclass(frozen=True, slots=True)
class Standing:
    """What is under way at one moment of the day: open transfer windows, and what counts towards caps."""

    windows: tuple[WindowUse, ...] = ()
    caps: tuple[CapUse, ...] = ()


NOWHERE = Standing()


@dataclass(slots=True)
class Trace:
    """One priced leg; amounts in minor units, names empty where nothing of the kind took part.

    `saved` is what another combination of fares, passes and caps came out cheaper by (`fare.rules.search`), `unused`
    the passes and caps that stood for the leg and are cheaper left alone.
    `before` and `after` are kept only where somebody asks why.
    """

    leg: Leg
    quote: Quote
    categories: tuple[int, ...]
    operator: OperatorId
    charge: Charge
    window: Granted
    rule: str
    face: int
    relief: Relief = NO_RELIEF
    covered: int = 0
    pass_product: str = ""
    capped: int = 0
    cap: str = ""
    cap_before: int = 0
    saved: int = 0
    unused: tuple[str, ...] = ()
    charged: int = 0
    before: Standing = NOWHERE
    after: Standing = NOWHERE
    share: Share | None = None
    parked: ParkedOff | None = None
    not_parked: tuple[tuple[ParkBenefit, Missed], ...] = ()
