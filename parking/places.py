"""Places as they stand now: what an operator runs, how full each is, and the operating day of a stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from kernel.ids import FareAccountId, OperatorId
from kernel.money import Money
from kernel.service_day import service_day
from parking.publish_rates import Rates
from parking.rules.book import RateBook
from parking.rules.errors import NoRateError, UncoveredTimeError, UnknownPlaceError
from parking.rules.occupancy import Count, Pass, occupancy
from parking.rules.place import Place, PlaceKind, Position, distance_m
from parking.rules.quote import quote_between
from parking.rules.stay import Stay
from parking.store import keys
from parking.store import stays as store
from parking.store import turns as turn_store
from parking.store.stays import StayRow

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")


@dataclass(frozen=True, slots=True)
class PlaceNow:
    """A place with the spaces taken in it, running sessions and held ones; `free` is None without a known capacity.

    Where somebody counted (`counted_at`), that count is carried on by the sessions since; `drift` is by how many the
    two disagree. `derived_at` is the instant all this is about.
    """

    place: Place
    occupied: int
    derived_at: datetime
    counted_at: datetime | None = None
    drift: int = 0

    @property
    def free(self) -> int | None:
        """Return how many more may enter, never below 0; None where the capacity is not known."""
        return None if self.place.capacity is None else max(0, self.place.capacity - self.occupied)


@dataclass(frozen=True, slots=True)
class Near:
    """A place near a point: how far, and what parking there would cost (None: no price for that class)."""

    now: PlaceNow
    distance_m: int
    price: Money | None


def list_places(
    tx: Connection, *, now: datetime, operators: frozenset[OperatorId] | None = None
) -> tuple[PlaceNow, ...]:
    """Return the places in force that somebody operates, of these operators (None: of all), with occupancy."""
    book = Rates(tx).at(now)
    if book is None:
        return ()
    mine = [
        place
        for place in book.places.values()
        if place.operator_id and place.kind is not PlaceKind.CAMPUS
        if operators is None or place.operator_id in operators
    ]
    return _occupied(tx, mine, now)


def list_near(
    tx: Connection,
    point: Position,
    *,
    radius_m: int,
    vehicle_class: str,
    stay: timedelta,
    now: datetime,
    wanted: Callable[[Place], bool] | None = None,
    free_only: bool = False,
    limit: int = 50,
) -> tuple[Near, ...]:
    """Return open places with a known position near a point, the nearest first, each with the price of a stay from now.

    Full places are among them unless `free_only` is set: `free` says so. Prices are of casual users.
    """
    book = Rates(tx).at(now)
    if book is None:
        return ()
    # A degree of latitude is about 111 km: a cheap look before the distance is worked out.
    reach = radius_m * 9 + 1
    near = sorted(
        (
            (distance_m(place.position, point), place.place_id)
            for place in book.places.values()
            if place.position is not None and abs(place.position.latitude - point.latitude) <= reach
            if place.operator_id and place.is_open(now) and (wanted is None or wanted(place))
        ),
    )
    inside = [each for each in near if each[0] <= radius_m]
    found: list[tuple[int, PlaceNow]] = []
    for first in range(0, len(inside), limit):
        part = inside[first : first + limit]
        occupied = _occupied(tx, [book.places[place_id] for _, place_id in part], now)
        found += [
            (metres, place_now)
            for (metres, _), place_now in zip(part, occupied, strict=True)
            if not (free_only and place_now.free == 0)
        ]
        if len(found) >= limit:
            break
    return tuple(
        Near(place_now, metres, _price(book, place_now.place, vehicle_class, now, stay))
        for metres, place_now in found[:limit]
    )


def _price(book: RateBook, place: Place, vehicle_class: str, now: datetime, stay: timedelta) -> Money | None:
    try:
        table = book.table_for(place.place_id, vehicle_class, now)
        return quote_between(table, now, now + stay).total
    except (NoRateError, UncoveredTimeError):
        return None


def _occupied(tx: Connection, places: Sequence[Place], now: datetime) -> tuple[PlaceNow, ...]:
    ids = [place.place_id for place in places]
    running = keys.count_taken(tx, ids, now=now)
    counted = turn_store.list_last_present(tx, ids, until=now)
    passes = turn_store.list_passes(tx, {place_id: at for place_id, (at, _) in counted.items()}, until=now)
    found: list[PlaceNow] = []
    for place in places:
        last = counted.get(place.place_id)
        if last is None:
            found.append(PlaceNow(place, running.get(place.place_id, 0), now))
            continue
        carried = occupancy(
            [Count(*last)],
            [Pass(at, change) for at, change in passes.get(place.place_id, ())],
            capacity=place.capacity,
            at=now,
        )
        found.append(PlaceNow(place, carried.vehicles, now, last[0], carried.drift))
    return tuple(found)


def list_own(tx: Connection, account: FareAccountId, *, limit: int = 100) -> tuple[StayRow, ...]:
    """Return an account's newest stays, the newest first."""
    newest = keys.list_newest(tx, account, limit=limit)
    rows = {row.stay_id: row for row in store.list_stays(tx, newest)}
    return tuple(rows[key.stay_id] for key in newest)


def place_in_force(tx: Connection, place_id: str, *, now: datetime) -> Place:
    """Return a place of the rates in force; UnknownPlaceError."""
    book = Rates(tx).at(now)
    if book is None:
        raise UnknownPlaceError(place_id=place_id)
    return book.place(place_id)


def stay_day(stay: Stay, book: RateBook | None) -> date:
    """Return the operating day on which a stay began, by its place's own day (midnight in Hanoi where unknown)."""
    place = book.places.get(stay.place_id) if book else None
    at = stay.events[0].at
    return service_day(at, place.day_starts, place.zone) if place else service_day(at, time(0), HANOI)
