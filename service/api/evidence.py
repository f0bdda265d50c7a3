"""What the stored evidence of a day comes to, for auditors: to be held against cards, readers and bills."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from apiflask import APIBlueprint, abort

from access.tally import tally
from kernel.service_day import day_window
from service.auth import requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("evidence", __name__, tag="Evidence", url_prefix="/v1/evidence")


@blueprint.get("/<service_day>")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR, Role.ADMINISTRATOR)
def get_tally(service_day: str) -> dict[str, Any]:
    """Return how many tap records a service day (YYYY-MM-DD) has per operator, and what stands behind them.

    `committed` is what the cards' transaction counters must sum to. 404 for what is no date, or while no
    tariff says when a service day starts.
    """
    try:
        day = date.fromisoformat(service_day)
    except ValueError:
        abort(404)
    running = services()
    with running.database.read() as tx:
        books = running.shelf.books(tx)
        if not books.newest:
            abort(404, "No tariff is published.")
        book = books.current()
        rows = tally(tx, day_window(day, book.day_starts, book.zone))
    names = ("records", "proven", "torn_proven", "torn_open", "refused", "in_exception", "committed")
    return {
        "service_day": day.isoformat(),
        "operators": [
            {"operator_id": row.operator_id, **{name: getattr(row, name) for name in names}} for row in rows
        ],
        "total": {name: sum(getattr(row, name) for row in rows) for name in names},
    }
