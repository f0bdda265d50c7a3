"""Park and ride through evidence, the API's verbs and both ledgers: whatever is learnt when, the bills are the same."""

import random
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from access.issue import lock_accounts
from fare.explain import explain_tap
from fare.rules import recompute
from kernel.wire.tap import Purpose
from parking.correct import correct
from parking.enter import Entering, enter, leave
from parking.rules.session import EventKind
from parking.sell_pass import Assigning, assign, end
from parking.sessions import find_session
from tests.park_ride_town import MORNING, NIGHT, RIDE, RIDE_OFF, STAY, Town


@pytest.fixture
def town(tx, keyring):
    return Town(tx, keyring)


BOTH = [
    ("fare", "charged", "rider", "2A", RIDE - RIDE_OFF),
    ("fare", "discounted", "city", "2A", RIDE_OFF),
    ("parking", "charged", "rider", "dong-da-01", STAY - STAY // 2),
    ("parking", "discounted", "city", "dong-da-01", STAY // 2),
]


def test_a_stay_and_a_ride_discount_each_other(town):
    town.pass_gate(Purpose.PARK_IN, 0)
    town.ride(20)
    town.pass_gate(Purpose.PARK_OUT, 300)
    town.send(town.gate, 1, 1)
    town.send(town.station)
    town.send(town.gate, 2, 2)
    assert town.booked() == BOTH
    assert town.money() == (1_000_000 - (RIDE - RIDE_OFF) - STAY // 2, RIDE_OFF + STAY // 2, 0)


@pytest.mark.parametrize("late", ["station", "gate"])
def test_what_is_learnt_late_reprices_the_other(town, late):
    town.pass_gate(Purpose.PARK_IN, 0)
    town.ride(20)
    town.pass_gate(Purpose.PARK_OUT, 300)
    first, second = (town.gate, town.station) if late == "station" else (town.station, town.gate)
    town.send(first)
    alone = town.booked()
    assert all(component == "charged" for _, component, *_ in alone)
    assert sum(minor for *_, minor in alone) == (STAY if late == "station" else RIDE)
    town.send(second)
    assert town.booked() == BOTH
    assert town.send(second).entries == 0


def test_without_the_other_each_costs_its_own(town):
    town.ride(20)
    town.send(town.station)
    assert town.booked() == [("fare", "charged", "rider", "2A", RIDE)]
    rides = town.tx.execute(text("SELECT count(*) FROM benefit_ground")).scalar()
    assert rides == 0  # nobody asks for rides of who does not park


def test_another_day_earns_nothing(town):
    town.pass_gate(Purpose.PARK_IN, -24 * 60)
    town.pass_gate(Purpose.PARK_OUT, -23 * 60)
    town.ride(20)
    town.send(town.gate)
    town.send(town.station)
    assert {component for _, component, *_ in town.booked()} == {"charged"}


def parked_by_phone(town, minutes=0):
    asked = Entering(
        event_id=uuid4(),
        place_id="dong-da-01",
        vehicle_class="car_le9",
        subject=uuid4(),
        at=MORNING + timedelta(minutes=minutes),
        account=town.account,
    )
    made = enter(town.tx, asked, actor="t", now=NIGHT)
    return leave(
        town.tx,
        made.row.stay_id,
        event_id=uuid4(),
        at=asked.at + timedelta(minutes=300),
        actor="t",
        now=NIGHT,
    )


def test_a_stay_by_phone_counts_once_the_sweep_has_met_it(town):
    town.ride(20)
    town.send(town.station)
    parked_by_phone(town)
    town.meet()
    assert town.booked() == BOTH
    assert town.meet().entries == 0


def test_a_voided_stay_takes_its_benefit_back(town):
    town.ride(20)
    made = parked_by_phone(town)
    town.send(town.station)
    assert town.booked() == BOTH
    correct(town.tx, made.row.stay_id, EventKind.VOIDED, event_id=uuid4(), actor="t", now=NIGHT)
    town.meet()
    assert town.booked() == [("fare", "charged", "rider", "2A", RIDE)]
    assert town.money() == (1_000_000 - RIDE, 0, 0)


def test_a_season_pass_at_the_station_pays_the_ride_while_it_is_held(town):
    lock_accounts(town.tx, [town.account])
    held = assign(
        town.tx,
        Assigning(
            right_id=uuid4(),
            spec_id="month",
            place_id="hoan-kiem-12-streets",
            valid_from=NIGHT,
            valid_to=NIGHT + timedelta(days=30),
            account=town.account,
        ),
        actor="t",
        now=NIGHT,
    )
    town.ride(20)  # the day is the pass's first, though it began after the ride
    town.send(town.station)
    assert town.booked() == [("fare", "discounted", "shop", "2A", RIDE)]
    end(town.tx, held.row.right_id, note="moved", actor="t", now=NIGHT)
    town.meet()
    assert town.booked() == [("fare", "charged", "rider", "2A", RIDE)]


def test_the_explanation_and_the_session_say_why(town):
    town.pass_gate(Purpose.PARK_IN, 0)
    town.ride(20)
    town.pass_gate(Purpose.PARK_OUT, 300)
    town.send(town.station)
    town.send(town.gate)
    tap, stay = town.tx.execute(
        text("SELECT (SELECT tap_id FROM fare_bill_line LIMIT 1), (SELECT stay_id FROM parking_stay)")
    ).one()
    story = explain_tap(town.tx, tap, books=town.shelf.books(town.tx))
    assert story.agrees
    assert recompute.check(story.explanation.to_json()) == RIDE - RIDE_OFF
    step = next(each for each in story.explanation.steps if each["op"] == "park_and_ride")
    assert step["parked_ref"] == str(stay)
    assert any("Park and ride" in each for each in story.en)
    (cut,) = find_session(town.tx, stay, now=NIGHT).bill.cuts
    assert (cut.right.ride.ref, cut.amount.minor) == (tap, STAY // 2)


def test_what_leaving_now_would_cost_shows_what_the_ride_earns(town):
    town.pass_gate(Purpose.PARK_IN, 0)
    town.send(town.gate)
    stay = town.tx.execute(text("SELECT stay_id FROM parking_stay")).scalar_one()
    leaving = MORNING + timedelta(minutes=300)

    def asked():
        bill = find_session(town.tx, stay, now=leaving).asked
        return bill.quote.total.minor, bill.charged().minor, bill.quote.expires_at - leaving

    assert asked() == (STAY, STAY, timedelta(minutes=10))
    town.ride(20)
    town.send(town.station)
    assert asked() == (STAY, STAY - STAY // 2, timedelta(minutes=10))
    town.pass_gate(Purpose.PARK_OUT, 300)
    town.send(town.gate)
    found = find_session(town.tx, stay, now=leaving)
    assert (found.asked, found.bill.charged().minor) == (None, STAY - STAY // 2)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), shape=st.lists(st.sampled_from("rrsp"), min_size=1, max_size=5))
def test_any_order_of_taps_and_stays_ends_in_the_same_bills(tx, keyring, seed, shape):
    dice = random.Random(seed)
    gaps = [dice.choice([30, 400, 1_600]) for _ in shape]
    ways = []
    for shuffled in (False, True):
        with tx.begin_nested() as undone:
            town, sends, at = Town(tx, keyring), [], 700 - sum(gaps)
            for step, gap in zip(shape, gaps, strict=True):
                at += gap
                if step == "r":
                    town.ride(at)
                    last = len(town.station.records)
                    sends += [lambda n=n, t=town: t.send(t.station, n, n) for n in (last - 1, last)]
                elif step == "s":
                    town.pass_gate(Purpose.PARK_IN, at)
                    town.pass_gate(Purpose.PARK_OUT, at + 61)
                    last = len(town.gate.records)
                    sends += [lambda n=n, t=town: t.send(t.gate, n, n) for n in (last - 1, last)]
                else:
                    sends.append(lambda t=town, at=at: parked_by_phone(t, at))
            if shuffled:
                sends += dice.sample(sends, dice.randint(0, len(sends))) if "p" not in shape else []
                dice.shuffle(sends)
            for send in sends:
                send()
            town.meet()
            ways.append((town.booked(), town.money()))
            undone.rollback()
    assert ways[0] == ways[1]


def test_the_days_are_the_tariffs_own(town):
    """The tariff's day begins at 04:00 in Hanoi: a stay until 03:59 belongs to the day before."""
    town.pass_gate(Purpose.PARK_IN, -10 * 60)
    town.pass_gate(Purpose.PARK_OUT, -211)  # 03:59
    town.ride(20)
    town.send(town.gate)
    town.send(town.station)
    assert {component for _, component, *_ in town.booked()} == {"charged"}
