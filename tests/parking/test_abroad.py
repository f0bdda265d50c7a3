"""Tariffs such as other countries print, by data alone and through the command that everybody has."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from parking.proof import check_proof
from service.cli import main
from tests.parking.books import RATES, book

with (Path(__file__).parent / "abroad.csv").open(encoding="utf-8") as file:
    CASES = list(csv.DictReader(file))


def quoted(row):
    """What `lienthong parking quote` answers."""
    asked = ["parking", "quote", "--rates", str(RATES / "abroad"), "--place", row["place"], "--class", "car"]
    asked += ["--from", row["from"], "--to", row["to"], "--json"]
    asked += ["--paid-until", row["paid_until"]] if row["paid_until"] else []
    asked += ["--unit", row["units"]] if row["units"] else []
    answer = CliRunner().invoke(main, asked)
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.output)


@pytest.mark.parametrize("row", CASES, ids=lambda row: f"{row['place']}:{row['to']}")
def test_a_tariff_from_abroad(row):
    proof = quoted(row)
    lines = sum(line["amount"]["minor"] for line in proof["lines"])
    assert lines == proof["total"]["minor"], "the lines are the total"
    assert proof["total"]["minor"] == int(row["expect"].replace(".", "")), row["why"]
    assert check_proof(proof, book("abroad")) == (), "it recomputes"
    for line in proof["lines"]:
        if line["kind"] == "line" and line["units"]:
            assert line["units"] * line["unit_price"]["minor"] == line["amount"]["minor"]


def test_included_tax_is_shown_and_not_added():
    row = next(each for each in CASES if each["place"] == "tickets" and each["expect"] == "12.00")
    shown = [line for line in quoted(row)["lines"] if line["kind"] == "tax_included"]
    assert [line["unit_price"]["minor"] for line in shown] == [192]
