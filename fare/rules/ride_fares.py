"""What rides cost whose end decides it, stop by stop: for cards that pay from a purse before anybody knows the end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fare.rules.bill import Component
from fare.rules.lookup import quote_ride
from fare.rules.tariff import Tariff, TariffBook
from fare.rules.terms import Route, Settled
from kernel.wire.cardinfo import Concession

MOST_PAIRS: Final = 2_500
"""Fifty stations of one network: beyond that a reader's bundle would grow to megabytes, and pricing it take minutes."""


@dataclass(frozen=True, slots=True)
class RideFares:
    """Fares of one route and concession by (from, to), in minor units; a ride may end anywhere `within` its network.

    `most` is the dearest of them: what is taken at the begin, and kept where the end never comes.
    """

    within: str
    most: int
    fares: Mapping[tuple[str, str], int]


def ride_fares(book: TariffBook, at: datetime) -> dict[str, dict[Concession, RideFares]]:
    """Return what single rides cost at `at` on the routes that are settled by the ride, by route and concession.

    Without passes, caps and transfers, which only a bill knows. Routes whose stops or prices the tariff does not tell
    for every pair are left out, those with more than `MOST_PAIRS` too, and all where the hour decides.
    """
    tariff = book.on(at.astimezone(book.zone).date())
    if tariff.timeframes.any_used:
        return {}
    found: dict[str, dict[Concession, RideFares]] = {}
    for name, route in sorted(tariff.routes.items()):
        pairs = [(start, end) for start, end in _pairs(tariff, route) if start != end]
        if route.rule.settled is not Settled.RIDE or not 0 < len(pairs) <= MOST_PAIRS:
            continue
        for concession in Concession:
            fares = _fares(book, name, pairs, at, concession)
            if fares is not None:
                within = min(route.networks, default=name)
                row = found.setdefault(name, {})
                row[concession] = RideFares(within, max(fares.values()), fares)
    return found


def _pairs(tariff: Tariff, route: Route) -> Iterable[tuple[str, str]]:
    stops = tariff.positions_m.get(route.route_id)
    if stops:
        return [(start, end) for start in sorted(stops) for end in sorted(stops)]
    known = (tariff.matrix.get(each, {}) for each in sorted(route.networks))
    return sorted({pair for pairs in known for pair in pairs})


def _fares(
    book: TariffBook, route: str, pairs: Iterable[tuple[str, str]], at: datetime, concession: Concession
) -> dict[tuple[str, str], int] | None:
    found = {}
    for start, end in pairs:
        bill = quote_ride(book, route_id=route, from_stop=start, to_stop=end, at=at, category=concession).bill
        if bill.unpriced:
            return None
        found[start, end] = sum(
            line.amount.minor for line in bill.lines if line.component is Component.CHARGED
        )
    return found
