"""Every published price that we know of, from data files alone."""

import csv
from datetime import datetime
from pathlib import Path

import pytest

from kernel.money import Money
from parking.rules.quote import price, quote_between
from tests.parking.books import book

with (Path(__file__).parent / "published.csv").open(encoding="utf-8") as file:
    PUBLISHED = list(csv.DictReader(file))


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row['rates']}:{row['place']}:{row['to']}")
def test_published_price(row):
    rates = book(row["rates"])
    zone = rates.place(row["place"]).zone
    entered = datetime.fromisoformat(row["from"]).replace(tzinfo=zone)
    left = datetime.fromisoformat(row["to"]).replace(tzinfo=zone)
    table = rates.table_for(row["place"], row["vehicle_class"], entered, user=row["user"])
    expected = Money.parse(row["expect"], table.currency)
    quote = quote_between(table, entered, left)
    assert quote.total == expected, row["source"]
    assert price(table, entered, left) == expected
    assert sum(line.amount.minor for line in quote.lines()) == expected.minor


def test_apds_taxes_per_part_and_on_the_total():
    """APDS use cases, table C.7: 30.00 at 4 %, 15.00 at 5 %, sales tax of 10 % on 46.95."""
    at = datetime.fromisoformat("2022-11-09T12:00+01:00")
    quote = quote_between(book("apds").table_for("services", "car", at), at, at, extras={"car wash": 1})
    by_ref = {line.ref: line.amount.minor for line in quote.lines() if line.ref}
    assert (by_ref["parking tax"], by_ref["wash tax"], by_ref["sales tax"]) == (120, 75, 470)
    assert str(quote.total) == "51.65 EUR"


def test_apds_prepaid_four_hours_leave_two_euros_due():
    """APDS use cases, table C.6: prepaid 6.50, stayed 5 h 31, still due 2.00."""
    at = datetime.fromisoformat("2022-11-09T13:41+01:00")
    table = book("apds").table_for("garage-reserved", "car", at)
    prepaid = price(table, at, at.replace(hour=17))
    assert str(prepaid) == "6.50 EUR"
    assert str(price(table, at, at.replace(hour=19, minute=12)) - prepaid) == "2.00 EUR"


@pytest.mark.parametrize(
    ("spec_id", "expected"),
    [("hoan-kiem-12-month-day", 3_000_000), ("hoan-kiem-12-month", 4_000_000),
     ("hoan-kiem-other-month-day", 2_000_000), ("hoan-kiem-other-month", 3_000_000),
     ("ring-3-low-month", 1_500_000), ("ring-3-high-month", 1_800_000)],
)  # fmt: skip
def test_published_month_passes(spec_id, expected):
    """hanoitimes.com.vn, January 2018."""
    assert book("hanoi").rights[spec_id][0].value.price.minor == expected


def test_every_row_of_hanoi_has_a_start_and_a_source():
    for path in (Path(__file__).parents[2] / "parking" / "rates" / "hanoi").glob("*.csv"):
        with path.open(encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                assert row["valid_from"], path.name
                assert row["source"], path.name
