"""Park and ride, the parking side's doors: tell that stays and rights exist, read that rides do (DESIGN §8.16).

Neither business imports the other: both tell and read grounds in the ledger (decision 0040).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.ground import Ground, GroundKind
from kernel.ids import FareAccountId
from ledger import benefits
from parking.publish_rates import Rates
from parking.rules.book import RateBook
from parking.rules.park_ride import card_of, earned, reach
from parking.rules.right import AssignedRight, RightKind
from parking.rules.session import Case, EventKind, State
from parking.rules.stay import Stay
from parking.store.rights import Ended, RightRow
from parking.store.stays import StayRow

_NOT_SOLD_TO_HOLD = frozenset({RightKind.COUPON, RightKind.PARK_AND_RIDE})
_NO_STAY = frozenset({State.EXPECTED, State.RESERVED, State.VOIDED})


def tell_stays(
    tx: Connection, rows: Iterable[StayRow], stays: Mapping[UUID, Stay], rates: Rates, *, now: datetime
) -> None:
    """Say which of these stays exist now; a guest's belong to nobody's card and are not told."""
    mine = [row for row in rows if not row.guest]
    grounds = [
        stay_ground(row.fare_account_id, stays[row.stay_id], rates.at(row.first_at))
        for row in mine
        if row.stay_id in stays and row.cases != Case.MERGED.value
    ]
    refs = ((row.fare_account_id, row.stay_id) for row in mine)
    benefits.tell(tx, GroundKind.STAY, refs, (each for each in grounds if each is not None), now=now)


def stay_ground(account: FareAccountId, stay: Stay, book: RateBook | None) -> Ground | None:
    """Return a stay as others may know of it: that it was, where and when; None where nobody parked."""
    if stay.state in _NO_STAY:
        return None
    since = stay.entered_at or stay.left_at or stay.events[0].at
    until = stay.left_at
    if until is None and stay.first(EventKind.MISSED_EXIT) is not None:
        until = since  # nobody saw it leave: it was there when it came in, more is not known
    return Ground(
        fare_account_id=account,
        kind=GroundKind.STAY,
        ref=stay.stay_id,
        medium=card_of(stay),
        since=since,
        until=None if until is None else max(since, until),
        words=_words(stay.place_id, book),
    )


def tell_right(tx: Connection, row: RightRow, ended: Ended | None, rates: Rates, *, now: datetime) -> None:
    """Say that an account's pass, permit or event ticket is held, and until when."""
    book = rates.version(row.rates_version)
    spec = next((each.value for each in book.rights[row.spec_id]), None)
    if row.subject is not None or row.stay_id is not None or spec is None or spec.kind in _NOT_SOLD_TO_HOLD:
        return
    until = row.valid_to if ended is None else min(row.valid_to, ended.ended_at)
    ground = Ground(
        fare_account_id=row.fare_account_id,
        kind=GroundKind.RIGHT,
        ref=row.right_id,
        medium=None,
        since=row.valid_from,
        until=until,
        words=_words(row.place_id, book),
    )
    held = (ground,) if until > row.valid_from else ()
    benefits.tell(tx, GroundKind.RIGHT, ((row.fare_account_id, row.right_id),), held, now=now)


def list_earned(
    tx: Connection, stays: Iterable[tuple[FareAccountId, Stay]], rates: Rates
) -> dict[UUID, tuple[AssignedRight, ...]]:
    """Return, by stay, the rights that rides on the same service day earn it; nothing is read where no rate offers any."""
    offered: list[tuple[FareAccountId, Stay, RateBook, datetime]] = []
    for account, stay in stays:
        book = rates.at(stay.events[0].at)
        place = book.places.get(stay.place_id) if book else None
        if book is not None and place is not None and book.earned:
            offered.append((account, stay, book, reach(stay, place)[0]))
    if not offered:
        return {}
    since = min(start for *_, start in offered)
    accounts = sorted({account for account, *_ in offered})
    rides = benefits.list_grounds(tx, accounts, (GroundKind.RIDE,), since=since)
    found = {stay.stay_id: earned(stay, book, rides.get(account, ())) for account, stay, book, _ in offered}
    return {stay_id: rights for stay_id, rights in found.items() if rights}


def _words(place_id: str, book: RateBook | None) -> frozenset[str]:
    words = {place_id}
    place = book.places.get(place_id) if book else None
    while book is not None and place is not None and place.parent_id:
        words.add(place.parent_id)
        place = book.places.get(place.parent_id)
    return frozenset(words)
