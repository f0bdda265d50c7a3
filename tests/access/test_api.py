"""The doors that devices come through, over HTTP."""

import json
from base64 import b64decode, b64encode
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import text

from access import deny, exceptions
from access.deny import DenyReason
from access.rules.denylist import DenyList
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.sealing import box_public, new_box_key, open_box
from kernel.wire.upload import Answer, Verdict
from readers.signing import signed_headers
from service.services import EXTENSION


@pytest.fixture
def running(app):
    return app.extensions[EXTENSION]


@pytest.fixture
def city(running, world_on):
    """One committed reader and card; more by `with committed()`."""
    with running.database.begin() as tx:
        world = world_on(tx)
        return world.reader(), world.card()


def committed(running, world_on):
    @contextmanager
    def begin():
        with running.database.begin() as tx:
            yield world_on(tx)

    return begin()


def send(client, upload):
    return client.post("/v1/taps", json=upload.to_json())


def ask(client, reader, path, *, body=None, method="GET", headers=(), key=None, now=None):
    raw = None if body is None else json.dumps(body).encode()
    signed = signed_headers(
        key or reader.key,
        method=method,
        url=f"http://localhost{path}",
        body=raw,
        nonce="n",
        now=now,
    )
    return client.open(
        path, method=method, data=raw, headers={**signed, **dict(headers), "Content-Type": "application/json"}
    )


def test_an_upload_is_acknowledged_and_a_repeat_is_a_duplicate(client, city):
    reader, card = city
    reader.tap(card)
    reader.tap(card, tmv=bytes(8))
    for expected in (Verdict.ACCEPTED, Verdict.DUPLICATE):
        reply = send(client, reader.upload())
        assert reply.status_code == 200
        answer = Answer.from_json(reply.json)
        assert answer.chained_up_to == 2
        assert answer.verdicts[0].verdict is expected
        assert answer.verdicts[1].reason == "mac-invalid"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"[]", 422), (b"{", 422), (b'{"device_id": 1}', 422), (b"x" * 7_000_000, 413)],
)
def test_what_is_no_upload_is_a_problem(client, body, status):
    reply = client.post("/v1/taps", data=body, content_type="application/json")
    assert (reply.status_code, reply.content_type) == (status, "application/problem+json")


def test_who_may_not_sign_is_refused_with_a_problem(client, city):
    reader, card = city
    reader.tap(card)
    reply = send(client, reader.sign(reader.records, 1, key=SigningKey.generate()))
    assert (reply.status_code, reply.json["type"]) == (401, "/problems/head-signature")
    reply = send(client, replace(reader.upload(), device_id=reader.journal_id))
    assert (reply.status_code, reply.json["type"]) == (403, "/problems/device-not-active")


def test_evidence_without_a_tariff_is_stored_and_queued(client, city, running):
    reader, card = city
    reader.tap(card)
    assert Answer.from_json(send(client, reader.upload()).json).verdicts[0].verdict is Verdict.ACCEPTED
    with running.database.begin() as tx:
        waiting = exceptions.list_open(tx, now=running.clock.now())
        assert [each.raised.reason for each in waiting] == ["no-tariff"]
        assert tx.execute(text("SELECT count(*) FROM tap")).scalar_one() == 1


def test_a_pricing_fault_never_refuses_evidence(client, city, running, monkeypatch):
    from service.jobs import bill_batch

    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(bill_batch, "bill_stays", broken)
    reader, card = city
    reader.tap(card)
    reply = send(client, reader.upload())
    assert Answer.from_json(reply.json).chained_up_to == 1
    with running.database.begin() as tx:
        waiting = {each.raised.reason for each in exceptions.list_open(tx, now=running.clock.now())}
        assert "pricing-fault" in waiting


