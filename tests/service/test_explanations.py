"""Why a stored tap was charged: over HTTP and from the command line, through every revision of its day."""

import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from access.rules.tap import tap_id
from fare.publish import publish
from fare.rules.recompute import check
from kernel.crypto.ed25519 import VerifyKey
from kernel.wire.tap import Phase, Purpose
from service import receipts, riders, staff
from service.audit import Actor, ActorKind
from service.jobs.settle_day import settle_day
from service.services import EXTENSION
from service.staff import Grant, Role
from tests.fare.cities import book_of

pytestmark = pytest.mark.usefixtures("described")

HANOI = Path(__file__).parents[2] / "fare" / "tariffs" / "hanoi"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def running(app, keyring, now):
    found = app.extensions[EXTENSION]
    with found.database.begin() as tx:
        publish(tx, HANOI, prepared_by="mai", approved_by="tuan", key=keyring.bundle_key, now=now)
    return found


@pytest.fixture
def world(running, world_on):
    with running.database.begin() as tx:
        made = world_on(tx)
        made.on, made.off = made.reader("gate-in"), made.reader("gate-out")
        made.one, made.other = made.card(1), made.card(2)
    for reader, stop in ((made.on, "2A-cat-linh"), (made.off, "2A-yen-nghia")):
        version = book_of("hanoi").version
        reader.facts = {
            "route_id": "2A",
            "stop_id": stop,
            "trip_id": "",
            "place": stop,
            "tariff_version": version,
        }
    return made


@pytest.fixture
def world_on(keyring, now):
    from tests.simulation import World

    return lambda tx: World(tx, keyring, now)


@pytest.fixture
def ask(app, client, running, now):
    def ask(path, role=Role.AUDITOR, **query):
        with running.database.begin() as tx:
            _, token = staff.add_credential(
                tx,
                name=role.value,
                grant=Grant(role),
                valid=timedelta(days=1),
                by=Actor(ActorKind.COMMAND, "test"),
                now=now,
            )
        return client.get(path, query_string=query, headers={"Authorization": f"Bearer {token}"})

    return ask


def explained(ask, record, **more):
    reply = ask(
        f"/v1/taps/{tap_id(record.device_id, record.journal_id, record.sequence)}/explanation", **more
    )
    assert reply.status_code == 200, reply.text
    return reply.json


def send(client, reader, first=1, last=None):
    assert client.post("/v1/taps", json=reader.upload(first, last).to_json()).status_code == 200


def test_a_ride_explains_itself_under_both_of_its_taps(ask, client, world):
    on, off = world.on.tap(world.one), world.off.tap(world.one, at=world.now - 20 * MINUTE)
    send(client, world.on)
    send(client, world.off)
    told = explained(ask, on)
    assert (told["status"], told["charged_minor"], told["agrees"]) == ("priced", 18_625, True)
    assert check(told["explanation"]) == 18_625
    assert told["explanation"]["parts"]["face_value"] == 18_625
    assert [(one["component"], one["funder"], one["minor"]) for one in told["booked"]] == [
        ("charged", "rider", 18_625)
    ]
    assert told["ride"]["tap_off"] == explained(ask, off)["tap_id"]
    assert explained(ask, off)["ride"] == told["ride"]
    assert "18.625 đồng" in " ".join(told["vi"])
    assert "18,625" in " ".join(told["en"])
    assert [one["why"] for one in told["revisions"]] == [["first"], ["late_tap"]]
    assert [one["charged_delta_minor"] for one in told["revisions"]] == [0, 18_625], "open, then ended"


