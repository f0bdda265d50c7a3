"""fare.price_day: `price_day` for Hanoi's tariff against a function written by hand for Hanoi alone.

The facts are built before; both read the same taps of one fare account and day: a bus on and off, a metro in and
out. Explanations are not asked for. One core.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from bench.measure import Result, Stage, Work, also_fast, compare
from fare.gtfs.load import load_tariff
from fare.rules.facts import DayFacts, FareTap
from fare.rules.price import price_day
from fare.rules.tariff import TariffBook
from kernel.ids import CardId, FareAccountId, OperatorId, TapId
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose

HANOI: Final = Path(__file__).parents[1] / "fare" / "tariffs" / "hanoi"
DAY: Final = date(2026, 11, 18)
DAWN: Final = datetime(2026, 11, 18, 0, 0, tzinfo=UTC)
DAYS: Final = 2_000
SLOWER: Final = 12
A_SECOND: Final = 15_000

_NIGHT: Final = DAWN + timedelta(hours=21)
_FREE_DAYS: Final = (
    (date(2025, 8, 30), date(2025, 9, 2)),
    (date(2026, 2, 14), date(2026, 2, 22)),
)
_METRO: Final = ("2A", "3.1")
_METRO_LIMIT: Final = timedelta(minutes=180)
_BUS_LIMIT: Final = timedelta(minutes=240)
_PASSBACK: Final = timedelta(seconds=60)
_FREE: Final = frozenset(
    {
        Concession.FREE_MERIT,
        Concession.FREE_SENIOR,
        Concession.FREE_CHILD,
        Concession.FREE_DISABLED,
        Concession.FREE_POOR,
    }
)


class _Charge(NamedTuple):
    tap_id: UUID
    component: str
    operator: str
    funder: str
    minor: int
    route: str


class _Ride(NamedTuple):
    on: UUID
    off: UUID | None
    operator: str
    route: str
    start: str
    end: str
    minor: int
    closed: str


class _ByHand:
    """Hanoi and nothing else: a price a bus route, a price a pair of stations, free people and free days.

    What its riders need and no more: a forgotten tap, an over-long ride, a card shown twice at one reader.
    """

    def __init__(self, buses: dict[str, int], metros: dict[str, dict[tuple[str, str], int]]) -> None:
        self.buses = buses
        self.metros = metros

    def price(self, facts: DayFacts) -> tuple[list[_Charge], list[_Ride]]:
        charges: list[_Charge] = []
        rides: list[_Ride] = []
        free_day = any(first <= facts.service_day <= last for first, last in _FREE_DAYS)
        on: FareTap | None = None
        last: FareTap | None = None
        for tap in sorted(facts.taps, key=_by_counter):
            if tap.phase is Phase.TORN or (last is not None and _again(tap, last)):
                continue
            last = tap
            if on is not None:
                same = on.route_id == tap.route_id
                limit = _METRO_LIMIT if on.route_id in self.metros else _BUS_LIMIT
                ended = same and tap.tapped_at - on.tapped_at <= limit
                self._close(on, tap if ended else None, charges, rides, free_day=free_day)
                on = None if ended else tap
            else:
                on = tap
        if on is not None and facts.as_of is None:
            self._close(on, None, charges, rides, free_day=free_day)
        return charges, rides

    def _close(
        self,
        on: FareTap,
        off: FareTap | None,
        charges: list[_Charge],
        rides: list[_Ride],
        *,
        free_day: bool,
    ) -> None:
        route = on.route_id
        price = self.buses.get(route)
        if price is None:
            prices = self.metros[route]
            # A missing tap-off: the farthest station.
            price = max(prices.values()) if off is None else prices[on.stop_id, off.stop_id]
        if free_day:
            component, funder = "waived", "city"
        elif on.concession in _FREE:
            component, funder = "discounted", "city"
        else:
            component, funder = "charged", "rider"
        charges.append(_Charge(on.tap_id, component, on.operator_id, funder, price, route))
        end, how = ("", "missing_off") if off is None else (off.stop_id, "tapped")
        off_id = None if off is None else off.tap_id
        rides.append(_Ride(on.tap_id, off_id, on.operator_id, route, on.stop_id, end, price, how))


_by_counter = attrgetter("counter")


def _again(tap: FareTap, last: FareTap) -> bool:
    return (
        tap.route_id == last.route_id
        and tap.stop_id == last.stop_id
        and tap.place == last.place
        and tap.tapped_at - last.tapped_at <= _PASSBACK
    )


def _tap(chance: random.Random, card: UUID, number: int, at: datetime, route: str, stop: str) -> FareTap:
    return FareTap(
        tap_id=TapId(UUID(bytes=chance.randbytes(16))),
        card_id=CardId(card),
        counter=number,
        tapped_at=at,
        purpose=Purpose.AUTO,
        phase=Phase.DONE,
        operator_id=OperatorId("hanoi-metro" if route in _METRO else "transerco"),
        stop_id=stop,
        route_id=route,
        trip_id="",
        place="",
        direction=0,
        concession=Concession.NORMAL,
        clock_state=ClockState.SYNCED,
        proven_torn=False,
    )


def _days(book: TariffBook, chance: random.Random) -> list[DayFacts]:
    tariff = book.on(DAY)
    buses = sorted(set(tariff.routes) - set(_METRO))
    found = []
    for _ in range(DAYS):
        card = UUID(bytes=chance.randbytes(16))
        bus, line = chance.choice(buses), chance.choice(_METRO)
        stops = chance.sample(sorted(tariff.positions_m[line]), 2)
        start = DAWN + timedelta(seconds=chance.randrange(3_600))
        calls = ((bus, f"{bus}-01"), (bus, f"{bus}-09"), (line, stops[0]), (line, stops[1]))
        taps = tuple(
            _tap(chance, card, 7 + n, start + timedelta(minutes=20 * n), *call)
            for n, call in enumerate(calls)
        )
        found.append(
            DayFacts(
                fare_account_id=FareAccountId(UUID(bytes=chance.randbytes(16))),
                service_day=DAY,
                taps=taps,
                as_of=_NIGHT,
            )
        )
    return found


def _by_hand(book: TariffBook, days: list[DayFacts]) -> _ByHand:
    """Read the prices off the tariff's own bills, so that both sides must agree on every one."""
    buses: dict[str, int] = {}
    metros: dict[str, dict[tuple[str, str], int]] = {line: {} for line in _METRO}
    for facts in days:
        for ride in price_day(facts, book).rides:
            if ride.route_id in metros:
                pair = (ride.from_stop_id, ride.to_stop_id)
                metros[ride.route_id][pair] = ride.face_value.minor
            else:
                buses[ride.route_id] = ride.face_value.minor
    return _ByHand(buses, metros)


def run(stage: Stage) -> list[Result]:
    """Measure account-days of four taps a second, on one core."""
    book = load_tariff(HANOI)
    days = _days(book, random.Random(20261118))
    hand = _by_hand(book, days)
    for facts in days:
        bill = price_day(facts, book)
        ours = [
            _Charge(
                one.tap_id, one.component.value, one.operator_id, one.funder, one.amount.minor, one.route_id
            )
            for one in bill.lines
        ]
        charges, rides = hand.price(facts)
        assert (ours, len(bill.rides)) == (charges, len(rides)), "both sides price a day alike"

    def ours_work() -> Work:
        def work() -> int:
            for facts in days:
                price_day(facts, book)
            return len(days)

        return work

    def hand_work() -> Work:
        def work() -> int:
            for facts in days:
                hand.price(facts)
            return len(days)

        return work

    result = compare(
        "fare.price_day", "account-days/s", ours_work, hand_work, at_least=1 / SLOWER, rounds=stage.rounds
    )
    return [also_fast(result, A_SECOND, f"<= {SLOWER}x")]
