"""Cameras: card in and plate out is one stay; misread plates never end somebody else's."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from kernel.wire.tap import Purpose
from parking.bill import bill_stays
from parking.rules.plate import PlateMatch
from parking.rules.plate_event import Direction, Inside, Joined, PlateSeen, join_entry, join_exit
from parking.see_plate import see_plate
from tests.parking.conftest import balances, store_taps
from tests.parking.test_parking_api import BASE, entry, problem

NOON = datetime(2026, 11, 18, 5, tzinfo=UTC)
A, B, C = UUID(int=10), UUID(int=11), UUID(int=12)


def seen(direction=Direction.IN, at=NOON, subject=A, **changes):
    known = {
        "event_id": uuid4(),
        "gate_id": f"dong-da-01-{direction.value}",
        "subject": subject,
        "direction": direction,
        "at": at,
        "confidence_pct": 95,
    }
    return PlateSeen(**{**known, **changes})


def inside(number, minutes=0, subject=None, plate=None):
    return Inside(UUID(int=number), subject or uuid4(), NOON + timedelta(minutes=minutes), plate)


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ([], None),
        ([inside(1)], 1),
        ([inside(1, 2), inside(2, 1)], 2),
        ([inside(1, 3)], None),
        ([inside(1, -3)], None),
        ([inside(1, plate=B)], None),
        ([inside(1, -60, plate=A), inside(2)], 1),
        ([inside(1, -60, subject=A)], 1),
    ],
)
def test_an_entry_joins_the_session_of_its_moment(present, expected):
    found = join_entry(seen(), present)
    assert (found and found.session_id) == (None if expected is None else UUID(int=expected))


NEAR = {A: PlateMatch.SAME, B: PlateMatch.MINOR, C: PlateMatch.MINOR}


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ([], None),
        ([inside(1, -60, plate=A)], Joined(UUID(int=1), PlateMatch.SAME)),
        ([inside(1, -60, subject=A)], Joined(UUID(int=1), PlateMatch.SAME)),
        ([inside(1, -60, plate=B)], Joined(UUID(int=1), PlateMatch.MINOR)),
        ([inside(1, -60, plate=B), inside(2, -30, plate=C)], None),
        ([inside(1, -60, plate=B), inside(2, -30, plate=A)], Joined(UUID(int=2), PlateMatch.SAME)),
        ([inside(1, -60)], None),
        ([inside(1, 3, plate=A)], None),
    ],
)
def test_an_exit_ends_its_own_session_or_the_only_one_alike(present, expected):
    for order in (present, present[::-1]):
        assert join_exit(seen(Direction.OUT), order, NEAR) == expected


def read(tx, each, now, near=()):
    return see_plate(
        tx,
        each,
        near={each.subject: PlateMatch.SAME, **dict.fromkeys(near, PlateMatch.MINOR)},
        vehicle_class="",
        actor="camera",
        now=now,
    )


def test_card_in_and_plate_out_is_one_stay_of_the_card(tx, rates, issue, now):
    holder = issue(100_000)
    into = [holder.tap(Purpose.PARK_IN, now, gate="dong-da-01-in")]
    store_taps(tx, into)
    (row,) = bill_stays(tx, into, now=now).stays
    came = read(tx, seen(at=now + timedelta(seconds=20)), now + timedelta(minutes=1))
    assert (came.how, came.session.row.stay_id) == ("same", row.stay_id)
    went_at = now + timedelta(minutes=61)
    out = seen(Direction.OUT, at=went_at)
    went = read(tx, out, went_at)
    assert (went.how, went.session.row.stay_id, went.session.row.state) == ("same", row.stay_id, "left")
    assert balances(tx, holder.account, now) == (50_000, 0, 50_000)
    # the card taps out too, a minute later: still one stay, one charge
    late = [holder.tap(Purpose.PARK_OUT, went_at + timedelta(minutes=1), gate="dong-da-01-out")]
    store_taps(tx, late)
    bill_stays(tx, late, now=went_at + timedelta(hours=1))
    assert balances(tx, holder.account, now) == (50_000, 0, 50_000)
    assert read(tx, out, went_at + timedelta(hours=2)).again


def test_a_plate_of_its_own_enters_and_leaves(tx, rates, now):
    assert read(tx, seen(at=now), now).how == "began"
    later = now + timedelta(minutes=50)
    gone = read(tx, seen(Direction.OUT, at=later), later)
    assert (gone.session.row.state, gone.session.bill.charged().minor) == ("left", 25_000)


def test_a_misread_exit_ends_the_only_session_alike(tx, rates, now):
    read(tx, seen(at=now, subject=B), now)
    later = now + timedelta(minutes=50)
    gone = read(tx, seen(Direction.OUT, at=later), later, near=[B])
    assert (gone.how, gone.session.row.subject) == ("minor", B)


def test_an_exit_that_nobody_entered_for_opens_a_case(tx, rates, now):
    gone = read(tx, seen(Direction.OUT, at=now), now)
    assert (gone.how, gone.session.row.state, gone.session.row.cases) == ("began", "left", "missing_entry")


@pytest.mark.parametrize("direction", list(Direction))
def test_an_unsure_reading_begins_and_ends_nothing(tx, rates, now, direction):
    unsure = read(tx, seen(direction, at=now, confidence_pct=79), now)
    assert (unsure.session, unsure.how) == (None, "unread")
    assert read(tx, unsure.seen, now).again


def test_readings_over_http(client, bearer, now):
    head = bearer()
    client.post(f"{BASE}/sessions", headers=head, json=entry(now, medium={"kind": "ticket", "value": "A1"}))
    body = {
        "event_id": str(uuid4()),
        "gate_id": "dong-da-01-in",
        "plate": "30A-123.45",
        "direction": "in",
        "at": now.isoformat(),
        "confidence_pct": 97,
        "image_ref": "cam-1/1.jpg",
    }
    made = client.post(f"{BASE}/plate-events", headers=head, json=body)
    assert (made.status_code, made.json["how"], made.json["session"]["state"]) == (201, "same", "open")
    assert client.post(f"{BASE}/plate-events", headers=head, json=body).status_code == 200
    other = {**body, "plate": "30A-999.99"}
    assert problem(client.post(f"{BASE}/plate-events", headers=head, json=other)) == (
        409,
        "plate-event-id-reused",
    )
    out = {
        **body,
        "event_id": str(uuid4()),
        "gate_id": "dong-da-01-out",
        "direction": "out",
        "plate": "30A12346",
    }
    gone = client.post(f"{BASE}/plate-events", headers=head, json=out).json
    assert (gone["how"], gone["session"]["state"]) == ("minor", "left")
    for changes, expected in (
        ({"gate_id": "nowhere"}, (404, "unknown-place")),
        ({"plate": "!!!"}, (422, "plate-invalid")),
        ({"confidence_pct": 101}, (422, "malformed-request")),
        ({"at": (now + timedelta(hours=1)).isoformat()}, (422, "impossible-times")),
    ):
        wrong = {**body, "event_id": str(uuid4()), **changes}
        assert problem(client.post(f"{BASE}/plate-events", headers=head, json=wrong)) == expected
    assert problem(client.post(f"{BASE}/plate-events", headers=bearer("other"), json=body)) == (
        403,
        "other-operator",
    )
