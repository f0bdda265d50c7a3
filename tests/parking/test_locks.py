"""Two calls about one plate, or one card: one waits for the other, never both."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from access.issue import open_guest
from kernel.ids import FareAccountId
from ledger.close_period import take_open
from parking.enter import Entering, enter, leave
from parking.reserve_space import Reserving, reserve
from parking.rules.plate_event import Direction, PlateSeen
from parking.see_plate import see_plate
from parking.sessions import find_session, lock_session
from parking.store import stays as store
from service.database import Database
from tests.parking.test_carry import Driver


@pytest.fixture
def opened(database):
    found = Database(database.url, pool_size=3)
    yield found
    found.dispose()


@pytest.fixture
def driver(opened, now):
    """A plate that is paid at A from 10:00 to 12:00, where paid time goes along."""
    with opened.begin() as tx:
        return Driver(tx, now, "transfer")


def come(opened, driver, place, minutes, plate, account=None):
    asked = Entering(
        event_id=uuid4(),
        place_id=place,
        vehicle_class="car",
        subject=plate,
        at=driver.at(minutes),
        account=account,
    )
    with opened.begin() as tx:
        return enter(tx, asked, actor="t", now=driver.at(minutes)).row


def wait_until_one_waits(opened):
    """Return once a transaction waits for what another one holds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with opened.begin() as tx:
            if tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar():
                return
        time.sleep(0.005)
    raise AssertionError("nobody waits")


def test_one_place_is_left_while_the_reserved_next_one_is_come_to(opened, driver):
    """To leave A bills the reservation that its paid time covers; to come to B ends what runs at A."""
    with opened.begin() as tx:
        asked = Reserving(
            event_id=uuid4(),
            place_id="b",
            vehicle_class="car",
            subject=driver.plate,
            held_until=driver.at(120),
        )
        reserved = reserve(tx, asked, actor="t", now=driver.at(10)).row.stay_id
    with ThreadPoolExecutor(1) as pool:
        with opened.begin() as driver.tx:
            lock_session(driver.tx, driver.first, driver.at(60))
            coming = pool.submit(come, opened, driver, "b", 70, driver.plate)
            wait_until_one_waits(opened)
            driver.leave(driver.first, 60)
        assert coming.result().stay_id == reserved
    with opened.begin() as tx:
        first = find_session(tx, driver.first, now=driver.at(80)).row
    assert (first.state, first.left_at) == ("left", driver.at(60))


def test_a_camera_sees_a_rider_leave_who_parks_another_car_there(opened, driver):
    """A camera has the place before the stay that it ends; so has whoever comes in."""
    rider = FareAccountId(uuid4())
    with opened.begin() as tx:
        open_guest(tx, rider, driver.ten - timedelta(days=1))
    parked = come(opened, driver, "b", 5, uuid4(), rider)
    with ThreadPoolExecutor(1) as pool:
        with opened.begin() as tx:
            store.lock_place(tx, "b")
            coming = pool.submit(come, opened, driver, "b", 70, uuid4(), rider)
            wait_until_one_waits(opened)
            assert lock_session(tx, parked.stay_id, driver.at(70)).running
        assert coming.result().running


@pytest.mark.parametrize("verb", ["enter", "reserve", "leave"])
def test_who_waits_for_a_close_holds_no_account(opened, driver, verb):
    """Its posters would wait for that account, and the close for them: book days come before accounts (§8.5)."""
    account, later = FareAccountId(uuid4()), driver.at(70)
    with opened.begin() as tx:
        open_guest(tx, account, driver.ten - timedelta(days=1))
    parked = come(opened, driver, "b", 5, uuid4(), account).stay_id

    def go():
        if verb == "enter":
            return come(opened, driver, "b", 70, uuid4(), account)
        with opened.begin() as tx:
            if verb == "leave":
                return leave(tx, parked, event_id=uuid4(), at=later, actor="t", now=later).row
            asked = Reserving(
                event_id=uuid4(),
                place_id="b",
                vehicle_class="car",
                subject=uuid4(),
                held_until=driver.at(120),
                account=account,
            )
            return reserve(tx, asked, actor="t", now=later).row

    with ThreadPoolExecutor(1) as pool:
        with opened.begin() as closing:
            take_open(closing, later.date(), later)
            going = pool.submit(go)
            wait_until_one_waits(opened)
            with opened.begin() as tx:
                free = text("SELECT FROM fare_account WHERE fare_account_id = :id FOR UPDATE NOWAIT")
                assert tx.execute(free, {"id": account}).rowcount == 1
        assert going.result().fare_account_id == account


def test_the_close_of_yesterday_keeps_nobody_at_the_barrier(opened, driver):
    with opened.begin() as closing, ThreadPoolExecutor(1) as pool:
        take_open(closing, driver.at(70).date() - timedelta(days=1), driver.at(70))
        assert pool.submit(come, opened, driver, "b", 70, uuid4()).result(10).running


def test_a_camera_that_waits_for_a_close_holds_no_place(opened, driver):
    """Who comes in has the day before the place: a camera that had the place first would block them and the close."""
    later = driver.at(70)
    seen = PlateSeen(
        event_id=uuid4(),
        gate_id="b-gate",
        subject=uuid4(),
        direction=Direction.IN,
        at=later,
        confidence_pct=99,
    )

    def look():
        with opened.begin() as tx:
            return see_plate(tx, seen, near={}, vehicle_class="car", actor="t", now=later)

    with ThreadPoolExecutor(1) as pool:
        with opened.begin() as closing:
            take_open(closing, later.date(), later)
            looking = pool.submit(look)
            wait_until_one_waits(opened)
            with opened.begin() as tx:
                tx.execute(text("SET LOCAL lock_timeout = '2s'"))
                store.lock_place(tx, "b")
        assert looking.result().how == "began"
