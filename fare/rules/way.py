"""One way of paying for a day's legs: which of its fares each is, what covers it, and what is under way after it.

A leg whose fare, cover and cap leave no choice is paid in place; where they leave one, the way parts into several.
"""

from dataclasses import dataclass, replace
from typing import Final

from fare.rules.adjust import Passes, find_relief
from fare.rules.caps import CappedRide, Caps, Level
from fare.rules.carried import TransferRun, WindowUse
from fare.rules.debts import Debts
from fare.rules.journey import Builder
from fare.rules.leg import Leg
from fare.rules.park_ride import ParkRide
from fare.rules.quote import Quote
from fare.rules.ride_quote import areas_of, capped_ride, length_of
from fare.rules.terms import Offer
from fare.rules.trace import Standing, Trace
from fare.rules.transfer import Charge, PricedLeg, ways_on
from fare.rules.windows import Granted, WindowLeg, Windows
from kernel.clock import micros
from kernel.ids import OperatorId

Priced = tuple[Leg, Quote, tuple[int, ...]]
"""A leg with its offers and the rider's categories."""
_NOTHING: Final = Granted(0)


@dataclass(slots=True)
class How:
    """`wide`: weigh what a rider might leave unused; `told`: keep what is under way around every leg."""

    builder: Builder
    wide: bool
    told: bool


class Way:
    """One way so far: what it came to (`spent`, with what it was dearer by before), and its state.

    `strange` is a way that was not the cheapest when the day began.
    """

    __slots__ = (
        "caps",
        "debts",
        "face",
        "legs",
        "park",
        "passes",
        "prior",
        "run",
        "spent",
        "strange",
        "windows",
    )

    def __init__(
        self, spent: int, windows: Windows, passes: Passes | None, park: ParkRide | None, caps: Caps,
        debts: Debts | None, run: TransferRun | None, *, strange: bool,
    ) -> None:  # fmt: skip
        self.spent = spent
        self.face = 0
        self.strange = strange
        self.run = run
        self.windows = windows
        self.passes = passes
        self.park = park
        self.caps = caps
        self.debts = debts
        self.legs: list[Trace] = []
        self.prior: tuple[TransferRun | None, tuple[WindowUse, ...]] = (
            None,
            (),
        )  # what was under way before the last leg

    def copy(self) -> "Way":
        passes = None if self.passes is None else self.passes.copy()
        park = None if self.park is None else self.park.copy()
        debts = None if self.debts is None else self.debts.copy()
        other = Way(
            self.spent,
            self.windows.copy(),
            passes,
            park,
            self.caps.copy(),
            debts,
            self.run,
            strange=self.strange,
        )
        other.face = self.face
        other.legs, other.prior = list(self.legs), self.prior
        return other

    @property
    def order(self) -> tuple[int, int]:
        """The cheapest way has the least; of equal ones that of the lowest face value."""
        return self.spent, self.face

    @property
    def state(self) -> tuple[object, ...]:
        """What legs to come depend on, but for what was spent: the less, the better for them too."""
        return (
            self.run,
            self.windows.standing(),
            () if self.passes is None else self.passes.carry(),
            () if self.park is None else self.park.used,
            self.caps.standing(),
        )

    def pay(self, priced: Priced, how: How) -> "list[Way]":
        """Return the ways on after a leg; this one is used up."""
        leg, quote, categories = priced
        if leg.companion:
            return self.pay_as(priced, _alone(quote.offers[0]), how)
        tariff = leg.tariff
        if leg.tail is not None:
            self.run, self.windows = leg.tail.run, Windows(leg.tail.windows)
        if tariff.joins:
            self.prior = self.run, self.windows.standing()
        if not tariff.transfers and self.run is None:
            if len(quote.offers) == 1 or not (how.wide or tariff.windows):
                return self.pay_as(priced, _alone(quote.offers[0]), how)
            moves: list[tuple[Charge, TransferRun | None]] = [(_alone(one), None) for one in quote.offers]
        else:
            moves = _moves(leg, quote, categories, self.run)
        found: list[Way] = []
        for left, (charge, run) in enumerate(moves, start=1 - len(moves)):
            one = self.copy() if left else self
            one.run = run
            found += one.pay_as(priced, charge, how)
        return found

    def pay_as(self, priced: Priced, charge: Charge, how: How) -> "list[Way]":
        """Return the ways on after a leg that adds this charge; this one is used up."""
        leg, quote, categories = priced
        tariff, operator = leg.tariff, leg.first.operator
        trace = Trace(leg, quote, categories, operator, charge, _NOTHING, charge.rule, charge.minor)
        if how.told:
            trace.before = self._standing()
        if tariff.windows and not leg.companion:
            held = _free if self.debts is None else self.debts.held
            trace.window = self.windows.charge(_window_leg(leg, operator, categories), charge.minor, held)
            trace.face = trace.window.minor
            if trace.window.window_id:
                trace.rule = f"transfer_windows:{trace.window.window_id}"
        if leg.tail is not None:
            trace.face, trace.rule = trace.face - leg.tail.face_minor, "fare_leg_join_rules"
        left = trace.face
        if left > 0 and (tariff.waivers or tariff.discounts):
            trace.relief = find_relief(
                tariff, left, networks=leg.networks, ends=areas_of(leg), operator=operator, categories=categories,
                medium=leg.tap.medium,
            )  # fmt: skip
            left -= trace.relief.waived + trace.relief.discounted
        if left > 0 and self.passes is not None and not leg.companion:
            return self._cover(trace, left, self.passes, how)
        if left and (tariff.caps or self.park is not None):
            return self._park(trace, left, how)
        return [self.paid(trace, left, how)]

    def _cover(self, trace: Trace, left: int, passes: Passes, how: How) -> "list[Way]":
        leg, tap = trace.leg, trace.leg.tap
        able = passes.covering(
            leg.route, leg.networks, trace.operator, tap.tapped_at, how.builder.date_of(tap.tapped_at)
        )
        if not able:
            return self._park(trace, left, how)
        found: list[Way] = []
        for held, product in able if how.wide else able[:1]:
            one = self.copy() if how.wide else self
            assert one.passes is not None, "a copy holds the same passes"
            one.passes.start(held, product, tap.tapped_at)
            found.append(one.paid(replace(trace, covered=left, pass_product=product.product_id), 0, how))
        if how.wide:
            passes.start(*able[0], tap.tapped_at)  # unused, and yet its first tap
            trace.unused = tuple(f"passes:{product.product_id}" for _, product in able)
            found += self._park(trace, left, how)
        return found

    def _park(self, trace: Trace, left: int, how: How) -> "list[Way]":
        leg = trace.leg
        if left > 0 and self.park is not None and leg.tariff.park_benefits and not leg.companion:
            trace.parked, trace.not_parked = self.park.take(
                leg.tariff, left, leg.networks, trace.operator, leg.tap
            )
            left -= 0 if trace.parked is None else trace.parked.minor
        return self._cap(trace, left, how)

    def _cap(self, trace: Trace, left: int, how: How) -> "list[Way]":
        if not left or not trace.leg.tariff.caps or not trace.quote.counts or trace.leg.companion:
            return [self.paid(trace, left, how)]
        leg = trace.leg
        ride = capped_ride(leg, trace.operator, trace.categories)
        levels = self.caps.levels(leg.tariff, left, ride) if left > 0 else [Level(left)]
        if how.wide and len(levels) > 1:
            names = tuple(f"caps:{level.cap_id}" for level in levels)
            legs = [replace(trace, unused=(*trace.unused, *names[:place])) for place in range(len(levels))]
            found = [
                self.copy().paid_down(leg, left, level, ride, how)
                for leg, level in zip(legs, levels[:-1], strict=False)
            ]
            return [*found, self.paid_down(legs[-1], left, levels[-1], ride, how)]
        return [self.paid_down(trace, left, levels[0], ride, how)]

    def paid_down(self, trace: Trace, left: int, level: Level, ride: CappedRide, how: How) -> "Way":
        """Pay a leg down to a level that its caps set, and count it towards them."""
        if level.cap_id:
            trace.capped, trace.cap, trace.cap_before = left - level.owed, level.cap_id, level.before
        self.caps.count(trace.leg.tariff, level.owed, ride)
        return self.paid(trace, level.owed, how)

    def paid(self, trace: Trace, owed: int, how: How) -> "Way":
        """Take down what is owed for a leg."""
        trace.charged = owed
        if self.debts is not None and owed:
            self.debts.pay(owed)
        self.spent += owed
        self.face += trace.face
        if how.told:
            trace.after = self._standing()
        self.legs.append(trace)
        return self

    def _standing(self) -> Standing:
        return Standing(self.windows.standing(), self.caps.standing())


