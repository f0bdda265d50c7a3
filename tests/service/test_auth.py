"""Staff sign-ins, API credentials, forms, throttles and device signatures, over HTTP."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from access.rules.device import DeviceKind, DeviceState
from access.store import devices
from kernel.crypto.ed25519 import SigningKey
from kernel.ids import DeviceId, OperatorId, uuid7
from readers.signing import signed_headers
from service import audit, staff
from service.audit import Actor, ActorKind
from service.auth import device_signed, signing_device
from service.cache import Cache
from service.errors import ScopeMissingError, StaffUserExistsError, WeakPasswordError
from service.services import EXTENSION
from service.staff import Grant, Role

EMAIL, PASSWORD = "mai@example.org", "correct horse battery"
BY = Actor(ActorKind.COMMAND, "test")


@pytest.fixture
def add(app):
    services = app.extensions[EXTENSION]

    def add(*grants, email=EMAIL):
        with services.database.begin() as tx:
            return staff.add(
                tx,
                email=email,
                display_name="Mai",
                password=PASSWORD,
                grants=grants or (Grant(Role.AUDITOR),),
                by=BY,
                now=services.clock.now(),
            )

    return add


def token_of(client):
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)[1]


def sign_in(client, *, password=PASSWORD, email=EMAIL, onward="/", token=None):
    form = {"email": email, "password": password, "next": onward, "csrf_token": token or token_of(client)}
    return client.post("/sign-in", data=form)


def test_sign_in_opens_the_day_and_sign_out_ends_every_copy_of_the_cookie(app, client, add):
    add()
    assert client.get("/").location == "/sign-in?next=/"
    assert sign_in(client).location == "/"
    page = client.get("/?lang=en")
    assert (page.status_code, "Nothing was recorded" in page.text) == (200, True)
    copied = app.test_client()
    copied.set_cookie("lienthong", client.get_cookie("lienthong").value)
    assert copied.get("/").status_code == 200
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    client.post("/sign-out", data={"csrf_token": token})
    assert client.get("/").status_code == 302
    assert copied.get("/").status_code == 302


@pytest.mark.parametrize(
    ("email", "password"), [(EMAIL, "wrong"), ("nobody@example.org", PASSWORD), ("", "")]
)
def test_sign_in_when_wrong_says_the_same_for_all(client, add, email, password):
    add()
    answer = sign_in(client, email=email, password=password)
    assert answer.status_code == 401
    assert client.get("/").status_code == 302


def test_sign_in_when_inactive_refuses(database, client, add, app):
    add()
    with app.extensions[EXTENSION].database.begin() as tx:
        tx.execute(text("UPDATE staff_user SET active = false"))
    assert sign_in(client).status_code == 401


def test_sign_in_without_the_forms_token_changes_nothing(client, add):
    add()
    assert sign_in(client, token="forged").location.startswith("/sign-in")
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_sign_in_never_leads_elsewhere(client, add, onward):
    add()
    assert sign_in(client, onward=onward).location == "/"


def test_sign_in_leads_on_to_what_was_asked(client, add):
    add()
    assert sign_in(client, onward="/?day=2026-11-18").location == "/?day=2026-11-18"


@pytest.mark.parametrize("redis", ["up", "gone"])
def test_sign_in_when_tried_too_often_is_throttled_whether_redis_lives_or_not(app, client, add, redis):
    add()
    if redis == "gone":
        from limits.storage import RedisStorage

        limiter = app.extensions[EXTENSION].limiter
        limiter._storage = RedisStorage("redis://127.0.0.1:1/0")
        limiter._limiter.storage = limiter._storage
    token = token_of(client)
    codes = [sign_in(client, password="wrong", token=token).status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]
    assert sign_in(client, token=token).status_code == 429


def test_form_when_signed_in_needs_its_token(client, add):
    add()
    sign_in(client)
    assert client.post("/sign-out").json["type"] == "/problems/form-expired"
    assert client.get("/").status_code == 200


def test_password_change_ends_sign_ins(app, client, add, now):
    add()
    sign_in(client)
    with app.extensions[EXTENSION].database.begin() as tx:
        staff.set_password(tx, email=EMAIL, password="another long password", by=BY, now=now)
    assert client.get("/").status_code == 302
    assert sign_in(client, password="another long password").status_code == 302


@pytest.mark.parametrize("password", ["", "eleven char", "x" * 129])
def test_staff_user_with_a_weak_password_is_refused(tx, now, password):
    with pytest.raises(WeakPasswordError):
        staff.add(tx, email=EMAIL, display_name="", password=password, grants=(), by=BY, now=now)


def test_staff_user_twice_is_refused_whatever_the_case(tx, now):
    arguments = {"display_name": "", "password": PASSWORD, "grants": (), "by": BY, "now": now}
    staff.add(tx, email=EMAIL, **arguments)
    with pytest.raises(StaffUserExistsError):
        staff.add(tx, email=EMAIL.upper(), **arguments)


def test_parking_operator_without_an_operator_is_refused():
    with pytest.raises(ScopeMissingError):
        Grant(Role.PARKING_OPERATOR)


def test_every_change_of_staff_stands_in_the_trail_without_names(tx, now):
    user = staff.add(
        tx, email=EMAIL, display_name="Mai", password=PASSWORD, grants=(Grant(Role.AUDITOR),), by=BY, now=now
    )
    assert staff.check_password(tx, email=EMAIL, password=PASSWORD, now=now) == user
    lines = audit.list_latest(tx)
    assert {line.action for line in lines} == {"staff.add", "staff.sign_in"}
    assert EMAIL not in str(lines)


def test_password_is_stored_as_argon2_only(tx, now):
    staff.add(tx, email=EMAIL, display_name="", password=PASSWORD, grants=(), by=BY, now=now)
    assert tx.execute(text("SELECT password_hash FROM staff_user")).scalar_one().startswith("$argon2id$")


@pytest.mark.parametrize("after", [timedelta(0), timedelta(days=1)])
def test_credential_is_live_until_it_ends(tx, now, after):
    credential, token = staff.add_credential(
        tx, name="erp", grant=Grant(Role.AUDITOR), valid=timedelta(days=1), by=BY, now=now
    )
    found = staff.find_credential(tx, token, now + after)
    assert found == (credential if not after else None)
    assert token.encode() not in tx.execute(text("SELECT token_hash FROM api_credential")).scalar_one()


def test_credential_when_revoked_is_dead(tx, now):
    _, token = staff.add_credential(
        tx, name="erp", grant=Grant(Role.AUDITOR), valid=timedelta(days=1), by=BY, now=now
    )
    tx.execute(text("UPDATE api_credential SET revoked_at = now()"))
    assert staff.find_credential(tx, token, now) is None


def test_day_of_a_limited_role_leaves_out_the_houses_sums(client, add):
    add(Grant(Role.PARKING_OPERATOR, OperatorId("parking-dongda")))
    sign_in(client)
    assert "You see the operators that your role covers." in client.get("/?lang=en").text


class Device:
    """An enrolled device, and what it would send."""

    def __init__(self, app, now, state=DeviceState.ACTIVE):
        self.key, self.now = SigningKey.generate(), now
        self.device_id = DeviceId(uuid7(now))
        with app.extensions[EXTENSION].database.begin() as tx:
            devices.insert_device(
                tx,
                devices.Device(
                    self.device_id, "gate", DeviceKind.METRO, "hanoi-metro", "", state, bytes(32), now
                ),
            )
            devices.insert_key(
                tx,
                key_id=self.key.public.key_id,
                device_id=self.device_id,
                public_key=self.key.public.raw,
                at=now,
            )

    def headers(self, *, method="GET", path="/v1/echo", body=None, ago=timedelta(0)):
        return dict(
            signed_headers(
                self.key,
                method=method,
                url=f"http://localhost{path}",
                body=body,
                nonce="n",
                now=self.now - ago,
            )
        )


@pytest.fixture
def echo(app, client):
    """A route that only a signing device may call."""

    @device_signed
    def answer():
        return {"device": str(signing_device().device_id)}

    app.view_functions["echo"] = answer
    app.url_map.add(
        type(next(app.url_map.iter_rules()))("/v1/echo", endpoint="echo", methods=["GET", "POST"])
    )
    return client


def test_device_signature_lets_the_device_in(app, echo, now):
    device = Device(app, now)
    assert echo.get("/v1/echo", headers=device.headers()).json == {"device": str(device.device_id)}
    signed = device.headers(method="POST", path="/v1/echo?a=1", body=b"{}")
    assert echo.post("/v1/echo?a=1", data=b"{}", headers=signed).status_code == 200


@pytest.mark.parametrize(
    ("call", "signed"),
    [
        ({"path": "/v1/echo?a=2"}, {"path": "/v1/echo?a=1"}),
        ({"method": "POST"}, {"method": "GET"}),
        ({"method": "POST", "data": b"{1}"}, {"method": "POST", "body": b"{}"}),
        ({"method": "POST", "data": b"{}"}, {"method": "POST"}),
        ({}, {"ago": timedelta(seconds=301)}),
        ({}, {"ago": timedelta(seconds=-301)}),
    ],
    ids=["query", "method", "body", "body not covered", "too old", "from the future"],
)
def test_device_signature_over_something_else_refuses(app, echo, now, call, signed):
    headers = Device(app, now).headers(**signed)
    answer = echo.open(call.pop("path", "/v1/echo"), headers=headers, **({"method": "GET"} | call))
    assert answer.json["type"] == "/problems/request-signature"


@pytest.mark.parametrize("state", [state for state in DeviceState if state is not DeviceState.ACTIVE])
def test_device_signature_when_not_active_refuses(app, echo, now, state):
    assert echo.get("/v1/echo", headers=Device(app, now, state).headers()).status_code == 401


def test_device_signature_by_a_stranger_or_broken_refuses(app, echo, now):
    device = Device(app, now)
    headers = device.headers()
    stranger = dict(headers)
    stranger["Signature-Input"] = re.sub(
        'keyid="[0-9a-f]+"', 'keyid="0011223344556677"', headers["Signature-Input"]
    )
    for wrong in (stranger, headers | {"Signature": "device=:AAAA:"}, headers | {"Signature-Input": "x"}, {}):
        assert echo.get("/v1/echo", headers=wrong).status_code == 401


def test_cache_when_redis_is_gone_answers_none_and_pauses():
    cache = Cache("redis://127.0.0.1:1/0")
    assert cache.get("k") is None
    assert not cache.set("k", b"v", ttl_s=1)
    assert cache.script("return 1", [], []) is None
    assert Cache("").get("k") is None


def test_cache_when_redis_lives_keeps_bytes(redis_url):
    cache = Cache(redis_url)
    assert cache.set("k", b"\x00v", ttl_s=5)
    assert cache.get("k") == b"\x00v"
    assert cache.script("return redis.call('get', KEYS[1])", ["k"], []) == b"\x00v"
    assert cache.delete("k")
    assert cache.get("k") is None
    cache.close()
