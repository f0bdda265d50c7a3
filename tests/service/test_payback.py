"""Paying back from the command line: two people, one file, and what the trail says."""

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from kernel.ids import EntryId, uuid7
from kernel.money import VND, Money
from ledger.accounts import open_accounts
from ledger.post import post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from service import cli
from service.commands import context

Lienthong = Callable[..., Result]


@pytest.fixture
def lienthong(database, monkeypatch) -> Iterator[Lienthong]:
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    monkeypatch.setenv("LIENTHONG_CLOCK", "fixed:2026-11-18T09:00:00+07:00")
    context.settings.cache_clear()

    def run(*arguments: str, by: str = "anna") -> Result:
        monkeypatch.setenv("SUDO_USER", by)
        return CliRunner().invoke(cli.main, ["payback", *arguments])

    yield run
    context.settings.cache_clear()


@pytest.fixture
def owed(database, now) -> None:
    bank, payable = chart.bank_guarantee(), chart.refund_payable()
    with database.engine.begin() as tx:
        open_accounts(tx, (bank, payable), now)
        line = Line(bank.account_id, payable.account_id, Money(35_000, VND))
        post(tx, (Entry(EntryId(uuid7(now)), "test", (line,), bank.owner_id, now.date(), now),), now)


def test_a_returned_cards_money_is_paid_out(database, owed, lienthong: Lienthong) -> None:
    asked = lienthong("ask", "35000", "--name", "Nguyen A", "--account", "0123", "--note", "card 17")
    assert asked.exit_code == 0, asked.output
    order = asked.stdout.partition(":")[0]
    assert asked.stderr == f"id {order}\n"
    assert "asked" in asked.output
    refused = lienthong("approve", order)
    assert (refused.exit_code, "another person must approve" in refused.output) == (1, True)
    assert "approved" in lienthong("approve", order, by="binh").output
    sent = lienthong("send", by="chi")
    file_id = sent.stderr.split()[1]
    assert "1 payments" in sent.stderr
    assert b'<InstdAmt Ccy="VND">35000</InstdAmt>' in sent.stdout_bytes
    assert lienthong("send", "--id", file_id).stdout_bytes == sent.stdout_bytes
    listed = json.loads(lienthong("list", "--json").stdout)
    assert listed["owed"]["minor"] == 0
    assert [(one["state"], one["paid_on"]) for one in listed["orders"]] == [("sent", None)]
    with database.engine.connect() as tx:
        trail = tx.execute(
            text("SELECT action FROM audit_trail WHERE action LIKE 'payback.%' ORDER BY at, action")
        )
        assert sorted(trail.scalars()) == ["payback.approve", "payback.ask", "payback.send", "payback.send"]


def test_refusals_are_told(owed, lienthong: Lienthong) -> None:
    over = lienthong("ask", "35001", "--name", "A", "--account", "1", "--note", "x")
    assert (over.exit_code, "35,000 VND is owed" in over.output) == (1, True)
    assert lienthong("ask", "1", "--note", "x").exit_code == 2
    unknown = lienthong("approve", "0c71b2de-0000-8000-8000-000000000001")
    assert (unknown.exit_code, "There is no order" in unknown.output) == (1, True)
    assert lienthong("send").stdout_bytes == b""
