"""Reconciliation over HTTP and from the command line: files in, figures, the queue, two people."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from demo.bank_statements import camt
from kernel.ids import OperatorId
from service import cli, staff
from service.audit import Actor, ActorKind
from service.commands import context
from service.jobs import reconcile as jobs
from service.services import Services
from service.staff import Grant, Role

pytestmark = pytest.mark.usefixtures("described")

ACCOUNT = "0011001234567"  # the default of LIENTHONG_TOPUP_ACCOUNT
FEE = {
    "amount": -5_500,
    "paid_at": "2026-11-18T09:00:00+07:00",
    "reference": "FEE1",
    "description": "PHI DICH VU",
}
DAY = {"id": "S1", "account": ACCOUNT, "opening": 9_000, "day": "2026-11-18", "movements": [FEE]}


@pytest.fixture
def running(app) -> Services:
    found = app.extensions["lienthong"]
    assert isinstance(found, Services)
    return found


def bearer(running, now, role: Role, name: str) -> dict[str, str]:
    with running.database.begin() as tx:
        _, token = staff.add_credential(
            tx,
            name=name,
            grant=Grant(role, OperatorId("")),
            valid=timedelta(days=1),
            by=Actor(ActorKind.COMMAND, "test"),
            now=now,
        )
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def maker(running, now):
    return bearer(running, now, Role.FINANCE_MAKER, "maker")


@pytest.fixture
def checker(running, now):
    return bearer(running, now, Role.FINANCE_CHECKER, "checker")


def run(running) -> None:
    jobs.reconcile(running.database, now=running.clock.now, tell=lambda _: None)


def test_a_file_an_exception_and_two_people(client, running, maker, checker, now) -> None:
    raw = camt([DAY])
    first = client.post("/v1/bank-files?name=day.xml", data=raw, headers=maker)
    assert (first.status_code, first.json["status"], first.json["movements"]) == (201, "accepted", 1)
    again = client.post("/v1/bank-files", data=raw, headers=maker)
    assert (again.status_code, again.json["file_id"]) == (200, first.json["file_id"])
    run(running)
    figures = client.get("/v1/reconciliation", headers=maker).json
    assert (figures["queued"], figures["unexplained"]) == (1, 0)
    (open_one,) = client.get("/v1/reconciliation/exceptions", headers=maker).json["exceptions"]
    assert (open_one["reason"], open_one["amount"]["minor"]) == ("unknown_debit", -5_500)
    ids = [open_one["exception_id"]]
    asked = {"exceptions": ids, "owner": "anna"}
    assert client.post("/v1/reconciliation/assign", json=asked, headers=maker).json == {"count": 1}
    early = client.post("/v1/reconciliation/approve", json={"exceptions": ids}, headers=checker)
    assert (early.status_code, early.json["type"]) == (409, "/problems/nothing-proposed")
    wish = {"exceptions": ids, "resolution": "written_off", "note": "the bank's fee"}
    assert client.post("/v1/reconciliation/propose", json=wish, headers=maker).json == {"count": 1}
    same = client.post("/v1/reconciliation/approve", json={"exceptions": ids}, headers=maker)
    assert (same.status_code, same.json["type"]) == (403, "/problems/same-person")
    done = client.post("/v1/reconciliation/approve", json={"exceptions": ids}, headers=checker)
    assert len(done.json["entries"]) == 1
    listed = client.get(f"/v1/reconciliation/movements/{open_one['item_id']}/matches", headers=checker)
    assert listed.json == {"matches": []}
    unknown = client.get(f"/v1/reconciliation/movements/{ids[0]}/matches", headers=checker)
    assert (unknown.status_code, unknown.json["type"]) == (422, "/problems/unmatchable")
    assert client.get("/v1/reconciliation", headers=maker).json["queued"] == 0


def test_a_quarantined_file_says_why(client, maker) -> None:
    answer = client.post("/v1/bank-files", data=camt([DAY | {"closing": 1}]), headers=maker)
    assert (answer.status_code, answer.json["status"], answer.json["reason"]) == (
        201,
        "quarantined",
        "does-not-balance",
    )


def test_readers_may_not_work_the_queue(client, running, now) -> None:
    auditor = bearer(running, now, Role.AUDITOR, "auditor")
    assert client.get("/v1/reconciliation", headers=auditor).status_code == 200
    assert client.post("/v1/bank-files", data=b"x", headers=auditor).status_code == 403
    assert (
        client.post("/v1/reconciliation/approve", json={"exceptions": []}, headers=auditor).status_code == 403
    )
    assert client.get("/v1/reconciliation").status_code == 401


def test_command_line(database, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    monkeypatch.setenv("LIENTHONG_CLOCK", "fixed:2026-11-18T09:00:00+07:00")
    context.settings.cache_clear()

    def lienthong(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli.main, ["reconcile", *arguments])
        return result.exit_code, result.output

    (tmp_path / "day.xml").write_bytes(camt([DAY]))
    (tmp_path / "half.xml.part").write_bytes(b"still being written")
    try:
        assert lienthong("take", str(tmp_path)) == (0, "day.xml: camt.053 accepted, 1 movements\n")
        assert lienthong("take", str(tmp_path)) == (0, "day.xml: camt.053 accepted, taken in before\n")
        (tmp_path / "wrong.xml").write_bytes(camt([DAY | {"closing": 1}]))
        code, output = lienthong("take", str(tmp_path))
        assert code == 1
        assert "wrong.xml: camt.053 quarantined does-not-balance" in output
        code, output = lienthong("run")
        assert code == 0
        assert "unknown_debit" in output
        found = json.loads(lienthong("figures", "--json")[1])
        assert (found["movements"], found["unexplained"], found["quarantined_files"]) == (1, 0, 1)
        assert (found["coverage"], found["operators"]) == (None, []), "no day is settled"
        assert [(one["on"], one["amount"]["minor"]) for one in found["differences"]] == [
            ("2026-11-18", -5_500)
        ]
        (listed,) = json.loads(lienthong("exceptions", "--json")[1])
        assert json.loads(lienthong("matches", listed["item_id"], "--json")[1]) == []
        assert lienthong("matches", listed["exception_id"])[0] == 1
        assert listed["suggestion"].startswith("find who ordered it")
        assert lienthong("assign", "anna", listed["exception_id"]) == (0, "assign: 1\n")
        assert lienthong("propose", "written_off", listed["exception_id"], "--note", "fee")[0] == 0
        code, output = lienthong("approve", listed["exception_id"])
        assert code == 1
        assert "another person must approve" in output
    finally:
        context.settings.cache_clear()
