"""Caps: the most a period may cost, in money or paid rides."""

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
    from_areas: frozenset[str] = frozenset()
    to_areas: frozenset[str] = frozenset()
    frames: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Use:
    period: str
    minor: int
    rides: int


class Caps:
    """What the account's rides count towards its caps, within the periods that hold the service day."""

    __slots__ = ("_day", "_uses")

    def __init__(self, carried: tuple[CapUse, ...], service_day: date) -> None:
        self._day = service_day
        self._uses = {one.cap_id: _Use(one.period, one.minor, one.rides) for one in carried}

    def charge(self, tariff: Tariff, minor: int, ride: CappedRide) -> tuple[int, str, int]:
        """Return what is still owed of `minor`, in [0, minor], the cap that covered the rest, and its use before.

        The name is empty where no cap covers anything; the use is money, or rides for a cap on rides.
        """
        owed, binding, before = minor, "", 0
        counted: list[_Use] = []
        for cap in tariff.caps:
            if not counts(cap, ride):
                continue
            use = self._use(cap, ride.at_us)
            counted.append(use)
            if cap.minor is not None:
                left = max(0, cap.minor - use.minor)
            else:
                left = owed if cap.rides is None or use.rides < cap.rides else 0
            if left < owed:
                owed, binding = left, cap.cap_id
                before = use.rides if cap.minor is None else use.minor
        for use in counted:
            use.minor += owed
            use.rides += owed > 0
        return owed, binding, before

    def standing(self) -> tuple[CapUse, ...]:
        """Return what counts towards each cap so far, in id order."""
        return tuple(
            CapUse(name, use.period, use.minor, use.rides) for name, use in sorted(self._uses.items())
        )

    def give_back(self, tariff: Tariff, minor: int, ride: CappedRide) -> None:
        """Count what a transfer gives back: money that was not spent after all."""
        for cap in tariff.caps:
            if counts(cap, ride):
                use = self._use(cap, ride.at_us)
                use.minor = max(0, use.minor - minor)

    def _use(self, cap: Cap, at_us: int) -> _Use:
        use = self._uses.get(cap.cap_id)
        if cap.period is Period.ROLLING:
            if use is None or not int(use.period) <= at_us < int(use.period) + cap.period_us:
                use = self._uses[cap.cap_id] = _Use(str(at_us), 0, 0)
            return use
        period = period_of(cap.period, self._day)
        if use is None or use.period != period:
            use = self._uses[cap.cap_id] = _Use(period, 0, 0)
        return use

    def carry(self, tariff: Tariff, end_us: int) -> tuple[CapUse, ...]:
        """Return the uses whose period goes on after this service day, in id order."""
        caps = {cap.cap_id: cap for cap in tariff.caps}
        kept: list[CapUse] = []
        for name, use in sorted(self._uses.items()):
            cap = caps.get(name)
            if cap is None:
                continue
            if cap.period is Period.ROLLING:
                goes_on = int(use.period) + cap.period_us > end_us
            else:
                goes_on = cap.period is not Period.DAY and use.period == period_of(
                    cap.period, self._day + _DAY
                )
            if goes_on:
                kept.append(CapUse(name, use.period, use.minor, use.rides))
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
