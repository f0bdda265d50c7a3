"""Reminders: what was paid for parking, and passes, tell of their end once; an extension tells anew."""

from datetime import timedelta
from uuid import uuid4

import pytest

from kernel.money import VND, Money
from service.jobs import notices as job
from service.services import EXTENSION
from tests.parking.apds_bodies import BASE, right
from tests.parking.conftest import load

LIMITS = job.Limits(Money(0, VND), pass_days=3, parking_minutes=15)


@pytest.fixture
def collect(app):
    def _collect(at):
        return app.extensions[EXTENSION].database.run(lambda tx: job.collect(tx, limits=LIMITS, now=at))

    return _collect


@pytest.fixture
def told(app, now):
    def _told(account):
        with app.extensions[EXTENSION].database.read() as tx:
            return [job.document(row) for row in job.list_notices(tx, account, now=now)]

    return _told


def test_paid_parking_tells_of_its_end_once_and_anew_when_extended(
    client, begin, bearer, holder, collect, told, now
):
    head = bearer()
    body = {
        "event_id": str(uuid4()), "place_id": "dong-da-01", "vehicle_class": "car_le9",
        "medium": {"kind": "plate", "value": "30A-123.45"}, "fare_account_id": str(holder),
        "entered_at": now.isoformat(),
    }  # fmt: skip
    session = client.post("/v1/parking/sessions", headers=head, json=body).json["session_id"]

    def extend(hours):
        until = (now + timedelta(hours=hours)).isoformat()
        sent = {"event_id": str(uuid4()), "until": until}
        assert (
            client.post(f"/v1/parking/sessions/{session}/extend", headers=head, json=sent).status_code == 200
        )

    extend(1)
    assert collect(now + timedelta(minutes=44))["parking_ending"] == 0
    assert collect(now + timedelta(minutes=45))["parking_ending"] == 1
    assert collect(now + timedelta(minutes=50))["parking_ending"] == 0, "once"
    (notice,) = told(holder)
    assert notice["vi"]["title"] == "Sắp hết giờ gửi xe tại Bãi xe Đống Đa 01"
    assert "10:00 18/11/2026" in notice["en"]["text"]
    extend(2)
    assert collect(now + timedelta(minutes=110))["parking_ending"] == 1
    client.post(f"/v1/parking/sessions/{session}/leave", headers=head, json={"event_id": str(uuid4())})
    assert collect(now + timedelta(minutes=111))["parking_ending"] == 0


def test_a_parking_pass_tells_of_its_end_unless_the_next_one_is_bought(
    client, bearer, sold, holder, collect, told, now
):
    ends = now + timedelta(days=30)
    assert collect(ends - timedelta(days=4))["parking_pass_ending"] == 0
    assert collect(ends - timedelta(days=2))["parking_pass_ending"] == 1
    assert collect(ends - timedelta(days=1))["parking_pass_ending"] == 0, "once"
    assert [each["en"]["title"] for each in told(holder)] == ["Vé tháng ngày và đêm, 12 tuyến phố is ending"]


def test_a_pass_that_was_given_back_does_not_tell(client, bearer, sold, collect, now):
    ended = client.delete(
        f"{BASE}/rights/assigned/{sold['id']}",
        headers=bearer("hoankiem-parking"),
        query_string={"version": 1},
    )
    assert ended.status_code == 200
    assert collect(now + timedelta(days=29))["parking_pass_ending"] == 0


def test_a_pass_that_the_next_one_follows_does_not_tell(client, begin, bearer, holder, collect, now):
    with begin() as tx:
        load(tx, holder, 6_000_000, now)
    for first, last in ((0, 1), (1, 10)):
        use = {
            "startTime": (now + timedelta(days=first)).isoformat(),
            "endTime": (now + timedelta(days=last)).isoformat(),
        }
        body = right(now, holder, plannedUses=[use])
        made = client.post(f"{BASE}/rights/assigned", headers=bearer("hoankiem-parking"), json=body)
        assert made.status_code == 201, made.text
    assert collect(now + timedelta(hours=1))["parking_pass_ending"] == 0
    assert collect(now + timedelta(days=8))["parking_pass_ending"] == 1
