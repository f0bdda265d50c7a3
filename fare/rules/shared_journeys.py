"""The journeys of a day that operators may share: which leg belongs to which, over the start of the day too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from fare.rules.bill import BillLine
from fare.rules.distance import metres_between
from fare.rules.leg import Leg
from fare.rules.open_journeys import Apart, Carrier, OpenJourney, Paid
from fare.rules.quote import Quote, quote_leg
from fare.rules.ride_quote import length_of
from fare.rules.terms import ShareRule
from fare.rules.transfer import Charge
from fare.rules.windows import Granted, counts


@dataclass(frozen=True, slots=True)
class SharedLeg:
    """A priced leg with the rides it is made of; legs of one journey have one number."""

    tap_id: UUID
    journey: int
    carriers: tuple[Carrier, ...]
    rules: tuple[ShareRule, ...]


class Journeys:
    """A day's priced legs, numbered by journey: a transfer, a window or a join takes a leg to the one before.

    Journeys that began on an earlier day have the first numbers (`begun`).
    """

    __slots__ = (
        "_in_window",
        "_next",
        "_prior",
        "begun",
        "ended",
        "last",
        "legs",
        "lengthened",
        "parted",
        "parted_from",
    )

    def __init__(self, begun: Sequence[OpenJourney]) -> None:
        self.begun = tuple(begun)
        self.ended: SharedLeg | None = (
            None  # the tap-off of a ride that the day before billed, now of known length
        )
        self.legs: list[SharedLeg] = []
        self._in_window = {name: number for number, one in enumerate(begun) for name in one.windows}
        self.last = next((number for number, one in enumerate(begun) if one.last), None)
        self._next = len(begun)
        self._prior = self.last, dict(self._in_window)  # before the last leg
        self.lengthened: Apart | None = (
            None  # the tail of the day before, where today's first leg goes on with it
        )
        self.parted: Paid = ()  # what such a leg and its journey give back to each other, where it leaves it
        self.parted_from: tuple[Carrier, ...] = ()

    def add(
        self, leg: Leg, quote: Quote, categories: tuple[int, ...], charge: Charge, granted: Granted
    ) -> None:
        carriers = _carriers(leg, quote, categories)
        earlier, today = carriers[: -len(leg.rides)], carriers[-len(leg.rides) :]
        if leg.tariff.joins:
            self._prior = self.last, dict(self._in_window)
        before = self._before(leg, earlier, charge, granted)
        if before is None:
            before, self._next = self._next, self._next + 1
        operator = leg.first.operator
        for window in leg.tariff.windows:
            if not leg.companion and counts(window, leg.networks, operator):
                self._in_window[window.window_id] = before
        self.last = before
        self.legs.append(SharedLeg(leg.told.tap_id, before, today, leg.tariff.shares))

    def _before(self, leg: Leg, earlier: tuple[Carrier, ...], charge: Charge, granted: Granted) -> int | None:
        """Return the journey that a leg goes on with, None where it begins one."""
        if leg.tail is None:
            before = self.last if charge.transferred else None
            return self._in_window.get(granted.window_id) if before is None else before
        apart = leg.tail.apart
        if apart is None:
            return self.last
        # As the tail's own journey was found, now for the longer leg.
        into = next((at for at, one in enumerate(apart.journeys) if charge.transferred and one.last), None)
        if into is None:
            into = next(
                (at for at, one in enumerate(apart.journeys) if granted.window_id in one.windows), None
            )
        self.lengthened = replace(apart, into=into)
        if into == apart.into:
            return self.last
        return self._part(apart, into, earlier)

    def _part(self, apart: Apart, into: int | None, earlier: tuple[Carrier, ...]) -> int:
        """Take the day before's last leg out of its journey, and into another or a new one; return which."""
        assert self.last is not None, "the journey of a tail that may go on is carried"
        was = self.begun[self.last]
        rest = () if apart.into is None else apart.journeys[apart.into].paid
        self.parted_from = was.carriers
        self.parted = summed(rest, apart.paid, tuple((*row[:4], -row[4]) for row in was.paid))
        begun = list(apart.journeys)
        if into is None:
            into = len(begun)
            begun.append(OpenJourney(last=False, windows=(), carriers=earlier, paid=apart.paid))
        else:
            one = begun[into]
            begun[into] = replace(one, carriers=(*one.carriers, *earlier), paid=summed(one.paid, apart.paid))
        self.begun, self._next = tuple(begun), len(begun)
        self._in_window = {name: at for at, one in enumerate(begun) for name in one.windows}
        return into

    def before_last(self) -> "Journeys":
        """Return the day's journeys as they were before its last leg."""
        other = Journeys(self.begun)
        other.ended, other.legs, other._next = self.ended, self.legs[:-1], self._next
        other.last, other._in_window = self._prior
        return other

    def windows_of(self, journey: int) -> set[str]:
        """Return the windows whose next leg goes on with this journey."""
        return {name for name, at in self._in_window.items() if at == journey}

    def end(self, leg: Leg) -> None:
        """Take in how long the ride was that was under way when the day began, if it is a journey's."""
        assert leg.off is not None, "only a ride that ended"
        number = next((number for number, one in enumerate(self.begun) if one.riding), None)
        metres = length_of(leg)
        if number is None or metres is None:
            return
        journey = self.begun[number]
        *earlier, last = journey.carriers
        known = replace(journey, carriers=(*earlier, replace(last, metres=metres)))
        self.begun = (*self.begun[:number], known, *self.begun[number + 1 :])
        self.ended = SharedLeg(leg.off.tap_id, number, (), leg.tariff.shares)

    def members(self) -> dict[int, list[SharedLeg]]:
        """Return the day's legs by journey, and the tap-off by which a journey without one is shared anew."""
        found: dict[int, list[SharedLeg]] = {}
        for leg in self.legs:
            found.setdefault(leg.journey, []).append(leg)
        if self.ended is not None and self.ended.journey not in found:
            found[self.ended.journey] = [self.ended]
        return found

    def carriers(self, journey: int) -> list[Carrier]:
        """Return all that carried a journey so far, earlier days first."""
        earlier = self.begun[journey].carriers if journey < len(self.begun) else ()
        return [*earlier, *(one for leg in self.legs if leg.journey == journey for one in leg.carriers)]

    def carry(
        self,
        lines: Iterable[BillLine],
        *,
        last: bool,
        windows: frozenset[str] | set[str],
        riding: UUID | None,
    ) -> dict[int, OpenJourney]:
        """Return the journeys that may go on, by number: by the day's last leg (`last`), or inside a window still open.

        And the one whose ride is under way (`riding`, its tap-on): how long it is is still to be known.
        """
        journey_of = {leg.tap_id: leg.journey for leg in (*self.legs, *((self.ended,) if self.ended else ()))}
        open_windows = {name: number for name, number in sorted(self._in_window.items()) if name in windows}
        going = {*open_windows.values(), *((self.last,) if last and self.last is not None else ())}
        under_way = None if riding is None else journey_of.get(riding)
        if under_way is not None:
            going.add(under_way)
        paid: dict[int, list[BillLine]] = {number: [] for number in going}
        for line in lines:
            number = journey_of.get(line.tap_id, -1)
            if number in paid:
                paid[number].append(line)
        return {
            number: OpenJourney(
                last and number == self.last,
                tuple(name for name, at in open_windows.items() if at == number),
                tuple(self.carriers(number)),
                summed(self.begun[number].paid if number < len(self.begun) else (), paid_of(paid[number])),
                number == under_way,
            )
            for number in sorted(going)
        }


