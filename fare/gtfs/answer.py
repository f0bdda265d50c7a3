"""What `lienthong fare price --json` answers: bills and explanations, each tap named by its row of the file."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from fare.gtfs.taps import NamedTap, PricedRider
from fare.rules.bill import Bill, Component
from fare.rules.explain import explain
from fare.rules.tariff import TariffBook
from kernel.money import Money


def answer(
    priced: tuple[PricedRider, ...], taps: tuple[NamedTap, ...], book: TariffBook
) -> dict[str, object]:
    """Return the JSON object that docs/tariff-authors.md describes under “The answer”."""
    rows: dict[UUID, int] = {one.tap.tap_id: one.row for one in taps}
    return {
        "tariff_version": book.version,
        "currency": book.currency.code,
        "riders": [
            {
                "rider": rider.rider,
                "charged": charged(rider, book).to_json(),
                "days": [
                    {
                        **_with_rows(bill, rows),
                        "parts": asdict(bill.parts),
                        "explanations": [
                            {"row": rows.get(UUID(one.tap_id)), **one.to_json()}
                            for one in explain(facts, book, carried).taps
                        ],
                    }
                    for facts, carried, bill in rider.days
                ],
            }
            for rider in priced
        ],
    }


def charged(rider: PricedRider, book: TariffBook) -> Money:
    """Return what a rider pays over all days."""
    return sum(
        (
            line.amount
            for _, _, bill in rider.days
            for line in bill.lines
            if line.component is Component.CHARGED
        ),
        Money.zero(book.currency),
    )


def _with_rows(bill: Bill, rows: Mapping[UUID, int]) -> dict[str, Any]:
    body = bill.to_json()
    for name in ("lines", "rides", "unpriced"):
        told = body[name]
        assert isinstance(told, list), "a bill's lists"
        for one in told:
            one["row"] = rows.get(UUID(one["tap_id"]))
            if name == "rides":
                one["off_row"] = None if one["tap_off_id"] is None else rows.get(UUID(one["tap_off_id"]))
    return body
