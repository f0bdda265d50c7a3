"""What is sold for cash at a till besides top-ups: only in an open shift, and only while the till has room."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from kernel.money import Currency, Money
from ledger import till as tills
from ledger.rules.till import TillEvent, TillShift, UnknownTillError, check_room, step
from ledger.store import tills as store

T = TypeVar("T")


def sell_for_cash(
    tx: Connection,
    till: str,
    sell: Callable[[], T],
    *,
    again: Callable[[T], bool],
    unit: Currency,
    now: datetime,
) -> T:
    """Return what `sell` booked into the till's account, in an open shift that has room for it.

    The till is locked before whatever `sell` locks. A sale that `again` says was made before is answered as it was, also
    after the shift. UnknownTillError, NoOpenShiftError, TillShiftStateError, TillFullError: then nothing is to be kept.
    """
    store.lock(tx, till)
    place = store.find_till(tx, till)
    if place is None:
        raise UnknownTillError(till=till)
    sold = sell()
    if not again(sold):
        shift: TillShift = tills.get_shift(tx, till)
        step(shift, TillEvent.TOPPED_UP)
        check_room(place, tills.read_cash(tx, till, unit, now), Money.zero(unit))
    return sold
