"""Routes, stops and fares as people look them up: by name, with or without diacritics; nothing is billed."""

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from fare.rules.bill import Bill, Closed, Component
from fare.rules.explain import TapExplanation, explain
from fare.rules.facts import CARD_MEDIUM, DayFacts, FareTap
from fare.rules.price import price_day
from fare.rules.tariff import Tariff, TariffBook
from fare.rules.terms import Route
from kernel.errors import DomainError
from kernel.ids import CardId, FareAccountId, OperatorId, TapId, uuid8
from kernel.service_day import service_day
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose

_NOBODY: Final = UUID(int=0)
_RIDE: Final = timedelta(minutes=1)  # long enough to be a ride, too short to meet a time limit


class UnknownRouteError(DomainError):
    """The tariff in force has no route of this id."""

    detail = "The tariff of {on} has no route “{route_id}”."


class UnknownStopError(DomainError):
    """The tariff in force has no stop of this id or name."""

    detail = "The tariff of {on} has no stop “{stop}”."


def plain(text: str) -> str:
    """Return a text folded for comparing: lower case, no diacritics, đ as d, runs of space as one."""
    split = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return " ".join("".join(one for one in split if not unicodedata.combining(one)).split())


def find_routes(tariff: Tariff, text: str) -> tuple[Route, ...]:
    """Return the routes whose id or name holds the text, in id order; all of them for an empty text."""
    wanted = plain(text)
    return tuple(
        route
        for name, route in sorted(tariff.routes.items())
        if wanted in plain(name) or wanted in plain(route.name)
    )


def find_stops(tariff: Tariff, text: str) -> tuple[str, ...]:
    """Return the stop ids meant by an id or a name: an exact one alone, else every name that holds the text."""
    if text in tariff.stop_names:
        return (text,)
    wanted = plain(text)
    exact = tuple(stop for stop, name in sorted(tariff.stop_names.items()) if wanted == plain(name))
    return exact or tuple(
        stop for stop, name in sorted(tariff.stop_names.items()) if wanted and wanted in plain(name)
    )


def rides_asked(
    tariff: Tariff, *, route_id: str, start: str, end: str, on: date
) -> tuple[tuple[str, str, str], ...]:
    """Return the rides that a question may mean, each as route, first and last stop; empty where there is none.

    `on` is the date the tariff is asked about. Raises UnknownRouteError, UnknownStopError for what it does not know.
    """
    if route_id and route_id not in tariff.routes:
        raise UnknownRouteError(route_id=route_id, on=on.isoformat())
    ends: list[tuple[str, ...]] = []
    for name in (start, end):
        found = find_stops(tariff, name) if name else ("",)
        if not found:
            raise UnknownStopError(stop=name, on=on.isoformat())
        ends.append(found)
    starts, stops = ends
    if route_id:
        return tuple((route_id, one, other) for one in starts for other in stops)
    return _rides_between(tariff, frozenset(starts), frozenset(stops))


@dataclass(frozen=True, slots=True)
class FareQuote:
    """What one ride costs: its bill and explanation, as pricing makes them for a rider without passes or caps."""

    route_id: str
    from_stop_id: str
    to_stop_id: str
    bill: Bill
    explanation: TapExplanation


def quote_ride(
    book: TariffBook,
    *,
    route_id: str,
    from_stop: str,
    to_stop: str,
    at: datetime,
    category: Concession = Concession.NORMAL,
    medium: str = CARD_MEDIUM,
) -> FareQuote:
    """Return the price of one ride beginning at `at`, made by the same pricing that bills it."""
    day = service_day(at, book.day_starts, book.zone)

    def tap(counter: int, purpose: Purpose, when: datetime, stop: str) -> FareTap:
        return FareTap(
            TapId(uuid8("quote", counter)), CardId(_NOBODY), counter, when, purpose, Phase.DONE, OperatorId(""), stop,
            route_id, "", "quote", 0, category, ClockState.SYNCED, proven_torn=False, medium=medium,
        )  # fmt: skip

    taps = (tap(1, Purpose.BOARD, at, from_stop), tap(2, Purpose.ALIGHT, at + _RIDE, to_stop))
    facts = DayFacts(FareAccountId(_NOBODY), day, taps)
    return FareQuote(route_id, from_stop, to_stop, price_day(facts, book), explain(facts, book).taps[0])


def _rides_between(
    tariff: Tariff, starts: frozenset[str], ends: frozenset[str]
) -> tuple[tuple[str, str, str], ...]:
    """Return the rides from one of some stops to one of others, by stops and route.

    On the routes whose stations are known and hold both; and on one route of each network that publishes the pair.
    """
    found = {
        (start, end, name)
        for name, places in tariff.positions_m.items()
        for start in starts & places.keys()
        for end in ends & places.keys()
        if start != end
    }
    served = {
        (start, end, network)
        for start, end, name in found
        if name in tariff.routes
        for network in tariff.routes[name].networks
    }
    first_of: dict[str, str] = {}
    for name, route in sorted(tariff.routes.items(), reverse=True):
        first_of |= dict.fromkeys(route.networks, name)
    published = {
        (start, end, network)
        for pairs in (tariff.matrix, tariff.distances_m)
        for network, known in pairs.items()
        for start, end in known
        if start in starts and end in ends and start != end
    }
    found |= {
        (start, end, first_of[network]) for start, end, network in published - served if network in first_of
    }
    return tuple((name, start, end) for start, end, name in sorted(found))


def flat_fares(book: TariffBook, at: datetime) -> dict[str, dict[Concession, int]]:
    """Return what boarding costs by itself at `at`, in the currency's minor units, by route and concession.

    Only of routes on which boarding settles the fare, whatever the stop and the hour: elsewhere nobody knows the price
    when a rider boards. Without passes, caps and transfers, which only a bill knows.
    """
    tariff = book.on(at.astimezone(book.zone).date())
    if tariff.timeframes.any_used:
        return {}
    day = service_day(at, book.day_starts, book.zone)
    found: dict[str, dict[Concession, int]] = {}
    for route in sorted(tariff.routes):
        for concession in Concession:
            board = FareTap(
                TapId(uuid8("quote", 1)), CardId(_NOBODY), 1, at, Purpose.BOARD, Phase.DONE, OperatorId(""), "",
                route, "", "quote", 0, concession, ClockState.SYNCED, proven_torn=False,
            )  # fmt: skip
            bill = price_day(DayFacts(FareAccountId(_NOBODY), day, (board,)), book)
            if not bill.unpriced and [ride.closed for ride in bill.rides] == [Closed.BOARDED]:
                charged = sum(line.amount.minor for line in bill.lines if line.component is Component.CHARGED)
                found.setdefault(route, {})[concession] = charged
    return found
