"""Which earlier stays leave paid time to a stay, and which later ones an earlier stay's change touches."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import FareAccountId
from kernel.service_day import local_date
from parking.publish_rates import Rates
from parking.rules.book import RateBook
from parking.rules.carry import PaidAhead, carried, carries, table_that_carries
from parking.rules.right import AssignedRight
from parking.rules.session import PRICED, State
from parking.rules.stay import Stay
from parking.store import keys
from parking.store.stays import StayRow, list_stays


def list_carried(
    tx: Connection, stays: Iterable[Stay], rates: Rates
) -> dict[UUID, tuple[AssignedRight, ...]]:
    """Return, by stay, what earlier stays leave to it; nothing is read where no table lets paid time go along."""
    asked: list[tuple[Stay, RateBook]] = []
    for stay in stays:
        book = rates.at(stay.events[0].at)
        if book is not None and table_that_carries(stay, book) is not None:
            asked.append((stay, book))
    if not asked:
        return {}
    since = min(stay.events[0].at for stay, _ in asked)
    earlier: dict[UUID, list[PaidAhead]] = {}
    for row in list_stays(tx, keys.list_paid_ahead(tx, {stay.subject for stay, _ in asked}, after=since)):
        if row.left_at is None or row.paid_until is None or State(row.state) not in PRICED:
            continue
        ahead = PaidAhead(row.stay_id, row.left_at, row.paid_until, row.table_id, row.operator_id)
        earlier.setdefault(row.subject, []).append(ahead)
    found = {stay.stay_id: carried(stay, book, earlier.get(stay.subject, ())) for stay, book in asked}
    return {stay_id: rights for stay_id, rights in found.items() if rights}


def list_touched(tx: Connection, row: StayRow, rates: Rates) -> dict[FareAccountId, datetime]:
    """Return the accounts and instants of later stays that this stay's paid time may cover, or covered before."""
    if row.paid_until is None:
        return {}
    book = rates.at(row.first_at)
    place = book.places.get(row.place_id) if book else None
    if book is None or place is None:
        return {}
    table = book.table(row.table_id, zone=place.zone, on=local_date(row.first_at, place.zone))
    if table is not None and not carries(table):
        return {}  # one that was given back has no table any more: it may have covered
    places = [each.place_id for each in book.places.values() if each.operator_id == row.operator_id]
    found = keys.list_followers(tx, row.subject, places, since=row.first_at, until=row.paid_until)
    later = list_stays(tx, found)
    return {
        each.fare_account_id: each.first_at for each in later if each.guest and each.stay_id != row.stay_id
    }
