"""History is priced again only by an announced run of two people; it may be killed, repeated, and taken back."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from fare import rerun
from fare.gtfs.read import files_of
from fare.publish import publish
from fare.rules.bill import ENGINE_VERSION
from fare.rules.recompute import check
from kernel.ids import uuid7
from kernel.wire.tap import Purpose
from ledger.accounts import read_balances
from ledger.rules import chart
from service.api.explanations import document, look_up
from service.audit import Actor, ActorKind
from service.jobs import reprice
from service.staff import Role
from tests.fare.cities import HANOI

pytestmark = pytest.mark.usefixtures("described")

DAY = date(2026, 11, 18)
HOUR = timedelta(hours=1)
BY = Actor(ActorKind.COMMAND, "mai")


@pytest.fixture
def dearer(running, keyring, now, tmp_path):
    """The same tariff with the day's middle band at 11,000, back-dated to 2024: version `dearer`."""
    folder = tmp_path / "dearer"
    folder.mkdir()
    for name, raw in files_of(HANOI).items():
        text_ = raw.decode("utf-8")
        if name == "tariff.txt":
            text_ = text_.replace("hanoi-2026.11", "dearer", 1)
        if name in {"fare_products.txt", "length_bands.txt"}:
            text_ = text_.replace("10000", "11000")
        (folder / name).write_text(text_, "utf-8")
    with running.database.begin() as tx:
        publish(tx, folder, prepared_by="mai", approved_by="tuan", key=keyring.bundle_key, now=now)
    return "dearer"


@pytest.fixture
def ridden(world, send):
    """Three bus rides of two riders on DAY, billed at 10,000 each."""
    for number, hours in ((0, 3), (0, 2), (1, 1)):
        world.bus.tap(world.cards[number], at=world.now - hours * HOUR, purpose=Purpose.BOARD)
    send(world.bus.upload())
    return world


@pytest.fixture
def later(now):
    return now + timedelta(days=2)


def announce(running, version, later, **changes):
    asked = {
        "run_id": uuid7(later),
        "tariff_version": version,
        "first_day": DAY,
        "last_day": DAY,
        "reason": "decision 123",
        "not_before": later,
        "by": "mai",
        "now": later,
        **changes,
    }
    with running.database.begin() as tx:
        return rerun.announce(tx, books=running.shelf.books(tx), **asked)


def approved(running, version, later, **changes):
    one = announce(running, version, later, **changes)
    with running.database.begin() as tx:
        return rerun.approve(tx, one.run_id, by="tuan", now=later)


def carry_out(running, run_id, later):
    return list(reprice.reprice(running.database, run_id, shelf=running.shelf, by=BY, now=lambda: later))


def charged(running):
    with running.database.read() as tx:
        return tx.execute(text("SELECT coalesce(sum(charged_minor), 0) FROM fare_charge")).scalar_one()


def test_a_published_tariff_alone_changes_no_booked_day(running, ridden, dearer, send):
    ridden.bus.tap(ridden.cards[0], at=ridden.now, purpose=Purpose.BOARD)
    send(ridden.bus.upload(4, 4))
    assert charged(running) == 40_000, "the late tap is priced with what its day was booked by"


def test_an_approved_run_prices_history_again_and_another_takes_it_back(running, ridden, dearer, later):
    one = approved(running, dearer, later)
    looked = list(reprice.preview(running.database, one.run_id, shelf=running.shelf, now=lambda: later))
    assert sum(each.charged for each in looked) == 3_000
    assert charged(running) == 30_000, "a look books nothing"
    done = carry_out(running, one.run_id, later)
    assert [each.charged for each in done] == [each.charged for each in looked]
    assert charged(running) == 33_000
    with running.database.read() as tx:
        found = rerun.get(tx, one.run_id)
        assert rerun.state_of(found) is rerun.State.FINISHED
        way = rerun.progress(tx, found)
        assert (way.done, way.left, way.revisions, way.change_minor) == (2, 0, 2, 3_000)
        owed = chart.rider_receivable(ridden.cards[0].issued.fare_account_id).account_id
        assert read_balances(tx, [owed], later)[owed].posted.minor == 22_000
    back = approved(running, "hanoi-2026.11", later)
    carry_out(running, back.run_id, later)
    assert charged(running) == 30_000
    with running.database.read() as tx:
        corrections = tx.execute(
            text(
                "SELECT count(*) FROM ledger_line WHERE corrects IS NOT NULL AND narrative = 'fare.adjusted'"
            )
        ).scalar_one()
    assert corrections == 3, "what is given back is linked to what it corrects"


