"""`lienthong ledger` and `lienthong settle` on a small set of committed books."""

import json
from datetime import UTC, date, datetime, timedelta

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
# 04:00 in Hanoi on the 19th, where the 18th's service day and its cut-off end.
CUT_OFF = datetime(2026, 11, 18, 21, 0, tzinfo=UTC)


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


def test_export_as_parquet_needs_a_file(run, tmp_path) -> None:
    path = tmp_path / "lines.parquet"
    made = run("ledger", "export", "--format", "parquet", "--output", str(path))
    assert (made.exit_code, "1 lines" in made.output, path.read_bytes()[:4]) == (0, True, b"PAR1")
    refused = run("ledger", "export", "--format", "parquet")
    assert (refused.exit_code, "--output" in refused.output) == (2, True)


def test_trial_and_statement_read(run) -> None:
    assert "VND: debits 10,000, credits 10,000" in run("ledger", "trial").output
    account = str(chart.provider_clearing("payos").account_id)
    made = run("ledger", "statement", account, "--from", "2026-11-01", "--to", "2026-11-30")
    assert "10,000 VND" in made.output
    assert (
        run("ledger", "statement", str(uuid7(NOW)), "--from", "2026-11-01", "--to", "2026-11-30").exit_code
        == 1
    )


def stand_at(monkeypatch, now: datetime) -> None:
    monkeypatch.setenv("LIENTHONG_CLOCK", f"fixed:{now.isoformat()}")
    context.settings.cache_clear()


def test_settle_closes_settles_and_answers_again(run, monkeypatch) -> None:
    stand_at(monkeypatch, CUT_OFF)
    first = run("settle", "2026-11-18", "--json")
    again = run("settle", "2026-11-18", "--json")
    assert (first.exit_code, again.exit_code) == (0, 0)
    start = first.stdout.index("{")
    document = json.loads(first.stdout[start:])
    assert document["coverage"]["surplus"] == {"minor": 0, "currency": "VND"}
    assert json.loads(again.stdout[again.stdout.index("{") :]) == document
    assert "1 lines" in run("ledger", "close", "2026-11-18").output
    ahead = run("settle", "2026-11-20")
    assert ahead.exit_code == 1
    assert "ahead" in ahead.output


def test_settle_of_the_running_day_is_refused_unless_asked_for(run, monkeypatch) -> None:
    for at in (NOW, CUT_OFF - timedelta(seconds=1)):
        stand_at(monkeypatch, at)
        refused = run("settle", "2026-11-18")
        assert refused.exit_code == 1
        assert "still running: it is settled from 2026-11-19T04:00+07:00 on" in refused.output
        assert "2026-11-18: 1 lines" not in refused.output
    assert run("settle", "2026-11-18", "--early").exit_code == 0


def test_settle_of_a_day_that_was_left_out_works_after_a_later_one(run, monkeypatch, database) -> None:
    """The 17th has entries, nothing was booked on the 16th; both were skipped."""
    rider = uuid7(NOW)
    purse, provider = chart.rider_stored_value(rider), chart.provider_clearing("payos")
    earlier = NOW - timedelta(days=1)
    line = Line(provider.account_id, purse.account_id, Money(500, VND))
    with database.engine.begin() as tx:
        accounts.open_accounts(tx, [purse], NOW)
        entry = Entry(EntryId(uuid7(earlier)), "topup", (line,), rider, date(2026, 11, 17), earlier)
        post.post(tx, [entry], earlier)
    stand_at(monkeypatch, CUT_OFF)
    later = run("settle", "2026-11-18", "--json")
    for day in ("2026-11-17", "2026-11-16", "2026-11-17"):
        left_out = run("settle", day, "--json")
        assert left_out.exit_code == 0, left_out.output
        document = json.loads(left_out.stdout[left_out.stdout.index("{") :])
        assert document["book_day"] == day
        stored = document["coverage"]["stored_value"]["minor"]
        assert stored == (500 if day == "2026-11-17" else 0)
    assert run("settle", "2026-11-18", "--json").stdout == later.stdout.replace(
        later.stdout[: later.stdout.index("{")], ""
    )
    assert run("ledger", "prove").exit_code == 0


def trail(database) -> list[str]:
    with database.engine.begin() as tx:
        rows = tx.execute(text("SELECT action FROM audit_trail WHERE action LIKE 'ledger.account.%'"))
        return sorted(rows.scalars())


def test_account_is_opened_frozen_unfrozen_and_closed_at_zero(run, database) -> None:
    opened = run("ledger", "account", "open", "operator_payable", "alpha")
    assert "opened, open" in opened.output
    assert "was open before" in run("ledger", "account", "open", "operator_payable", "alpha").output
    alpha = "operator_payable:alpha"
    assert "append-only" in run("ledger", "account", "show", alpha).output
    assert run("ledger", "account", "freeze", alpha, "--cause", "review").exit_code == 0
    again = run("ledger", "account", "freeze", alpha, "--cause", "review")
    assert (again.exit_code, "is frozen" in again.output) == (1, True)
    assert "frozen" in run("ledger", "account", "show", alpha).output
    assert run("ledger", "account", "unfreeze", alpha, "--cause", "over").exit_code == 0
    assert run("ledger", "account", "close", alpha, "--cause", "left", "--yes").exit_code == 0
    full = run("ledger", "account", "close", "provider_clearing:payos", "--cause", "left", "--yes")
    assert (full.exit_code, "still holds 10,000 VND" in full.output) == (1, True)
    assert run("ledger", "account", "close", "suspense:none", "--cause", "x", "--yes").exit_code == 1
    assert trail(database) == [f"ledger.account.{verb}" for verb in ("close", "freeze", "open", "unfreeze")]


