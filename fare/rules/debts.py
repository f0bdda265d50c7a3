"""Whether an account was in debt when it rode, folded from dated facts alone (DESIGN §8.2)."""

from collections.abc import Sequence
from datetime import datetime

from fare.rules.carried import PurseState
from fare.rules.facts import PurseMove
from kernel.clock import micros


class Debts:
    """The account's money through a service day: moves as they came, charges as the rides come."""

    __slots__ = ("_known", "_moves", "_spent")

    def __init__(
        self,
        known: Sequence[tuple[datetime, datetime]],
        moves: Sequence[PurseMove] | None,
        carried: PurseState | None,
    ) -> None:
        self._known = tuple((micros(start), micros(end)) for start, end in known)
        self._spent = 0 if carried is None else carried.spent_minor
        self._moves = None if moves is None else sorted((micros(move.at), move.minor) for move in moves)

    def copy(self) -> "Debts":
        other = Debts((), None, PurseState(self._spent))
        other._known, other._moves = self._known, self._moves
        return other

    def held(self, at_us: int, ends_us: int) -> bool:
        """Whether the account was in debt at one instant and stayed so up to another."""
        if any(start <= at_us < end and end > ends_us for start, end in self._known):
            return True
        if self._moves is None:
            return False
        left = sum(minor for moved_us, minor in self._moves if moved_us <= at_us) - self._spent
        if left >= 0:
            return False
        for moved_us, minor in self._moves:
            if at_us < moved_us <= ends_us:
                left += minor
                if left >= 0:
                    return False
        return True

    def pay(self, minor: int) -> None:
        """Take a ride's charge off the account's money."""
        self._spent += minor

    def carry(self) -> PurseState | None:
        """Return what the next day begins with: the charges alone, so that money that comes late is still seen."""
        return None if self._moves is None else PurseState(self._spent)