def test_a_late_tap_after_the_run_is_priced_with_what_the_run_booked(running, ridden, dearer, later, send):
    carry_out(running, approved(running, dearer, later).run_id, later)
    ridden.bus.tap(ridden.cards[0], at=ridden.now, purpose=Purpose.BOARD)
    send(ridden.bus.upload(4, 4), at=later)
    assert charged(running) == 44_000


def test_a_tap_of_the_run_tells_that_the_tariff_changed(running, ridden, dearer, later):
    carry_out(running, approved(running, dearer, later).run_id, later)
    with running.database.begin() as tx:
        tap = tx.execute(text("SELECT tap_id FROM tap ORDER BY tapped_at LIMIT 1")).scalar_one()
        told = document(look_up(tx, tap, shelf=running.shelf, owner=None, by=BY, purpose="test", now=later))
    assert (told["charged_minor"], told["tariff_version"], told["agrees"]) == (11_000, "dearer", True)
    assert check(told["explanation"]) == 11_000
    assert [(one["why"], one["charged_delta_minor"]) for one in told["revisions"]] == [
        (["first"], 10_000),
        (["tariff"], 1_000),
    ]


def test_a_run_under_the_same_tariff_changes_exactly_nothing(running, ridden, later):
    done = carry_out(running, approved(running, "hanoi-2026.11", later).run_id, later)
    assert [(one.revisions, one.entries, one.changes) for one in done] == [(0, 0, {})] * 2


def test_a_killed_run_goes_on_where_it_was(running, ridden, dearer, later):
    one = approved(running, dearer, later)
    half = reprice.reprice(running.database, one.run_id, shelf=running.shelf, by=BY, now=lambda: later)
    next(half)
    half.close()
    with running.database.read() as tx:
        assert rerun.state_of(rerun.get(tx, one.run_id)) is rerun.State.APPROVED
    assert len(carry_out(running, one.run_id, later)) == 1
    assert charged(running) == 33_000


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"last_day": DAY + timedelta(days=2)}, rerun.RerunDaysError),
        ({"first_day": DAY + timedelta(days=1)}, rerun.RerunDaysError),
        ({"not_before": "earlier"}, rerun.RerunNoticeError),
    ],
)
def test_what_cannot_be_announced_is_refused(running, ridden, dearer, later, changes, error):
    if "not_before" in changes:
        changes = {"not_before": later - timedelta(seconds=1)}
    with pytest.raises(error):
        announce(running, dearer, later, **changes)


def test_one_person_is_not_two_and_the_schema_says_so_too(running, ridden, dearer, later):
    one = announce(running, dearer, later)
    with pytest.raises(rerun.RerunStateError):
        carry_out(running, one.run_id, later)
    with running.database.begin() as tx, pytest.raises(rerun.RerunOnePersonError):
        rerun.approve(tx, one.run_id, by="MAI", now=later)
    with pytest.raises(IntegrityError), running.database.begin() as tx:
        tx.execute(
            text("INSERT INTO fare_rerun_event VALUES (:run, 'approved', 'mai', 'Mai', :at)"),
            {"run": one.run_id, "at": later},
        )


def test_a_run_waits_for_its_hour_and_ends_where_it_is_withdrawn(running, ridden, dearer, later):
    one = approved(running, dearer, later, not_before=later + HOUR)
    with pytest.raises(rerun.RerunStateError):
        carry_out(running, one.run_id, later)
    with running.database.begin() as tx:
        rerun.withdraw(tx, one.run_id, by="mai", now=later)
    with pytest.raises(rerun.RerunStateError):
        carry_out(running, one.run_id, later + HOUR)
    with running.database.begin() as tx, pytest.raises(rerun.RerunStateError):
        rerun.approve(tx, one.run_id, by="tuan", now=later)