def test_account_close_asks_first(run, database) -> None:
    assert run("ledger", "account", "close", "provider_clearing:payos", "--cause", "x").exit_code == 1
    assert trail(database) == []


@pytest.mark.parametrize(
    "words",
    [
        ("open", "no_such_kind", "alpha"),
        ("open", "rider_stored_value", "somebody"),
        ("open", "operator_payable", "alpha", "--currency", "XXZ"),
        ("open", "operator_payable", "alpha", "--limit", "5"),
        ("show", "neither-id-nor-name"),
    ],
)
def test_account_that_the_chart_does_not_know_is_refused(run, words) -> None:
    assert run("ledger", "account", *words).exit_code == 2


def test_account_shows_past_balances(run) -> None:
    def balance(*words: str) -> str:
        return run("ledger", "account", "show", "provider_clearing:payos", *words).output.splitlines()[0]

    assert balance().endswith("10,000 VND")
    assert balance("--on", "2026-11-17").endswith(" 0 VND")
    assert balance("--effective", "2026-11-18T09:00+07:00").endswith("10,000 VND")
    assert balance("--known", "2026-11-18T08:59+07:00").endswith(" 0 VND")
    assert balance("--service-day", "2026-11-18").endswith("10,000 VND")


def test_prove_goes_on_from_the_last_proof(run, database, monkeypatch) -> None:
    assert "Proven: 0 sealed lines," in run("ledger", "prove", "--since", "last").output
    run("ledger", "close", "2026-11-18")
    assert "Proven: 1 sealed lines," in run("ledger", "prove", "--since", "last").output
    again = run("ledger", "prove", "--since", "last").output
    assert "Proven: 0 sealed lines of 2026-11-19 and later" in again
    with database.engine.begin() as tx:
        found = tx.execute(text("SELECT since, through, lines FROM ledger_proof")).all()
    assert {tuple(each) for each in found} == {
        (None, date(2026, 11, 18), 1),
        (date(2026, 11, 19), date(2026, 11, 18), 0),
    }
    assert run("ledger", "prove", "--since", "yesterday").exit_code == 2


def test_prove_wants_the_heads_that_somebody_kept(run) -> None:
    run("ledger", "close", "2026-11-18")
    published = [json.loads(line) for line in run("ledger", "seals").output.splitlines()]
    (seal,) = [one for one in published if "head" in one]
    assert run("ledger", "prove", "--head", seal["head"]).exit_code == 0
    missing = run("ledger", "prove", "--head", "ab" * 32)
    assert (missing.exit_code, "expected in the chain" in missing.output) == (1, True)
    assert run("ledger", "prove", "--head", "xyz").exit_code == 2


def test_extension_shows_that_a_later_seal_extends_a_head(run) -> None:
    refused = run("ledger", "extension", "ab" * 32)
    assert refused.exit_code == 1
    run("ledger", "close", "2026-11-17")
    run("ledger", "close", "2026-11-18")
    first, last = (
        one for one in map(json.loads, run("ledger", "seals").output.splitlines()) if "head" in one
    )
    proof = json.loads(run("ledger", "extension", first["head"]).output)
    assert (proof["earlier"], proof["later"]) == (first, last)
    assert json.loads(run("ledger", "extension", first["head"], "--to", "2026-11-18").output) == proof
    backwards = run("ledger", "extension", last["head"], "--to", "2026-11-17")
    assert (backwards.exit_code, "not older" in backwards.output) == (1, True)
    assert "no seal has it" in run("ledger", "extension", "ab" * 32).output
    assert run("ledger", "extension", "xyz").exit_code == 2


def test_a_key_that_is_none_is_refused(run) -> None:
    assert run("ledger", "prove", "--trust", "xyz").exit_code == 2


def test_a_rotated_seal_key_is_introduced_by_the_one_before(run) -> None:
    run("ledger", "close", "2026-11-17")
    old = json.loads(run("ledger", "seals").output.splitlines()[0])["public_key"]
    made = run("keys", "rotate-seal")
    assert made.exit_code == 0, made.output
    new = made.output.split()[-1]
    run("ledger", "close", "2026-11-18")
    assert run("ledger", "prove", "--trust", old).exit_code == 0
    assert run("ledger", "prove").exit_code == 0
    assert run("ledger", "prove", "--trust", new).exit_code == 1


def test_settle_without_a_day_settles_what_is_due_oldest_first(run, monkeypatch) -> None:
    """What a timer calls: nothing before the cut-off, each day once after it, also those it slept through."""
    stand_at(monkeypatch, CUT_OFF - timedelta(seconds=1))
    early = run("settle")
    assert (early.exit_code, early.output) == (0, "no day is due\n")
    stand_at(monkeypatch, CUT_OFF + timedelta(days=2))
    done = run("settle", "--json", "--invoices")
    assert done.exit_code == 0, done.output
    days = [json.loads(line)["book_day"] for line in done.output.splitlines() if line.startswith("{")]
    assert days == ["2026-11-18", "2026-11-19", "2026-11-20"]
    assert done.output.count("invoices: 0 issued, 0 replaced, 0 cancelled, 0 sent") == 3
    assert run("settle").output == "no day is due\n"
