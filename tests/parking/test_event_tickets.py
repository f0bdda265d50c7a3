"""A ticket for an event is for one stay: the first of its holder's while it holds, where it holds."""

from datetime import timedelta
from uuid import uuid4

import pytest

from parking.correct import correct
from parking.enter import Entering, enter, leave
from parking.publish_rates import publish_rates
from parking.rules.session import EventKind
from parking.sell_pass import Assigning, assign
from parking.sessions import find_session
from tests.parking.conftest import TWO, own_till

FILES = {
    "places.csv": "place_id,parent_id,name,operator_id\narena,,A,op\nnorth,arena,N,op\naway,,B,op\n",
    "vehicle_classes.csv": "class_id,name_vi,name_en\ncar,Ô tô,Car\nbike,Xe máy,Motorbike\n",
    "rate_assignments.csv": "place_id,vehicle_class,table_id\narena,car,t\narena,bike,t\naway,car,t\n",
    "rate_tables.csv": "table_id,name\nt,T\n",
    "rate_lines.csv": "table_id,sequence,line_type,increment_min,value\nt,1,incrementingRate,60,10000\n",
    "right_specifications.csv": "spec_id,kind,name,place_id,vehicle_class,price\nmatch,event,Match,arena,car,30000\n",
}


class Fan:
    """A plate with a ticket for the arena from 10:00 to 14:00, sold at a till; `now` is what a test says."""

    def __init__(self, tx, now):
        self.tx, self.ten = tx, now + timedelta(hours=1)
        early = now - timedelta(days=2)
        files = {name: body.encode() for name, body in FILES.items()}
        publish_rates(tx, files, effective_at=early, **TWO, now=early)
        own_till(tx, "t", now, "op")
        self.plate = uuid4()
        ticket = Assigning(
            right_id=uuid4(), spec_id="match", place_id="arena", valid_from=self.at(0), valid_to=self.at(4),
            subject=self.plate, till="t",
        )  # fmt: skip
        assign(tx, ticket, actor="t", now=now)

    def at(self, hours):
        return self.ten + timedelta(hours=hours)

    def park(self, place, came, went, kind="car", told=None):
        asked = Entering(
            event_id=uuid4(), place_id=place, vehicle_class=kind, subject=self.plate, at=self.at(came)
        )
        now = self.at(went if told is None else told)
        stay = enter(self.tx, asked, actor="t", now=now).row.stay_id
        leave(self.tx, stay, event_id=uuid4(), at=self.at(went), actor="t", now=now)
        return stay

    def price(self, stay):
        return find_session(self.tx, stay, now=self.at(20)).row.charged_minor


@pytest.fixture
def fan(tx, now):
    return Fan(tx, now)


def test_it_covers_the_first_stay_and_not_the_second(fan):
    first, second = fan.park("arena", 0, 1), fan.park("north", 2, 3)
    assert (fan.price(first), fan.price(second)) == (0, 10_000)


@pytest.mark.parametrize(
    ("place", "came", "went", "kind"),
    [
        ("away", 0, 1, "car"),  # another place
        ("arena", 0, 1, "bike"),  # another class
        ("arena", -0.75, 0, "car"),  # it left before the ticket held
    ],
)
def test_a_stay_that_it_does_not_hold_for_does_not_use_it(fan, place, came, went, kind):
    other, stay = fan.park(place, came, went, kind), fan.park("north", 2, 3)
    assert (fan.price(other), fan.price(stay)) == (10_000, 0)


def test_outside_its_hours_it_is_paid(fan):
    assert fan.price(fan.park("arena", 3, 6)) == 20_000
    assert fan.price(fan.park("arena", 7, 8)) == 10_000


def test_a_void_stay_leaves_it_to_the_next(fan):
    first, second = fan.park("arena", 0, 1), fan.park("north", 2, 3)
    correct(fan.tx, first, EventKind.VOIDED, event_id=uuid4(), actor="t", now=fan.at(5))
    assert (fan.price(first), fan.price(second)) == (0, 0)


def test_a_stay_learnt_of_late_is_the_first_all_the_same(fan):
    second = fan.park("north", 2, 3)
    assert fan.price(second) == 0
    first = fan.park("arena", 0, 1, told=5)
    assert (fan.price(first), fan.price(second)) == (0, 10_000)
