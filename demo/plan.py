"""The demo's day as data: who taps where and when, decided by one seed and nothing else.

The city is small on purpose: two buses, one metro line's two ends and one car park, each a real
reader. Every time is world time in Hanoi. Parking stays end near the half hour, so that a second of queueing at a
reader (a quarter of an hour of world time) changes no price; on a busy machine it may be more, and then the
car park's total differs from run to run. Bus and metro totals do not.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kernel.wire.cardinfo import Concession

ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
DAY: Final = date(2026, 11, 18)  # a Wednesday with no free-travel day and today's bus and metro fares
SEED: Final = 20261118

CARDS: Final = 200
BUS_RIDERS: Final = 110
METRO_RIDERS: Final = 70
DRIVERS: Final = 40
REFUSED_CARD: Final = CARDS  # reported lost the evening before

BUS_1, BUS_2, GATE_CAT_LINH, GATE_YEN_NGHIA, PARK_IN, PARK_OUT = (
    "bus-01",
    "bus-02",
    "gate-cat-linh",
    "gate-yen-nghia",
    "park-in",
    "park-out",
)


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader of the demo: what it is, whose it is and the stretches of its duty."""

    name: str
    kind: str
    operator: str
    place: str
    duties: tuple[dict[str, object], ...] = ()
    purpose: str = "AUTO"


@dataclass(frozen=True, slots=True)
class Presentation:
    """One card held to one reader; `fault` is what the software card does wrong."""

    at: datetime
    reader: str
    card: int
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class DayPlan:
    concessions: tuple[Concession, ...]  # of card 1, 2, …
    presentations: tuple[Presentation, ...]
    stays: int
    torn: int


def at(hour: int, minute: int = 0) -> datetime:
    return datetime.combine(DAY, time(hour, minute), ZONE)


def _duty(start: datetime, **fields: object) -> dict[str, object]:
    blank: dict[str, object] = {"stop_id": "", "route_id": "", "trip_id": "", "direction": 0}
    return {"from": start.isoformat(), **blank, **fields}


def _bus_duties(route: str, *, tours: Sequence[int], stops: int) -> tuple[dict[str, object], ...]:
    """A bus's duty: from each starting hour one tour, its stops twelve minutes apart."""
    return tuple(
        _duty(
            at(hour) + timedelta(minutes=12 * n),
            route_id=route,
            stop_id=f"{route}-{n + 1:02d}",
            trip_id=f"{route}-{hour:02d}",
            direction=tour % 2,
            purpose="AUTO",
        )
        for tour, hour in enumerate(tours)
        for n in range(stops)
    )


READERS: Final = (
    Reader(
        BUS_1, "bus", "transerco", "29B-101.26", _bus_duties("26", tours=(5, 7, 9, 12, 16, 18, 20), stops=8)
    ),
    Reader(
        BUS_2, "bus", "transerco", "29B-202.93", _bus_duties("93", tours=(5, 7, 9, 12, 16, 18, 20), stops=8)
    ),
    Reader(
        GATE_CAT_LINH,
        "metro",
        "hanoi-metro",
        "2A-CAT-LINH-G1",
        (_duty(at(4), route_id="2A", stop_id="2A-cat-linh", purpose="AUTO"),),
    ),
    Reader(
        GATE_YEN_NGHIA,
        "metro",
        "hanoi-metro",
        "2A-YEN-NGHIA-G1",
        (_duty(at(4), route_id="2A", stop_id="2A-yen-nghia", purpose="AUTO"),),
    ),
    Reader(PARK_IN, "parking", "dongda-parking", "dong-da-01-in", (), "PARK_IN"),
    Reader(PARK_OUT, "parking", "dongda-parking", "dong-da-01-out", (), "PARK_OUT"),
)


def _concessions(dice: random.Random) -> tuple[Concession, ...]:
    kinds = (
        [Concession.PRIORITY] * 30
        + [Concession.FREE_SENIOR] * 15
        + [Concession.FREE_DISABLED] * 4
        + [Concession.FREE_MERIT] * 3
    )
    kinds += [Concession.NORMAL] * (CARDS - len(kinds))
    dice.shuffle(kinds)
    return tuple(kinds)


def _there_and_back(
    card: int, out: tuple[str, str], back: tuple[str, str], ride: timedelta, dice: random.Random
) -> list[Presentation]:
    morning = at(6, 30) + timedelta(minutes=dice.randrange(150))
    evening = at(16, 30) + timedelta(minutes=dice.randrange(150))
    return [
        Presentation(morning, out[0], card),
        Presentation(morning + ride, out[1], card),
        Presentation(evening, back[0], card),
        Presentation(evening + ride, back[1], card),
    ]


def make_plan() -> DayPlan:
    """The same day every time: about 800 taps, 40 stays, torn taps and one refused card."""
    dice = random.Random(SEED)
    taps: list[Presentation] = []
    for card in range(1, BUS_RIDERS + 1):
        bus = BUS_1 if card % 2 else BUS_2
        taps += _there_and_back(card, (bus, bus), (bus, bus), timedelta(minutes=55), dice)
    for card in range(BUS_RIDERS + 1, BUS_RIDERS + METRO_RIDERS + 1):
        to_town = (GATE_YEN_NGHIA, GATE_CAT_LINH)
        taps += _there_and_back(card, to_town, to_town[::-1], timedelta(minutes=26), dice)
    drivers = range(CARDS - DRIVERS, CARDS)
    for card in drivers:
        enters = at(7) + timedelta(minutes=dice.randrange(600))
        stays = timedelta(hours=dice.choice((0, 1, 1, 2, 2, 3, 4, 7)), minutes=25 + dice.randrange(10))
        if card > BUS_RIDERS + METRO_RIDERS:  # the others drive after their evening ride
            taps += [Presentation(enters, PARK_IN, card), Presentation(enters + stays, PARK_OUT, card)]
        else:
            enters = at(19, 35) + timedelta(minutes=dice.randrange(20))
            taps += [
                Presentation(enters, PARK_IN, card),
                Presentation(enters + timedelta(minutes=85), PARK_OUT, card),
            ]
    taps.append(Presentation(at(8, 5), BUS_1, REFUSED_CARD))
    _forget_tap_offs(taps)
    taps = _tear(sorted(taps, key=lambda tap: (tap.at, tap.card)))
    torn = sum(tap.fault is not None for tap in taps)
    return DayPlan(_concessions(dice), tuple(taps), DRIVERS, torn)


def _forget_tap_offs(taps: list[Presentation]) -> None:
    """Take the last tap-off of two riders away; the tariff closes their journeys."""
    for card in (7, BUS_RIDERS + 7):
        taps.remove(max((tap for tap in taps if tap.card == card), key=lambda tap: tap.at))


def _tear(taps: list[Presentation]) -> list[Presentation]:
    """Four riders pull the card away as it commits: two try again at once, two walk on."""
    result: list[Presentation] = []
    seen: set[int] = set()
    again = {11, 13}
    walk_on = {15, 17}
    for tap in taps:
        if tap.card in again | walk_on and tap.card not in seen:
            seen.add(tap.card)
            result.append(Presentation(tap.at, tap.reader, tap.card, "tear"))
            if tap.card in again:
                result.append(Presentation(tap.at + timedelta(seconds=20), tap.reader, tap.card))
        else:
            result.append(tap)
    return sorted(result, key=lambda tap: (tap.at, tap.card))
