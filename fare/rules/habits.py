"""The card's own rides as a memory: where a ride that lacks an end most likely ended (incomplete_rides.txt)."""

from collections.abc import Iterable
from typing import Final

from fare.rules.carried import Habit
from fare.rules.terms import Closing

_MOST: Final = 40  # rides remembered; the ones ridden longest ago are forgotten first


class Habits:
    """Rides made with both taps, by network and ends, and the last service days of each."""

    __slots__ = ("_day", "_days")

    def __init__(self, carried: Iterable[Habit], day: int) -> None:
        self._day = day
        self._days = {(one.network, one.from_stop, one.to_stop): one.days for one in carried}

    def complete(self, network: str, closing: Closing, *, from_stop: str = "", to_stop: str = "") -> str:
        """Return the missing end of a ride that begins, or ends, where it says; empty where history has none.

        An end counts that was ridden `history_rides` times in the last `history_days` service days; among
        several the one ridden so often most lately, then the first by name.
        """
        found = [
            (-days[-closing.history_rides], end if from_stop else start)
            for (known, start, end), days in self._days.items()
            if known == network
            and (start == from_stop if from_stop else end == to_stop)
            and len(days) >= closing.history_rides
            and days[-closing.history_rides] >= self._day - closing.history_days
        ]
        return min(found)[1] if found else ""

    def note(self, network: str, from_stop: str, to_stop: str, most: int) -> None:
        """Remember a ride made today with both its taps; `most` is how many the tariff ever counts."""
        key = network, from_stop, to_stop
        self._days[key] = (*self._days.get(key, ()), self._day)[-most:]

    def carry(self, oldest: int) -> tuple[Habit, ...]:
        """Return what is remembered from the service day `oldest` on, by network and ends."""
        kept = {key: tuple(day for day in days if day >= oldest) for key, days in self._days.items()}
        lately = sorted((key for key in kept if kept[key]), key=lambda key: (-kept[key][-1], key))[:_MOST]
        return tuple(Habit(*key, kept[key]) for key in sorted(lately))