def test_a_retired_engine_is_priced_again_only_by_a_run(running, ridden, later, monkeypatch, send):
    from fare import engine, explain
    from fare.rules import price

    for module in (engine, price, rerun, explain):
        monkeypatch.setattr(module, "ENGINE_VERSION", "another")
    # An engine that prices the booked ride otherwise: here not at all.
    monkeypatch.setattr(
        engine, "price_day", lambda facts, *rest: price.price_day(replace(facts, taps=()), *rest)
    )
    ridden.bus.tap(ridden.cards[0], at=ridden.now, purpose=Purpose.BOARD)
    send(ridden.bus.upload(4, 4))
    assert charged(running) == 30_000, "the tap waits: engine-retired"
    done = carry_out(running, approved(running, "hanoi-2026.11", later).run_id, later)
    assert sum(one.charged for one in done) == 10_000
    with running.database.read() as tx:
        engines = tx.execute(
            text("SELECT engine_version, max(revision) FROM fare_bill GROUP BY 1 ORDER BY 1")
        )
        assert {row[0] for row in engines} == {ENGINE_VERSION, "another"}
        waiting = tx.execute(
            text("SELECT count(*) FROM exception_queue WHERE resolved_at IS NULL")
        ).scalar_one()
    assert waiting == 0, "what waited for the run came right with it"


def test_over_http_the_maker_announces_and_the_checker_approves(running, ridden, dearer, ask, now):
    yesterday = str(DAY - timedelta(days=1))
    body = {
        "run_id": str(uuid7(now)),
        "tariff_version": dearer,
        "first_day": yesterday,
        "last_day": yesterday,
        "reason": "decision 123",
    }
    made = ask("POST", "/v1/reruns", body)
    assert (made.status_code, made.json["state"]) == (201, "announced")
    assert ask("POST", "/v1/reruns", body, role=Role.AUDITOR).status_code == 403
    assert ask("POST", "/v1/reruns", {**body, "reason": "another"}).status_code == 409
    path = f"/v1/reruns/{body['run_id']}"
    assert ask("POST", f"{path}/approve").status_code == 403
    reply = ask("POST", f"{path}/approve", role=Role.FINANCE_CHECKER)
    assert reply.json["state"] == "approved"
    assert ask("POST", f"{path}/withdraw").json["state"] == "withdrawn"
    (listed,) = ask("GET", "/v1/reruns", role=Role.AUDITOR).json["reruns"]
    assert [one["event"] for one in listed["events"]] == ["approved", "withdrawn"]


def test_the_commands_do_the_same(running, ridden, dearer, lienthong, later, monkeypatch):
    from service.commands import context

    monkeypatch.setenv("LIENTHONG_CLOCK", f"fixed:{later.isoformat()}")
    context.settings.cache_clear()
    assert "No run was ever announced." in lienthong("rebill", "list")
    monkeypatch.setenv("SUDO_USER", "mai")
    said = lienthong(
        "rebill",
        "announce",
        "--tariff",
        dearer,
        "--from",
        str(DAY),
        "--to",
        str(DAY),
        "--reason",
        "decision 123",
    )
    run = said.split()[0]
    assert "another person must approve" in lienthong("rebill", "approve", run, code=1)
    looked = json.loads(lienthong("rebill", "preview", run, "--json"))
    assert looked["changes"] == [{"operator_id": "transerco", "component": "charged", "minor": 3_000}]
    monkeypatch.setenv("SUDO_USER", "tuan")
    assert "is approved" in lienthong("rebill", "approve", run)
    assert "2 of 2 accounts changed, 3 entries" in lienthong("rebill", "run", run)
    assert "finished" in lienthong("rebill", "list")
    assert charged(running) == 33_000
