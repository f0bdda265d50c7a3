"""Enforcement: what a check may say, typo-safe look-ups through hashes, and observations that stand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.money import VND, Money
from parking.check import (
    ObservationIdReusedError,
    ObservationTimeError,
    Seen,
    check_vehicle,
    list_observed,
    observe,
)
from parking.enter import Entering, enter, extend, leave
from parking.pay import pay
from parking.rate_dir import HANOI, load_rate_dir
from parking.rules.check import PaidWith, Running, Verdict, check
from parking.rules.errors import UnknownPlaceError
from parking.rules.payment import Method
from parking.rules.plate import PlateMatch, compare_plates, near_plates
from parking.rules.session import State
from tests.parking.conftest import own_till

NOON = datetime(2026, 11, 18, 5, tzinfo=UTC)
PLATES = st.text("0123456789ABCDEFGHIKLMNOPSTUVXYZ", min_size=4, max_size=9)


def running(**changes) -> Running:
    known = {
        "session_id": UUID(int=1),
        "place_id": "dong-da-01",
        "state": State.OPEN,
        "here": True,
        "match": PlateMatch.SAME,
        "guest": True,
        "entered_at": NOON - timedelta(hours=1),
        "paid_until": None,
        "until": changes.get("paid_until"),
    }
    return Running(**{**known, **changes})


@pytest.mark.parametrize(
    ("found", "verdict", "notify", "paid_with"),
    [
        ([], Verdict.NOTHING, True, None),
        ([running(guest=False)], Verdict.PAID, False, PaidWith.ACCOUNT),
        ([running()], Verdict.AT_EXIT, False, PaidWith.NOT_YET),
        ([running(paid_until=NOON)], Verdict.PAID, False, PaidWith.AHEAD),
        # what was extended and not paid is not paid
        ([running(until=NOON)], Verdict.AT_EXIT, False, PaidWith.NOT_YET),
        ([running(until=NOON - timedelta(seconds=1))], Verdict.EXPIRED, True, PaidWith.NOT_YET),
        (
            [running(paid_until=NOON - timedelta(seconds=1), until=NOON)],
            Verdict.AT_EXIT,
            False,
            PaidWith.NOT_YET,
        ),
        ([running(paid_until=NOON - timedelta(seconds=1))], Verdict.EXPIRED, True, PaidWith.NOT_YET),
        ([running(here=False, guest=False)], Verdict.ELSEWHERE, False, PaidWith.ACCOUNT),
        (
            [running(here=False, paid_until=NOON - timedelta(1))],
            Verdict.ELSEWHERE,
            False,
            PaidWith.NOT_YET,
        ),
        # STANDARDS: a minor difference never leads to a notice, whatever the session says
        ([running(match=PlateMatch.MINOR, guest=False)], Verdict.PERHAPS, False, PaidWith.ACCOUNT),
        (
            [running(match=PlateMatch.MINOR, paid_until=NOON - timedelta(1))],
            Verdict.PERHAPS,
            False,
            PaidWith.NOT_YET,
        ),
        # an exact session settles it: an alike plate's paid session neither hides nor excuses
        (
            [
                running(paid_until=NOON - timedelta(1)),
                running(session_id=UUID(int=2), match=PlateMatch.MINOR, guest=False),
            ],
            Verdict.EXPIRED,
            True,
            PaidWith.NOT_YET,
        ),
        (
            [running(here=False), running(session_id=UUID(int=2), guest=False)],
            Verdict.PAID,
            False,
            PaidWith.ACCOUNT,
        ),
    ],
)
def test_check(found, verdict, notify, paid_with):
    for order in (found, found[::-1]):
        said = check(tuple(order), at=NOON)
        assert (said.verdict, said.may_notify, said.paid_with) == (verdict, notify, paid_with)


@given(PLATES)
def test_near_plates_are_exactly_the_minor_ones_that_one_edit_makes(plate):
    near = near_plates(plate)
    assert plate not in near
    assert all(compare_plates(plate, each) is PlateMatch.MINOR for each in near)


@given(PLATES, PLATES)
def test_every_minor_plate_is_near(one, other):
    assert (other in near_plates(one)) == (compare_plates(one, other) is PlateMatch.MINOR)


@given(PLATES, st.integers(0, 9), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_a_wrong_or_added_character_is_near(plate, at, letter):
    at %= len(plate)
    for edit in (plate[:at] + letter + plate[at + 1 :], plate[:at] + letter + plate[at:]):
        assert edit == plate or edit in near_plates(plate)


def test_places_stand_within_those_above():
    book = load_rate_dir(HANOI)
    place = book.place("dong-da-01")
    assert book.is_within(place.place_id, place.place_id)
    assert book.is_within(place.place_id, place.parent_id)
    assert not book.is_within(place.parent_id, place.place_id)


@pytest.fixture
def parked(tx, rates, now):
    """A guest's plate in a session at dong-da-01 for an hour."""
    subject = uuid4()
    entering = Entering(
        event_id=uuid4(),
        place_id="dong-da-01",
        vehicle_class="car_le9",
        subject=subject,
        at=now - timedelta(hours=1),
    )
    return enter(tx, entering, actor="t", now=now).row


