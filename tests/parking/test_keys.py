"""What a gate waits for reads the day that it is about, however many days the database has."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from kernel.money import VND, Money
from parking.check import check_vehicle
from parking.enter import Entering, enter, extend, leave
from parking.pay import find_paid, pay
from parking.places import list_own
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, read_rate_dir
from parking.rules.payment import Method
from parking.rules.plate import PlateMatch
from parking.rules.plate_event import Direction, PlateSeen
from parking.see_plate import see_plate
from parking.sessions import find_session
from service.database import Database
from service.jobs.partitions import ensure_partitions
from tests.parking.conftest import own_till

DAYS = 40
_READ = """
SELECT DISTINCT relation::regclass::text FROM pg_locks
WHERE pid = pg_backend_pid() AND relation::regclass::text ~ '^parking_(stay|event|bill_line)_(p[0-9]{8}|default)$'
"""


@pytest.fixture
def many_days(database, now):
    """A database with a partition a day, for a month before and some days after."""
    owner = Database(database.owner_url)
    owner.run(lambda tx: ensure_partitions(tx, (now - timedelta(days=DAYS - 9)).date(), DAYS))
    owner.dispose()
    service = Database(database.url)
    yield service
    service.dispose()


def read_days(tx: Connection) -> set[str]:
    """Return the days of stays, events and bill lines that this transaction has touched."""
    return {row[0].rpartition("_")[2] for row in tx.execute(text(_READ))}


def guests_stay(tx: Connection, now) -> list[Callable[[Connection], object]]:
    """Return what is done in turn at a gate and about one stay."""
    session, ticket = uuid4(), uuid4()
    own_till(tx, "t", now)
    asked = Entering(event_id=session, place_id="dong-da-01", vehicle_class="car_le9", subject=ticket, at=now)
    made = enter(tx, asked, actor="a", now=now)
    own = made.row.stay_id
    later = now + timedelta(hours=1)
    return [
        lambda tx: enter(tx, asked, actor="a", now=now),
        lambda tx: find_session(tx, own, now=later),
        lambda tx: check_vehicle(tx, "dong-da-01", {ticket: PlateMatch.SAME}, now=later),
        lambda tx: extend(tx, own, event_id=uuid4(), until=later, actor="a", now=now),
        lambda tx: see_plate(
            tx,
            PlateSeen(
                event_id=uuid4(),
                gate_id="dong-da-01",
                subject=uuid4(),
                direction=Direction.OUT,
                at=later,
                confidence_pct=50,
                image_ref="",
            ),
            near={},
            vehicle_class="",
            actor="a",
            now=later,
        ),
        lambda tx: leave(tx, own, event_id=uuid4(), at=later, actor="a", now=later),
        lambda tx: pay(
            tx,
            own,
            payment_id=uuid4(),
            method=Method.CASH,
            amount=Money(25_000, VND),
            till="t",
            actor="a",
            now=later,
        ),
        lambda tx: find_paid(tx, own, now=later),
        lambda tx: list_own(tx, made.row.fare_account_id),
    ]


def test_a_guests_stay_reads_no_day_but_its_own(many_days, now):
    with many_days.begin() as tx:
        publish_rates(tx, read_rate_dir(HANOI), prepared_by="mai", approved_by="tuan", now=now)
    with many_days.begin() as tx:
        steps = guests_stay(tx, now)
        assert read_days(tx) == {f"p{now:%Y%m%d}"}
    for step in steps:
        with many_days.begin() as tx:
            step(tx)
            assert read_days(tx) <= {f"p{now:%Y%m%d}"}
