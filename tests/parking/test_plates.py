"""Cameras: card in and plate out is one stay; misread plates never end somebody else's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from kernel.money import VND, Money
from kernel.wire.tap import Purpose
from parking.bill import bill_stays
from parking.enter import Entering, enter
from parking.pay import find_paid, pay
from parking.rules.payment import Method
from parking.rules.plate import PlateMatch
from parking.rules.plate_event import Direction, Inside, Joined, PlateSeen, join_entry, join_exit, join_late
from parking.see_plate import list_late, rejoin, see_plate
from parking.store import keys
from parking.store import stays as store
from tests.parking.conftest import balances, own_till, store_taps
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


def inside(number, minutes=0, subject=None, plate=None, left=None):
    left_at = None if left is None else NOON + timedelta(minutes=left)
    return Inside(UUID(int=number), subject or uuid4(), NOON + timedelta(minutes=minutes), left_at, plate)


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
        ([inside(1, -60, subject=A)], None),  # a guest who comes in again has left meanwhile
        ([inside(1, -5, subject=A)], 1),
        ([inside(1, 60, subject=A)], 1),
        ([replace(inside(1, -60, subject=A), guest=False)], 1),  # begun by phone
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


def test_what_a_camera_saw_come_in_is_never_too_late(tx, rates, now):
    assert read(tx, seen(at=now - timedelta(days=46)), now).how == "began"


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
    nowhere = client.post(f"{BASE}/plate-events", headers=head, json={**body, "gate_id": "nowhere"})
    assert nowhere.json["detail"] == "There is no gate “nowhere”."
    assert problem(client.post(f"{BASE}/plate-events", headers=bearer("other"), json=body)) == (
        403,
        "other-operator",
    )


def test_late_entries_take_their_readings_whatever_order_they_stand_in():
    into, out = seen(), seen(Direction.OUT, at=NOON + timedelta(hours=1))
    near, far = inside(1, 1), inside(2, 2, plate=B)
    expected = {into.event_id: near.session_id, out.event_id: near.session_id}
    assert join_late([into, out], [near, far]) == join_late([out, into], [far, near]) == expected
    assert join_late([into, out], [inside(1, 3)]) == {}
    assert join_late([into, out], [inside(1, 1, left=50)]) == {into.event_id: UUID(int=1)}
    assert join_late([out], [inside(1, 1, plate=A, left=56)]) == {out.event_id: UUID(int=1)}
    assert join_late([out], [inside(1, 61, plate=A), inside(2, 63, plate=A)]) == {out.event_id: UUID(int=1)}
    assert join_late([out], [inside(1, 1, plate=A), inside(2, 30, plate=A)]) == {out.event_id: UUID(int=2)}


def rejoin_all(tx, now):
    done = 0
    while late := list_late(tx, now=now):
        done += sum(rejoin(tx, *each, actor="sweep", now=now) for each in late)
    return done


def bills_of(tx, account, now):
    rows = store.list_stays(tx, keys.list_begun(tx, {account: now - timedelta(days=40)}))
    carded = sorted(
        (row.state, row.entered_at, row.left_at, row.charged_minor) for row in rows if row.state != "voided"
    )
    guests = tx.execute(
        text(
            "SELECT count(*), coalesce(sum(charged_minor), 0) FROM parking_stay WHERE guest AND state <> 'voided'"
        )
    ).one()
    return carded, tuple(guests)


PASSES = ("card in", "card out", "plate in", "plate out")


@pytest.mark.parametrize("without", [None, "card out", "plate in"])
def test_any_order_of_card_and_plate_ends_in_the_same_bills(tx, rates, issue, now, without):
    """A gate that was offline tells of the card long after the camera told of the plate, or the other way round."""
    ends = set()
    orders = list(permutations([each for each in PASSES if each != without]))
    for number, order in enumerate(orders):
        came = now + timedelta(days=number)
        went, late = came + timedelta(minutes=61), came + timedelta(hours=5)
        holder, plate = issue(100_000), uuid4()
        taps = {
            "card in": holder.tap(Purpose.PARK_IN, came, gate="dong-da-01-in"),
            "card out": holder.tap(Purpose.PARK_OUT, went + timedelta(minutes=1), gate="dong-da-01-out"),
        }
        readings = {
            "plate in": seen(at=came + timedelta(seconds=20), subject=plate),
            "plate out": seen(Direction.OUT, at=went, subject=plate),
        }
        with tx.begin_nested() as undone:
            for each in order:
                if each in taps:
                    store_taps(tx, [taps[each]])
                    bill_stays(tx, [taps[each]], now=late)
                else:
                    read(tx, readings[each], late)
            rejoin_all(tx, late)
            carded, guests = bills_of(tx, holder.account, late)
            since = tuple((row[0], *(at and at - came for at in row[1:3]), row[3]) for row in carded)
            ends.add((since, guests, balances(tx, holder.account, late)[0]))
            assert rejoin_all(tx, late) == 0
            undone.rollback()
    ((stays, guests, left),) = ends
    if without == "plate in":  # nothing says that this plate is this card's
        assert (len(stays), guests) == (1, (1, 0))
    else:
        assert stays == (("left", timedelta(0), timedelta(minutes=61), 50_000),)
        assert (guests, left) == ((0, 0), 50_000)


def test_what_a_guest_paid_before_the_entry_was_known_is_to_be_given_back(tx, rates, issue, now):
    came, late = now, now + timedelta(hours=5)
    plate, holder = uuid4(), issue(100_000)
    own_till(tx, "t", now)
    read(tx, seen(at=came, subject=plate), late)
    gone = read(tx, seen(Direction.OUT, at=came + timedelta(minutes=61), subject=plate), late)
    stay_id = gone.session.row.stay_id
    pay(
        tx,
        stay_id,
        payment_id=uuid4(),
        method=Method.CASH,
        amount=Money(50_000, VND),
        till="t",
        actor="an",
        now=late,
    )
    taps = [holder.tap(Purpose.PARK_IN, came, gate="dong-da-01-in")]
    store_taps(tx, taps)
    bill_stays(tx, taps, now=late)
    assert rejoin_all(tx, late) == 2
    assert find_paid(tx, stay_id, now=late).dues.credit == Money(50_000, VND)
    assert balances(tx, holder.account, late)[0] == 50_000


def test_another_vehicle_at_the_same_minute_keeps_its_own_session(tx, rates, issue, now):
    """A plate that the operator's own system entered is no stray, whoever taps beside it."""
    plate, holder = uuid4(), issue(100_000)
    entering = Entering(
        event_id=uuid4(), place_id="dong-da-01", vehicle_class="car_le9", subject=plate, at=now
    )
    enter(tx, entering, actor="t", now=now)
    read(tx, seen(at=now, subject=plate), now)
    taps = [holder.tap(Purpose.PARK_IN, now, gate="dong-da-01-in")]
    store_taps(tx, taps)
    bill_stays(tx, taps, now=now)
    assert rejoin_all(tx, now) == 0
