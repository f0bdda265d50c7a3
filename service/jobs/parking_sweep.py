"""Parking's clockwork: reservations nobody came for, sessions whose paid time ended, pools, cameras, park and ride."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from fare.publish import Shelf
from kernel.clock import Clock
from parking import pools, reserve_space, see_plate
from service.database import Database
from service.jobs import park_and_ride


@dataclass(frozen=True, slots=True)
class Swept:
    """What one run did."""

    no_shows: int
    stopped: int
    evened: int
    met: int
    rejoined: int


def sweep(database: Database, *, shelf: Shelf, clock: Clock) -> Swept:
    """Note lapsed reservations, stop paid-out sessions, even out pools, join what cameras read to cards' sessions that
    were told of late, and bill what park and ride makes due.

    Each may be killed and repeated.
    """
    now = clock.now()
    with database.read() as tx:
        lapsed = reserve_space.list_lapsed(tx, now=now)
        paid_out = reserve_space.list_paid_out(tx, now=now)
    no_shows = sum(
        database.run(partial(_note_no_show, session_id=session_id, now=now)) for session_id in lapsed
    )
    stopped = sum(
        database.run(partial(_stop, session_id=session_id, at=at, now=now)) for session_id, at in paid_out
    )
    evened = database.run(partial(pools.even_pools, now=now))
    with database.read() as tx:
        late = see_plate.list_late(tx, now=now)
    rejoined = sum(
        database.run(
            partial(
                see_plate.rejoin,
                event_id=each[0],
                guest_id=each[1],
                session_id=each[2],
                actor="sweep",
                now=now,
            )
        )
        for each in late
    )
    met = park_and_ride.meet(database, shelf=shelf, now=now)
    return Swept(no_shows, stopped, evened, met, rejoined)


def _note_no_show(tx: Connection, *, session_id: UUID, now: datetime) -> bool:
    return reserve_space.note_no_show(tx, session_id, now=now) is not None


def _stop(tx: Connection, *, session_id: UUID, at: datetime, now: datetime) -> bool:
    return reserve_space.stop(tx, session_id, at, now=now) is not None
