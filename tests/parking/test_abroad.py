"""Tariffs such as other countries print, by data alone and through the command that everybody has."""

import csv
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from parking.proof import check_proof
from parking.rules.quote import price, quote_between
from service.cli import main
from tests.parking.books import RATES, book

HERE = Path(__file__).parent


def cases(name):
    """The rows of a table of cases, each with the directory of rates that prices it."""
    with (HERE / f"{name}.csv").open(encoding="utf-8") as file:
        return [{"rates": name, "user": "casual", **row} for row in csv.DictReader(file)]


ABROAD, WORLD, CITIES, SIGNS = (cases(name) for name in ("abroad", "world", "cities", "signs"))


def quoted(row):
    """What `lienthong parking quote` answers."""
    rates = str(RATES / row["rates"])
    asked = ["parking", "quote", "--rates", rates, "--place", row["place"], "--class", "car"]
    asked += ["--user", row["user"], "--from", row["from"], "--to", row["to"], "--json"]
    asked += ["--paid-until", row["paid_until"]] if row["paid_until"] else []
    asked += [word for unit in filter(None, row["units"].split(";")) for word in ("--unit", unit)]
    answer = CliRunner().invoke(main, asked)
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.output)


@pytest.mark.parametrize(
    "row",
    [*ABROAD, *WORLD, *CITIES],
    ids=lambda row: f"{row['place']}:{row['user']}:{row['from']}:{row['to']}",
)
def test_a_tariff_from_abroad(row):
    proof = quoted(row)
    lines = sum(line["amount"]["minor"] for line in proof["lines"])
    assert lines == proof["total"]["minor"], "the lines are the total"
    assert proof["total"]["minor"] == int(row["expect"].replace(".", "")), row["why"]
    assert check_proof(proof, book(row["rates"])) == (), "it recomputes"
    for line in proof["lines"]:
        if line["kind"] == "line" and line["units"]:
            assert line["units"] * line["unit_price"]["minor"] == line["amount"]["minor"]


def test_included_tax_is_shown_and_not_added():
    row = next(each for each in ABROAD if each["place"] == "tickets" and each["expect"] == "12.00")
    shown = [line for line in quoted(row)["lines"] if line["kind"] == "tax_included"]
    assert [line["unit_price"]["minor"] for line in shown] == [192]


@pytest.mark.parametrize(
    "row", SIGNS, ids=lambda row: f"{row['place']}:{row['class']}:{row['from']}:{row['to']}"
)
def test_a_tariff_that_somebody_publishes(row):
    rates = book("signs")
    zone = rates.place(row["place"]).zone
    entered, left = (datetime.fromisoformat(row[name]).replace(tzinfo=zone) for name in ("from", "to"))
    table = rates.table_for(row["place"], row["class"], entered)
    units = {
        name: Decimal(count)
        for name, _, count in (each.partition("=") for each in row["units"].split(";"))
        if name
    }
    found = quote_between(table, entered, left, extras=units)
    lines = found.lines()
    assert found.total.minor == int(row["expect"].replace(".", "")), row["why"]
    assert sum(line.amount.minor for line in lines) == found.total.minor, "the lines are the total"
    assert units or price(table, entered, left) == found.total, "the fast way comes to the same"
    proof = {**found.to_json(), "place_id": row["place"], "vehicle_class": row["class"], "user": "casual"}
    assert check_proof(proof, rates) == (), "it recomputes"
    for line in lines:
        if line.units and line.unit_price is not None:
            assert line.unit_price * line.units == line.amount or line.kind.value == "tax_included"
