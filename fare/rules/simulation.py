"""A draft tariff over rides that were made: what each of two tariffs comes to, and who gains and loses.

Pure: histories in, tallies out; `fare.simulate` reads the histories and spreads the work over processes.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final
from uuid import UUID

from fare.rules.bill import Bill, Component
from fare.rules.difference import TRIPS
from fare.rules.facts import Correction, Entitlement, FareTap, HeldPass
from fare.rules.fold import days_of, fold_days
from fare.rules.patterns import NAMES, find_patterns
from fare.rules.tariff import TariffBook
from kernel.ground import Ground
from kernel.ids import FareAccountId
from kernel.wire.cardinfo import Concession

_MOST_EXAMPLES: Final = 5
MEASURES: Final = ("rides", "face_value", *(one.value for one in Component), "unpriced")
_PLACE: Final = {name: place for place, name in enumerate(MEASURES)}
_OF: Final = {one: _PLACE[one.value] for one in Component}
SIDES: Final = ("current", "draft")


@dataclass(frozen=True, slots=True)
class History:
    """What one account did in the period: its taps, and the facts its bills depend on."""

    account: FareAccountId
    taps: tuple[FareTap, ...]
    passes: tuple[HeldPass, ...] = ()
    entitlements: tuple[Entitlement, ...] = ()
    corrections: tuple[Correction, ...] = ()
    parked: tuple[Ground, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """An example of a pattern; `at` is an ISO instant."""

    account: str
    at: str
    saved_minor: int


@dataclass(slots=True)
class Pattern:
    """How often a pattern was found under the draft, what it saves in minor units, and the first examples."""

    cases: int = 0
    accounts: int = 0
    saved_minor: int = 0
    examples: list[Case] = field(default_factory=list)


Cells = dict[tuple[str, str, str], list[int]]
"""MEASURES in minor units (rides and unpriced taps as counts) by operator, route and category."""


@dataclass(slots=True)
class Tally:
    """Everything a report needs, by side (`current`, `draft`); sums of tallies are tallies of sums."""

    taps: int = 0
    cells: tuple[Cells, Cells] = field(default_factory=lambda: (defaultdict(_cell), defaultdict(_cell)))
    funders: tuple[dict[str, int], dict[str, int]] = field(
        default_factory=lambda: (defaultdict(int), defaultdict(int))
    )
    riders: list[tuple[int, int]] = field(default_factory=list)
    patterns: dict[str, Pattern] = field(default_factory=lambda: {name: Pattern() for name in NAMES})

    def add(self, other: "Tally") -> None:
        """Add another tally to this one."""
        self.taps += other.taps
        for mine, theirs in zip(self.cells, other.cells, strict=True):
            for key, cell in theirs.items():
                mine[key] = [one + two for one, two in zip(mine[key], cell, strict=True)]
        for own, more in zip(self.funders, other.funders, strict=True):
            for funder, minor in more.items():
                own[funder] += minor
        self.riders += other.riders
        for name, pattern in other.patterns.items():
            known = self.patterns[name]
            known.cases += pattern.cases
            known.accounts += pattern.accounts
            known.saved_minor += pattern.saved_minor
            known.examples = _best([*known.examples, *pattern.examples])


def _best(cases: list[Case]) -> list[Case]:
    return sorted(cases, key=lambda case: (-case.saved_minor, case.account, case.at))[:_MOST_EXAMPLES]


def _cell() -> list[int]:
    return [0] * len(MEASURES)


def replay(histories: Iterable[History], books: tuple[TariffBook, TariffBook]) -> Tally:
    """Return what the histories come to under the current tariff and under the draft, each from scratch.

    Transfer windows, caps and histories of the card begin empty with the first tap of the period, for both.
    """
    tally = Tally()
    for history in histories:
        taps: dict[UUID, FareTap] = {tap.tap_id: tap for tap in history.taps}
        tally.taps += len(taps)
        totals = []
        bills: list[Bill] = []
        for side, book in enumerate(books):
            days = days_of(
                history.account, taps.values(), book, passes=history.passes, entitlements=history.entitlements,
                corrections=history.corrections, parked=history.parked,
            )  # fmt: skip
            bills = [bill for _, _, bill in fold_days(days, book)]
            totals.append(_count(bills, taps, tally.cells[side], tally.funders[side]))
        tally.riders.append((totals[0], totals[1]))
        _look(history, taps, bills, books[1], tally.patterns)
    return tally


def _count(bills: Iterable[Bill], taps: dict[UUID, FareTap], cells: Cells, funders: dict[str, int]) -> int:
    charged = 0
    for bill in bills:
        for line in bill.lines:
            minor = line.amount.minor
            cell = cells[line.operator_id, line.route_id, _category(taps[line.tap_id].concession)]
            cell[_OF[line.component]] += minor
            cell[1] += minor
            if line.component is Component.CHARGED:
                charged += minor
            elif line.component is Component.WAIVED or line.component is Component.DISCOUNTED:
                funders[line.funder] += minor
        for ride in bill.rides:
            if ride.closed in TRIPS:
                cells[ride.operator_id, ride.route_id, _category(taps[ride.tap_id].concession)][0] += 1
        for one in bill.unpriced:
            tap = taps[one.tap_id]
            cells[tap.operator_id, tap.route_id, _category(tap.concession)][-1] += 1
    return charged


def _category(number: int) -> str:
    return _CATEGORIES.get(number) or str(number)


_CATEGORIES: Final = {int(one): one.name for one in Concession}


def _look(
    history: History,
    taps: dict[UUID, FareTap],
    bills: list[Bill],
    draft: TariffBook,
    patterns: dict[str, Pattern],
) -> None:
    seen: set[str] = set()
    for found in find_patterns(bills, taps, draft):
        pattern = patterns[found.pattern]
        pattern.cases += 1
        pattern.saved_minor += found.saved_minor
        pattern.accounts += found.pattern not in seen
        seen.add(found.pattern)
        case = Case(str(history.account), taps[found.tap_id].tapped_at.isoformat(), found.saved_minor)
        pattern.examples = _best([*pattern.examples, case])


PERCENTILES: Final = (1, 5, 10, 25, 50, 75, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Spread:
    """Winners and losers: how many pay less, the same, more, and the change (draft less current) at each percentile.

    `by_spending` cuts the riders into ten equal groups by what they pay now: riders, current and draft sums.
    """

    winners: int
    same: int
    losers: int
    percentiles: tuple[tuple[int, int], ...]
    by_spending: tuple[tuple[int, int, int], ...]


def spread(riders: list[tuple[int, int]]) -> Spread:
    """Return how the change is spread over the riders; the nearest rank is the percentile."""
    changes = sorted(draft - current for current, draft in riders)
    count = len(changes)
    ordered = sorted(riders, key=itemgetter(0, 1))
    groups = [ordered[place * count // 10 : (place + 1) * count // 10] for place in range(10)]
    return Spread(
        winners=sum(change < 0 for change in changes),
        same=sum(change == 0 for change in changes),
        losers=sum(change > 0 for change in changes),
        percentiles=tuple(
            (percent, changes[max(0, -(-percent * count // 100) - 1)]) for percent in PERCENTILES if count
        ),
        by_spending=tuple(
            (len(group), sum(one for one, _ in group), sum(two for _, two in group))
            for group in groups
            if group
        ),
    )


__all__ = ["MEASURES", "NAMES", "SIDES", "History", "Spread", "Tally", "replay", "spread"]
