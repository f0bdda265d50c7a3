"""Settlements of closed book days, for finance and auditors, and for each operator its own."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from apiflask import APIBlueprint, abort

from fare import earn
from ledger import settle
from ledger.rules.settlement import AMOUNTS, Settled
from service.auth import requires, scope
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("settlements", __name__, tag="Settlement", url_prefix="/v1/settlements")


@blueprint.get("/<book_day>")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR, Role.PARKING_OPERATOR)
def get_settlement(book_day: str) -> dict[str, Any]:
    """Return a settled book day (YYYY-MM-DD): settlements and lines per operator, coverage of stored value.

    `passes` is what pass money was earned that day; without an operator where nobody rode on the product.
    A caller limited to operators sees theirs, and no coverage. 404 while the day is not settled.
    """
    try:
        day = date.fromisoformat(book_day)
    except ValueError:
        abort(404)
    with services().database.read() as tx:
        settled = settle.find_settled(tx, day)
        earned = earn.list_earned(tx, day)
    if settled is None:
        abort(404, f"{day} is not settled.")
    document = as_document(settled)
    limited = scope()
    passes = [
        {
            "product_id": one.product_id,
            "operator_id": operator,
            "earned": {"minor": minor, "currency": one.currency},
        }
        for one in earned
        for operator, minor in sorted({**one.parts, "": one.unridden_minor}.items())
        if minor
    ]
    if limited is None:
        return {**document, "passes": passes}
    return {
        "book_day": document["book_day"],
        **{
            name: [one for one in _rows(document[name]) if one["operator_id"] in limited]
            for name in ("settlements", "lines")
        },
        "passes": [one for one in passes if one["operator_id"] in limited],
    }


def as_document(settled: Settled) -> dict[str, object]:
    """Return a settled day as JSON has it."""
    coverage = settled.coverage
    return {
        "book_day": settled.book_day.isoformat(),
        "settlements": [
            {
                "operator_id": one.operator_id,
                "trips": one.trips,
                **{name: getattr(one, name).to_json() for name in AMOUNTS},
                "fees": one.fees.to_json(),
                "net": one.net.to_json(),
                "subsidy": one.subsidy.to_json(),
                "reconciled": one.reconciled,
            }
            for one in settled.settlements
        ],
        "lines": [
            {
                "house": line.house,
                "operator_id": line.operator_id,
                "mode": line.mode,
                "route_id": line.route_id,
                "trips": line.trips,
                **{name: getattr(line, name).to_json() for name in AMOUNTS},
            }
            for line in settled.lines
        ],
        "coverage": {
            "stored_value": coverage.stored_value.to_json(),
            "guarantee": coverage.guarantee.to_json(),
            "clearing": coverage.clearing.to_json(),
            "receivable": coverage.receivable.to_json(),
            "surplus": coverage.surplus.to_json(),
            "covered": coverage.covered,
        },
    }


def _rows(value: object) -> list[dict[str, Any]]:
    assert isinstance(value, list), "a list of documents"
    return value