def _carriers(leg: Leg, quote: Quote, categories: tuple[int, ...]) -> tuple[Carrier, ...]:
    if not leg.joined:
        return (_carrier(leg, length_of(leg), quote.offers[0].minor),)
    found = []
    for one in (leg, *leg.joined):
        end = "" if one.off is None else one.off.stop_id
        alone = quote_leg(
            one.tariff, one.route, from_stop=one.tap.stop_id, to_stop=end, networks=one.route.networks,
            departed=one.tap.tapped_at, arrived=None if one.off is None else one.off.tapped_at,
            medium=one.tap.medium, categories=categories,
        ).offers  # fmt: skip
        metres = metres_between(one.tariff, one.route.networks, one.route.route_id, one.tap.stop_id, end)
        found.append(_carrier(one, metres, alone[0].minor if alone else 0))
    return tuple(found)


def _carrier(leg: Leg, metres: int | None, alone_minor: int) -> Carrier:
    return Carrier(leg.operator, leg.route.route_id, leg.route.networks, metres, alone_minor)


def paid_of(lines: Iterable[BillLine]) -> Paid:
    """Return what lines come to by component, funder, operator and route."""
    return summed(
        tuple(
            (line.component.value, line.funder, str(line.operator_id), line.route_id, line.amount.minor)
            for line in lines
        )
    )


def summed(*paid: Paid) -> Paid:
    """Return what amounts come to together, in order, without those that come to nothing."""
    amounts: dict[tuple[str, str, str, str], int] = {}
    for rows in paid:
        for component, funder, operator, route, minor in rows:
            place = component, funder, operator, route
            amounts[place] = amounts.get(place, 0) + minor
    return tuple((*place, minor) for place, minor in sorted(amounts.items()) if minor)
