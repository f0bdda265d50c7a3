"""Reservations, corrections and what the clock ends: through verbs and HTTP, with books that follow."""

from datetime import timedelta
from uuid import uuid4

import pytest

from access.issue import issue_card
from kernel.wire.cardinfo import Concession
from parking.correct import correct
from parking.enter import Entering, PlaceFullError, check_space, enter, leave
from parking.places import place_in_force
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, read_rate_dir
from parking.reserve_space import PATIENCE, AlreadyReservedError, Reserving, reserve
from parking.rules.errors import ImpossibleTimesError
from parking.rules.session import EventKind
from service.jobs import parking_sweep
from service.services import EXTENSION
from tests.parking.conftest import TWO, balances, load, own_till
from tests.parking.test_parking_api import BASE, entry, problem
from tests.parking.test_payments_api import cash, left
from tests.service.test_riders_api import signed_in


def shelf_of(app):
    return app.extensions[EXTENSION].shelf


PLATE = {"kind": "plate", "value": "30A-123.45"}


def reserving(now, hours=1, **changes):
    known = {
        "event_id": uuid4(),
        "place_id": "dong-da-01",
        "vehicle_class": "car_le9",
        "subject": uuid4(),
        "held_until": now + timedelta(hours=hours),
    }
    return Reserving(**{**known, **changes})


def entering(asked, at, **changes):
    known = {
        "event_id": uuid4(),
        "place_id": asked.place_id,
        "vehicle_class": asked.vehicle_class,
        "subject": asked.subject,
        "at": at,
    }
    return Entering(**{**known, **changes})


def test_a_reservation_becomes_the_session_of_who_comes(tx, rates, now):
    asked = reserving(now)
    held = reserve(tx, asked, actor="t", now=now)
    assert (held.row.state, held.row.held_until) == ("reserved", asked.held_until)
    assert reserve(tx, asked, actor="t", now=now).again
    coming = entering(asked, now + timedelta(minutes=20))
    began = enter(tx, coming, actor="t", now=now + timedelta(minutes=20))
    assert (began.row.stay_id, began.row.state, began.row.held_until) == (held.row.stay_id, "open", None)
    again = enter(tx, coming, actor="t", now=now + timedelta(hours=3))
    assert (again.again, again.row.stay_id) == (True, held.row.stay_id)


def test_an_entry_told_in_time_may_be_told_again_at_any_time(tx, rates, now):
    coming = entering(reserving(now), now)
    began = enter(tx, coming, actor="t", now=now)
    again = enter(tx, coming, actor="t", now=now + timedelta(days=46))
    assert (again.again, again.row.stay_id) == (True, began.row.stay_id)


def test_a_hold_is_no_time_that_was_paid(tx, rates, now):
    asked = reserving(now)
    reserve(tx, asked, actor="t", now=now)
    began = enter(tx, entering(asked, now), actor="t", now=now)
    assert began.row.paid_until is None


@pytest.mark.parametrize("hours", [0, -1, 25])
def test_a_hold_ends_within_a_day(tx, rates, now, hours):
    with pytest.raises(ImpossibleTimesError):
        reserve(tx, reserving(now, hours), actor="t", now=now)


def test_a_subject_holds_one_space_at_a_place(tx, rates, now):
    asked = reserving(now)
    reserve(tx, asked, actor="t", now=now)
    with pytest.raises(AlreadyReservedError):
        reserve(tx, reserving(now, subject=asked.subject), actor="t", now=now)


def test_held_spaces_are_taken_until_the_hold_ends(tx, rates, now):
    place = place_in_force(tx, "dong-da-01", now=now)
    for _ in range(place.capacity):
        reserve(tx, reserving(now), actor="t", now=now)
    with pytest.raises(PlaceFullError):
        reserve(tx, reserving(now), actor="t", now=now)
    check_space(tx, place, now=now + timedelta(hours=1))