def test_a_tap_off_that_comes_after_the_settlement_says_what_it_changed(ask, client, world, running, keyring):
    """Closed at the maximum by the tariff's rule; the late tap-off brings it down to one hop."""
    world.off.facts["stop_id"] = "2A-la-thanh"
    on = world.on.tap(world.one)
    world.off.tap(world.one, at=world.now - 40 * MINUTE)
    send(client, world.on)
    later = world.now + timedelta(days=1)
    day = (world.now + timedelta(hours=7)).date()
    list(settle_day(running.database, day, signer=keyring.bundle_key, now=lambda: later))
    told = explained(ask, on)
    assert (told["charged_minor"], told["ride"]["closed"]) == (18_625, "missing_off")
    assert check(told["explanation"]) == 18_625
    assert "Thiếu một lần quẹt" in " ".join(told["vi"])
    send(client, world.off)
    told = explained(ask, on)
    assert (told["charged_minor"], told["ride"]["closed"], told["agrees"]) == (8_595, "tapped", True)
    assert check(told["explanation"]) == 8_595
    deltas = [(one["why"], one["charged_delta_minor"]) for one in told["revisions"]]
    assert deltas == [(["first"], 0), (["ride_ended"], 18_625), (["late_tap"], 8_595 - 18_625)]
    assert sum(delta for _, delta in deltas) == 8_595
    assert len(told["booked"]) == 1, "what stands, not each correction"


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"phase": Phase.REFUSED}, "nothing", "refused"),
        ({"phase": Phase.TORN, "committed": False}, "nothing", "torn"),
        ({"committed": False, "tmv": b"forged!!"}, "exception", "mac-invalid"),
        ({"tariff_version": "never-published"}, "exception", "version-implausible"),
        ({"purpose": Purpose.INSPECT}, "no-fare", "inspect"),
        ({"route_id": "nowhere"}, "unpriced", "unknown_route"),
    ],
)
def test_a_tap_without_a_charge_says_why(ask, client, world, change, status, reason):
    record = world.on.tap(world.one, **change)
    send(client, world.on)
    told = explained(ask, record)
    assert (told["status"], told["reason"], told["charged_minor"]) == (status, reason, 0)
    assert told["vi"]
    assert told["en"]


@pytest.mark.parametrize("recovered", [True, False])
def test_a_transaction_that_several_records_tell_waits_for_nothing(ask, client, world, recovered):
    """Torn, and torn again or recovered, and proven by the next tap: one of them is in the bill, the others say why not."""
    tries = [world.on.tap(world.one, phase=Phase.TORN, committed=False) for _ in range(2)]
    torn = world.on.tap(world.one, phase=Phase.TORN)
    if recovered:
        world.on.recover(torn, world.one)
    world.off.tap(world.one)
    send(client, world.off)
    send(client, world.on)
    for record in (*tries, torn):
        told = explained(ask, record)
        assert (told["status"], told["charged_minor"]) in {("nothing", 0), ("priced", 0)}
        assert told["reason"] == ("torn" if told["status"] == "nothing" else "")


def test_who_names_an_account_sees_only_that_one(ask, client, world):
    on = world.on.tap(world.one)
    send(client, world.on)
    path = f"/v1/taps/{tap_id(on.device_id, on.journal_id, on.sequence)}/explanation"
    own, other = (str(card.issued.fare_account_id) for card in (world.one, world.other))
    assert ask(path, fare_account_id=own).status_code == 200
    refused = ask(path, fare_account_id=other)
    assert (refused.status_code, refused.json["type"]) == (404, "/problems/unknown-tap")
    app_server = ask(path, Role.RIDER, fare_account_id=own)
    assert (app_server.status_code, app_server.json["type"]) == (403, "/problems/rider-sign-in")
    assert ask(path, Role.INSPECTOR).status_code == 403
    assert ask(f"/v1/taps/{uuid4()}/explanation").status_code == 404


def test_each_look_is_kept_with_its_purpose_and_a_refused_one_is_not(ask, client, world, running):
    on = world.on.tap(world.one)
    send(client, world.on)
    explained(ask, on, purpose="rider asked")
    path = f"/v1/taps/{tap_id(on.device_id, on.journal_id, on.sequence)}/explanation"
    ask(path, fare_account_id=str(uuid4()))
    with running.database.read() as tx:
        (look,) = riders.list_looks(tx, world.one.issued.fare_account_id)
    assert (look.actor_kind, look.purpose) == ("credential", "rider asked")
    assert look.what.startswith("tap:")


def test_a_signed_in_rider_needs_no_account_and_leaves_no_trace(client, world, running):
    on = world.on.tap(world.one)
    send(client, world.on)
    path = f"/v1/taps/{tap_id(on.device_id, on.journal_id, on.sequence)}/explanation"
    with running.database.begin() as tx:
        by = Actor(ActorKind.COMMAND, "test")
        for card, status in ((world.one, 200), (world.other, 404)):
            account = card.issued.fare_account_id
            code = riders.make_code(tx, account, keyring=running.keyring, by=by, now=world.now)
            card.token = riders.sign_in(tx, account, code, keyring=running.keyring, now=world.now)
            card.status = status
    for card in (world.one, world.other):
        reply = client.get(path, headers={"Authorization": f"Bearer {card.token}"})
        assert reply.status_code == card.status, reply.text
    with running.database.read() as tx:
        assert riders.list_looks(tx, world.one.issued.fare_account_id) == ()


