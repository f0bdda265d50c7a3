"""`lienthong bank`: statements in and payment files out, from the command line alone."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from lxml import etree

from demo.bank_statements import camt, mt940
from service import cli
from service.commands import context

DAY = {
    "id": "S1",
    "account": "0011",
    "opening": 1_000,
    "day": "2026-11-18",
    "movements": [
        {"amount": 500, "paid_at": "2026-11-18T09:00:00+07:00", "reference": "FT1", "description": "Nạp thẻ LT1"}
    ],
}  # fmt: skip


@pytest.fixture(autouse=True)
def fresh_settings(monkeypatch):
    monkeypatch.delenv("LIENTHONG_DATABASE_URL", raising=False)
    context.settings.cache_clear()
    yield
    context.settings.cache_clear()


def lienthong(*arguments, **options):
    result = CliRunner().invoke(cli.main, list(map(str, arguments)), **options)
    return result.exit_code, result.output


@pytest.mark.parametrize(("write", "format_"), [(camt, "camt.053"), (mt940, "mt940")])
def test_read_json_has_statements_balances_entries_and_findings(tmp_path: Path, write, format_):
    file = tmp_path / "statement"
    file.write_bytes(write([DAY, DAY | {"id": "S2", "opening": 1_500, "sequence": 2}]))
    code, output = lienthong("bank", "read", file, "--json")
    found = json.loads(output)
    assert (code, found["format"], found["status"], found["findings"]) == (0, format_, "accepted", [])
    assert [one["id"] for one in found["statements"]] == ["S1", "S2"]
    first = found["statements"][0]
    assert first["opening"] == {"minor": 1_000, "currency": "VND"}
    assert [one["kind"] for one in first["balances"]] == ["OPBD", "CLBD"]
    assert first["entries"][0]["amount"]["minor"] == 500
    assert first["entries"][0]["text"] == "Nạp thẻ LT1"


def test_read_ends_with_1_and_says_why_when_a_statement_does_not_balance(tmp_path: Path):
    code, output = lienthong("bank", "read", "-", input=camt([DAY | {"closing": 1_491}]))
    assert code == 1
    assert "divisible by 9" in output
    code, output = lienthong("bank", "read", "-", "--json", input=camt([DAY | {"closing": 1_491}]))
    found = json.loads(output)
    assert (code, found["status"], found["reason"]) == (1, "quarantined", "does-not-balance")
    assert found["findings"][0]["statement"] == 1


def test_read_keeps_to_the_size_limit(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("LIENTHONG_BANK_FILE_MAX_BYTES", "1024")
    code, output = lienthong("bank", "read", "-", "--json", input=camt([DAY] * 10))
    assert (code, json.loads(output)["reason"]) == (1, "too-large")


@pytest.mark.parametrize(("version", "day"), [("pain.001.001.09", "Dt"), ("pain.001.001.03", "ReqdExctnDt")])
def test_pay_prints_a_payment_file(tmp_path: Path, version, day):
    file = tmp_path / "payments.csv"
    file.write_text(
        "id,amount,name,account,text\nLT1,50000,Transerco,0021,Quyết toán\nLT2,7,Metro,0022,\n", "utf-8"
    )
    code, output = lienthong(
        "bank", "pay", file, "--message-id", "M1", "--on", "2026-11-19", "--name", "Trung tâm", "--account", "0011",
        "--version", version,
    )  # fmt: skip
    assert code == 0
    document = etree.fromstring(output.encode())
    assert [one.text for one in document.iter("{*}CtrlSum")] == ["50007", "50007"]
    assert [one.text for one in document.iter("{*}NbOfTxs")] == ["2", "2"]
    assert next(document.iter("{*}" + day)).text == "2026-11-19"


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("id,name,account\nLT1,Transerco,0021\n", "no column 'amount'"),
        ("id,amount,name,account\nLT1,-5,Transerco,0021\n", "not more than nothing"),
        ("id,amount,name,account\nLT1,5.5,Transerco,0021\n", "not an amount"),
    ],
)
def test_pay_refuses_what_cannot_be_paid(tmp_path: Path, rows, why):
    file = tmp_path / "payments.csv"
    file.write_text(rows, "utf-8")
    code, output = lienthong(
        "bank", "pay", file, "--message-id", "M1", "--on", "2026-11-19", "--name", "T", "--account", "0011"
    )
    assert code == 1
    assert why in output