def test_the_sweep_notes_who_never_came_once(app, begin, now, clock):
    database = app.extensions[EXTENSION].database
    with begin() as tx:
        asked = reserving(now)
        held = reserve(tx, asked, actor="t", now=now)
    clock.advance(timedelta(hours=1) + PATIENCE - timedelta(seconds=1))
    assert parking_sweep.sweep(database, shelf=shelf_of(app), clock=clock).no_shows == 0
    clock.advance(timedelta(seconds=1))
    assert parking_sweep.sweep(database, shelf=shelf_of(app), clock=clock).no_shows == 1
    assert parking_sweep.sweep(database, shelf=shelf_of(app), clock=clock).no_shows == 0
    with begin() as tx:
        late = enter(tx, entering(asked, clock.now()), actor="t", now=clock.now())
        assert late.row.stay_id != held.row.stay_id


def test_a_street_session_stops_when_its_paid_time_ends(client, app, begin, bearer, now, clock):
    """A place without gates has nobody who tells of the exit."""
    head = bearer()
    database = app.extensions[EXTENSION].database
    files = dict(read_rate_dir(HANOI))
    files["gates.csv"] = files["gates.csv"].splitlines(keepends=True)[0]
    with begin() as tx:
        publish_rates(tx, files, effective_at=now, **TWO, now=now - timedelta(hours=1))
        own_till(tx, "gate-1", now)
    began = client.post(f"{BASE}/sessions", headers=head, json=entry(now)).json
    url = f"{BASE}/sessions/{began['session_id']}"
    until = now + timedelta(hours=1)
    client.post(f"{url}/payments", headers=head, json=cash(25_000, until=until.isoformat()))
    clock.advance(timedelta(hours=1))
    assert client.get(url, headers=head).json["state"] == "paid_ahead"
    clock.advance(PATIENCE)
    assert client.get(url, headers=head).json["state"] == "overstayed"
    assert parking_sweep.sweep(database, shelf=shelf_of(app), clock=clock).stopped == 1
    assert parking_sweep.sweep(database, shelf=shelf_of(app), clock=clock).stopped == 0
    found = client.get(url, headers=head).json
    assert (found["state"], found["left_at"]) == ("left", until.isoformat())


def test_a_voided_stay_gives_back_what_its_card_paid(client, app, begin, bearer, keyring, now):
    with begin() as tx:
        card = issue_card(
            tx,
            keyring=keyring,
            uid=b"\x04void!!",
            concession=Concession.NORMAL,
            expiry=now.date() + timedelta(days=900),
            now=now - timedelta(days=1),
        )
        load(tx, card.fare_account_id, 100_000, now)
    head = bearer()
    began = client.post(
        f"{BASE}/sessions", headers=head, json=entry(now, 60, fare_account_id=str(card.fare_account_id))
    ).json
    url = f"{BASE}/sessions/{began['session_id']}"
    correction = {"event_id": str(uuid4()), "correction": "disputed", "note": "was not there"}
    assert problem(client.post(f"{url}/corrections", headers=head, json=correction)) == (409, "session-state")
    left(client, head, url)
    for kind, state, paid in (("disputed", "disputed", 25_000), ("upheld", "left", 25_000)):
        told = {**correction, "event_id": str(uuid4()), "correction": kind}
        made = client.post(f"{url}/corrections", headers=head, json=told).json
        assert made["state"] == state
        with begin() as tx:
            assert balances(tx, card.fare_account_id, now) == (100_000 - paid, 0, paid)
    told = {**correction, "event_id": str(uuid4()), "correction": "refunded"}
    for hit in (None, "true"):
        made = client.post(f"{url}/corrections", headers=head, json=told)
        assert (made.json["state"], made.headers.get("Idempotency-Hit")) == ("refunded", hit)
    with begin() as tx:
        assert balances(tx, card.fare_account_id, now) == (100_000, 0, 0)


def test_reservations_over_http(client, bearer, now):
    head = bearer()
    body = {
        "event_id": str(uuid4()),
        "place_id": "dong-da-01",
        "vehicle_class": "car_le9",
        "medium": PLATE,
        "held_until": (now + timedelta(minutes=30)).isoformat(),
    }
    made = client.post(f"{BASE}/reservations", headers=head, json=body)
    assert (made.status_code, made.json["state"]) == (201, "reserved")
    assert client.post(f"{BASE}/reservations", headers=head, json=body).status_code == 200
    assert problem(client.post(f"{BASE}/reservations", headers=bearer("other"), json=body)) == (
        403,
        "other-operator",
    )
    came = client.post(f"{BASE}/sessions", headers=head, json=entry(now))
    assert came.json["session_id"] == made.json["session_id"]