def _alone(offer: Offer) -> Charge:
    return Charge(offer, offer.minor, offer.rule)


def _moves(
    leg: Leg, quote: Quote, categories: tuple[int, ...], run: TransferRun | None
) -> list[tuple[Charge, TransferRun | None]]:
    """Return each way a leg may follow the run: by its offers, and the transfers that the rules allow."""
    plain = PricedLeg(
        tariff=leg.tariff,
        departed_us=micros(leg.tap.tapped_at),
        arrived_us=None if leg.arrived is None else micros(leg.arrived),
        medium=leg.tap.medium,
        categories=categories,
    )
    return [move for offer in quote.offers for move in ways_on(plain, offer, run)]


def _window_leg(leg: Leg, operator: OperatorId, categories: tuple[int, ...]) -> WindowLeg:
    return WindowLeg(
        tariff=leg.tariff,
        networks=leg.networks,
        operator=operator,
        route_id=leg.route.route_id,
        departed_us=micros(leg.tap.tapped_at),
        arrived_us=None if leg.arrived is None else micros(leg.arrived),
        metres=length_of(leg) if leg.tariff.windows_by_distance else None,
        medium=leg.tap.medium,
        categories=categories,
        frames=leg.tariff.frames_at(leg.tap.tapped_at, leg.tap.stop_id),
    )


def _free(_at_us: int, _ends_us: int) -> bool:
    return False
