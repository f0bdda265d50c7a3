"""Compare the books with what is known by hand of the year's stays, at every close."""

from __future__ import annotations

from sqlalchemy import text

from bench.year.town import Town
from service.database import Database


def unexplained(database: Database, town: Town) -> int:
    """Return by how many đồng books and hand disagree: each operator's charges, and the cash that tills handed on."""
    charged = booked(database)
    with database.read() as tx:
        kept = tx.execute(
            text("SELECT coalesce(sum(amount), 0)::bigint FROM ledger_line WHERE kind = 'parking.cash_kept'")
        ).scalar_one()
    names = charged.keys() | town.expected.keys()
    apart = sum(abs(charged.get(name, 0) - town.expected.get(name, 0)) for name in names)
    return apart + abs(int(kept) - town.cash)


def booked(database: Database) -> dict[str, int]:
    """Return what stays were charged by the books, by operator, in đồng."""
    with database.read() as tx:
        rows = tx.execute(
            text(
                "SELECT operator_id, sum(delta_minor)::bigint FROM parking_bill_line"
                " WHERE component = 'charged' GROUP BY operator_id"
            )
        )
        return {row[0]: int(row[1]) for row in rows}
