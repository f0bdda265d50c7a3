"""Places as they stand now: what an operator runs, how full each is, and the operating day of a stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from kernel.ids import FareAccountId, OperatorId
from kernel.service_day import service_day
from parking.publish_rates import Rates
from parking.rules.book import RateBook
from parking.rules.errors import UnknownPlaceError
from parking.rules.place import Place, PlaceKind
from parking.rules.stay import Stay
from parking.store import stays as store
from parking.store.stays import StayRow

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")


@dataclass(frozen=True, slots=True)
class PlaceNow:
    """A place with the sessions running in it; `free` is None where its capacity is not known."""

    place: Place
    occupied: int
    counted_at: datetime

    @property
    def free(self) -> int | None:
        """Return how many more may enter, never below 0; None where the capacity is not known."""
        return None if self.place.capacity is None else max(0, self.place.capacity - self.occupied)


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
    counted = store.count_taken(tx, [place.place_id for place in mine], now=now)
    return tuple(PlaceNow(place, counted.get(place.place_id, 0), now) for place in mine)


def list_own(tx: Connection, account: FareAccountId, *, limit: int = 100) -> tuple[StayRow, ...]:
    """Return an account's newest stays, the newest first."""
    return store.list_newest(tx, account, limit=limit)


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