def test_a_device_joins_with_its_code_and_gets_its_bundle(client, running, world_on, now):
    from access.enrol import create_code
    from access.rules.device import DeviceKind

    key, box = SigningKey.generate(), new_box_key()
    with running.database.begin() as tx:
        world = world_on(tx)
        card = world.card()
        deny.deny(tx, [card.serial], reason=DenyReason.LOST, cause="t", now=now)
        code = create_code(
            tx,
            keyring=running.keyring,
            name="gate-1",
            kind=DeviceKind.METRO,
            operator_id="hanoi-metro",
            place="2A",
            actor="t",
            now=now,
        )
    body = {
        "code": code,
        "public_key": b64encode(key.public.raw).decode(),
        "box_key": b64encode(box_public(box)).decode(),
        "name": "gate",
    }
    joined = client.post("/v1/devices/enrol", json=body)
    assert joined.status_code == 201, joined.text
    assert client.post("/v1/devices/enrol", json=body).json == joined.json
    assert b64decode(joined.json["bundle_key"]) == running.keyring.bundle_key.public.raw
    refused = client.post("/v1/devices/enrol", json={**body, "code": "0000"})
    assert (refused.status_code, refused.json["type"]) == (403, "/problems/code-refused")
    bad = client.post("/v1/devices/enrol", json={**body, "box_key": "*" * 44})
    assert bad.status_code == 422

    reply = ask(client, None, "/v1/bundles", key=key, now=now)
    assert reply.status_code == 200, reply.text
    content = b64decode(reply.json["bundle"])
    assert running.keyring.bundle_key.public.verify(
        b"lienthong/bundle/1", content, b64decode(reply.json["signature"])
    )
    document = json.loads(content)
    assert document["device_id"] == joined.json["device_id"]
    denied = DenyList.decode(b64decode(document["deny"]))
    assert (denied.version, denied.denies(card.serial)) == (document["deny_version"], True)
    opened = json.loads(open_box(box, b64decode(document["keys"])))
    assert opened == {"AUTH": {"1": running.keyring.auth_masters()[1].hex()}}
    again = ask(
        client, None, "/v1/bundles", key=key, now=now, headers={"If-None-Match": reply.headers["ETag"]}
    )
    assert again.status_code == 304


def test_the_readers_own_code_opens_the_bundle(client, running, city, world_on, now, tmp_path):
    from access import enrol
    from access.rules.device import DeviceKind
    from readers.bundle import open_bundle
    from readers.identity import Identity, Keys

    key, box = SigningKey.generate(), new_box_key()
    with running.database.begin() as tx:
        code = enrol.create_code(
            tx,
            keyring=running.keyring,
            name="b",
            kind=DeviceKind.BUS,
            operator_id="t",
            place="",
            actor="t",
            now=now,
        )
        joined = enrol.enrol(
            tx,
            keyring=running.keyring,
            code=code,
            public_key=key.public.raw,
            box_key=box_public(box),
            now=now,
        )
    reply = ask(client, None, "/v1/bundles", key=key, now=now)
    identity = Identity(joined.device_id, Keys(key, box), running.keyring.bundle_key.public)
    bundle = open_bundle(reply.data, identity)
    assert bundle.auth_keys == running.keyring.auth_masters()
    assert bundle.passback_s == running.settings.passback_s
    assert (bundle.risk.unsent_max, bundle.risk.card_unsent_max) == (20_000, 20)


def test_bundles_and_decisions_need_an_active_devices_signature(client, running, city, now):
    reader, _ = city
    assert client.get("/v1/bundles").status_code == 401
    assert ask(client, None, "/v1/bundles", key=SigningKey.generate(), now=now).status_code == 401
    assert client.post("/v1/decisions", json={"card_serial": 1}).status_code == 401
    from access import enrol

    with running.database.begin() as tx:
        enrol.suspend(tx, reader.device_id, reason="t", actor="t", now=now)
    assert ask(client, reader, "/v1/bundles", now=now).status_code == 401


def test_devices_are_listed_for_staff_only(client, city):
    assert client.get("/v1/devices").status_code == 401


def test_the_journals_of_a_device_are_listed(running, city, client):
    from access import enrol

    reader, card = city
    for _ in range(3):
        reader.tap(card)
    send(client, reader.upload(3, 3))
    with running.database.begin() as tx:
        journals = enrol.list_journals(tx, [reader.device_id])[reader.device_id]
        assert [(one.sequence, one.waiting, one.missing_to) for one in journals] == [(0, 1, 2)]
        assert [each.name for each in enrol.list_devices(tx, operator_id="transerco")] == ["bus-01"]
        assert enrol.list_devices(tx, operator_id="another") == ()
