"""A guest whose exit nobody saw: seen coming in again, or at another place of the operator."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from parking.enter import Entering, enter
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, read_rate_dir
from parking.rules.plate_event import Direction
from parking.sessions import find_session
from tests.parking.conftest import TWO
from tests.parking.test_plates import A, read, seen


def test_a_guest_who_comes_in_again_has_left_unseen(tx, rates, now):
    came = now - timedelta(hours=5)
    first = read(tx, seen(at=came), came).session.row
    again = read(tx, seen(at=now - timedelta(hours=1)), now)
    assert (again.how, again.session.row.state) == ("began", "open")
    before = find_session(tx, first.stay_id, now=now).row
    assert (before.state, before.cases, before.running) == ("left", "missing_exit", False)
    gone = read(tx, seen(Direction.OUT, at=now), now).session.row
    assert (gone.stay_id, gone.charged_minor) == (again.session.row.stay_id, 25_000)


def test_an_exit_learnt_of_late_is_the_earlier_visits(tx, rates, now):
    came = now - timedelta(hours=3)
    first = read(tx, seen(at=came), came).session.row
    read(tx, seen(at=now), now)
    late = read(tx, seen(Direction.OUT, at=came + timedelta(hours=1)), now).session.row
    assert (late.stay_id, late.state, late.charged_minor) == (first.stay_id, "left", 25_000)
    assert late.cases == ""


@pytest.mark.parametrize(("owner", "state"), [("dongda-parking", "left"), ("hoankiem-parking", "open")])
def test_a_guest_at_another_place_of_the_operator_has_left(tx, now, owner, state):
    files = dict(read_rate_dir(HANOI))
    files["places.csv"] = files["places.csv"].replace(b",hoankiem-parking,", f",{owner},".encode())
    at = now - timedelta(days=1)
    publish_rates(tx, files, effective_at=at, **TWO, now=at)
    asked = Entering(
        event_id=uuid4(),
        place_id="dong-da-01",
        vehicle_class="car_le9",
        subject=A,
        at=now - timedelta(hours=2),
    )
    first = enter(tx, asked, actor="t", now=now).row
    enter(tx, replace(asked, event_id=uuid4(), place_id="hoan-kiem-01", at=now), actor="t", now=now)
    assert find_session(tx, first.stay_id, now=now).row.state == state
