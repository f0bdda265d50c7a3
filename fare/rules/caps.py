"""Caps: the most a period may cost, in money or paid rides."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from fare.rules.carried import CapUse
from fare.rules.tariff import Tariff
from fare.rules.terms import Cap, Period
from kernel.ids import OperatorId

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CappedRide:
    """What decides which caps a ride counts towards; areas and timeframes only where the tariff asks for them."""

    networks: frozenset[str]
    operator: OperatorId
    categories: tuple[int, ...]
    at_us: int
    medium: str
    day_before: bool = False  # it began on the service day before, to whose caps it counts
    from_areas: frozenset[str] = frozenset()
    to_areas: frozenset[str] = frozenset()
    frames: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Level:
    """What a ride may be paid down to: the amount owed, the cap that covers the rest, and its use before.

    The name is empty where no cap covers anything; the use is money, or rides for a cap on rides.
    """

    owed: int
    cap_id: str = ""
    before: int = 0


class Caps:
    """What the account's rides count towards its caps, within the periods that hold the ride's service day."""

    __slots__ = ("_day", "uses")

    def __init__(self, carried: Iterable[CapUse], service_day: date) -> None:
        self._day = service_day
        self.uses = {one.cap_id: one for one in carried}

    def copy(self) -> "Caps":
        return Caps(self.uses.values(), self._day)

    def levels(self, tariff: Tariff, minor: int, ride: CappedRide) -> list[Level]:
        """Return what is owed of a `minor` above zero by each limit that its caps set, the least first, itself last."""
        found = {minor: Level(minor)}
        for cap in tariff.caps:
            if not counts(cap, ride):
                continue
            use = self._use(cap, ride)
            if cap.minor is not None:
                left, before = max(0, cap.minor - use.minor), use.minor
            else:
                left, before = (minor if cap.rides is None or use.rides < cap.rides else 0), use.rides
            if left < minor:
                found.setdefault(left, Level(left, cap.cap_id, before))
        return [found[owed] for owed in sorted(found)]

    def count(self, tariff: Tariff, owed: int, ride: CappedRide) -> None:
        """Count what is paid for a ride; below zero it is what a transfer gives back, money not spent after all."""
        for cap in tariff.caps:
            if counts(cap, ride):
                use = self._use(cap, ride)
                self.uses[cap.cap_id] = CapUse(
                    cap.cap_id, use.period, max(0, use.minor + owed), use.rides + (owed > 0)
                )

    def standing(self) -> tuple[CapUse, ...]:
        """Return what counts towards each cap so far, in id order."""
        return tuple(use for _, use in sorted(self.uses.items()))

    def _use(self, cap: Cap, ride: CappedRide) -> CapUse:
        use = self.uses.get(cap.cap_id)
        if cap.period is Period.ROLLING:
            if use is None or not int(use.period) <= ride.at_us < int(use.period) + cap.period_us:
                use = self.uses[cap.cap_id] = CapUse(cap.cap_id, str(ride.at_us), 0, 0)
            return use
        period = period_of(cap.period, self._day - _DAY if ride.day_before else self._day)
        if use is None or use.period != period:
            use = self.uses[cap.cap_id] = CapUse(cap.cap_id, period, 0, 0)
        return use

    def carry(self, tariff: Tariff, end_us: int, *, days: bool) -> tuple[CapUse, ...]:
        """Return the uses whose period goes on after this service day, in id order.

        With `days` those of the day itself too: a ride of it is still to be priced.
        """
        caps = {cap.cap_id: cap for cap in tariff.caps}
        kept: list[CapUse] = []
        for use in self.standing():
            cap = caps.get(use.cap_id)
            if cap is None:
                continue
            if cap.period is Period.ROLLING:
                goes_on = int(use.period) + cap.period_us > end_us
            else:
                goes_on = use.period == period_of(cap.period, self._day + _DAY) or (
                    days and use.period == period_of(cap.period, self._day)
                )
            if goes_on:
                kept.append(use)
        return tuple(kept)


def counts(cap: Cap, ride: CappedRide) -> bool:
    """Whether a ride counts; an end in no area at all does not keep it out of a cap on areas."""
    if (
        (cap.networks and not (ride.networks and ride.networks <= cap.networks))
        or (cap.operators and ride.operator not in cap.operators)
        or (cap.category is not None and cap.category not in ride.categories)
    ):
        return False
    if cap.areas and any(end and not end & cap.areas for end in (ride.from_areas, ride.to_areas)):
        return False
    return (not cap.timeframe or cap.timeframe in ride.frames) and (not cap.media or ride.medium in cap.media)


def period_of(period: Period, day: date) -> str:
    """Return the name of the period a service day lies in: the day, its ISO week, or its month."""
    if period is Period.WEEK:
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return day.isoformat()[:7] if period is Period.MONTH else day.isoformat()
