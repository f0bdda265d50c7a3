"""`lienthong parking` from data files alone."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from parking.publish_rates import Rates
from service.cli import main
from service.commands import context
from tests.parking.books import made_up
from tests.parking.test_rate_edges import HOURLY

STAY = ["--place", "dong-da-01", "--class", "car_le9", "--from", "2026-11-18T09:00"]


def run(*arguments, text=None):
    return CliRunner().invoke(main, ["parking", *arguments], input=text)


def test_a_quote_as_json_is_a_proof_that_proves(tmp_path):
    quoted = run("quote", *STAY, "--to", "2026-11-18T17:00", "--json")
    proof = json.loads(quoted.output)
    assert (proof["total"]["minor"], proof["decision"]) == (300_000, "44/2017/QĐ-UBND")
    assert run("prove", "-", text=quoted.output).exit_code == 0
    proof["lines"][0]["units"] = 3
    refused = run("prove", "-", text=json.dumps(proof))
    assert (refused.exit_code, "lines" in refused.output) == (1, True)


def test_a_quote_is_a_table_for_people():
    assert "165,000 VND" in run("quote", *STAY, "--to", "2026-11-18T14:00").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([*STAY, "--to", "2026-11-18T08:00"], "ends before it begins"),
        ([*STAY, "--to", "soon"], "not a time"),
        (["--place", "moon", *STAY[2:], "--to", "2026-11-18T10:00"], "no place"),
        ([*STAY, "--to", "2026-11-18T10:00", "--unit", "kWh=3"], "kWh"),
    ],
)
def test_a_quote_that_cannot_be_says_why(arguments, says):
    found = run("quote", *arguments)
    assert found.exit_code != 0
    assert says in found.output


def test_bad_files_are_named_by_file_row_and_field(tmp_path):
    for name, body in made_up("", HOURLY.replace("10000", "ten")).items():
        (tmp_path / name).write_bytes(body)
    found = run("check", "--rates", str(tmp_path))
    assert found.exit_code == 2
    assert "rate_lines.csv:2: value: “ten” is not an amount in VND" in found.output


def test_publish_needs_two_people_and_says_from_when(database, monkeypatch):
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    context.settings.cache_clear()
    one = run("publish", "--prepared-by", "mai", "--approved-by", "mai")
    two = run("publish", "--prepared-by", "mai", "--approved-by", "tuan")
    again = run("publish", "--prepared-by", "mai", "--approved-by", "tuan", "--from", "2030-01-01T00:00")
    context.settings.cache_clear()
    assert (one.exit_code, "one person" in one.output) == (1, True)
    assert two.exit_code == 0, two.output
    assert "published already" in again.output
    with database.engine.connect() as tx:
        assert Rates(tx).at(datetime(2026, 11, 18, tzinfo=UTC)).place("dong-da-01").capacity == 60
