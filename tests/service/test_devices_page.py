"""The devices' pages: who sees which devices, what may be decided, and what stands against it."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import text

from access import health
from access.rules.device import DeviceState
from kernel.ids import OperatorId
from service import staff
from service.audit import Actor, ActorKind
from service.console.devices import PAGE
from service.devices import Deed, allowed
from service.services import EXTENSION
from service.staff import Grant, Role
from tests.access.rules.test_alarm import WELL
from tests.service.test_auth import EMAIL, PASSWORD, sign_in
from tests.simulation import World

ADMINISTRATOR = Grant(Role.ADMINISTRATOR)


@pytest.fixture
def running(app):
    return app.extensions[EXTENSION]


@pytest.fixture
def employ(running):
    """Add a member of staff, an auditor unless other grants are given."""

    def employ(*grants):
        with running.database.begin() as tx:
            staff.add(
                tx,
                email=EMAIL,
                display_name="Mai",
                password=PASSWORD,
                grants=grants or (Grant(Role.AUDITOR),),
                by=Actor(ActorKind.COMMAND, "test"),
                now=running.clock.now(),
            )

    return employ


@pytest.fixture
def made(running, keyring, now):
    """Enrol a device, let it say something of itself, and return its id."""

    def made(name="bus-01", *, approved=True, **said):
        with running.database.begin() as tx:
            reader = World(tx, keyring, now).reader(name, approved=approved)
            if said:
                word = replace(
                    WELL, received_at=now, said_at=now, journal_id=None, sequence=0, bundle_made_at=now,
                    tariff_version="", key_id=reader.key.public.key_id,
                )  # fmt: skip
                health.hear(tx, reader.device_id, replace(word, **said), now=now)
        return reader.device_id

    return made


def decide(client, device, deed, *, reason="it shook loose", sure="yes"):
    page = client.get(f"/devices/{device}?lang=en").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    form = {"csrf_token": token, "deed": deed, "reason": reason} | ({"sure": sure} if sure else {})
    return client.post(f"/devices/{device}?lang=en", data=form)


def state(running, device):
    with running.database.read() as tx:
        return tx.execute(text("SELECT state FROM device WHERE device_id = :id"), {"id": device}).scalar()


def test_a_list_without_devices_says_how_the_first_one_comes(client, employ):
    employ()
    sign_in(client)
    page = client.get("/devices?lang=en").text
    assert "No device has enrolled yet." in page
    assert "lienthong device code" in page
    assert "<select" not in page


def test_who_is_not_signed_in_is_sent_to_the_door(client):
    assert client.get("/devices").location == "/sign-in?next=/devices"


@pytest.mark.parametrize("role", [Role.FINANCE_MAKER, Role.FINANCE_CHECKER])
def test_finance_neither_sees_the_devices_nor_a_link_to_them(client, employ, made, role):
    device = made()
    employ(Grant(role))
    sign_in(client)
    assert "/devices" not in client.get("/?lang=en").text
    assert client.get("/devices").status_code == client.get(f"/devices/{device}").status_code == 403


def test_the_list_shows_what_was_said_and_those_in_need_first(client, employ, made):
    employ()
    made("bus-02", unsent=0)
    made("bus-09", unsent=12_345, disk_mb=3, software="0.1.0+abc", deny_version=77)
    sign_in(client)
    page = client.get("/devices?lang=en").text
    assert page.index("bus-09") < page.index("bus-02")
    for shown in ("12,345", "Many records unsent", "Disk nearly full", "0.1.0+abc", "200 ms", "SYNCED", "77"):
        assert shown in page
    assert "bus-02" not in client.get("/devices?lang=en&show=alarms").text
    assert "bus-09" not in client.get("/devices?lang=en&q=BUS-02").text
    assert "No device fits this search." in client.get("/devices?lang=en&q=tram").text
    assert "Nhiều bản ghi chưa gửi" in client.get("/devices?lang=vi").text


def test_a_parking_operator_sees_its_own_devices_only(client, employ, made):
    device = made()
    employ(Grant(Role.PARKING_OPERATOR, OperatorId("dongda-parking")))
    sign_in(client)
    assert str(device) not in client.get("/devices").text
    assert client.get(f"/devices/{device}").status_code == 404


@pytest.mark.parametrize("first", ["-5", "nonsense", "99999999999"])
def test_odd_questions_are_answered(client, employ, made, first):
    made()
    employ()
    sign_in(client)
    assert client.get(f"/devices?first={first}&show=nonsense&q={'x' * 500}").status_code == 200


def test_a_long_list_has_pages(client, employ, made):
    for number in range(PAGE + 1):
        made(f"bus-{number:03}")
    employ()
    sign_in(client)
    page = client.get("/devices?lang=en").text
    assert (page.count('<th scope="row"'), f"first={PAGE}" in page) == (PAGE, True)
    rest = client.get(f"/devices?lang=en&first={PAGE}").text
    assert (rest.count('<th scope="row"'), "first=0" in rest) == (1, True)


def test_a_device_waits_is_approved_suspended_reinstated_and_asked_for_a_key(client, employ, made, running):
    device = made(approved=False)
    employ(ADMINISTRATOR)
    sign_in(client)
    steps = (("approve", "active"), ("suspend", "suspended"), ("reinstate", "active"), ("rotate", "active"))
    for deed, after in steps:
        answer = decide(client, device, deed, reason=f"because of {deed}")
        assert answer.location.endswith(f"/devices/{device}?done={deed}")
        assert state(running, device) == after
    page = client.get(f"/devices/{device}?lang=en&done=rotate").text
    assert "Done." in page
    assert "Mai: because of suspend" in page
    with running.database.read() as tx:
        actions = tx.execute(
            text("SELECT action FROM audit_trail WHERE subject_id = :id "),
            {"id": str(device)},
        ).scalars()
        assert sorted(actions) == [
            "access.device.approved", "access.device.reinstated", "access.device.rotation_asked", "access.device.suspended",
        ]  # fmt: skip


def test_a_device_that_may_hold_records_is_retired_only_as_lost(client, employ, made, running):
    device = made(unsent=4, sequence=4)
    employ(ADMINISTRATOR)
    sign_in(client)
    refused = decide(client, device, "retire", reason="bus <sold>")
    assert (refused.status_code, state(running, device)) == (409, "active")
    assert "may still hold records" in refused.text
    assert 'value="bus &lt;sold&gt;"' in refused.text, "what was typed is still there"
    assert decide(client, device, "give-up").status_code == 302
    assert state(running, device) == "retired"
    assert 'name="deed"' not in client.get(f"/devices/{device}").text, "nothing is left to decide"


@pytest.mark.parametrize(
    ("deed", "reason", "sure", "says"),
    [
        ("suspend", "no", "yes", "Say why"),
        ("suspend", "x" * 501, "yes", "Say why"),
        ("suspend", "   ", "yes", "Say why"),
        ("suspend", "it shook loose", "", "Please confirm"),
        ("suspend", "it shook loose", "no", "Please confirm"),
        ("approve", "it shook loose", "yes", "does not allow this"),
        ("explode", "it shook loose", "yes", "not one that this page understands"),
    ],
)
def test_what_is_not_meant_or_not_possible_changes_nothing(
    client,
    employ,
    made,
    running,
    deed,
    reason,
    sure,
    says,
):
    device = made()
    employ(ADMINISTRATOR)
    sign_in(client)
    answer = decide(client, device, deed, reason=reason, sure=sure)
    assert answer.status_code in {409, 422}
    assert says in answer.text
    assert state(running, device) == "active"


def test_who_may_only_look_is_offered_nothing_and_refused(client, employ, made, running):
    device = made()
    employ()
    sign_in(client)
    page = client.get(f"/devices/{device}?lang=en").text
    assert 'name="deed"' not in page
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    form = {"csrf_token": token, "deed": "suspend", "reason": "a grudge", "sure": "yes"}
    assert client.post(f"/devices/{device}", data=form).status_code == 403
    assert state(running, device) == "active"


def test_a_form_without_its_token_changes_nothing(client, employ, made, running):
    device = made()
    employ(ADMINISTRATOR)
    sign_in(client)
    form = {"deed": "suspend", "reason": "a trick", "sure": "yes"}
    assert client.post(f"/devices/{device}", data=form).status_code == 403
    assert state(running, device) == "active"


@pytest.mark.parametrize(
    ("standing", "deeds"),
    [
        (DeviceState.PENDING, {Deed.APPROVE, Deed.SUSPEND, Deed.RETIRE, Deed.GIVE_UP}),
        (DeviceState.ACTIVE, {Deed.SUSPEND, Deed.ROTATE, Deed.RETIRE, Deed.GIVE_UP}),
        (DeviceState.SUSPENDED, {Deed.REINSTATE, Deed.RETIRE, Deed.GIVE_UP}),
        (DeviceState.RETIRED, set()),
    ],
)
def test_what_may_be_decided_in_each_state(standing, deeds):
    assert set(allowed(standing)) == deeds