@pytest.fixture
def riders(app, client, begin, keyring, now):
    """Two signed-in riders with 100,000 each: (headers, base url)."""
    found = []
    for uid in (b"\x04rider1", b"\x04rider2"):
        with begin() as tx:
            card = issue_card(
                tx,
                keyring=keyring,
                uid=uid,
                concession=Concession.NORMAL,
                expiry=now.date() + timedelta(days=900),
                now=now,
            )
            load(tx, card.fare_account_id, 100_000, now)
        head = signed_in(client, app.extensions[EXTENSION], card)
        found.append((head, f"/v1/riders/{card.fare_account_id}/parking", card))
    return found


def test_a_rider_parks_by_phone(client, begin, riders, now, clock):
    (head, url, card), (other, _, _) = riders
    assert client.get(url, headers=head).json == {"sessions": []}
    body = {
        "event_id": str(uuid4()),
        "place_id": "dong-da-01",
        "vehicle_class": "car_le9",
        "plate": "30A 123.45",
    }
    began = client.post(url, headers=head, json=body)
    assert (began.status_code, began.json["state"]) == (201, "open")
    where = f"{url}/{began.json['session_id']}"
    until = (now + timedelta(hours=2)).isoformat()
    extended = client.post(
        f"{where}/extend", headers=head, json={"event_id": str(uuid4()), "until": until}
    ).json
    assert extended["state"] == "extended"
    clock.advance(timedelta(minutes=90))
    assert client.get(where, headers=head).json["proof"]["total"]["minor"] == 50_000
    stopping = {"event_id": str(uuid4())}
    assert client.post(f"{where}/stop", headers=head, json=stopping).json["state"] == "left"
    assert client.post(f"{where}/stop", headers=head, json=stopping).headers["Idempotency-Hit"] == "true"
    (listed,) = client.get(url, headers=head).json["sessions"]
    assert (listed["state"], listed["charged"]["minor"]) == ("left", 50_000)
    with begin() as tx:
        assert balances(tx, card.fare_account_id, now)[0] == 50_000
    assert problem(client.get(where, headers=other))[0] == 403


def test_a_rider_reaches_no_other_riders_session(client, riders):
    (head, url, _), (other, others, _) = riders
    body = {
        "event_id": str(uuid4()),
        "place_id": "dong-da-01",
        "vehicle_class": "car_le9",
        "plate": "30A12345",
    }
    began = client.post(url, headers=head, json=body).json
    stolen = f"{others}/{began['session_id']}"
    assert problem(client.get(stolen, headers=other)) == (404, "unknown-session")
    for verb in ("stop", "extend"):
        told = {"event_id": str(uuid4())} | ({"until": "2026-11-19T00:00:00Z"} if verb == "extend" else {})
        assert problem(client.post(f"{stolen}/{verb}", headers=other, json=told)) == (404, "unknown-session")


def test_corrections_of_one_instant_follow_each_other(tx, rates, now):
    """A gate's clock may run ahead: until ours has caught up, each correction is told at the exit's instant."""
    asked = Entering(
        event_id=uuid4(), place_id="dong-da-01", vehicle_class="car_le9", subject=uuid4(), at=now
    )
    stay_id = enter(tx, asked, actor="t", now=now).row.stay_id
    leave(tx, stay_id, event_id=uuid4(), at=now + timedelta(minutes=4), actor="t", now=now)
    kinds = (EventKind.DISPUTED, EventKind.UPHELD, EventKind.DISPUTED, EventKind.REFUNDED)
    states = [correct(tx, stay_id, each, event_id=uuid4(), actor="t", now=now).row.state for each in kinds]
    assert states == ["disputed", "left", "disputed", "refunded"]
