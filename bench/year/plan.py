"""The year as it is meant to be: which places, who parks when, and what each stay costs by hand. Pure; one seed.

The figures are Hanoi's: 405 points (mid-2025) in the proportions of the districts of January 2025, two motorbikes a car
(phase 2), 5.1 % paid in cash, some of it paid in by attendants. Prices are written here a second time, by hand, so that
the rate engine is checked against something that is not itself.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from parking.rate_dir import HANOI, read_rate_dir

PLACES: Final = 405
SESSIONS: Final = 1_000_000
DAYS: Final = 365
FIRST: Final = date(2026, 1, 1)
SESSIONS_A_CARD: Final = 50
# District, car parks of January 2025, where its cars and its motorbikes park (areas of the rates).
DISTRICTS: Final = (
    ("hoankiem", 49, "hoan-kiem-12-streets", "centre-motorbikes"),
    ("caugiay", 11, "ring-3-high", "cashless-pilot"),
    ("namtuliem", 10, "ring-3-low", "cashless-pilot"),
    ("dongda", 9, "dong-da", "centre-motorbikes"),
    ("tayho", 8, "ring-3-high", "cashless-pilot"),
    ("haibatrung", 6, "ring-3-high", "centre-motorbikes"),
    ("bactuliem", 4, "ring-3-low", "cashless-pilot"),
    ("badinh", 2, "ring-3-high", "centre-motorbikes"),
)
_HOUR: Final = 60
_BLOCKS: Final = {"hoan-kiem-12-streets": 60_000, "ring-3-high": 40_000, "ring-3-low": 30_000}
_FLAT: Final = {"centre-motorbikes": 8_000, "cashless-pilot": 5_000}
_GUEST_PERCENT: Final = 5.1
_PROXY_PERCENT: Final = 20.0
_LOST_EXIT_PERCENT: Final = 0.2
_NIGHT_PERCENT: Final = 0.5
_MOTORBIKE_WEIGHT: Final = 3


class Spot(NamedTuple):
    """One car park."""

    place_id: str
    operator_id: str
    area: str
    vehicle_class: str


class Visit(NamedTuple):
    """One stay as planned. `card` None: a guest. Without `has_exit` nobody sees it leave, and it costs nothing."""

    number: int
    spot: int
    card: int | None
    entered_at: datetime
    left_at: datetime
    has_exit: bool
    by_proxy: bool
    price: int


@dataclass(frozen=True, slots=True)
class Year:
    """How much of the year is played: all of it with `share` 1."""

    seed: int = 20260101
    sessions: int = SESSIONS
    days: int = DAYS
    places: int = PLACES

    @property
    def cards(self) -> int:
        """Return how many cards park, with those that stay over night at the end."""
        return max(self.sessions // SESSIONS_A_CARD, 4 * (self.sessions // self.days + 1))


def scaled(share: float) -> Year:
    """Return a year of a share of the sessions, with as many places as keep it as dense."""
    return Year(sessions=round(SESSIONS * share), places=max(len(DISTRICTS) * 2, round(PLACES * share)))


@lru_cache(maxsize=4)
def spots(year: Year) -> tuple[Spot, ...]:
    """Return the car parks: every third one of a district is for motorbikes."""
    weights = [count for _, count, _, _ in DISTRICTS]
    shares = [year.places * weight // sum(weights) for weight in weights]
    shares[0] += year.places - sum(shares)
    found: list[Spot] = []
    for (district, _, cars, motorbikes), count in zip(DISTRICTS, shares, strict=True):
        for number in range(1, count + 1):
            motorbike = number % 3 == 2
            found.append(
                Spot(
                    f"{district}-{number:03}",
                    f"{district}-parking",
                    motorbikes if motorbike else cars,
                    "motorbike" if motorbike else "car_le9",
                )
            )
    return tuple(found)


def rate_files(year: Year) -> dict[str, bytes]:
    """Return Hanoi's rates with this year's car parks and gates."""
    files = dict(read_rate_dir(HANOI))
    head, *rows = files["places.csv"].decode().splitlines()
    names = head.split(",")
    areas = [row for row in rows if row.split(",")[2] != "place"]
    made = [
        {
            "place_id": spot.place_id,
            "parent_id": spot.area,
            "kind": "place",
            "name": spot.place_id,
            "operator_id": spot.operator_id,
            "zone": "Asia/Ho_Chi_Minh",
            "day_starts": "04:00",
            "default_class": spot.vehicle_class,
            "valid_from": "2018-01-01",
            "source": "made up for the year",
        }
        for spot in spots(year)
    ]
    places = [",".join(row.get(name, "") for name in names) for row in made]
    gates = [f"{spot.place_id}-gate,{spot.place_id}" for spot in spots(year)]
    files["places.csv"] = "\n".join([head, *areas, *places, ""]).encode()
    files["gates.csv"] = "\n".join(["gate_id,place_id", *gates, ""]).encode()
    return files


def price_by_hand(area: str, minutes: int) -> int:
    """Return what a stay of so many whole minutes costs by the published words; a begun hour or block counts whole."""
    if area in _FLAT:
        return _FLAT[area]
    if area in _BLOCKS:
        return max(1, -(-minutes // (2 * _HOUR))) * _BLOCKS[area]
    assert area == "dong-da", area
    hours = max(1, -(-minutes // _HOUR))
    return 25_000 * min(hours, 2) + 35_000 * min(max(hours - 2, 0), 2) + 45_000 * max(hours - 4, 0)


def day_of(year: Year, number: int) -> date:
    """Return the date of a day, counted from 0."""
    assert 0 <= number < year.days
    return FIRST + timedelta(days=number)


def starts(day: date) -> datetime:
    """Return when an operating day begins: 04:00 in Hanoi."""
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC) - timedelta(hours=7)


@lru_cache(maxsize=4)
def visits(year: Year, number: int) -> tuple[Visit, ...]:
    """Return the stays that begin on a day, in order of entry; nobody has two at a time."""
    dice = random.Random(f"{year.seed}:{number}")
    base = starts(day_of(year, number))
    many = year.sessions * (number + 1) // year.days - year.sessions * number // year.days
    places = spots(year)
    weights = [_MOTORBIKE_WEIGHT if spot.vehicle_class == "motorbike" else 1 for spot in places]
    nights = year.cards // 20
    sleepers = iter(dice.sample(range(number % 2, nights, 2), min(many, nights // 2)))
    day_cards = iter(dice.sample(range(nights, year.cards), many))
    found: list[Visit] = []
    for place in dice.choices(range(len(places)), weights, k=many):
        spot = places[place]
        guest = dice.uniform(0, 100) < _GUEST_PERCENT
        night = not guest and dice.uniform(0, 100) < _NIGHT_PERCENT
        sleeper = next(sleepers, None) if night else None
        if sleeper is not None:
            entered = dice.uniform(15, 18) * _HOUR
            length = dice.uniform(10, 14) * _HOUR
        else:
            entered = dice.triangular(2 * _HOUR, 19 * _HOUR, 6 * _HOUR)
            length = min(3 + dice.expovariate(1 / 110), 23.5 * _HOUR - entered)
        entered_at = base + timedelta(seconds=round(entered * 60))
        left_at = entered_at + timedelta(seconds=round(length * 60))
        has_exit = guest or dice.uniform(0, 100) >= _LOST_EXIT_PERCENT
        minutes = (left_at - entered_at) // timedelta(minutes=1)
        found.append(
            Visit(
                len(found),
                place,
                None if guest else sleeper if sleeper is not None else next(day_cards),
                entered_at,
                left_at,
                has_exit,
                guest and dice.uniform(0, 100) < _PROXY_PERCENT,
                price_by_hand(spot.area, minutes) if has_exit else 0,
            )
        )
    return tuple(sorted(found, key=lambda each: (each.entered_at, each.number)))


def troubles(year: Year, number: int) -> Mapping[int, str]:
    """Return what goes wrong with a place's upload on a day: "late" by a day, or sent "twice"."""
    dice = random.Random(f"{year.seed}:troubles:{number}")
    last = number == year.days - 1
    found: dict[int, str] = {}
    for place in range(year.places):
        luck = dice.uniform(0, 100)
        if luck < 2 and not last:
            found[place] = "late"
        elif luck < 4:
            found[place] = "twice"
    return found
