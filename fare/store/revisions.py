"""SQL of a bill's history: every revision of an account-day and every line it booked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, text

from fare.store.bills import COLUMNS, Header, header_of
from kernel.ids import FareAccountId


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """One revision of an account-day as it was written."""

    header: Header
    billed_at: datetime


def list_revisions(
    tx: Connection, fare_account_id: FareAccountId, days: Sequence[date]
) -> tuple[StoredRevision, ...]:
    """Every revision of these days of an account, day by day, oldest first."""
    rows = tx.execute(
        text(
            f"SELECT {COLUMNS}, billed_at FROM fare_bill WHERE fare_account_id = :account"
            " AND service_day = ANY(CAST(:days AS date[])) ORDER BY service_day, revision"
        ),
        {"account": fare_account_id, "days": list(days)},
    )
    return tuple(StoredRevision(header_of(row), row[10]) for row in rows)


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """One booked difference of a tap's charge; `entry_id` is None where no money moved."""

    revision: int
    tap_id: UUID
    component: str
    operator_id: str
    funder: str
    route_id: str
    rule: str
    minor: int
    book_day: date
    entry_id: UUID | None

    def plus(self, minor: int) -> "ChargeLine":
        """Return the line with so much more in it."""
        return replace(self, minor=self.minor + minor)


def list_charge_lines(
    tx: Connection, fare_account_id: FareAccountId, service_day: date
) -> tuple[ChargeLine, ...]:
    """Every revision's lines of one account-day, oldest first: the history a rider may ask for."""
    rows = tx.execute(
        text(
            """
            SELECT revision, tap_id, component, operator_id, funder, route_id, rule, delta_minor, book_day, entry_id
            FROM fare_bill_line
            WHERE fare_account_id = :account AND service_day = :day
            ORDER BY revision, line_no
            """
        ),
        {"account": fare_account_id, "day": service_day},
    )
    return tuple(ChargeLine(*row) for row in rows)
