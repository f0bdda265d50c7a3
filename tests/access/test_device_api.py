"""What devices say and what people decide about them, over HTTP."""

from base64 import b64encode
from datetime import timedelta

import pytest

from access import enrol
from access.rules.device import DeviceState
from kernel.crypto.ed25519 import SigningKey
from kernel.wire.rotation import CONTEXT, offer_message
from service import staff
from service.audit import Actor, ActorKind
from service.services import EXTENSION
from service.staff import Grant, Role
from tests.access.test_api import ask, send

BEAT = {
    "at": "2026-11-18T02:00:00+00:00", "state": "IDLE", "why": [], "software": "0.1.0", "sequence": 0, "unsent": 0,
    "journal_id": None, "bundle": {}, "clock_state": "SYNCED", "clock_offset_s": 0.4, "taps": 0, "torn": 0,
    "own_ms": {}, "total_ms": {}, "fsync_ms": 1.25, "disk_mb": 900, "lights": {"green": 4}, "uplink": "",
}  # fmt: skip


@pytest.fixture
def running(app):
    return app.extensions[EXTENSION]


@pytest.fixture
def city(running, world_on):
    with running.database.begin() as tx:
        world = world_on(tx)
        return world.reader(), world.card()


@pytest.fixture
def staffed(running, client, now):
    def call(role, method, path, body=None, operator=staff.ALL_OPERATORS):
        with running.database.begin() as tx:
            _, token = staff.add_credential(
                tx,
                name=role.value,
                grant=Grant(role, operator),
                valid=timedelta(days=1),
                by=Actor(ActorKind.COMMAND, "test"),
                now=now,
            )
        return client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {token}"})

    return call


def beat(client, reader, now, **changes):
    return ask(client, reader, "/v1/devices/heartbeats", body=BEAT | changes, method="POST", now=now)


def test_a_heartbeat_is_listed_with_its_alarms(client, city, staffed, now):
    reader, _ = city
    reply = beat(client, reader, now, disk_mb=1, own_ms={"p50": 4.0, "p99": 61.5})
    assert (reply.status_code, reply.json) == (200, {"rotate_key": False})
    (device,) = staffed(Role.AUDITOR, "GET", "/v1/devices").json["devices"]
    assert device["alarms"] == ["slow", "disk-low", "bundle-old"]
    assert device["heartbeat"]["own_p99_ms"] == 61
    assert device["heartbeat"]["clock_offset_ms"] == 400
    alarms = staffed(Role.AUDITOR, "GET", "/v1/devices/alarms").json
    assert alarms["counts"] == {"slow": 1, "disk-low": 1, "bundle-old": 1}
    assert [each["name"] for each in alarms["devices"]] == ["bus-01"]
    other = staffed(Role.PARKING_OPERATOR, "GET", "/v1/devices/alarms", operator="dongda-parking").json
    assert other == {"counts": {}, "devices": []}


@pytest.mark.parametrize(
    "changes",
    [{"sequence": -1}, {"at": "2026-11-18T02:00:00"}, {"state": "x" * 65}, {"why": ["x"] * 21}, {"unsent": 2**63},
     {"fsync_ms": "slow"}, {"fsync_ms": -1}, {"journal_id": "x"}, {"sequence": None}],
)  # fmt: skip
def test_a_heartbeat_that_is_none_is_a_problem(client, city, staffed, now, changes):
    assert beat(client, city[0], now, **changes).status_code == 422
    assert staffed(Role.AUDITOR, "GET", "/v1/devices").json["devices"][0]["heartbeat"] is None


def test_only_the_device_itself_speaks(client, city, now):
    assert client.post("/v1/devices/heartbeats", json=BEAT).status_code == 401
    assert client.post("/v1/devices/keys", json={}).status_code == 401
    stranger = SigningKey.generate()
    reply = ask(client, None, "/v1/devices/heartbeats", body=BEAT, method="POST", key=stranger, now=now)
    assert reply.status_code == 401