def seen(subject, now, **changes) -> Seen:
    known = {
        "observation_id": uuid4(),
        "place_id": "dong-da-01",
        "subjects": {subject: PlateMatch.SAME},
        "observed_at": now,
    }
    return Seen(**{**known, **changes})


def test_a_stay_is_followed_from_nothing_to_expired(tx, parked, now):
    def verdict(subject=parked.subject, at=now, match=PlateMatch.SAME):
        return check_vehicle(tx, "dong-da-01", {subject: match}, now=at).verdict

    assert verdict(uuid4()) is Verdict.NOTHING
    assert verdict() is Verdict.AT_EXIT
    extend(tx, parked.stay_id, event_id=uuid4(), until=now + timedelta(minutes=30), actor="t", now=now)
    assert verdict() is Verdict.AT_EXIT, "extended, and nothing paid"
    own_till(tx, "gate-1", now)
    pay(
        tx,
        parked.stay_id,
        payment_id=uuid4(),
        method=Method.CASH,
        amount=Money(50_000, VND),
        till="gate-1",
        actor="t",
        now=now,
        until=now + timedelta(minutes=30),
    )
    assert verdict() is Verdict.PAID
    assert verdict(at=now + timedelta(minutes=31)) is Verdict.EXPIRED
    assert verdict(at=now + timedelta(minutes=31), match=PlateMatch.MINOR) is Verdict.PERHAPS
    leave(tx, parked.stay_id, event_id=uuid4(), at=now, actor="t", now=now)
    assert verdict() is Verdict.NOTHING


def test_a_place_that_is_none_is_refused(tx, rates, now):
    with pytest.raises(UnknownPlaceError):
        check_vehicle(tx, "nowhere", {uuid4(): PlateMatch.SAME}, now=now)


def test_an_observation_is_judged_once(tx, parked, now):
    first = seen(parked.subject, now, image_ref="cam-3/0001.jpg", confidence_pct=91)
    made, again = observe(tx, first, observed_by="camera:3", now=now)
    assert (made.verdict, made.may_notify, made.session_id, again) == (
        "at_exit",
        False,
        parked.stay_id,
        False,
    )
    leave(tx, parked.stay_id, event_id=uuid4(), at=now, actor="t", now=now)
    assert observe(tx, first, observed_by="camera:3", now=now + timedelta(hours=5)) == (made, True)
    assert list_observed(tx, "dong-da-01", since=now, until=now + timedelta(1)) == (made,)
    assert list_observed(tx, "dong-da-01", since=now + timedelta(1), until=now + timedelta(2)) == ()


@pytest.mark.parametrize("changes", [{"note": "other"}, {"confidence_pct": 1}, {"subjects": None}])
def test_an_observation_id_tells_of_one_thing(tx, parked, now, changes):
    first = seen(parked.subject, now)
    observe(tx, first, observed_by="t", now=now)
    if "subjects" in changes:
        changes = {"subjects": {uuid4(): PlateMatch.SAME}}
    with pytest.raises(ObservationIdReusedError):
        observe(tx, replace(first, **changes), observed_by="t", now=now)


@pytest.mark.parametrize("late", [timedelta(minutes=16), -timedelta(minutes=6)])
def test_an_observation_of_another_time_is_refused(tx, parked, now, late):
    with pytest.raises(ObservationTimeError):
        observe(tx, seen(parked.subject, now - late), observed_by="t", now=now)