def test_a_waived_ride_names_its_funder_and_who_is_owed(ask, client, world, running):
    """Inside the free-travel days the fare is counted at face value; the city pays (HANOI.md)."""
    with running.database.begin() as tx:
        from access.issue import issue_card
        from kernel.wire.cardinfo import Concession
        from tests.simulation import sim_card

        made = issue_card(
            tx,
            keyring=running.keyring,
            uid=b"\x04senior",
            concession=Concession.FREE_SENIOR,
            expiry=(world.now + timedelta(days=900)).date(),
            now=world.now,
        )
    card = sim_card(running.keyring, b"\x04senior", serial=made.serial, info=made.info, issued=made)
    on = world.on.tap(card)
    world.off.tap(card, at=world.now - 20 * MINUTE)
    send(client, world.on)
    send(client, world.off)
    told = explained(ask, on)
    assert (told["charged_minor"], told["explanation"]["parts"]["face_value"]) == (0, 18_625)
    (share,) = told["explanation"]["shares"]
    assert share["component"] == "discounted"
    assert share["operator"]
    assert share["funder"] != "rider"
    assert check(told["explanation"]) == 0


def test_the_command_tells_the_same(ask, client, world, monkeypatch, database, tmp_path, keyring, now):
    from click.testing import CliRunner

    from service.cli import main
    from service.commands import context

    on = world.on.tap(world.one)
    world.off.tap(world.one, at=world.now - 20 * MINUTE)
    send(client, world.on)
    send(client, world.off)
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    monkeypatch.setenv("LIENTHONG_CLOCK", f"fixed:{now.isoformat()}")
    monkeypatch.setattr(context, "keyring", lambda: keyring)
    context.settings.cache_clear()
    one = str(tap_id(on.device_id, on.journal_id, on.sequence))
    try:
        told = CliRunner().invoke(main, ["fare", "explain", one, "--json"])
        assert told.exit_code == 0, told.output
        assert json.loads(told.output) == explained(ask, on)
        said = CliRunner().invoke(main, ["fare", "explain", one]).output
        assert "You pay 18,625 VND." in said
        assert "More taps arrived. +18,625" in said
    finally:
        context.settings.cache_clear()


@pytest.mark.usefixtures("described")
def test_a_ride_has_one_signed_receipt_under_both_of_its_taps(ask, client, world):
    on, off = world.on.tap(world.one), world.off.tap(world.one, at=world.now - 20 * MINUTE)
    send(client, world.on)
    paths = [
        f"/v1/taps/{tap_id(each.device_id, each.journal_id, each.sequence)}/receipt" for each in (on, off)
    ]
    running = ask(paths[0])
    assert (running.status_code, running.json["type"]) == (409, "/problems/no-ride-receipt"), (
        "it is under way"
    )
    send(client, world.off)
    one, other = (ask(each) for each in paths)
    assert one.data == other.data, "byte for byte the same"
    receipt = one.json["receipt"]
    keys = [
        VerifyKey(bytes.fromhex(each["ed25519"])) for each in client.get("/v1/receipts/keys").json["keys"]
    ]
    assert receipts.verify(one.json, keys)
    assert (receipt["kind"], receipt["charged"]["minor"], receipt["to_stop"]) == (
        "ride",
        18_625,
        "2A-yen-nghia",
    )
    assert check(receipt["explanation"]) == sum(each["amount"]["minor"] for each in receipt["lines"])
    assert not receipts.verify({**one.json, "receipt": {**receipt, "tariff_version": "other"}}, keys)
    paper = ask(paths[0], format="pdf")
    assert (paper.mimetype, paper.data[:5], paper.data) == (
        "application/pdf",
        b"%PDF-",
        ask(paths[1], format="pdf").data,
    )


def test_a_ride_receipt_is_its_riders_own(ask, client, world):
    on = world.on.tap(world.one)
    world.off.tap(world.one, at=world.now - 20 * MINUTE)
    send(client, world.on)
    send(client, world.off)
    path = f"/v1/taps/{tap_id(on.device_id, on.journal_id, on.sequence)}/receipt"
    assert ask(path, role=Role.INSPECTOR).status_code == 403
    assert client.get(path).status_code == 401
    assert ask(f"/v1/taps/{uuid4()}/receipt").status_code == 404
