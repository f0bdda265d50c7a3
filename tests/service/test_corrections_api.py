"""A rider says where a ride ended: listed, previewed, mended once, over HTTP."""

from datetime import timedelta
from uuid import uuid4

import pytest

from access.rules.tap import tap_id
from service import riders
from service.audit import Actor, ActorKind
from tests.service.test_explanations import running, send, world, world_on

__all__ = ["running", "world", "world_on"]
pytestmark = pytest.mark.usefixtures("described")


@pytest.fixture
def me(client, world, running):
    """The rider's path and headers, after a ride of yesterday without its tap-off."""
    on = world.on.tap(world.one, at=world.now - timedelta(days=1))
    send(client, world.on)
    account = world.one.issued.fare_account_id
    with running.database.begin() as tx:
        code = riders.make_code(
            tx, account, keyring=running.keyring, by=Actor(ActorKind.COMMAND, "test"), now=world.now
        )
        token = riders.sign_in(tx, account, code, keyring=running.keyring, now=world.now)
    ride = str(tap_id(on.device_id, on.journal_id, on.sequence))
    return f"/v1/riders/{account}", {"Authorization": f"Bearer {token}"}, ride


def test_a_ride_without_a_tap_off_is_listed_previewed_and_mended_once(client, me, world):
    path, head, ride = me
    (listed,) = client.get(f"{path}/incomplete-rides", headers=head).json["rides"]
    assert (listed["tap_id"], listed["from_stop_id"]) == (ride, "2A-cat-linh")
    left = (world.now - timedelta(days=1) + timedelta(minutes=20)).isoformat()
    said = {"correction_id": str(uuid4()), "tap_id": ride, "stop_id": "2A-la-thanh", "left_at": left}
    seen = client.post(f"{path}/corrections", headers=head, json={**said, "preview": True})
    assert (seen.status_code, seen.json["preview"]) == (200, True)
    made = client.post(f"{path}/corrections", headers=head, json=said)
    assert (made.status_code, {**made.json, "preview": True}) == (201, seen.json)
    assert made.json["charged"]["minor"] < made.json["charged_before"]["minor"] == listed["charged"]["minor"]
    again = client.post(f"{path}/corrections", headers=head, json=said)
    assert (again.status_code, again.headers["Idempotency-Hit"]) == (200, "true")
    assert again.json["charged"] == made.json["charged"]
    assert client.get(f"{path}/incomplete-rides", headers=head).json == {"rides": []}
