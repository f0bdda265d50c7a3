"""Routes, stops and fares as people look them up: by name, with or without diacritics; nothing is billed."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from fare.rules.bill import Bill, Closed, Component
from fare.rules.explain import TapExplanation, explain
from fare.rules.facts import CARD_MEDIUM, DayFacts, FareTap
from fare.rules.price import price_day
from fare.rules.tariff import Tariff, TariffBook
from fare.rules.terms import Route
from kernel.ids import CardId, FareAccountId, OperatorId, TapId, uuid8
from kernel.service_day import service_day
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose

_NOBODY: Final = UUID(int=0)
_RIDE: Final = timedelta(minutes=1)  # long enough to be a ride, too short to meet a time limit


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


def rides_between(tariff: Tariff, start: str, end: str) -> tuple[str, ...]:
    """Return the routes that a ride between two stops may be made on.

    Those whose stations are known and hold both; and one route of each network that publishes the pair.
    """
    found = {route for route, places in tariff.positions_m.items() if start in places and end in places}
    served = frozenset().union(*(tariff.routes[name].networks for name in found if name in tariff.routes))
    published = {
        network
        for pairs in (tariff.matrix, tariff.distances_m)
        for network, known in pairs.items()
        if (start, end) in known
    }
    for network in sorted(published - served):
        found.update(sorted(one for one, route in tariff.routes.items() if network in route.networks)[:1])
    return tuple(sorted(found))


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
