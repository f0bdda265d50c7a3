"""What waits is listed, aged, run again, given away or closed; each with who did it."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from access import exceptions
from access.issue import issue_card
from access.rules.tap import tap_id
from fare import bill as fare_bill
from kernel.wire.cardinfo import CardInfo, Concession, encode
from service.conservation import conserve
from service.staff import Role
from tests.simulation import sim_card

pytestmark = pytest.mark.usefixtures("described")

DAY = date(2026, 11, 18)
HOUR = timedelta(hours=1)


def day_of(running, day=DAY):
    with running.database.read() as tx:
        return conserve(tx, day, book=running.shelf.books(tx).current())


@contextmanager
def broken_pricing(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    with monkeypatch.context() as fault:
        fault.setattr(fare_bill, "price_day", broken)
        yield


def test_a_fault_in_pricing_is_counted_as_exception_until_it_is_run_again(
    running, world, send, ask, lienthong, monkeypatch
):
    world.bus.tap(world.cards[0], at=world.now - HOUR)
    with broken_pricing(monkeypatch):
        send(world.bus.upload())
    (one,) = day_of(running).devices
    assert (one.priced, one.in_exception) == (0, {"pricing-fault": 1})
    (waiting,) = ask("GET", "/v1/exceptions").json["exceptions"]
    assert (waiting["reason"], waiting["rerunnable"]) == ("pricing-fault", True)
    path = f"/v1/exceptions/{waiting['exception_id']}/rerun"
    with broken_pricing(monkeypatch):
        failed = ask("POST", path, {"why": "try"}).json
    assert failed["outcome"] == "waits"
    assert ask("GET", "/v1/exceptions").json["exceptions"][0]["raised_at"] == waiting["raised_at"]
    assert ask("POST", path, {"why": "repaired"}).json["outcome"] == "repaired"
    assert ask("POST", path, {"why": "again"}).status_code == 404
    (one,) = day_of(running).devices
    assert (one.priced, one.in_exception) == (1, {})
    with running.database.read() as tx:
        kept = tx.execute(
            text("SELECT detail FROM audit_trail WHERE action = 'evidence.rerun' ORDER BY at")
        ).scalars()
        assert sorted(one["outcome"] for one in kept) == ["repaired", "waits"]


def test_an_implausible_tap_is_let_through_with_a_reason_and_then_priced(running, world, send, ask):
    record = world.bus.tap(world.cards[0], tariff_version="never-published", at=world.now - HOUR)
    send(world.bus.upload())
    (waiting,) = ask("GET", "/v1/exceptions").json["exceptions"]
    path = f"/v1/exceptions/{waiting['exception_id']}/rerun"
    assert ask("POST", path, {"why": ""}).status_code == 422
    assert ask("POST", path, {"why": "the bus had a draft loaded"}).json["outcome"] == "repaired"
    (one,) = day_of(running).devices
    assert (one.priced, one.in_exception) == (1, {})
    with running.database.read() as tx:
        found = tx.execute(text("SELECT tap_id, reason FROM tap_release")).one()
        exception = tx.execute(text("SELECT exception FROM tap")).scalar_one()
    assert found == (
        tap_id(record.device_id, record.journal_id, record.sequence),
        "the bus had a draft loaded",
    )
    assert exception == "version-implausible", "the evidence itself never changes"


def test_a_card_issued_after_its_first_tap_is_billed_by_a_rerun(running, world, send, ask, keyring):
    uid = b"\x05late-1"
    expires = date(2030, 12, 31)
    info = encode(
        CardInfo(
            issuer=1, serial=7, product=1, concession=Concession.NORMAL, expires_on=expires, key_generation=1
        )
    )
    world.bus.tap(sim_card(keyring, uid, serial=7, info=info), at=world.now - HOUR)
    send(world.bus.upload())
    assert day_of(running).devices[0].in_exception == {"unknown-card": 1}
    body = {"house": "access", "reason": "unknown-card", "why": "issued since"}
    (done,) = ask("POST", "/v1/exceptions/rerun", body).json["reruns"]
    assert done["outcome"] == "waits"
    with running.database.begin() as tx:
        issue_card(tx, keyring=keyring, uid=uid, concession=Concession.NORMAL, expiry=expires, now=world.now)
    (done,) = ask("POST", "/v1/exceptions/rerun", body).json["reruns"]
    assert done["outcome"] == "repaired"
    assert day_of(running).devices[0].priced == 1


def test_what_is_too_late_waits_for_a_person_who_may_let_it_in(running, world, send, ask, lienthong):
    world.bus.tap(world.cards[0], at=world.now - HOUR)
    send(world.bus.upload(), at=world.now + timedelta(days=6), late_days=3)
    (one,) = day_of(running).devices
    assert one.in_exception == {"too-late": 1}
    said = lienthong(
        "evidence", "rerun", "--house", "fare", "--reason", "too-late", "--why", "bus found in a ditch"
    )
    assert "repaired" in said
    assert day_of(running).devices[0].priced == 1


@pytest.mark.parametrize(
    "change",
    [{"committed": False, "tmv": b"forged!!"}, {"sequence": 5}],
)
def test_what_a_rerun_cannot_cure_says_so_and_may_be_closed(running, world, send, ask, change):
    world.bus.tap(world.cards[0], at=world.now - HOUR, **change)
    world.bus.tap(world.cards[1], at=world.now - HOUR)
    send(world.bus.upload())
    (waiting,) = ask("GET", "/v1/exceptions").json["exceptions"]
    assert waiting["rerunnable"] is False
    path = f"/v1/exceptions/{waiting['exception_id']}"
    refused = ask("POST", f"{path}/rerun", {"why": "please"})
    assert (refused.status_code, refused.json["type"]) == (409, "/problems/not-rerunnable")
    assert ask("POST", f"{path}/assign", {"to": "hoa"}).status_code == 200
    assert ask("GET", "/v1/exceptions").json["exceptions"][0]["assigned_to"] == "hoa"
    assert ask("POST", f"{path}/resolve", {"resolution": "forged"}, role=Role.AUDITOR).status_code == 403
    assert ask("POST", f"{path}/resolve", {"resolution": "forged"}).status_code == 200
    assert ask("GET", "/v1/exceptions").json == {"exceptions": [], "counts": []}
    assert ask("POST", f"{path}/resolve", {"resolution": "forged"}).status_code == 404
    found = day_of(running)
    assert sum(sum({**one.in_exception, **one.set_aside}.values()) for one in found.devices) == 1, (
        "still counted"
    )


def test_strangers_and_riders_see_no_queue(running, client, ask):
    assert client.get("/v1/exceptions").status_code == 401
    assert ask("GET", "/v1/exceptions", role=Role.RIDER).status_code == 403
    assert ask("GET", "/v1/evidence/noday/conservation").status_code == 404


def test_exceptions_are_found_again_only_while_open(running, world, send, ask):
    world.bus.tap(world.cards[0], at=world.now - HOUR, route_id="nowhere")
    send(world.bus.upload())
    with running.database.read() as tx:
        (one,) = exceptions.list_open(tx, now=world.now)
        assert exceptions.find_open(tx, one.raised) == one.raised
        assert exceptions.find_open(tx, replace(one.raised, ref="other")) is None
    done = ask("POST", f"/v1/exceptions/{one.exception_id}/rerun", {"why": "route added?"}).json
    assert done["outcome"] == "waits"
