"""`lienthong ledger` and `lienthong settle` on a small set of committed books."""

import json
from datetime import UTC, date, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from access.keyring import Keyring, create_kek
from kernel.ids import EntryId, uuid7
from kernel.money import VND, Money
from ledger import accounts, post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from service.cli import main
from service.commands import context

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


@pytest.fixture
def run(database, tmp_path, monkeypatch):
    """Run a command line on books where one rider has loaded 10,000; the clock stands at NOW."""
    kek = create_kek(tmp_path / "kek")
    Keyring.create(tmp_path / "keyring.json", kek)
    for name, value in {
        "DATABASE_URL": database.url,
        "KEYRING_FILE": str(tmp_path / "keyring.json"),
        "KEK_FILE": str(tmp_path / "kek"),
        "CLOCK": f"fixed:{NOW.isoformat()}",
    }.items():
        monkeypatch.setenv(f"LIENTHONG_{name}", value)
    context.settings.cache_clear()
    rider = uuid7(NOW)
    purse, provider = chart.rider_stored_value(rider), chart.provider_clearing("payos")
    line = Line(provider.account_id, purse.account_id, Money(10_000, VND))
    with database.engine.begin() as tx:
        accounts.open_accounts(tx, [purse, provider], NOW)
        post.post(tx, [Entry(EntryId(uuid7(NOW)), "topup", (line,), rider, date(2026, 11, 18), NOW)], NOW)
    yield lambda *words: CliRunner().invoke(main, [*words])
    context.settings.cache_clear()


def test_prove_says_so_and_names_what_is_wrong(run, database) -> None:
    good = run("ledger", "prove", "--workers", "2")
    assert (good.exit_code, "Proven:" in good.output) == (0, True)
    with database.engine.begin() as tx:
        tx.execute(text("UPDATE ledger_balance SET posted = posted + 1"))
    bad = run("ledger", "prove", "--quiet")
    assert bad.exit_code == 1
    assert "NOT PROVEN: 1 rows" in bad.output
    assert "expected 10000, found 10001" in bad.output


@pytest.mark.parametrize(
    ("form", "says"), [("hledger", "* topup"), ("beancount", '* "topup"'), ("csv", "topup")]
)
def test_export_writes_to_a_file_and_to_the_terminal(run, tmp_path, form: str, says: str) -> None:
    path = tmp_path / "books"
    assert run("ledger", "export", "--format", form, "--output", str(path)).exit_code == 0
    assert says in path.read_text()
    assert says in run("ledger", "export", "--format", form).output


def test_trial_and_statement_read(run) -> None:
    assert "VND: debits 10,000, credits 10,000" in run("ledger", "trial").output
    account = str(chart.provider_clearing("payos").account_id)
    made = run("ledger", "statement", account, "--from", "2026-11-01", "--to", "2026-11-30")
    assert "10,000 VND" in made.output
    assert (
        run("ledger", "statement", str(uuid7(NOW)), "--from", "2026-11-01", "--to", "2026-11-30").exit_code
        == 1
    )


def test_settle_closes_settles_and_answers_again(run) -> None:
    first = run("settle", "2026-11-18", "--json")
    again = run("settle", "2026-11-18", "--json")
    assert (first.exit_code, again.exit_code) == (0, 0)
    start = first.stdout.index("{")
    document = json.loads(first.stdout[start:])
    assert document["coverage"]["surplus"] == {"minor": 0, "currency": "VND"}
    assert json.loads(again.stdout[again.stdout.index("{") :]) == document
    assert "1 lines" in run("ledger", "close", "2026-11-18").output
    ahead = run("settle", "2026-11-19")
    assert ahead.exit_code == 1
    assert "ahead" in ahead.output


def test_a_key_that_is_none_is_refused(run) -> None:
    assert run("ledger", "prove", "--trust", "xyz").exit_code == 2
