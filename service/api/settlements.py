"""Settlements of closed book days, for finance and auditors, and for each operator its own."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from apiflask import APIBlueprint, abort

from fare import earn
from ledger import settle
from ledger.rules.settlement import AMOUNTS, Settled
from service.api import settlement_documents as shown
from service.auth import requires, scope
from service.reconcile_words import coverage_document
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("settlements", __name__, tag="Settlement", url_prefix="/v1/settlements")


@blueprint.get("/<book_day>")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR, Role.PARKING_OPERATOR)
@blueprint.output(shown.SettlementBody)
def get_settlement(book_day: str) -> dict[str, Any]:
    """Return a settled book day (YYYY-MM-DD): settlements, lines, adjustments of earlier days and claims per operator,
    and the coverage of stored value.

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
            for name in ("settlements", "lines", "adjustments", "claims")
        },
        "passes": [one for one in passes if one["operator_id"] in limited],
    }


@blueprint.get("/<book_day>/steps")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR)
@blueprint.output(shown.SettleStepsBody)
def list_steps(book_day: str) -> dict[str, Any]:
    """Return what settling a book day has done so far, in order; empty before it began."""
    try:
        day = date.fromisoformat(book_day)
    except ValueError:
        abort(404)
    with services().database.read() as tx:
        found = settle.list_steps(tx, day)
    return {
        "steps": [
            {"step": one.step, "run": one.run_no, "detail": one.detail, "at": one.at.isoformat()}
            for one in found
        ]
    }


def as_document(settled: Settled) -> dict[str, object]:
    """Return a settled day as JSON has it."""
    return {
        "book_day": settled.book_day.isoformat(),
        "settlements": [
            {
                "operator_id": one.operator_id,
                "trips": one.trips,
                **{name: getattr(one, name).to_json() for name in AMOUNTS},
                "net": one.net.to_json(),
                "cash_kept": one.cash_kept.to_json(),
                "to_pay": one.to_pay.to_json(),
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
                "service_day": line.service_day.isoformat(),
                "trips": line.trips,
                **{name: getattr(line, name).to_json() for name in AMOUNTS},
                "net": line.net.to_json(),
            }
            for line in settled.lines
        ],
        "adjustments": [
            {
                "operator_id": one.operator_id,
                "service_day": one.service_day.isoformat(),
                "trips": one.trips,
                "net": one.net.to_json(),
            }
            for one in settled.adjustments
        ],
        "claims": [
            {
                "house": one.house,
                "operator_id": one.operator_id,
                "route_id": one.route_id,
                "service_day": one.service_day.isoformat(),
                "funder": one.funder,
                "component": one.component,
                "rule": one.rule,
                "rides": one.rides,
                "amount": one.amount.to_json(),
            }
            for one in settled.claims
        ],
        "coverage": coverage_document(settled.coverage),
    }


def _rows(value: object) -> list[dict[str, Any]]:
    assert isinstance(value, list), "a list of documents"
    return value