def test_a_key_is_rotated_over_http(client, city, staffed, now):
    reader, card = city
    path = f"/v1/devices/{reader.device_id}/rotate"
    assert staffed(Role.AUDITOR, "POST", path, {"reason": "yearly"}).status_code == 403
    assert staffed(Role.ADMINISTRATOR, "POST", path, {"reason": ""}).status_code == 422
    assert staffed(Role.ADMINISTRATOR, "POST", path, {"reason": "yearly"}).status_code == 200
    assert beat(client, reader, now).json == {"rotate_key": True}
    new = SigningKey.generate()
    body = {
        "public_key": b64encode(new.public.raw).decode(),
        "proof": b64encode(new.sign(CONTEXT, offer_message(reader.device_id, new.public.raw))).decode(),
    }
    for wrong in ({**body, "proof": body["public_key"]}, {**body, "public_key": "*"}):
        reply = ask(client, reader, "/v1/devices/keys", body=wrong, method="POST", now=now)
        assert (reply.status_code, reply.json["type"]) == (422, "/problems/device-key-refused")
    for _ in range(2):
        reply = ask(client, reader, "/v1/devices/keys", body=body, method="POST", now=now)
        assert (reply.status_code, reply.json) == (201, {"key_id": new.public.key_id.hex()})
    reader.tap(card)
    assert send(client, reader.upload()).status_code == 200, "the old key is still good"
    reader.key = new
    assert send(client, reader.upload()).status_code == 200


@pytest.mark.parametrize(
    ("step", "after"), [("suspend", "suspended"), ("retire", "retired"), ("rotate", "active")]
)
def test_people_decide_about_devices(client, running, city, staffed, step, after):
    reader, _ = city
    path = f"/v1/devices/{reader.device_id}/{step}"
    assert client.post(path, json={"reason": "stolen"}).status_code == 401
    reply = staffed(Role.ADMINISTRATOR, "POST", path, {"reason": "stolen"})
    assert (reply.status_code, reply.json) == (200, {"device_id": str(reader.device_id), "state": after})
    with running.database.read() as tx:
        assert enrol.get_device(tx, reader.device_id).state is DeviceState(after)


def test_a_device_with_records_left_is_not_retired(client, city, staffed, now):
    reader, card = city
    reader.tap(card)
    send(client, reader.upload())
    beat(client, reader, now, sequence=2, unsent=1, journal_id=str(reader.journal_id))
    path = f"/v1/devices/{reader.device_id}/retire"
    reply = staffed(Role.ADMINISTRATOR, "POST", path, {"reason": "sold"})
    assert (reply.status_code, reply.json["type"]) == (409, "/problems/device-not-drained")
    assert staffed(Role.ADMINISTRATOR, "POST", path, {"reason": "burnt", "lost": True}).status_code == 200


def test_the_review_list_over_http(client, city, staffed):
    reader, card = city
    reader.tap(card, tmv=bytes(8))
    send(client, reader.upload())
    (case,) = staffed(Role.INSPECTOR, "GET", "/v1/cases?kind=mac-invalid").json["cases"]
    assert staffed(Role.INSPECTOR, "GET", "/v1/cases?kind=nonsense").status_code == 422
    path = f"/v1/cases/{case['case_id']}"
    shown = staffed(Role.AUDITOR, "GET", path).json
    assert (shown["card_serial"], shown["denied_for"], len(shown["evidence"])) == (card.serial, [], 1)
    body = {"finding": "card-forged", "reason": "the holder was elsewhere"}
    assert staffed(Role.AUDITOR, "POST", f"{path}/close", body).status_code == 403
    assert staffed(Role.INSPECTOR, "POST", f"{path}/close", {**body, "finding": "guilty"}).status_code == 422
    closed = staffed(Role.INSPECTOR, "POST", f"{path}/close", body).json
    assert (closed["restricted"], closed["free_replacement"]) == (True, True)
    assert staffed(Role.INSPECTOR, "POST", f"{path}/close", body).status_code == 404
    assert staffed(Role.AUDITOR, "GET", path).json["denied_for"] == ["forged"]
    assert staffed(Role.AUDITOR, "GET", "/v1/cases").json == {"cases": []}
