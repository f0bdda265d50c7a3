"""Companies' pools of spaces: opened once, and kept even when a late event moves a space."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import FareAccountId
from ledger.post import book_day
from parking.bill import bill_accounts
from parking.places import HANOI
from parking.publish_rates import Rates
from parking.rights import list_uneven
from parking.sell_pass import RightIdReusedError
from parking.sessions import book_at, lock_parker
from parking.store import rights as store
from parking.store.rights import Pool


def open_pool(
    tx: Connection, pool_id: UUID, *, place_id: str, name: str, spaces: int, actor: str, now: datetime
) -> tuple[Pool, bool]:
    """Open a company's pool at a place and return it, and whether it was open; UnknownPlaceError, RightIdReusedError."""
    place = book_at(Rates(tx), place_id, now).place(place_id)
    new = Pool(
        pool_id=pool_id,
        place_id=place_id,
        operator_id=place.operator_id,
        name=name,
        spaces=spaces,
        opened_at=now,
        opened_by=actor,
    )
    if store.insert_pool(tx, new):
        return new, False
    (known,) = store.list_pools(tx, [pool_id])
    for field in ("place_id", "name", "spaces"):
        if getattr(known, field) != getattr(new, field):
            raise RightIdReusedError(id=str(pool_id), field=field)
    return known, True


def even_pools(tx: Connection, *, now: datetime) -> int:
    """Bill pool members' stays again where a late event moved the pool's spaces; return how many accounts."""
    since: dict[FareAccountId, datetime] = {}
    for account, at in list_uneven(tx, Rates(tx), now=now):
        since[account] = min(at, since.get(account, at))
    for day in sorted({at.astimezone(HANOI).date() for at in since.values()}):
        book_day(tx, day, now)  # before any account (§8.5)
    for account, at in sorted(since.items()):
        lock_parker(tx, account, guest=False, now=now)
        bill_accounts(tx, {account: at}, now=now)
    return len(since)
